"""Photographs beside the checkout, as the network beside it takes them."""

import numpy as np

from support.places import SHARED
from tfviz.apps.files import fit_image, read_image
from tfviz.apps.model import find_preprocessing


def read(*names):
    preprocess = find_preprocessing("mean=104,117,123;std=1,1,1;order=bgr")
    pictures = [fit_image(read_image(SHARED / "images" / name), (227, 227), crop_fraction=227 / 256) for name in names]
    return preprocess(np.stack(pictures))
