"""Turns images and attributions into pictures: uint8 RGB, (N, H, W, 3) or (H, W, 3).

Each kind of array has its own way into 0..255. The preprocessed input of a network is stretched between its extremes;
attributions lie around mid-grey, so that their sign can be seen; differences are magnified by a fixed factor, so that
two pictures of them can be compared. A network with one channel gets its pictures in grey: maps over a colour picture
would show what the network never saw.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.arrays import Picture
from tfviz.results.checks import check_attributions, check_color_channels, check_images, check_pictures
from tfviz.results.colors import LUMINANCE
from tfviz.results.scale import normalise_gradient

MIDDLE = 127.5  # of a picture's values, 0..255


def to_picture(images: ArrayLike) -> Picture:
    """Turn any images into pictures, such as the preprocessed input of a network.

    Parameters
    ----------
    images : (N, H, W, C) or (H, W, C), C = 1 (grey) or 3 (RGB; reverse the last axis of BGR input first)
        uint8 images are taken as they are; others are stretched, each from its minimum (0) to its maximum (255), and a
        constant image becomes black.

    Returns
    -------
    uint8 (N, H, W, 3) or (H, W, 3)
    """
    values = check_images(images)
    if np.asarray(images).dtype != np.uint8:
        axes = (-3, -2, -1)
        values = values - values.min(axis=axes, keepdims=True)
        largest = values.max(axis=axes, keepdims=True)
        values = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0) * 255
    return _three_channels(values)


def grey_picture(pictures: ArrayLike) -> Picture:
    """Show pictures as a network with one channel sees them: their luminance (ITU-R BT.601), rounded.

    Parameters
    ----------
    pictures : uint8 RGB (N, H, W, 3) or (H, W, 3)

    Returns
    -------
    uint8, the shape of `pictures`
    """
    return _three_channels((check_pictures(pictures).astype(np.float32) @ LUMINANCE)[..., np.newaxis])


def pale_picture(pictures: ArrayLike) -> Picture:
    """Show pictures in grey and halfway to white, so that colours laid over them by "multiply" keep their own.

    Parameters
    ----------
    pictures : uint8 RGB (N, H, W, 3) or (H, W, 3)

    Returns
    -------
    uint8, the shape of `pictures`, in 128..255
    """
    return rounded(MIDDLE + grey_picture(pictures) / 2)


def gradient_picture(attributions: ArrayLike) -> Picture:
    """Show attributions, such as guided backprop's, in their own colours around mid-grey (see `normalise_gradient`).

    Parameters
    ----------
    attributions : (N, H, W, C) or (H, W, C), C = 1 (grey) or 3 (RGB; reverse the last axis for a BGR network first)

    Returns
    -------
    uint8 (N, H, W, 3) or (H, W, 3)
    """
    check_color_channels("attributions", check_attributions(attributions))
    return _three_channels(normalise_gradient(attributions) * 255)


def difference_picture(differences: ArrayLike, magnification: float = 10.0) -> Picture:
    """Show how two pictures differ: mid-grey where they are equal, brighter where the second is brighter.

    Parameters
    ----------
    differences : (N, H, W, C) or (H, W, C), C = 1 (grey) or 3 (RGB; reverse the last axis for a BGR network first)
        The second picture minus the first, in units of 255, as `Adversarial.differences`. Differences beyond 127.5 /
        `magnification` become black or white.
    magnification : float
        The factor by which each difference is multiplied.

    Returns
    -------
    uint8 (N, H, W, 3) or (H, W, 3)
    """
    values = check_attributions(differences)
    check_color_channels("differences", values)
    return _three_channels(np.clip(MIDDLE + magnification * values, 0, 2 * MIDDLE))


def rounded(values: NDArray[Any]) -> Picture:
    """Values 0..255 as the nearest uint8."""
    return np.asarray(np.rint(values), np.uint8)


def _three_channels(values: NDArray[Any]) -> Picture:
    return rounded(np.broadcast_to(values, (*values.shape[:-1], 3)))
