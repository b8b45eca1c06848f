"""Colour maps by name: tables that give each value of a map its RGB colour.

A table has one row per step of 1/255, so that colouring a map is one lookup per pixel. Values 0..1 take 256 rows;
signed values take 511, with the colour of zero in the middle. The unsigned maps are those that the installed OpenCV
knows; the diverging one, "blue_white_red", is ours. `signed_table` serves `highlight`, some of whose colours tell only
the sign of a value, and leave its strength to the opacity.
"""

from __future__ import annotations

import cv2
import numpy as np

from tfviz.arrays import Picture
from tfviz.results.checks import pick

# The constants of the installed OpenCV: jet, turbo, viridis, hot, bone and more.
OPENCV_CODES: dict[str, int] = {
    name.removeprefix("COLORMAP_").lower(): getattr(cv2, name) for name in dir(cv2) if name.startswith("COLORMAP_")
}
DIVERGING = "blue_white_red"
DEFAULT_COLORMAP = "inferno"
"""The colour map of maps without a sign, wherever none is chosen.

Its lightness rises evenly with the value, so that equal steps look equal, in grey print and to the colour-blind as
well. Jet's goes up and down: under red-green blindness its largest values look as dark as middling ones, a hole in the
middle of the object. Of the even ones, inferno is the clearest on photographs: its zero is black, which dims what does
not matter and leaves it its colours, where viridis and plasma tint everything; and unlike magma's near white, its
yellow can be told from white fur and snow.
"""
COLORMAPS = (DIVERGING, *OPENCV_CODES)
STEPS = 255
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in grey (ITU-R BT.601, as Keras loads grey images)."""


def color_table(name: str) -> Picture:
    """RGB colours (256, 3) of the values 0..1, or (511, 3) of the values -1..1 for the diverging colour map."""
    pick("colour map", name, dict.fromkeys(COLORMAPS))
    if name == DIVERGING:
        rising = np.minimum(np.arange(2 * STEPS + 1), STEPS)
        falling = rising[::-1]
        return np.stack([rising, np.minimum(rising, falling), falling], axis=-1).astype(np.uint8)
    ramp = np.arange(STEPS + 1, dtype=np.uint8)[:, np.newaxis]
    return np.asarray(cv2.applyColorMap(ramp, OPENCV_CODES[name])[:, 0, ::-1], np.uint8)


# Colours of -1 and of 1 that are the same for every strength.
TWO_COLORS = {
    "pink_green": ((255, 50, 160), (0, 220, 70)),
    "red_green": ((235, 40, 40), (0, 220, 70)),
    "green": ((0, 220, 70), (0, 220, 70)),
    "red": ((235, 40, 40), (235, 40, 40)),
}
PINK_WHITE_GREEN = ((142, 1, 82), (222, 119, 174), (247, 247, 247), (127, 188, 65), (39, 100, 25))


def signed_table(name: str) -> tuple[Picture, bool]:
    """RGB colours (511, 3) of the values -1..1, and whether the colour itself tells the strength of a value."""
    pick("colours of highlights", name, dict.fromkeys((*TWO_COLORS, "viridis", "pink_white_green")))
    places = np.linspace(-1, 1, 2 * STEPS + 1)
    if name in TWO_COLORS:
        negative, positive = np.array(TWO_COLORS[name], np.uint8)
        return np.where(places[:, np.newaxis] < 0, negative, positive), False
    known = color_table("viridis") if name == "viridis" else np.array(PINK_WHITE_GREEN, np.uint8)
    ends = np.linspace(-1, 1, len(known))
    channels = [np.interp(places, ends, channel) for channel in known.T]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8), True
