"""The embedded network, small, trained, with its pictures; and a real ImageNet network for photographs (`imagenet`).

The embedded one makes every command work without a download, and gives tests a ground truth: a picture's mask tells
which shape decides its class. A good order of reading: `scene` (which shapes are where), `drawing` (a scene becomes
pixels), `pictures` (many of them, with labels and masks), `network` (the classifier), `imagenet`. Nothing here imports
the rest of tfviz but its errors; `scripts/train_demo.py` trains the weights.
"""

from .imagenet import IMAGENET_NETWORK, how_to_install, imagenet_class_names, load_imagenet, photograph_paths
from .network import load_network, sample_paths
from .pictures import generate
from .scene import CLASS_NAMES

__all__ = [
    "CLASS_NAMES",
    "IMAGENET_NETWORK",
    "generate",
    "how_to_install",
    "imagenet_class_names",
    "load_imagenet",
    "load_network",
    "photograph_paths",
    "sample_paths",
]
