"""Tiles: how each kind of array is shown, and what is written where there is nothing to show."""

import cv2
import numpy as np
import pytest

from tfviz.errors import TfvizError
from tfviz.results import Highlight, gradient_picture, grey_picture, highlight, normalise, overlay, tiles
from tfviz.results.note import noted

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


def letters(tile):
    """Where a note's white letters are: nothing else of a dimmed picture is brighter than 102."""
    return np.asarray(tile).min(axis=-1) > 102


ZERO, NEGATIVE = np.zeros((1, 4, 4)), np.full((1, 4, 4), -1.0)


@pytest.mark.parametrize(
    "found, options",
    [
        (ZERO, {}),
        (ZERO, {"signed": True}),
        (ZERO[..., np.newaxis], {"signed": True, "own_colors": True}),
        (ZERO, {"highlights": Highlight(polarity="both")}),
        (NEGATIVE, {"signed": False}),
        (NEGATIVE, {"highlights": Highlight()}),
        (-NEGATIVE, {"highlights": Highlight(polarity="negative")}),
    ],
)
def test_what_has_nothing_to_show_says_so_on_the_dimmed_picture(found, options):
    (tile,) = tiles([ORANGE], found, **options)
    written = letters(tile)
    assert 0.005 < written.mean() < 0.2
    rows, columns = np.nonzero(written)
    assert abs(rows.mean() - 60) < 12 and abs(columns.mean() - 80) < 8
    dim = np.rint(0.4 * grey_picture(ORANGE)[0, 0])
    assert (tile[:20] == dim).all() and (tile[-20:] == dim).all()


def test_the_words_tell_which_of_them_it_is():
    zero, none_positive, none_negative = (
        letters(tiles([ORANGE], found, highlights=Highlight(polarity=polarity))[0])
        for found, polarity in [(ZERO, "positive"), (NEGATIVE, "positive"), (-NEGATIVE, "negative")]
    )
    unsigned = letters(tiles([ORANGE], NEGATIVE, signed=False)[0])
    np.testing.assert_array_equal(unsigned, none_positive)
    assert not np.array_equal(zero, none_positive) and not np.array_equal(none_positive, none_negative)


@pytest.mark.parametrize(
    "found, options",
    [
        (NEGATIVE, {}),
        (NEGATIVE[..., np.newaxis], {"signed": True}),
        (NEGATIVE[..., np.newaxis], {"signed": False}),
        (np.eye(4)[np.newaxis], {"signed": False}),
        (np.zeros((1, 4, 4, 3), np.uint8), {}),
    ],
)
def test_nothing_is_written_over_what_can_be_seen(found, options):
    (tile,) = tiles([np.zeros_like(ORANGE)], found, **options)
    (bright,) = tiles([np.zeros_like(ORANGE) + 1], found, **options)
    assert (abs(tile.astype(int) - bright) <= 1).all() and not np.array_equal(tile, noted_black())


def noted_black():
    return tiles([np.zeros_like(ORANGE)], ZERO)[0]


def test_the_map_of_one_image_says_nothing_of_the_next():
    first, second = tiles([ORANGE, ORANGE], np.concatenate([ZERO, np.eye(4)[np.newaxis]]))
    assert np.array_equal(first, tiles([ORANGE], ZERO)[0])
    assert np.array_equal(second, overlay(ORANGE, np.eye(4)))


def test_highlights_of_something_are_as_highlight_draws_them():
    found = np.eye(4)[np.newaxis]
    assert np.array_equal(tiles([ORANGE], found, highlights=Highlight())[0], highlight(ORANGE, found[0]))


@pytest.mark.parametrize("found, signed", [(ZERO, None), (NEGATIVE, False)])
@pytest.mark.parametrize("width, height", [(28, 28), (64, 64), (64, 1000), (1000, 64), (300, 200), (1000, 1000)])
def test_notes_are_readable_in_small_and_large_pictures(found, signed, width, height):
    (tile,) = tiles([cv2.resize(ORANGE, (width, height))], found, signed=signed)
    written = letters(tile)
    rows, columns = np.nonzero(written)
    letter_height = rows.max() - rows.min() + 1
    assert letter_height >= 5 and (letter_height >= 0.03 * min(width, height))
    assert columns.max() - columns.min() < width and rows.min() > 0 and rows.max() < height - 1
    assert written.mean() < 0.2


def test_the_longest_wording_that_fits_is_written_and_no_other():
    small, large = ORANGE[:28, :28], ORANGE
    np.testing.assert_array_equal(noted(large, ("all zero", "zero")), noted(large, ("all zero",)))
    np.testing.assert_array_equal(noted(small, ("all zero", "zero")), noted(small, ("zero",)))
    assert not letters(noted(small, ("all zero",))).any() and letters(noted(small, ("zero",))).any()


def test_where_no_word_fits_the_picture_is_only_dimmed():
    (tile,) = tiles([ORANGE[:4, :4]], ZERO)
    assert (tile == np.rint(0.4 * grey_picture(ORANGE)[0, 0])).all()
