"""Scaling, collapsing and resizing against slow loops over single pixels, and the edge cases that are defined."""

import math

import numpy as np
import pytest
from support.slow import slow_resize

from tfviz import results
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results import collapse, normalise, normalise_gradient, resize

HOWS = ["positive", "signed", "min_max"]
COLLAPSES = {
    "max_abs": lambda pixel: max(abs(value) for value in pixel),
    "sum_abs": lambda pixel: sum(abs(value) for value in pixel),
    "positive": lambda pixel: sum(value for value in pixel if value > 0),
    "l2": lambda pixel: math.sqrt(sum(value * value for value in pixel)),
    "sum": sum,
    "mean": lambda pixel: sum(pixel) / len(pixel),
}


def random_maps(count=3, height=4, width=5):
    return np.random.default_rng(0).normal(size=(count, height, width)).astype(np.float32) * 7


def slow_percentile(values, percentile):
    """Linear between the two nearest ranks."""
    ordered = sorted(values)
    position = percentile / 100 * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def slow_normalise(one_map, how, percentile):
    pixels = [float(value) for value in one_map.ravel()]
    if how == "positive":
        shifted = [max(value, 0) for value in pixels]
    elif how == "signed":
        shifted = [abs(value) for value in pixels]
    else:
        shifted = [value - min(pixels) for value in pixels]
    limit = slow_percentile(shifted, percentile)
    scaled = [min(value / limit, 1) for value in shifted]
    if how == "signed":
        scaled = [math.copysign(value, pixel) for value, pixel in zip(scaled, pixels, strict=True)]
    return np.reshape(scaled, one_map.shape)


@pytest.mark.parametrize("percentile", [100.0, 80.0])
@pytest.mark.parametrize("how", HOWS)
def test_normalise_equals_the_loop_for_each_map_by_itself(how, percentile):
    maps = random_maps()
    scaled = normalise(maps, how, clip_percentile=percentile)
    expected = np.stack([slow_normalise(one_map, how, percentile) for one_map in maps])
    np.testing.assert_allclose(scaled, expected, rtol=1e-5)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(normalise(maps[1], how, clip_percentile=percentile), scaled[1])


def test_normalise_by_hand():
    one_map = [[-2, 0], [1, 4]]
    np.testing.assert_allclose(normalise(one_map), [[0, 0], [0.25, 1]])
    np.testing.assert_allclose(normalise(one_map, "signed"), [[-0.5, 0], [0.25, 1]])
    np.testing.assert_allclose(normalise(one_map, "min_max"), [[0, 1 / 3], [0.5, 1]], rtol=1e-6)
    np.testing.assert_allclose(normalise([[-8, 0], [1, 4]], "signed"), [[-1, 0], [0.125, 0.5]])


def test_clipping_cuts_one_outlier_and_keeps_the_rest_visible():
    one_map = np.full((10, 20), 2.0)
    one_map[0, 0], one_map[0, 1] = 1000.0, -1000.0
    assert normalise(one_map, clip_percentile=99)[5, 5] == 1
    np.testing.assert_array_equal(normalise(one_map, "signed", clip_percentile=98)[0, :3], [1, -1, 1])


@pytest.mark.parametrize("how", HOWS)
def test_a_map_too_sparse_to_clip_is_scaled_by_its_maximum(how):
    one_map = np.zeros((10, 30))
    one_map[4, 4], one_map[4, 5] = 8, 2
    np.testing.assert_array_equal(normalise(one_map, how, clip_percentile=99)[4, 3:7], [0, 1, 0.25, 0])


@pytest.mark.parametrize("how", HOWS)
def test_an_all_zero_map_stays_zero_beside_another(how):
    maps = np.stack([np.zeros((2, 2)), np.eye(2)])
    np.testing.assert_array_equal(normalise(maps, how), maps)


@pytest.mark.parametrize(
    ("how", "value", "expected"),
    [("positive", 0.1, 1), ("positive", -0.1, 0), ("signed", 0.1, 1), ("signed", -0.1, -1), ("min_max", 0.1, 0)],
)
def test_a_constant_map_is_defined(how, value, expected):
    np.testing.assert_array_equal(normalise(np.full((3, 3), value), how), np.full((3, 3), expected))


@pytest.mark.parametrize("how", HOWS)
def test_the_whole_range_of_float32_is_scaled_without_overflow(how):
    extremes = np.array([[-3e38, 3e38], [0, 1e-45]], np.float32)
    assert np.isfinite(normalise(extremes, how)).all()
    assert normalise(np.array([[1e-44, 0]], np.float32), how)[0, 0] == 1


@pytest.mark.parametrize("how", HOWS)
def test_an_empty_batch_stays_one(how):
    assert normalise(np.zeros((0, 3, 4)), how).shape == (0, 3, 4)


def test_normalise_changes_nothing_of_the_users():
    maps = random_maps()
    kept = maps.copy()
    for how in HOWS:
        normalise(maps, how)
    np.testing.assert_array_equal(maps, kept)


@pytest.mark.parametrize("how", COLLAPSES)
def test_collapse_equals_the_loop(how):
    attributions = np.random.default_rng(1).normal(size=(2, 3, 4, 3)).astype(np.float32)
    maps = collapse(attributions, how)
    expected = [[[COLLAPSES[how](pixel) for pixel in row] for row in image] for image in attributions.astype(float)]
    np.testing.assert_allclose(maps, expected, rtol=1e-5, atol=1e-6)
    assert maps.dtype == np.float32
    np.testing.assert_array_equal(collapse(attributions[0], how), maps[0])


def test_collapse_takes_the_largest_absolute_value_unless_told():
    np.testing.assert_array_equal(collapse([[[-3, 1, 2]]]), [[3]])


def test_normalise_gradient_has_the_mean_and_deviation_it_promises():
    attributions = np.random.default_rng(2).normal(3e-6, 1e-6, size=(2, 8, 9, 3)).astype(np.float32)
    attributions[1] *= 1000
    scaled = normalise_gradient(attributions)
    for image, result in zip(attributions.astype(float), scaled, strict=True):
        mean = sum(image.ravel()) / image.size
        deviation = math.sqrt(sum((value - mean) ** 2 for value in image.ravel()) / image.size)
        np.testing.assert_allclose(result, 0.5 + 0.1 * (image - mean) / deviation, rtol=1e-4)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(normalise_gradient(attributions[1]), scaled[1], rtol=1e-6)


def test_normalise_gradient_clips_to_the_unit_range():
    attributions = np.zeros((20, 20, 1))
    attributions[0, 0], attributions[0, 1] = 1, -1
    scaled = normalise_gradient(attributions)
    assert scaled[0, 0] == 1 and scaled[0, 1] == 0 and scaled[1, 1] == 0.5


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3])
def test_normalise_gradient_of_a_constant_image_is_grey(value):
    # 0.1 in float32: the computed mean differs from it, and the deviation is not exactly 0.
    constant = np.full((37, 41, 3), value, np.float32)
    np.testing.assert_array_equal(normalise_gradient(constant), np.full((37, 41, 3), 0.5, np.float32))


@pytest.mark.parametrize("size", [(7, 9), (2, 3), (4, 5), (1, 1), (13, 2)])
def test_resize_is_bilinear_with_half_pixel_centres(size):
    maps = random_maps(2)
    resized = resize(maps, size)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, [slow_resize(one_map, *size) for one_map in maps], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(resize(maps[1], size), resized[1])


def test_resize_by_hand():
    np.testing.assert_allclose(resize([[0, 4]], (2, 4)), [[0, 1, 3, 4], [0, 1, 3, 4]])


@pytest.mark.parametrize("size", [(0, 3), (3, -1)])
def test_resize_refuses_an_empty_size(size):
    with pytest.raises(TfvizError, match="at least one pixel"):
        resize(np.ones((2, 2)), size)


@pytest.mark.parametrize("function", [normalise, lambda maps: resize(maps, (3, 3))])
def test_maps_of_the_wrong_kind_are_refused(function):
    for wrong in [np.ones(3), np.ones((1, 2, 2, 1)), np.ones((2, 0)), np.array([["a"]]), np.ones((2, 2)) * 1j]:
        with pytest.raises(InvalidImagesError, match=r"maps must be numbers of shape \(N, H, W\) or \(H, W\)"):
            function(wrong)


@pytest.mark.parametrize("function", [collapse, normalise_gradient])
def test_attributions_of_the_wrong_kind_are_refused(function):
    for wrong in [np.ones((2, 2)), np.ones((1, 1, 2, 2, 3)), np.ones((2, 2, 0))]:
        with pytest.raises(InvalidImagesError, match=r"attributions must be numbers of shape \(N, H, W, C\)"):
            function(wrong)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_with_the_image(bad):
    maps = random_maps()
    maps[1, 2, 3] = maps[2, 0, 0] = bad
    for function in [normalise, lambda values: resize(values, (3, 3))]:
        with pytest.raises(InvalidImagesError, match="the map of image 1 has 1 NaN or infinite value"):
            function(maps)
    with pytest.raises(InvalidImagesError, match="the attribution of image 1 has 2 NaN"):
        collapse(np.stack([maps, maps], axis=-1))
    with pytest.raises(InvalidImagesError, match="the attribution of image 0 has 2 NaN"):
        normalise_gradient(maps)


def test_integers_and_truth_values_are_maps():
    np.testing.assert_array_equal(normalise(np.array([[0, 5]])), [[0, 1]])
    np.testing.assert_array_equal(normalise(np.array([[False, True]])), [[0, 1]])


def test_unknown_ways_say_which_there_are():
    with pytest.raises(TfvizError, match=r"no scaling 'postive'; did you mean 'positive'.*positive, signed, min_max"):
        normalise(np.ones((2, 2)), "postive")
    with pytest.raises(TfvizError, match="no reduction 'zzz'; there are: max_abs, sum_abs, l2, positive, sum, mean"):
        collapse(np.ones((2, 2, 3)), "zzz")


@pytest.mark.parametrize("percentile", [0, -1, 100.5, np.nan])
def test_a_percentile_out_of_range_is_refused(percentile):
    with pytest.raises(TfvizError, match="clip_percentile"):
        normalise(np.ones((2, 2)), clip_percentile=percentile)


def test_the_names_of_the_layer_are_those_it_lists():
    assert set(results.__all__) <= set(dir(results))
    for name in results.__all__:
        assert getattr(results, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'plots'"):
        _ = results.plots
