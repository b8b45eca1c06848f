"""ROAD against closed forms, a slow way and the numbers of its authors and of Quantus."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from support import references
from test_imputation import slow

import tfviz
from tfviz.errors import InvalidTargetsError, TfvizError, TfvizWarning, UnsupportedModelError
from tfviz.results.metrics import road

SIDE = 16
SHARES = (10, 50, 90)


def score_of_a_pixel(row, column):
    """Return a network whose custom score is one pixel of the first channel."""
    model = keras.Sequential([keras.Input((SIDE, SIDE, 3)), keras.layers.Identity()])
    return tfviz.trace(model, score=lambda x: x[:, row, column, 0])


def some(count=2, seed=0):
    generator = np.random.default_rng(seed)
    maps = np.stack([generator.permutation(SIDE * SIDE).reshape(SIDE, SIDE) for _ in range(count)])
    return generator.uniform(size=(count, SIDE, SIDE, 3)).astype(np.float32), maps.astype(float)


def test_the_curve_of_a_network_that_reads_one_pixel():
    """A lone bright pixel becomes its neighbours' value as soon as the map removes it."""
    images, maps = np.zeros((1, SIDE, SIDE, 3), np.float32), some(1)[1]
    images[0, 5, 6] = 1
    maps[0, 5, 6] = 1000
    network = score_of_a_pixel(5, 6)
    first = road(network, images, None, maps, order="morf", noise=0)
    last = road(network, images, None, maps, order="lerf", noise=0)
    both = road(network, images, None, maps, noise=0)
    np.testing.assert_allclose(first.curves.scores, 0, atol=1e-4)
    np.testing.assert_allclose(last.curves.scores, 1, atol=1e-4)
    np.testing.assert_allclose([first[0], last[0], both[0]], [0, 1, 1], atol=1e-4)
    np.testing.assert_allclose(first.curves.shares, [0.1, 0.3, 0.5, 0.7, 0.9])
    assert both.curves.y == "probability of the target, LeRF less MoRF"


def test_a_network_that_says_the_same_of_all():
    model = keras.Sequential([keras.Input((SIDE, SIDE, 3)), keras.layers.Flatten(), keras.layers.Dense(4, "softmax")])
    model.set_weights([np.zeros((SIDE * SIDE * 3, 4)), np.zeros(4)])
    images, maps = some()
    np.testing.assert_allclose(road(model, images, 1, maps), 0, atol=1e-7)
    np.testing.assert_allclose(road(model, images, 1, maps, order="lerf"), 0.25, atol=1e-7)


def test_the_slow_way_and_a_saved_model(tmp_path):
    arrays = references.load("road")
    model = references.convolutional(arrays)
    model.export(str(tmp_path / "saved"), verbose=False)
    images, maps, targets = arrays["images"], arrays["maps"], arrays["targets"]
    expected = np.zeros((4, 2, len(SHARES)))
    for row, (image, one_map, target) in enumerate(zip(images, maps, targets, strict=True)):
        order = np.argsort(one_map.ravel())
        for column, percentage in enumerate(SHARES):
            count = int(256 * percentage / 100)
            for way, places in enumerate((order[:count], order[-count:])):
                removed = np.zeros((SIDE, SIDE), bool)
                removed.flat[places] = True
                probabilities = model(slow(image, removed)[np.newaxis].astype(np.float32))
                expected[row, way, column] = probabilities[0, target]
    for network in (model, tfviz.trace(str(tmp_path / "saved"))):
        found = road(network, images, targets, maps, percentages=SHARES, noise=0, batch_size=5)
        np.testing.assert_allclose(found, (expected[:, 0] - expected[:, 1]).mean(1), atol=1e-4)
        for way, order in enumerate(("lerf", "morf")):
            found = road(network, images, targets, maps, percentages=SHARES, noise=0, order=order, like="quantus")
            predicted = road(network, images, targets, maps, percentages=SHARES, noise=0, order=order)
            np.testing.assert_allclose(predicted.curves.scores, expected[:, way], atol=1e-4)
            assert set(found.curves.scores.ravel()) <= {0, 1}


def test_the_accuracy_counts_whether_the_target_is_predicted():
    arrays = references.load("road")
    model = references.linear(arrays)
    images, maps = arrays["images"], arrays["maps"]
    each = [
        road(model, images, target, maps, order="morf", score="accuracy", noise=0).curves.scores for target in range(4)
    ]
    np.testing.assert_array_equal(np.sum(each, axis=0), 1)
    probable = [road(model, images, target, maps, order="morf", noise=0).curves.scores for target in range(4)]
    np.testing.assert_array_equal(np.argmax(each, axis=0), np.argmax(probable, axis=0))


@pytest.mark.parametrize("order", ["morf", "lerf"])
def test_its_authors(order):
    arrays = references.load("road")
    given = references.linear(arrays), arrays["images"], arrays["targets"], arrays["maps"]
    found = road(*given, like="road", order=order, score="probability", noise=0)
    np.testing.assert_allclose(found.curves.shares, arrays["shares"])
    np.testing.assert_allclose(found.curves.scores.T, arrays[f"{order}_probabilities"], atol=1e-6)
    hits = road(*given, like="road", order=order, noise=0)
    np.testing.assert_allclose(hits.curves.scores.mean(0), arrays[f"{order}_accuracy"], atol=1e-6)


def test_quantus():
    arrays = references.load("quantus")
    network = references.linear(arrays, "grey_weights", "grey_bias")
    images = arrays["images"][..., :1]
    found = road(network, images, arrays["grey_targets"], arrays["maps"], like="quantus", noise=0)
    np.testing.assert_allclose(found.curves.shares * 100, arrays["grey_road_percentages"])
    np.testing.assert_array_equal(found.curves.scores, arrays["grey_road_without_noise"])


def test_the_noise():
    """It lies on what was removed alone, is the same for all images, and a share of their range."""
    images, maps = np.zeros((2, SIDE, SIDE, 3), np.float32), some()[1]
    images[0, 0, 0], images[1, 0, 0] = 1, 200
    maps[:, 0, 0], maps[:, 5, 6], maps[:, 9, 9] = 1000, 900, -1000
    drawn = np.random.default_rng(0).standard_normal((SIDE, SIDE, 3))[5, 6, 0]
    for options, scale in (({}, [1, 200]), ({"like": "road"}, [1, 1])):
        given = {**options, "order": "morf", "percentages": (10,), "score": "probability"}
        found, quiet = (road(score_of_a_pixel(5, 6), images, None, maps, noise=noise, **given) for noise in (0.05, 0))
        np.testing.assert_allclose(found.values - quiet.values, 0.05 * drawn * np.array(scale), rtol=1e-4)
    kept = road(score_of_a_pixel(9, 9), images, None, maps, order="morf", percentages=(10,))
    np.testing.assert_array_equal(kept, 0)
    other = road(score_of_a_pixel(5, 6), images, None, maps, order="morf", percentages=(10,), seed=1)
    assert (
        other.values != road(score_of_a_pixel(5, 6), images, None, maps, order="morf", percentages=(10,)).values
    ).all()


def test_the_options_are_part_of_the_result():
    images, maps = some()
    found = road(score_of_a_pixel(0, 0), images, None, maps, percentages=[20, 40])
    assert found.metric == "road" and found.collapse is None and found.curves.scores.shape == (2, 2)
    assert found.options["percentages"] == [20, 40] and found.options["order"] == "combined"
    assert found.options["seed"] == 0 and found.options["noise"] == 0.01 and found.options["noise_of"] == "range"
    kept = road(references.linear(references.load("road")), images, 0, maps, like="road", order="lerf")
    assert kept.curves.x == "share of the pixels that are kept" and kept.curves.y == "whether the target is predicted"


def test_a_constant_map_is_not_defined():
    images, maps = some()
    maps[0] = 3
    with pytest.warns(TfvizWarning, match="road of image 0 is not defined"):
        found = road(score_of_a_pixel(0, 0), images, None, maps)
    assert np.isnan(found[0]) and np.isfinite(found[1])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"order": "MoRF"}, "order is 'MoRF', expected one of combined, morf, lerf"),
        ({"percentages": 10}, "percentages are 10, expected numbers above 0 and below 100"),
        ({"percentages": [10, 100]}, r"percentages are \[10, 100\], expected"),
        ({"percentages": []}, r"percentages are \[\], expected"),
        ({"percentages": ["10"]}, r"percentages are \['10'\], expected"),
        ({"score": "logit"}, "score is 'logit', expected one of probability, accuracy"),
        ({"noise": -0.1}, "noise is -0.1, expected a number of at least 0"),
        ({"noise": "some"}, "noise is 'some', expected"),
        ({"seed": -1}, "seed is -1, expected an integer of at least 0"),
        ({"like": "rise"}, "there are: tfviz, road, quantus"),
    ],
)
def test_bad_options(options, message):
    images, maps = some()
    with pytest.raises(TfvizError, match=message):
        road(score_of_a_pixel(0, 0), images, None, maps, **options)


def test_the_accuracy_needs_classes():
    images, maps = some()
    with pytest.raises(UnsupportedModelError, match="road needs the logits of classes"):
        road(score_of_a_pixel(0, 0), images, None, maps, score="accuracy")
    with pytest.raises(InvalidTargetsError):
        road(references.linear(references.load("road")), images, 9, maps)
