"""The embedded default: a small trained network, its class names, sample pictures and their generator."""

from .network import load_network, sample_paths
from .pictures import generate
from .scene import CLASS_NAMES

__all__ = ["CLASS_NAMES", "generate", "load_network", "sample_paths"]
