"""Photographs: two that a package ships, for any ImageNet network, and those beside the checkout with their network."""

import numpy as np

from support.places import SHARED
from tfviz.apps.files import fit_image, read_image
from tfviz.apps.model import find_preprocessing
from tfviz.demo import photograph_paths

SAMPLES = tuple(path.name for path in photograph_paths())


def sample_images(size=224):
    """The photographs of `tfviz.demo` as networks of 0..255 take them, float32 (2, size, size, 3)."""
    pictures = [fit_image(read_image(path), (size, size), "crop") for path in photograph_paths()]
    return np.stack(pictures).astype(np.float32)


def read(*names):
    """Photographs of ../shared as the network there takes them."""
    preprocess = find_preprocessing("mean=104,117,123;std=1,1,1;order=bgr")
    # As the labels beside them were checked.
    how = {"crop_fraction": 227 / 256, "interpolation": "area"}
    pictures = [fit_image(read_image(SHARED / "images" / name), (227, 227), **how) for name in names]
    return preprocess(np.stack(pictures))
