"""Tiles: how each kind of array is shown."""

import numpy as np
import pytest

from tfviz.errors import TfvizError
from tfviz.results import gradient_picture, grey_picture, normalise, overlay, tiles

ORANGE = np.tile(np.array([250, 140, 40], np.uint8), (120, 160, 1))


def random_pictures():
    return np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), np.uint8)


def same_tiles(first, second):
    return len(first) == len(second) and all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


def test_attributions_with_a_sign_are_summed_or_keep_their_colours():
    pictures, found = random_pictures(), np.random.default_rng(1).normal(size=(2, 6, 5, 3))
    summed = tiles(pictures, found.sum(axis=-1), signed=True, clip_percentile=90)
    assert same_tiles(tiles(pictures, found, clip_percentile=90), summed)
    assert same_tiles(tiles(pictures, found, own_colors=True), list(gradient_picture(found)))
    largest = overlay(pictures, normalise(abs(found).max(axis=-1)))
    assert same_tiles(tiles(pictures, abs(found), own_colors=True), list(largest))
    assert same_tiles(tiles(pictures, found, signed=False, own_colors=True), list(largest))


def test_zero_shows_the_grey_picture_and_either_sign_its_colour():
    signed = np.zeros((1, 120, 160))
    signed[0, :40], signed[0, 80:] = -2, 1
    (tile,) = tiles([ORANGE], signed)
    against, nothing, for_it = tile[0, 0].astype(int), tile[60, 0].astype(int), tile[-1, 0].astype(int)
    pale = (255 + int(grey_picture(ORANGE)[0, 0, 0])) // 2
    assert (nothing == pale).all()
    assert (against == [0, 0, pale]).all()
    half = round(pale * 127 / 255)
    assert (abs(for_it - [pale, half, half]) <= 1).all()


def test_the_opacity_reaches_maps_without_a_sign():
    pictures, maps = random_pictures(), np.random.default_rng(1).random((2, 6, 5))
    expected = overlay(pictures, normalise(maps), alpha="map", colormap="jet")
    assert same_tiles(tiles(pictures, maps, alpha="map", colormap="jet"), list(expected))


@pytest.mark.parametrize("values", [-np.ones((2, 6, 5)), np.ones((2, 6, 5)), np.zeros((2, 6, 5, 3), np.uint8)])
@pytest.mark.parametrize(
    "look, said",
    [({"colormap": "jett"}, "mean 'jet'"), ({"blend": "adding"}, "no blend 'adding'"), ({"alpha": 2}, "got 2")],
)
def test_a_look_that_does_not_exist_is_refused_whatever_is_shown(values, look, said):
    with pytest.raises(TfvizError, match=said):
        tiles(random_pictures(), values, **look)
