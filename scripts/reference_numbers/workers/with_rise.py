"""RISE's own deletion and insertion.

    python with_rise.py FILE CHECKOUT COMMIT

On softmax, 16 pixels a step (its default is an image's side), deletion to zeros, insertion from its Gaussian blur. The
class is the predicted one, as it always is there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from inputs import SIDE, inputs, write
from torch_networks import Linear, first, leave_out


def main() -> None:
    file, checkout, commit = sys.argv[1:]
    sys.path.insert(0, checkout)
    leave_out("torchvision")
    import evaluation

    evaluation.HW = SIDE * SIDE
    torch.Tensor.cuda = lambda tensor: tensor  # it knows no other device
    arrays = inputs()
    network = torch.nn.Sequential(Linear(arrays), torch.nn.Softmax(dim=1)).eval()
    kernel = evaluation.gkern(11, 5)
    images = torch.from_numpy(first(arrays["images"]))

    def blurred(images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv2d(images, kernel, padding=5)

    found = {"step": SIDE, "gkern": kernel[0, 0].numpy(), "blurred": np.moveaxis(blurred(images).numpy(), 1, -1)[:1]}
    with torch.no_grad():
        found["classes"] = network(images).argmax(1).numpy()
        for name, mode, substrate in (("deletion", "del", torch.zeros_like), ("insertion", "ins", blurred)):
            metric = evaluation.CausalMetric(network, mode, SIDE, substrate)
            curves = [metric.single_run(images[i : i + 1], arrays["maps"][i]) for i in range(len(images))]
            found[f"{name}_curves"] = np.stack(curves)
            found[name] = np.array([evaluation.auc(curve) for curve in curves])
    write(Path(file), ("numpy", "scipy", "torch"), found, commit)


if __name__ == "__main__":
    main()
