"""Photographs: two that a package ships, for any ImageNet network, and those beside the checkout with their network."""

import cv2
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
    """Photographs of ../shared as their labels were checked: the shorter side 256 by area, the centre of 227."""
    preprocess = find_preprocessing("mean=104,117,123;std=1,1,1;order=bgr")
    return preprocess(np.stack([centre(read_image(SHARED / "images" / name)) for name in names]))


def centre(picture, side=227, shorter=256):
    height, width = (round(length * shorter / min(picture.shape[:2])) for length in picture.shape[:2])
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    top, left = (height - side) // 2, (width - side) // 2
    return resized[top : top + side, left : left + side]
