"""Highlights the parts of an image that speak for or against a class; the rest of the image stays as it is, or black.

These are the pictures of Vertex AI's explanations, and `Highlight` takes its settings. Clip percentiles are of a map's
sum, as in the pictures of integrated gradients by their authors: a lower one of 62 shows the strongest pixels, which
together hold 38 % of the sum. Counted in pixels, most of which are next to zero, Vertex's default of 62 would draw the
outline around nearly the whole picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.arrays import Picture
from tfviz.errors import TfvizError
from tfviz.results.checks import check_maps, check_pictures, pick
from tfviz.results.colors import LUMINANCE, STEPS, signed_table
from tfviz.results.pictures import rounded
from tfviz.results.render import fit_maps
from tfviz.results.scale import collapse

POLARITIES = ("positive", "negative", "both")
HIGHLIGHT_SHAPES = ("pixels", "outlines")
BACKGROUNDS = ("none", "original", "grayscale", "mask")
WEIGHT = 0.75  # of the colours laid over a picture
FAINTEST = 0.35  # strength just above the lower percentile, so that it can still be seen
SHADE = 0.4  # strength of a region inside its outline
SMOOTHING = 1 / 40  # details of this part of the shorter side vanish from the outline of a region


@dataclass(frozen=True)
class Highlight:
    """How `highlight` shows maps.

    Attributes
    ----------
    shape : str
        ``"pixels"`` colours each pixel by its strength, ``"outlines"`` draws a line around the regions that the strong
        ones lie in, and shades them.
    polarity : str
        Which values are shown: ``"positive"``, ``"negative"`` or ``"both"``.
    colors : str
        ``"pink_green"``, ``"red_green"`` (negative first), ``"green"``, ``"red"`` (for both signs), or one colour per
        strength: ``"viridis"`` (blue to yellow) and ``"pink_white_green"``.
    lower, upper : float
        Percentiles of each map's sum, over values of the shown sign: ``lower=62`` shows the strongest pixels, which
        together hold 38 % of the sum, and ``upper=99.9`` shows those that hold the last 0.1 % all as strong as the
        weakest of them.
    background : str
        ``"original"`` or ``"grayscale"``: the colours lie over the picture. ``"none"``: they lie on black. ``"mask"``:
        no colours, but the picture itself, as bright as the map is strong.

    Raises
    ------
    TfvizError
        For an unknown setting, or percentiles that are not 0 <= lower < upper <= 100.
    """

    shape: str = "pixels"
    polarity: str = "positive"
    colors: str = "pink_green"
    lower: float = 62.0
    upper: float = 99.9
    background: str = "original"

    def __post_init__(self) -> None:
        """Check the settings."""
        pick("shape of highlights", self.shape, dict.fromkeys(HIGHLIGHT_SHAPES))
        pick("polarity", self.polarity, dict.fromkeys(POLARITIES))
        pick("background", self.background, dict.fromkeys(BACKGROUNDS))
        signed_table(self.colors)
        if not 0 <= self.lower < self.upper <= 100:
            raise TfvizError(f"percentiles must be 0 <= lower < upper <= 100, got {self.lower} and {self.upper}")


def highlight(pictures: ArrayLike, found: ArrayLike, how: Highlight | None = None) -> Picture:
    """Highlight what maps mark in pictures.

    Parameters
    ----------
    pictures : uint8 (N, H, W, 3) or (H, W, 3)
    found : signed maps (N, h, w), or attributions (N, h, w, C), which are summed over their channels; without N for one
        Brought to the pictures' size by `resize`.
    how : Highlight, optional
        The settings; by default those of `Highlight()`.

    Returns
    -------
    uint8, the shape of `pictures`. If a map marks nothing, only the background is left.

    Raises
    ------
    InvalidImagesError
        For pictures that are not uint8 RGB, or maps that are not finite or not one per picture.
    """
    settings = how or Highlight()
    base = check_pictures(pictures)
    values = np.asarray(found)
    maps = check_maps(fit_maps(base, collapse(values, "sum") if values.ndim == base.ndim else values))
    shown = np.empty_like(base)
    flat = zip(shown.reshape(-1, *base.shape[-3:]), base.reshape(-1, *base.shape[-3:]), strict=True)
    for (target, picture), values in zip(flat, maps.reshape(-1, *maps.shape[-2:]), strict=True):
        target[...] = _paint(picture, _strengths(values, settings), settings)
    return shown


def _strengths(values: NDArray[np.float64], how: Highlight) -> NDArray[np.float64]:
    """Return how strongly each pixel is highlighted, (H, W): -1..1, 0 for not at all."""
    sign = {"positive": 1, "negative": -1, "both": 0}[how.polarity]
    signed = np.maximum(sign * values, 0) * sign if sign else values
    size = np.abs(signed)
    lower, upper = (_percentile(size, percent) for percent in (how.lower, how.upper))
    strength = np.clip((size - lower) / (upper - lower), 0, 1) if upper > lower else np.ones_like(size)
    strength = np.where((size >= lower) & (size > 0), FAINTEST + (1 - FAINTEST) * strength, 0) * np.sign(signed)
    if how.shape == "pixels":
        return strength
    return _outlined(np.maximum(strength, 0)) - _outlined(np.maximum(-strength, 0))


def _percentile(size: NDArray[np.float64], percent: float) -> float:
    """Return the value up to which the pixels, the weakest first, hold that part of the sum."""
    values = np.sort(size, axis=None)
    shares = np.cumsum(values)
    return float(values[min(np.searchsorted(shares, percent / 100 * shares[-1]), len(values) - 1)])


def _outlined(strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return regions of strong pixels as lines around them and shades inside."""
    side = min(strength.shape)
    reach = 2 * round(side * SMOOTHING) + 1
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    region = (strength > 0).astype(np.uint8)
    for operation in (cv2.MORPH_CLOSE, cv2.MORPH_OPEN):
        region = cv2.morphologyEx(region, operation, element)
    lines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn = cv2.drawContours(np.zeros_like(region), lines, -1, 1, thickness=max(1, round(side / 150)))
    return np.where(drawn > 0, 1, SHADE * np.maximum(strength, FAINTEST) * region)


def _paint(picture: Picture, strength: NDArray[np.float64], how: Highlight) -> Picture:
    """Return a picture with the colours of strengths (H, W), −1..1, laid over it as the settings say."""
    opacity = np.abs(strength)[..., np.newaxis]
    if how.background == "mask":
        return rounded(picture * opacity)
    table, by_color = signed_table(how.colors)
    colors = table[np.rint((strength + 1) * STEPS).astype(np.intp)]
    if by_color:  # the colour tells the strength
        opacity = np.where(opacity > 0, 1.0, 0.0)
    if how.background == "none":
        return rounded(colors * opacity)
    grey = how.background == "grayscale"
    base = (picture @ LUMINANCE)[..., np.newaxis] if grey else picture
    return rounded(base * (1 - WEIGHT * opacity) + WEIGHT * opacity * colors)
