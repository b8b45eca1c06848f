"""Average drop and increase in confidence against closed forms and the numbers of xplique."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from support import references
from support.closed_forms import mean_of_pixels

import tfviz
from tfviz.errors import TfvizError, TfvizWarning
from tfviz.results.metrics import average_drop, increase_in_confidence, shared_passes

SIDE = 4


def ones(count=1):
    return np.ones((count, SIDE, SIDE, 1), np.float32)


def test_the_drop_is_what_the_map_leaves_out():
    """Of an image of ones, the mean is the mean of the mask: that of the map's positive part over its maximum."""
    maps = np.array([[[3.0, 3, 1.5, -7], [0] * 4, [0] * 4, [0] * 4], np.full((4, 4), 2.0), np.zeros((4, 4))])
    np.testing.assert_allclose(average_drop(mean_of_pixels(SIDE), ones(3), None, maps), [1 - 2.5 / 16, 0, 1], atol=1e-6)
    grey = average_drop(mean_of_pixels(SIDE), ones(3), None, maps, fill=0.5)
    np.testing.assert_allclose(grey, [0.5 - 1.25 / 16, 0, 0.5], atol=1e-6)
    assert grey.options == {"like": "tfviz", "scaling": "positive", "fill": 0.5} and grey.metric == "average_drop"


def test_there_is_no_negative_drop_but_an_increase():
    """The image is negative outside of the map."""
    images = np.where(np.arange(SIDE)[:, np.newaxis, np.newaxis] < 2, 1.0, -0.5) * ones(2)
    maps = np.zeros((2, SIDE, SIDE))
    maps[0, :2], maps[1, 2:] = 1, 1
    drop, increase = (
        metric(mean_of_pixels(SIDE), images, None, maps) for metric in (average_drop, increase_in_confidence)
    )
    np.testing.assert_allclose(drop, [0, 2], atol=1e-6)  # a custom score may become negative: from 1/4 to -1/4
    np.testing.assert_array_equal(increase, [1, 0])


def test_the_same_probability_is_no_increase():
    model = keras.Sequential([keras.Input((SIDE, SIDE, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    model.set_weights([np.zeros((16, 2)), np.zeros(2)])
    maps = np.random.default_rng(0).normal(size=(3, SIDE, SIDE))
    np.testing.assert_array_equal(increase_in_confidence(model, ones(3), 0, maps), 0)
    np.testing.assert_array_equal(average_drop(model, ones(3), 0, maps), 0)


def test_a_score_that_is_not_positive_has_no_drop():
    images = ones(3)
    images[1:] *= np.array([-1, 0])[:, np.newaxis, np.newaxis, np.newaxis]
    with pytest.warns(
        TfvizWarning, match=r"average_drop of image 1, 2 is not defined \(NaN\): the target's probability"
    ):
        drop = average_drop(mean_of_pixels(SIDE), images, None, np.ones((3, SIDE, SIDE)))
    np.testing.assert_array_equal(drop, [0, np.nan, np.nan])


def test_attributions_are_reduced():
    attributions = np.zeros((1, SIDE, SIDE, 1))
    attributions[0, 0, 0], attributions[0, 1, 1] = -2, 1
    found = average_drop(mean_of_pixels(SIDE), ones(), None, attributions)
    assert found.collapse == "max_abs" and found[0] == pytest.approx(1 - 1.5 / 16)
    assert average_drop(mean_of_pixels(SIDE), ones(), None, attributions, collapse="sum")[0] == pytest.approx(
        1 - 1 / 16
    )


def test_xplique():
    arrays = references.load("xplique")
    given = references.linear(arrays), arrays["images"], arrays["targets"], arrays["maps"]
    np.testing.assert_allclose(average_drop(*given, like="xplique"), arrays["average_drop"], atol=1e-6)
    np.testing.assert_array_equal(increase_in_confidence(*given, like="xplique"), arrays["increase"])
    own = average_drop(*given)
    assert abs(own.values - arrays["average_drop"]).max() > 1e-3


def test_the_slow_way_and_a_saved_model(tmp_path):
    arrays = references.load("xplique")
    model = references.convolutional(arrays)
    model.export(str(tmp_path / "saved"), verbose=False)
    images, maps = arrays["images"], arrays["maps"]
    expected = []
    for image, one_map, target in zip(images, maps, arrays["targets"], strict=True):
        mask = np.array([[max(value, 0) / one_map.max() for value in row] for row in one_map])[..., np.newaxis]
        before, after = (float(model(each[np.newaxis].astype(np.float32))[0, target]) for each in (image, image * mask))
        expected.append((max(before - after, 0) / before, after > before))
    for network in (model, tfviz.trace(str(tmp_path / "saved"))):
        found = [metric(network, images, arrays["targets"], maps) for metric in (average_drop, increase_in_confidence)]
        np.testing.assert_allclose(np.transpose(found), np.array(expected, float), atol=1e-6)


def test_both_share_their_passes():
    maps = np.random.default_rng(0).normal(size=(3, SIDE, SIDE))
    with shared_passes() as shared:
        average_drop(mean_of_pixels(SIDE), ones(3) * np.array([1, 2, 3])[:, None, None, None], None, maps)
    assert (shared.asked, shared.computed) == (6, 6)
    network = mean_of_pixels(SIDE)
    with shared_passes() as shared:
        for metric in (average_drop, increase_in_confidence):
            metric(network, ones(3), None, maps)
    assert (shared.asked, shared.computed) == (12, 4)


@pytest.mark.parametrize("metric", [average_drop, increase_in_confidence])
def test_bad_options(metric):
    with pytest.raises(TfvizError, match="there is no fill 'grey'"):
        metric(mean_of_pixels(SIDE), ones(), None, np.ones((1, SIDE, SIDE)), fill="grey")
    with pytest.raises(TfvizError, match="there are: tfviz, xplique"):
        metric(mean_of_pixels(SIDE), ones(), None, np.ones((1, SIDE, SIDE)), like="captum")
