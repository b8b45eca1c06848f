"""Turns explanations into cards: one picture per image and method, with the class and its probability below.

TensorBoard shrinks wide pictures, and compares steps by a slider for each card; so every image is a card of its own,
instead of a row in one figure. Small pictures are enlarged by an integer, so that captions can be read and no pixels
are mixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfviz.apps.explanation import Explanation, channel_step
from tfviz.errors import InvalidImagesError
from tfviz.methods.engine import check_pixel_range
from tfviz.results import check_pictures, grey_picture, montage, tiles, to_picture

Cards = NDArray[np.uint8]

LEAST_WIDTH = 224
"""Pixels. Narrower pictures are enlarged by an integer, so that the caption can be read and no pixels are mixed."""


@dataclass(frozen=True)
class CardMaker:
    """Makes cards from explanations.

    pictures: the images as a person sees them, uint8 RGB (N, H, W, 3). pixel_range: the inputs of black and of white,
    if there are no pictures; without either, images are stretched. order: of the network's channels. look: as
    `tfviz.results.tiles` takes it.
    """

    pictures: ArrayLike | None = None
    pixel_range: tuple[Any, Any] | None = None
    order: str = "rgb"
    class_names: Sequence[str] | None = None
    look: Mapping[str, Any] = field(default_factory=dict)

    def found(self, explanation: Explanation) -> dict[str, Cards]:
        """Return the cards (N, h, w, 3) of what each method found, with the class and its probability below."""
        pictures, titles = self.shown(explanation), explanation.titles(self.class_names)
        cards = {}
        for name, values in explanation.shown(self.order).items():
            look = {"signed": explanation.signed[name], "own_colors": explanation.own_colors[name], **self.look}
            cards[name] = _captioned(np.stack(tiles(pictures, values, **look)), titles)
        return cards

    def shown(self, explanation: Explanation) -> Cards:
        """Return the explained images as pictures (N, H, W, 3): those given, else by the pixel range, else stretched.

        Raises `InvalidImagesError` if the number of pictures, or a pixel range, does not fit the images.
        """
        images, step = explanation.data_format.to_last(explanation.images), channel_step(self.order)
        if self.pictures is not None:
            pictures = check_pictures(self.pictures)
            if pictures.ndim != 4 or len(pictures) != len(images):
                raise InvalidImagesError(
                    f"pictures have the shape {pictures.shape}, expected one for each of {len(images)} images"
                )
            return grey_picture(pictures) if images.shape[3] == 1 else pictures
        if self.pixel_range is not None:
            low, high = check_pixel_range(self.pixel_range, images.shape[3])
            images = np.rint(np.clip((images - low) / (high - low), 0, 1) * 255).astype(np.uint8)
        return to_picture(images[..., ::step])


def enlarged(pictures: Cards) -> Cards:
    """Return pictures (N, H, W, 3) with every pixel repeated until they are `LEAST_WIDTH` wide."""
    times = -(-LEAST_WIDTH // pictures.shape[2])
    return pictures.repeat(times, axis=1).repeat(times, axis=2)


def _captioned(pictures: Cards, captions: Sequence[str]) -> Cards:
    """Return pictures (N, h, w, 3) with a caption below each, all of one height; they are enlarged first."""
    # In one row, so that the captions of all take as many lines.
    row = montage(enlarged(pictures), columns=len(pictures), captions=captions, padding=0)
    return np.stack(np.split(row, len(pictures), axis=1))
