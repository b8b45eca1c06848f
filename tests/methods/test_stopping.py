"""Standard errors against all samples kept, and loops that end when a result is known well enough."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import distance, model_of, random_images
from support.thinning import by_day

import tfviz
from tfviz.errors import TfvizError, TfvizWarning

IMAGES = random_images(3) * np.float32([1, 2, 0.1])[:, np.newaxis, np.newaxis, np.newaxis]
TARGETS = np.array([3, 0, 4])
RESULT = {
    "smooth_grad": (lambda values: values.mean(axis=0), lambda values: values.var(axis=0, ddof=1)),
    "var_grad": (
        lambda values: values.var(axis=0),
        lambda values: ((values - values.mean(axis=0)) ** 4).mean(axis=0) - values.var(axis=0) ** 2,
    ),
    "square_grad": (lambda values: (values**2).mean(axis=0), lambda values: (values**2).var(axis=0, ddof=1)),
}
METHODS = {"smooth_grad": 40, "var_grad": 40, "square_grad": 40, "smooth_full_grad": 24, "rise": 200}
pytestmark = pytest.mark.filterwarnings("ignore:.*of image .* did not reach its tolerance:tfviz.errors.TfvizWarning")


def explained(name, images=IMAGES, targets=TARGETS, batch_size=32, **options):
    about = {"methods": name, "options": {name: options}, "batch_size": batch_size}
    found = tfviz.explain(model_of("functional"), images, targets, **about)
    return found.maps[name], found.diagnostics[name]


def every_sample(samples):
    """The gradient in each noisy copy, (samples, N, H, W, C)."""
    for sample in range(samples):
        drawn = tf.random.stateless_normal(IMAGES.shape[1:], [0, sample]).numpy()
        copies = np.stack([image + 0.15 * np.ptp(image) * drawn for image in IMAGES])
        yield tfviz.gradient(model_of("functional"), copies, TARGETS)


@pytest.mark.parametrize(
    "name, batch_size",
    by_day(itertools.product(RESULT, [32, 4]), [("smooth_grad", 32), ("var_grad", 4), ("square_grad", 4)]),
)
def test_the_standard_error_is_that_of_all_samples(name, batch_size):
    """Chunks of four samples a time and of one, whose moments must be taken together rightly."""
    values = np.array([*every_sample(9)], np.float64)
    result, variance = (make(values) for make in RESULT[name])
    expected = np.sqrt(variance.sum(axis=(1, 2, 3)) / 9) / np.sqrt((result**2).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(
        explained(name, samples=9, batch_size=batch_size)[1]["standard_error"], expected, rtol=2e-4
    )


@pytest.mark.parametrize(
    "name, count", by_day([("smooth_grad", 16), ("square_grad", 16), ("rise", 100)], [("smooth_grad", 16)])
)
def test_it_is_how_far_other_seeds_are(name, count):
    """What one run says of itself, on the mean, and how far forty runs are from their mean."""
    amount = {"masks" if name == "rise" else "samples": count}
    runs = [explained(name, IMAGES[:1], TARGETS[:1], seed=1000 * seed, **amount) for seed in range(40)]
    maps = np.array([map_[0] for map_, _ in runs])
    centre = maps.mean(axis=0)
    apart = np.sqrt(((maps - centre) ** 2).reshape(40, -1).sum(axis=1).mean() * 40 / 39) / np.linalg.norm(centre)
    said = np.mean([about["standard_error"][0] for _, about in runs])
    assert said == pytest.approx(apart, rel=0.15)


def test_one_sample_knows_nothing_of_its_error():
    assert np.isinf(explained("smooth_grad", samples=1)[1]["standard_error"]).all()
    assert np.isinf(explained("rise", masks=1)[1]["standard_error"]).all()


@pytest.mark.parametrize("name", by_day(METHODS, ["var_grad", "rise"]))
def test_each_image_stops_where_it_is_precise(name):
    """Its map is that of as many samples; neither the batch nor the other images have a part in it."""
    most, every = METHODS[name], 50 if name == "rise" else 8
    amount = "masks" if name == "rise" else "samples"
    few = [explained(name, **{amount: count})[1]["standard_error"] for count in range(every, most + 1, every)]
    tolerance = float(np.median(few)) * 1.0001
    expected = [next((k + 1 for k, error in enumerate(few) if error[n] <= tolerance), most // every) for n in range(3)]
    found, about = explained(name, **{amount: most}, tolerance=tolerance)
    np.testing.assert_array_equal(about["samples_used"], np.array(expected) * every)
    for batch_size in (1, 3):
        again, others = explained(name, **{amount: most}, tolerance=tolerance, batch_size=batch_size)
        assert distance(again, found) < 1e-5
        np.testing.assert_array_equal(others["samples_used"], about["samples_used"])
    for number, used in enumerate(about["samples_used"]):
        alone = slice(number, number + 1)
        exactly, _ = explained(name, IMAGES[alone], TARGETS[alone], **{amount: int(used)})
        assert distance(found[alone], exactly) < 1e-5
    np.testing.assert_array_equal(
        about["tolerance_missed"], np.array(few)[np.array(expected) - 1, range(3)] > tolerance
    )


def test_a_tolerance_that_was_missed_is_said():
    with pytest.warns(TfvizWarning, match=r"smooth_grad of image 0, 1, 2 did not reach its tolerance in 8 samples: "):
        explained("smooth_grad", samples=8, tolerance=1e-5)


@pytest.mark.parametrize("name", by_day(["smooth_grad", "rise", "integrated_gradients"], ["integrated_gradients"]))
def test_an_export_stops_each_image_alike(name, tmp_path):
    """It runs all images until the last one stops, and changes nothing of those that stopped."""
    options = {"rise": {"masks": 200, "tolerance": 0.07}, "smooth_grad": {"samples": 40, "tolerance": 0.16}}
    chosen = options.get(name, {"steps": 4, "max_steps": 64, "tolerance": 0.01})
    tfviz.export(model_of("functional"), tmp_path / "exported", methods=[name], options={name: chosen})
    signature = tf.saved_model.load(tmp_path / "exported").signatures[name]
    maps = signature(images=tf.constant(IMAGES), targets=tf.constant(TARGETS, tf.int32))["maps"].numpy()
    found, about = explained(name, **chosen)
    assert distance(maps, found) < 1e-5
    assert len(set(about.get("samples_used", about.get("steps_used")))) > 1


@pytest.mark.parametrize("name", [*METHODS, "integrated_gradients"])
@pytest.mark.parametrize("tolerance", by_day([0, -1.0, "small", np.nan], [0]))
def test_tolerances_that_are_none(name, tolerance):
    with pytest.raises(TfvizError, match=r"tolerance is .*, expected a number above 0"):
        explained(name, tolerance=tolerance)
