"""Colour scales: which values the colours of a tile stand for, and which tiles have no such colours."""

import numpy as np
import pytest

from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results import ColorScale, Highlight, color_scales, heatmap, tiles

MAPS = np.array([[[0.0, 1.0], [2.0, 4.0]], [[0.0, 3.0], [0.0, 6.0]]])


def test_a_map_goes_from_zero_to_its_largest_value():
    assert color_scales(MAPS, colormap="hot") == [ColorScale("hot", 0, 4), ColorScale("hot", 0, 6)]


def test_a_sign_makes_the_scale_symmetric():
    symmetric = [ColorScale("blue_white_red", -4, 4), ColorScale("blue_white_red", -6, 6)]
    assert color_scales(-MAPS) == color_scales(MAPS, signed=True) == symmetric
    assert [each and each.vmax for each in color_scales(MAPS - 5, signed=False)] == [None, 1]


@pytest.mark.parametrize("signed", [True, False])
def test_the_colours_of_a_scale_are_those_of_its_tile(signed):
    """Laid over white, or opaque, a tile is the colours of its values alone."""
    generator = np.random.default_rng(0)
    white = np.full((2, 6, 7, 3), 255, np.uint8)
    for values in (generator.normal(size=(2, 6, 7)), generator.normal(size=(2, 6, 7, 3))):
        drawn = tiles(white, values, signed=signed, clip_percentile=80, colormap="viridis", alpha=1)
        scales = color_scales(values, signed=signed, clip_percentile=80, colormap="viridis")
        reduced = values if values.ndim == 3 else values.sum(axis=-1) if signed else abs(values).max(axis=-1)
        for tile, scale, one_map in zip(drawn, scales, reduced, strict=True):
            assert scale.vmin == (-scale.vmax if signed else 0) and 0 < scale.vmax < abs(one_map).max()
            between = np.clip(one_map, scale.vmin, scale.vmax) / scale.vmax
            np.testing.assert_array_equal(tile, heatmap(between, scale.colormap))


def test_percentiles_limit_the_scale():
    assert [scale.vmax for scale in color_scales(MAPS, clip_percentile=75)] == [2.5, 3.75]


def test_what_stands_for_no_value_has_no_scale():
    assert color_scales(np.zeros((2, 4, 4, 3), np.uint8)) == [None, None]
    assert color_scales(-np.ones((2, 4, 4, 3)), own_colors=True) == [None, None]
    assert color_scales(MAPS * [[[1]], [[0]]])[1] is None
    assert color_scales(-MAPS, signed=False) == [None, None]
    assert color_scales(MAPS, highlights=Highlight()) == [None, None]


def test_what_tiles_refuse_is_refused():
    with pytest.raises(TfvizError, match="no colour map 'virdis'; did you mean 'viridis'"):
        color_scales(MAPS, colormap="virdis")
    with pytest.raises(TfvizError, match="clip_percentile must be above 0 and at most 100, got 0"):
        color_scales(MAPS, clip_percentile=0)
    with pytest.raises(InvalidImagesError, match="the map of image 1 has 1 NaN"):
        color_scales([[[1.0]], [[np.nan]]])
