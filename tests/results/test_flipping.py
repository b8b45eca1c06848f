"""Pixel flipping against closed forms, a slow loop and the numbers of Quantus."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from support import references
from support.closed_forms import mean_of_pixels

import tfviz
from tfviz.errors import TfvizError, TfvizWarning
from tfviz.results.metrics import pixel_flipping

SIDE = 8


def distinct(count=1):
    return np.array([np.random.default_rng(k).permutation(64).reshape(SIDE, SIDE) for k in range(count)], float)


def test_flipped_pixels_of_a_network_that_means():
    """Pixels of 1 become 0, so that the mean falls with the share; a pixel that was 0 rises to 1."""
    images = np.ones((1, SIDE, SIDE, 1), np.float32)
    images[0, 0, 0] = 0
    maps = distinct()
    maps[0, 0, 0] = -1
    found = pixel_flipping(mean_of_pixels(SIDE), images, None, maps, steps=4)
    np.testing.assert_allclose(found.curves.shares, [0, 4 / 64, 8 / 64, 12 / 64, 16 / 64])
    np.testing.assert_allclose(found.curves.scores[0], 63 / 64 - found.curves.shares, atol=1e-6)
    assert found[0] == pytest.approx(63 / 64 - 1 / 8, abs=1e-6)
    maps[0, 0, 0] = 100
    found = pixel_flipping(mean_of_pixels(SIDE), images, None, maps, steps=64, share=1.0)
    np.testing.assert_allclose(found.curves.scores[0, 1:], 65 / 64 - found.curves.shares[1:], atol=1e-6)


def test_a_network_that_says_the_same_of_all():
    model = keras.Sequential([keras.Input((SIDE, SIDE, 1)), keras.layers.Flatten(), keras.layers.Dense(4, "softmax")])
    model.set_weights([np.zeros((64, 4)), np.zeros(4)])
    images = np.random.default_rng(0).uniform(size=(2, SIDE, SIDE, 1)).astype(np.float32)
    np.testing.assert_allclose(pixel_flipping(model, images, 1, distinct(2)), 0.25, atol=1e-6)


def test_the_slow_way_and_a_saved_model(tmp_path):
    arrays = references.load("quantus")
    model = references.convolutional(arrays)
    model.export(str(tmp_path / "saved"), verbose=False)
    images, maps, targets = arrays["images"], arrays["maps"], arrays["targets"]
    expected = []
    for image, one_map, target in zip(images, maps, targets, strict=True):
        order = sorted(np.ndindex(16, 16), key=lambda place, own=one_map: -own[place])
        curve, changed = [], image.copy()
        for step in range(6):
            for place in order[: round(step * 128 / 5)]:
                changed[place] = image.min() + image.max() - image[place]
            curve.append(float(model(changed[np.newaxis])[0, target]))
        expected.append((sum(curve) - curve[0] / 2 - curve[-1] / 2) / 5)
    for network in (model, tfviz.trace(str(tmp_path / "saved"))):
        found = pixel_flipping(network, images, targets, maps, steps=5, share=0.5, batch_size=7)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_quantus():
    arrays = references.load("quantus")
    given = arrays["images"], arrays["targets"], arrays["maps"]
    found = pixel_flipping(references.linear(arrays), *given, like="quantus", steps=16)
    np.testing.assert_allclose(found.curves.scores, arrays["pixel_flipping_curves"], atol=1e-6)
    np.testing.assert_allclose(found, arrays["pixel_flipping"], rtol=1e-6)


def test_quantus_a_pixel_a_step():
    arrays = references.load("quantus")
    network = references.linear(arrays, "grey_weights", "grey_bias")
    found = pixel_flipping(network, arrays["images"][..., :1], arrays["grey_targets"], arrays["maps"], like="quantus")
    np.testing.assert_allclose(found.curves.scores, arrays["grey_pixel_flipping_curves"], atol=1e-6)
    np.testing.assert_allclose(found, arrays["grey_pixel_flipping"], rtol=1e-6)


def test_the_options_are_part_of_the_result():
    found = pixel_flipping(mean_of_pixels(SIDE), np.ones((1, SIDE, SIDE, 1), np.float32), None, distinct(), fill=0)
    own = {"like": "tfviz", "steps": 10, "share": 0.25, "fill": 0, "ties": "random", "area": "mean"}
    assert found.options == own and found.metric == "pixel_flipping"
    assert found[0] == pytest.approx(1 - 0.125, abs=0.01)


def test_a_constant_map_is_not_defined():
    maps = distinct(2)
    maps[1] = 0
    with pytest.warns(TfvizWarning, match="pixel_flipping of image 1 is not defined"):
        found = pixel_flipping(mean_of_pixels(SIDE), np.ones((2, SIDE, SIDE, 1), np.float32), None, maps)
    assert np.isfinite(found[0]) and np.isnan(found[1])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"share": 0}, "share is 0, expected a number above 0 to 1"),
        ({"share": 1.5}, "share is 1.5, expected"),
        ({"share": "all"}, "share is 'all', expected"),
        ({"steps": -1}, "steps is -1"),
        ({"fill": "opposite"}, "there is no fill 'opposite'"),
        ({"like": "rise"}, "there are: tfviz, quantus"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(TfvizError, match=message):
        pixel_flipping(mean_of_pixels(SIDE), np.ones((1, SIDE, SIDE, 1), np.float32), None, distinct(), **options)
