"""Highlights by hand on small maps, and their colours over each background."""

from __future__ import annotations

import numpy as np
import pytest

from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results import Highlight, highlight, plot, tiles
from tfviz.results.colors import TWO_COLORS, signed_table
from tfviz.results.highlight import FAINTEST, SHADE, WEIGHT

PINK, GREEN = np.array(TWO_COLORS["pink_green"])
PICTURE = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)


def strengths(values, **settings):
    """The strength of each pixel, read from the brightness of a white picture under a mask."""
    white = np.full((*np.shape(values), 3), 255, np.uint8)
    return highlight(white, values, Highlight(background="mask", **settings))[..., 0] / 255


def test_percentiles_are_of_the_sum():
    """The values 1 to 4, 10 together: above 60 % of the sum lies the 4 alone, above 30 % the 3 as well."""
    values = np.array([[4.0, 1.0], [2.0, 3.0]])
    found = strengths(values, lower=61, upper=100)
    np.testing.assert_allclose(found, [[FAINTEST + (1 - FAINTEST), 0], [0, 0]], atol=0.01)
    found = strengths(values, lower=31, upper=100)
    np.testing.assert_allclose(found, [[1, 0], [0, FAINTEST]], atol=0.01)
    found = strengths(values, lower=0, upper=60)
    middle = FAINTEST + (1 - FAINTEST) / 2
    np.testing.assert_allclose(found, [[1, FAINTEST], [middle, 1]], atol=0.01)


@pytest.mark.parametrize("polarity, shown", [("positive", [1, 0]), ("negative", [0, 1]), ("both", [1, 1])])
def test_polarity(polarity, shown):
    values = np.array([[3.0, -3.0]])
    np.testing.assert_allclose(strengths(values, polarity=polarity, lower=0), [shown], atol=0.01)
    how = Highlight(polarity=polarity, lower=0, background="none")
    expected = [[color * there for color, there in zip((GREEN, PINK), shown, strict=True)]]
    np.testing.assert_array_equal(highlight(PICTURE[:1, :2], values, how), expected)


def test_nothing_is_highlighted_where_nothing_speaks():
    for values in (np.zeros((6, 8)), np.full((6, 8), -2.0)):
        for shape in ("pixels", "outlines"):
            np.testing.assert_array_equal(highlight(PICTURE, values, Highlight(shape=shape)), PICTURE)
    assert strengths(np.full((3, 3), 0.5)).all(), "a constant map marks all of it"


def test_backgrounds():
    values = np.zeros((6, 8))
    values[2, 3] = 5.0
    place = (slice(2, 3), slice(3, 4))
    rest = np.ones((6, 8), bool)
    rest[place] = False
    for background, base in {
        "none": np.zeros_like(PICTURE),
        "original": PICTURE,
        "grayscale": np.repeat(np.rint(PICTURE @ [0.299, 0.587, 0.114])[..., None], 3, axis=-1),
        "mask": np.zeros_like(PICTURE),
    }.items():
        found = highlight(PICTURE, values, Highlight(background=background))
        np.testing.assert_array_equal(found[rest], base[rest])
        full = {"none": GREEN, "mask": PICTURE[place]}.get(background, base[place] * (1 - WEIGHT) + WEIGHT * GREEN)
        np.testing.assert_allclose(found[place], np.broadcast_to(full, (1, 1, 3)), atol=1)


def test_outlines_are_lines_around_shaded_regions():
    values = np.zeros((60, 60))
    values[20:40, 10:30] = 1.0
    found = strengths(values, shape="outlines")
    edge = np.zeros_like(values, bool)
    edge[[20, 39], 12:28] = edge[22:38, [10, 29]] = True
    inside = np.zeros_like(values, bool)
    inside[22:38, 12:28] = True
    outside = values == 0
    np.testing.assert_array_equal(found[edge], 1)
    np.testing.assert_allclose(found[inside], SHADE, atol=0.01)
    assert not found[outside].any()
    values[50, 50] = 1.0  # a speck, and a hole
    values[30, 20] = 0.0
    again = strengths(values, shape="outlines")
    assert not again[45:, 45:].any() and again[30, 20] > 0


def test_colors_that_tell_the_strength():
    table, by_color = signed_table("viridis")
    assert by_color and table[0, 2] > table[0, 0] and table[-1, 0] > table[-1, 2]  # blue to yellow
    table, by_color = signed_table("pink_white_green")
    np.testing.assert_array_equal(table[[0, 255, 510]], [[142, 1, 82], [247, 247, 247], [39, 100, 25]])
    values = np.array([[1.0, -1.0, 0.0]])
    how = Highlight(colors="pink_white_green", polarity="both", lower=0, background="none")
    np.testing.assert_array_equal(highlight(PICTURE[:1, :3], values, how), [[table[510], table[0], [0, 0, 0]]])
    for name in ("red", "green", "red_green"):
        how = Highlight(colors=name, polarity="both", lower=0, background="none")
        negative, positive = TWO_COLORS[name]
        np.testing.assert_array_equal(highlight(PICTURE[:1, :2], values[:, :2], how), [[positive, negative]])


def test_attributions_are_summed_and_all_is_brought_to_the_size_of_the_pictures():
    values = np.random.default_rng(1).normal(size=(2, 6, 8, 3))
    pictures = np.stack([PICTURE, PICTURE[::-1]])
    found = highlight(pictures, values)
    for row in range(2):
        np.testing.assert_array_equal(found[row], highlight(pictures[row], values[row].sum(-1)))
    large = np.repeat(np.repeat(PICTURE, 2, axis=0), 2, axis=1)
    assert highlight(large, values[0]).shape == large.shape
    with pytest.raises(InvalidImagesError, match="expected one map per picture"):
        highlight(pictures, values[0])


def test_tiles_and_figures_show_highlights():
    values, how = np.random.default_rng(1).normal(size=(1, 6, 8)), Highlight(polarity="both", background="grayscale")
    expected = highlight(PICTURE, values[0], how)
    np.testing.assert_array_equal(tiles([PICTURE], values, highlights=how)[0], expected)
    figure = plot([PICTURE], {"a": values}, highlights=how)
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), expected)
    np.testing.assert_array_equal(tiles([PICTURE], PICTURE[np.newaxis], highlights=how)[0], PICTURE)


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"shape": "pixel"}, "pixels"),
        ({"polarity": "up"}, "polarity"),
        ({"colors": "jet"}, "pink_green"),
        ({"background": "white"}, "grayscale"),
        ({"lower": 50, "upper": 50}, "0 <= lower < upper <= 100, got 50 and 50"),
        ({"lower": -1}, "0 <= lower"),
        ({"upper": 101}, "<= 100"),
    ],
)
def test_unknown_settings(settings, said):
    with pytest.raises(TfvizError, match=said):
        Highlight(**settings)
