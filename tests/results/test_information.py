"""Performance information curves against closed forms and a slow way."""

from __future__ import annotations

import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import references

import tfviz
from tfviz.errors import TfvizError, TfvizWarning, UnsupportedModelError
from tfviz.results.metrics import performance_information
from tfviz.results.metrics.faithfulness.information import bytes_of, information_curves

SIDE = 32
REGION = np.zeros((SIDE, SIDE), bool)
REGION[8:24, 4:20] = True


def region_sum():
    """Return a network whose custom score is the mean over the region of what differs from 0.5."""
    model = keras.Sequential([keras.Input((SIDE, SIDE, 1)), keras.layers.Identity()])
    inside = tf.constant(REGION, tf.float32)
    return tfviz.trace(model, score=lambda x: tf.reduce_mean(tf.abs(x[..., 0] - 0.5) * inside, axis=(1, 2)))


def noise(count=1, channels=1, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (count, SIDE, SIDE, channels)).astype(np.float32)


def by_rank(inside):
    """Return a map whose highest values are those inside, in reading order."""
    return (inside.size * inside - np.arange(inside.size).reshape(inside.shape)).astype(float)


def test_a_map_of_what_decides_and_one_of_the_rest():
    """Of noise, bits grow with the pixels: a quarter of them performs fully, or nothing does before three quarters."""
    shares = np.arange(1, 32) / 32
    good, bad = (
        performance_information(region_sum(), noise(), None, one_map[np.newaxis], shares=shares, start=0.5)
        for one_map in (by_rank(REGION), -by_rank(REGION))
    )
    assert good[0] > 0.7 and bad[0] < 0.3
    assert good.curves.scores.shape == (1, 101) and good.metric == "performance_information"
    # Pixels beside grey ones cost more bits than those in a picture full of noise.
    np.testing.assert_allclose(good.curves.scores[0, 60:], 1, atol=1e-6)
    np.testing.assert_allclose(bad.curves.scores[0, :60], 0, atol=1e-6)
    for found in (good, bad):
        scores = found.curves.scores[0]
        assert found[0] == pytest.approx((scores[1:] + scores[:-1]).mean() / 2, abs=0.01)
        assert (np.diff(scores) >= 0).all()


def test_the_area_by_hand():
    """Bits 10 to 110 and scores 0.2 to 1, of which the best so far counts; the last image gains nothing."""
    bits = np.array([[10.0, 60, 35, 110], [10, 60, 35, 110], [10, 20, 30, 10]])
    scores = np.array([[0.2, 0.6, 0.4, 1.0], [0.2, 0.4, 0.1, 0.2], [0, 0, 0, 1]])
    curves, areas, undefined = information_curves(bits, scores)
    # The points are 0 at 0, a half at a quarter and at a half, 1 at 1.
    assert areas[0] == pytest.approx(0.25 * 0.25 + 0.25 * 0.5 + 0.5 * 0.75)
    np.testing.assert_allclose(curves[0, [0, 25, 37, 50, 75, 100]], [0, 0.5, 0.5, 0.5, 0.75, 1])
    np.testing.assert_array_equal(undefined, [False, True, True])
    assert np.isnan(areas[1:]).all() and np.isnan(curves[1:]).all()


def test_the_bits():
    """More noise takes more; one colour hardly any; values beyond the image's range are clipped."""
    flat, random = np.full((SIDE, SIDE, 3), 0.5, np.float32), noise(channels=3)[0]
    half = np.where(np.arange(SIDE)[:, None, None] < 16, flat, random)
    sizes = [bytes_of(each, 0, 1) for each in (flat, half, random)]
    assert sizes[0] < 300 and sizes[0] + 150 < sizes[1] < sizes[2] - 150
    # A bit a value, as the random image has, cannot be compressed to less than an eighth.
    assert sizes[2] > random.size / 8
    assert bytes_of(2 * random - 0.5, 0, 1) == sizes[2] and bytes_of(3 * random + 7, 7, 10) == sizes[2]
    assert bytes_of(flat, 0.5, 0.5) < 300
    assert abs(sizes[2] - len(zlib.compress(random.astype(np.uint8).tobytes()))) < 0.5 * sizes[2]


@pytest.mark.parametrize("curve", ["sic", "aic"])
def test_the_slow_way_and_a_saved_model(curve, tmp_path):
    arrays = references.load("road")
    model = references.linear(arrays)
    model.export(str(tmp_path / "saved"), verbose=False)
    images, maps = arrays["images"], arrays["maps"]
    whole, none = model.predict(images, verbose=0), model.predict(0 * images, verbose=0)
    # Classes that the image has more of than a black one; for AIC the predicted one, unlike the black one's.
    targets = whole.argmax(1) if curve == "aic" else (whole - none).argmax(1)
    defined = (targets != none.argmax(1)) if curve == "aic" else np.full(4, True)
    expected = np.full(4, np.nan)
    for row in np.flatnonzero(defined):
        image, order = images[row], np.argsort(-maps[row].ravel())
        points = []
        for share in (0, 0.1, 0.3, 0.6, 1):
            changed = np.zeros_like(image)
            for place in order[: round(256 * share)]:
                changed[place // 16, place % 16] = image[place // 16, place % 16]
            probabilities = model(changed[np.newaxis])[0].numpy()
            score = probabilities[targets[row]] if curve == "sic" else float(probabilities.argmax() == targets[row])
            points.append((bytes_of(changed, image.min(), image.max()), score))
        (least, low), (most, high), best, scaled = points[0], points[-1], 0, []
        for bits, score in points:
            best = max(best, min((score - low) / (high - low), 1))
            scaled.append((min(max((bits - least) / (most - least), 0), 1), best))
        scaled.sort()
        steps = zip(scaled[1:], scaled[:-1], strict=True)
        expected[row] = sum((x - before) * (y + earlier) / 2 for (x, y), (before, earlier) in steps)
    assert defined.any()
    options = {"curve": curve, "shares": (0.1, 0.3, 0.6), "start": 0, "batch_size": 7}
    for network in (model, tfviz.trace(str(tmp_path / "saved"))):
        found = performance_information(network, images[defined], targets[defined], maps[defined], **options)
        np.testing.assert_allclose(found, expected[defined], atol=1e-5)
        assert found.options == {"curve": curve, "shares": (0.1, 0.3, 0.6), "start": 0}
    assert found.curves.y == ("share of the probability" if curve == "sic" else "share of the accuracy")


def test_a_network_that_gains_nothing_is_not_defined():
    model = keras.Sequential([keras.Input((SIDE, SIDE, 1)), keras.layers.Flatten(), keras.layers.Dense(4, "softmax")])
    model.set_weights([np.zeros((SIDE * SIDE, 4)), np.zeros(4)])
    maps = np.stack([by_rank(REGION)] * 2)
    for curve in ("sic", "aic"):
        with pytest.warns(TfvizWarning, match=r"information of image 0, 1 is not defined \(NaN\): the network does as"):
            assert np.isnan(performance_information(model, noise(2), 0, maps, curve=curve)).all()


def test_an_image_that_takes_no_bytes_and_a_constant_map():
    images = np.concatenate([noise(), np.ones((1, SIDE, SIDE, 1), np.float32)])
    with pytest.warns(TfvizWarning, match="information of image 1 is not defined .* as many bytes"):
        found = performance_information(region_sum(), images, None, np.stack([by_rank(REGION)] * 2), start=0.5)
    assert found[0] > 0.5 and np.isnan(found[1])
    with pytest.warns(TfvizWarning, match="the map is the same everywhere"):
        assert np.isnan(performance_information(region_sum(), noise(), None, np.ones((1, SIDE, SIDE)), start=0.5))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"curve": "pic"}, "there is no curve 'pic'; did you mean"),
        ({"start": "grey"}, "there is no start 'grey'"),
        ({"shares": []}, r"shares are \[\], expected ascending numbers above 0 and below 1"),
        ({"shares": 0.5}, "shares are 0.5, expected"),
        ({"shares": [0.5, 0.5]}, r"shares are \[0.5, 0.5\], expected ascending"),
        ({"shares": [0, 0.5]}, r"shares are \[0, 0.5\], expected"),
        ({"shares": ["0.5"]}, r"shares are \['0.5'\], expected"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(TfvizError, match=message):
        performance_information(region_sum(), noise(), None, by_rank(REGION)[np.newaxis], **options)


def test_the_accuracy_needs_classes():
    with pytest.raises(UnsupportedModelError, match="performance_information needs the logits of classes"):
        performance_information(region_sum(), noise(), None, by_rank(REGION)[np.newaxis], curve="aic")
