"""The embedded network: small, trained, with class names, sample pictures and the generator of all its pictures.

It makes every command work without a download, and gives tests a ground truth: a picture's mask tells which shape
decides its class. A good order of reading: `scene` (which shapes are where), `drawing` (a scene becomes pixels),
`pictures` (many of them, with labels and masks), `network` (the classifier). Nothing here imports the rest of tfviz;
`scripts/train_demo.py` trains the weights.
"""

from .network import load_network, sample_paths
from .pictures import generate
from .scene import CLASS_NAMES

__all__ = ["CLASS_NAMES", "generate", "load_network", "sample_paths"]
