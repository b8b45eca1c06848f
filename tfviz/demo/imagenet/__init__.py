"""EfficientNet-Lite0, a real ImageNet network for photographs, from weights on the package index; and two photographs.

The weights come as a package without code (the extra `imagenet`); nothing is downloaded when they are read. A good
order of reading: `network` (layers), `torch_file` (the format of the weights), `package` (where they and the
photographs lie), `class_names` (the 1,000 classes).
"""

from .class_names import imagenet_class_names
from .network import load_imagenet
from .package import IMAGENET_NETWORK, how_to_install, photograph_paths

__all__ = ["IMAGENET_NETWORK", "how_to_install", "imagenet_class_names", "load_imagenet", "photograph_paths"]
