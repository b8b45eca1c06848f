"""Colour scales: which values the colours of a tile stand for, and which tiles have no such colours."""

import numpy as np
import pytest

from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results import ColorScale, Highlight, color_scales

MAPS = np.array([[[0.0, 1.0], [2.0, 4.0]], [[0.0, 3.0], [0.0, 6.0]]])


def test_a_map_goes_from_zero_to_its_largest_value():
    assert color_scales(MAPS, colormap="hot") == [ColorScale("hot", 0, 4), ColorScale("hot", 0, 6)]


def test_a_sign_makes_the_scale_symmetric():
    symmetric = [ColorScale("blue_white_red", -4, 4), ColorScale("blue_white_red", -6, 6)]
    assert color_scales(-MAPS) == color_scales(MAPS, signed=True) == symmetric
    assert [each and each.vmax for each in color_scales(MAPS - 5, signed=False)] == [None, 1]


def test_percentiles_limit_the_scale():
    assert [scale.vmax for scale in color_scales(MAPS, clip_percentile=75)] == [2.5, 3.75]


def test_what_stands_for_no_value_has_no_scale():
    assert color_scales(np.zeros((2, 4, 4, 3), np.uint8)) == [None, None]
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
