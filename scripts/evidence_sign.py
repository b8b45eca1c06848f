"""Measure on the embedded network what boxes hold: evidence for a class or against it, by the way to one number.

    python scripts/evidence_sign.py --pictures 200

Of each method, of the true class and of one that is not there (the predicted one after the true one, by number), it
prints for each reduction the share of boxes that hold at least as much evidence against the class as for it, and the
mean IoU with the true box.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np

import tfviz
from tfviz import demo
from tfviz.errors import TfvizWarning
from tfviz.results import box_iou, box_mask, collapse, grabcut_mask, largest_box

REDUCTIONS = ("max_abs", "sum", "positive")
CLASSES = len(demo.CLASS_NAMES)


def reduced(values: np.ndarray, how: str) -> np.ndarray:
    """Return maps (N, H, W) of attributions."""
    return np.maximum(values, 0).sum(axis=-1) if how == "positive" else collapse(values, how)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=200)
    attributions = [name for name, method in tfviz.METHODS.items() if method.result == "attribution"]
    parser.add_argument("--method", action="append", choices=attributions)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", TfvizWarning)
    network = tfviz.trace(demo.load_network())
    pictures = demo.generate(arguments.pictures, seed=1)
    truth = largest_box(pictures.masks)
    size = pictures.masks.shape[1:]
    print("| method | class | reduction | against ≥ for | IoU |\n| --- | --- | --- | --- | --- |")
    for name in arguments.method or ["integrated_gradients", "input_x_gradient", "gradient"]:
        for which, shift in (("true", 0), ("absent", 4)):
            targets = (pictures.labels + shift) % CLASSES
            values = getattr(tfviz, name)(network, pictures.images, targets)
            for how in REDUCTIONS:
                boxes = largest_box(grabcut_mask(pictures.images, reduced(values, how)))
                inside = (values.sum(axis=-1) * box_mask(boxes, size)).sum(axis=(1, 2))
                against, overlap = (inside <= 0).mean(), box_iou(boxes, truth).mean()
                print(f"| {name} | {which} | {how} | {against:.0%} | {overlap:.2f} |", flush=True)


if __name__ == "__main__":
    main()
