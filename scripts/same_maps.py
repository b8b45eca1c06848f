"""Print a digest of the maps of every method, or say which of them differ from those of another commit.

    python scripts/same_maps.py > before.json              # at the one commit
    python scripts/same_maps.py --than before.json         # at the other one, on the same machine
    python scripts/same_maps.py --model squeezenet.keras --size 227

A change of structure must leave every bit as it is. Maps are those of the embedded network on its own pictures, or of
another model on random images in its range; of each network live and, where that is asked for, as a SavedModel.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import tfviz
from tfviz import demo

FEW_RUNS = {"rise": {"masks": 16}, "occlusion": {"patch": 16, "stride": 16}}
"""Options of methods that would run hundreds of times."""


def digest(values: Any) -> str:
    """Return the first 16 hexadecimal digits of an array's SHA-256."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def digests(model: Any, images: np.ndarray, targets: list[int]) -> dict[str, str]:
    """Return the digest of the result of every method on images, and towards two targets of each image."""
    found = {"logits": digest(tfviz.trace(model).logits(images))}
    for name in tfviz.METHODS:
        options = {key: value for key, value in FEW_RUNS.get(name, {}).items() if key in tfviz.METHODS[name].options}
        found[name] = digest(getattr(tfviz, name)(model, images, targets, **options))
    explanation = tfviz.explain(model, images, methods=("grad_cam", "gradient", "layer_cam"), top=2)
    found |= {f"explain/{name}": digest(values) for name, values in explanation.maps.items()}
    return found


def embedded(folder: Path) -> dict[str, dict[str, str]]:
    """Return the digests of the embedded network, live and saved."""
    model, pictures = demo.load_network(), demo.generate(3, seed=1)
    model.export(folder / "saved", verbose=False)
    given = pictures.images, [int(label) for label in pictures.labels]
    return {"demo": digests(model, *given), "demo, SavedModel": digests(str(folder / "saved"), *given)}


def main() -> None:
    """Print digests as JSON, or what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a model of one input; random images are made for it")
    parser.add_argument("--size", type=int, default=224, help="pixels a side of its images")
    parser.add_argument("--than", type=Path, help="what this script printed at another commit")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    tf.keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        found = embedded(Path(folder))
    if arguments.model:
        images = np.random.default_rng(0).uniform(-110, 140, (2, arguments.size, arguments.size, 3))
        found[arguments.model.stem] = digests(str(arguments.model), images.astype(np.float32), [1, 2])
    if arguments.than is None:
        print(json.dumps(found, indent=1))
        return
    before = json.loads(arguments.than.read_text())
    differing = [
        f"{kind}: {name}" for kind in found for name, each in found[kind].items() if before[kind][name] != each
    ]
    print(f"{sum(map(len, found.values()))} results, {len(differing)} differ from before", *differing, sep="\n")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
