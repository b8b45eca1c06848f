"""Integrated gradients against closed forms, a slow sum, and the axiom of completeness."""

from __future__ import annotations

import contextlib
import itertools
import warnings

import cv2
import keras
import numpy as np
import pytest
from support.model_zoo import distance, linear, model_of, random_images
from support.thinning import by_day

import tfviz
from tfviz.errors import InvalidImagesError, TfvizError, TfvizWarning

SHAPE = (4, 4, 3)
IMAGES = random_images(3, SHAPE)


class Power(keras.layers.Layer):
    def __init__(self, exponent):
        super().__init__(name="power")
        self.exponent = exponent

    def call(self, x):
        return x**self.exponent


def polynomial(exponent):
    """s_c(x) = Σ_i w_ic x_i^exponent."""
    image = keras.Input(SHAPE)
    x = keras.layers.Flatten()(Power(exponent)(image))
    model = keras.Model(image, keras.layers.Dense(2, use_bias=False, name="scores")(x))
    kernel = np.random.default_rng(1).normal(size=(48, 2))
    model.get_layer("scores").kernel.assign(kernel)
    return model, kernel.reshape(*SHAPE, 2)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_linear_model_gives_its_weights(steps):
    model = linear()
    kernel = model.get_layer("scores").get_weights()[0][:, 2].reshape(SHAPE)
    np.testing.assert_allclose(
        tfviz.integrated_gradients(model, IMAGES, 2, steps=steps), IMAGES * kernel, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("baseline", ["zeros", 0.4, np.float32([0.1, -0.2, 0.3]), random_images(1, SHAPE, 5)[0]])
def test_a_quadratic_is_exact_with_one_midpoint(baseline):
    """The integral of 2 w (b + a (x − b)) over a is w (x + b), and (x − b)(x + b) = x² − b²."""
    model, kernel = polynomial(2)
    start = np.zeros(SHAPE) if isinstance(baseline, str) else np.broadcast_to(baseline, SHAPE)
    expected = kernel[..., 1] * (IMAGES**2 - start**2)
    ours = tfviz.integrated_gradients(model, IMAGES, 1, baseline=baseline, steps=1)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_cubic_is_the_midpoint_sum(steps):
    """Neither the left sum nor the trapezoid rule gives these numbers."""
    model, kernel = polynomial(3)
    middles = (np.arange(steps) + 0.5) / steps
    expected = kernel[..., 0] * IMAGES * np.mean([3 * (share * IMAGES) ** 2 for share in middles], axis=0)
    expectation = pytest.warns(TfvizWarning, match="misses completeness") if steps < 3 else contextlib.nullcontext()
    with expectation:
        ours = tfviz.integrated_gradients(model, IMAGES, 0, steps=steps)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 5, 40])
def test_gauss_legendre_is_the_weighted_sum_at_its_nodes(steps):
    """With the nodes and weights of NumPy; exact for a polynomial of degree 2 · steps, whose gradient has one less."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    model = model_of("functional")
    images = random_images(2)
    gradients = [tfviz.gradient(model, images * np.float32((node + 1) / 2), 1) for node in nodes]
    expected = images * np.einsum("k,knijc->nijc", weights / 2, gradients)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TfvizWarning)
        ours = tfviz.integrated_gradients(model, images, 1, steps=steps, quadrature="gauss_legendre")
    assert distance(ours, expected) < 1e-4
    model, kernel = polynomial(2 * steps if steps < 4 else 4)
    exponent = 2 * steps if steps < 4 else 4
    ours = tfviz.integrated_gradients(model, IMAGES, 0, steps=steps, quadrature="gauss_legendre")
    np.testing.assert_allclose(ours, kernel[..., 0] * IMAGES**exponent, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "quadrature, baseline",
    by_day(
        itertools.product(["midpoint", "gauss_legendre"], ["zeros", ["zeros", 0.3, "blurred"]]),
        [("gauss_legendre", ["zeros", 0.3, "blurred"])],
    ),
)
def test_steps_are_doubled_until_the_gap_is_small(quadrature, baseline):
    """Each image has the attributions of as many steps as it took, the least of 3, 6, 12, ... that are enough."""
    model, images = model_of("functional"), random_images(4)
    how = {"baseline": baseline, "quadrature": quadrature}

    def explained(images, batch_size=32, **options):
        about = {"methods": "integrated_gradients", "options": {"integrated_gradients": how | options}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TfvizWarning)
            found = tfviz.explain(model, images, 1, batch_size=batch_size, **about)
        return found.maps["integrated_gradients"], found.diagnostics["integrated_gradients"]

    rounds = [explained(images, steps=3 * 2**number) for number in range(5)]
    gaps = np.array([about["completeness_gap"] for _, about in rounds])
    tolerance = float(np.median(gaps))
    enough = [next((each for each in range(5) if gaps[each, n] <= tolerance), 4) for n in range(4)]
    assert len(set(enough)) > 1
    for batch_size in (2, 32):
        found, about = explained(images, batch_size, steps=3, max_steps=95, tolerance=tolerance)
        np.testing.assert_array_equal(about["steps_used"], 3 * 2 ** np.array(enough))
        np.testing.assert_allclose(about["completeness_gap"], gaps[enough, range(4)], rtol=1e-2, atol=1e-5)
        np.testing.assert_array_equal(about["tolerance_missed"], gaps[enough, range(4)] > tolerance)
        for number, each in enumerate(enough):
            assert distance(found[number], rounds[each][0][number]) < 1e-5


def test_steps_that_were_not_enough_are_said():
    model, images = model_of("functional"), random_images(1)
    with pytest.warns(TfvizWarning, match=r"integrated_gradients misses completeness by .* for image 0"):
        tfviz.integrated_gradients(model, images, steps=2, max_steps=4, tolerance=1e-6)
    with pytest.raises(TfvizError, match=r"max_steps is 10, less than the 50 steps to begin with"):
        tfviz.integrated_gradients(model, images, max_steps=10, tolerance=0.1)
    with pytest.raises(TfvizError, match="quadrature is 'simpson', expected one of 'midpoint', 'gauss_legendre'"):
        tfviz.integrated_gradients(model, images, quadrature="simpson")


@pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning")
def test_several_baselines_are_averaged():
    model = model_of("functional")
    images = random_images(2)
    baselines = ["zeros", 0.3, "blurred", "uniform"]
    alone = [
        tfviz.integrated_gradients(model, images, 1, baseline=each, steps=30, seed=position)
        for position, each in enumerate(baselines)
    ]
    together = tfviz.integrated_gradients(model, images, 1, baseline=baselines, steps=30)
    assert distance(together, np.mean(alone, axis=0)) < 1e-4


def test_the_blurred_baseline():
    """A tenth of the shorter side; for a linear model the attribution is w (x − b)."""
    image = keras.Input((20, 30, 3))
    model = keras.Model(image, keras.layers.Dense(1, name="scores")(keras.layers.Flatten()(image)))
    kernel = model.get_layer("scores").get_weights()[0].reshape(20, 30, 3)
    images = random_images(2, (20, 30, 3))
    blurred = [cv2.GaussianBlur(each, (13, 13), 2.0, borderType=cv2.BORDER_REFLECT) for each in images]
    ours = tfviz.integrated_gradients(model, images, 0, baseline="blurred", steps=1)
    np.testing.assert_allclose(ours, kernel * (images - blurred), rtol=1e-3, atol=1e-5)


def test_the_uniform_baseline():
    """Between the image's own minimum and maximum, seeded, the same for every image."""
    model = linear()
    kernel = model.get_layer("scores").get_weights()[0][:, 0].reshape(SHAPE)
    images = IMAGES * np.float32([1, 3, 0.2])[:, np.newaxis, np.newaxis, np.newaxis]

    def baseline(seed):
        return images - tfviz.integrated_gradients(model, images, 0, baseline="uniform", steps=1, seed=seed) / kernel

    found = baseline(0)
    low, high = images.min(axis=(1, 2, 3), keepdims=True), images.max(axis=(1, 2, 3), keepdims=True)
    shares = (found - low) / (high - low)
    np.testing.assert_allclose(shares[0], shares[1], atol=1e-3)
    assert shares.min() > -1e-3 and shares.max() < 1 + 1e-3 and shares.std() > 0.2
    np.testing.assert_array_equal(found, baseline(0))
    assert not np.allclose(found, baseline(1))


def test_the_black_and_the_white_baseline():
    """The smallest and the largest value of each channel of each image, whatever the other images hold."""
    model = linear()
    kernel = model.get_layer("scores").get_weights()[0][:, 0].reshape(SHAPE)
    for baseline, of in (("black", np.min), ("white", np.max)):
        colors = of(IMAGES, axis=(1, 2), keepdims=True)
        ours = tfviz.integrated_gradients(model, IMAGES, 0, baseline=baseline, steps=1)
        np.testing.assert_allclose(ours, kernel * (IMAGES - colors), rtol=1e-4, atol=1e-6)


def test_completeness():
    """Many steps: the attributions sum to the rise of the score."""
    model = model_of("functional")
    network = tfviz.trace(model)
    images = random_images(4)
    ours = tfviz.integrated_gradients(model, images, 3, baseline=0.2, steps=300)
    rise = network.logits(images)[:, 3] - network.logits(np.full_like(images, 0.2))[:, 3]
    np.testing.assert_allclose(ours.sum(axis=(1, 2, 3)), rise, rtol=2e-3, atol=1e-4)


def test_the_gap_is_returned_and_warned_about():
    model, _ = polynomial(3)
    with pytest.warns(TfvizWarning, match="misses completeness by up to 25% for image 0, 1, 2: .* take more steps"):
        explanation = tfviz.explain(
            model, IMAGES, 0, methods="integrated_gradients", options={"integrated_gradients": {"steps": 1}}
        )
    # One midpoint of a cubic: 3 (x/2)² x = ¾ x³.
    np.testing.assert_allclose(explanation.diagnostics["integrated_gradients"]["completeness_gap"], 0.25, rtol=1e-3)
    fine = tfviz.explain(
        model, IMAGES, 0, methods="integrated_gradients", options={"integrated_gradients": {"steps": 40}}
    )
    assert (fine.diagnostics["integrated_gradients"]["completeness_gap"] < 1e-3).all()
    assert fine.select([1]).diagnostics["integrated_gradients"]["completeness_gap"].shape == (1,)


def test_the_gap_of_several_baselines_is_that_to_their_mean_score():
    model, _ = polynomial(2)
    options = {"integrated_gradients": {"steps": 1, "baseline": [0.5, "zeros"]}}
    explanation = tfviz.explain(model, IMAGES, 0, methods="integrated_gradients", options=options)
    assert (explanation.diagnostics["integrated_gradients"]["completeness_gap"] < 1e-4).all()


def test_the_widest_gap_of_an_image_is_said_once_for_all_of_its_targets():
    image = keras.Input(SHAPE)
    features = keras.layers.Flatten()(Power(3)(image))
    model = keras.Model(image, keras.layers.Dense(3, use_bias=False)(features))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        options = {"integrated_gradients": {"steps": 1}}
        tfviz.explain(model, np.ones((2, *SHAPE)), methods="integrated_gradients", options=options, top=3)
    assert [str(each.message).partition(" for image ")[2].partition(":")[0] for each in said] == ["0, 1"]


def test_a_gap_where_the_score_does_not_rise_is_infinite():
    """s(x) = x³ − x at x = 1 is what it is at the baseline 0; one midpoint gives 3/4 − 1."""
    image = keras.Input(SHAPE)
    x = keras.layers.Subtract()([Power(3)(image), image])
    model = keras.Model(image, keras.layers.Dense(2, use_bias=False, name="scores")(keras.layers.Flatten()(x)))
    model.get_layer("scores").kernel.assign(np.ones((48, 2)))
    options = {"integrated_gradients": {"steps": 1}}
    with pytest.warns(TfvizWarning, match="misses completeness of a score that does not rise for image"):
        found = tfviz.explain(model, np.ones((1, *SHAPE)), 0, methods="integrated_gradients", options=options)
    np.testing.assert_allclose(found.maps["integrated_gradients"], -0.25, rtol=1e-5)
    assert np.isposinf(found.diagnostics["integrated_gradients"]["completeness_gap"])


@pytest.mark.parametrize("steps", [0, -3, 2.5, "many", True])
def test_no_such_number_of_steps(steps):
    with pytest.raises(TfvizError, match=r"steps is .*, expected an integer of at least 1"):
        tfviz.integrated_gradients(linear(), IMAGES, steps=steps)


@pytest.mark.parametrize(
    "baseline, message",
    [
        (np.zeros((5, 4, 3)), r"the baseline has the shape \(5, 4, 3\) .* a colour \(3,\) or an image \(4, 4, 3\)"),
        (np.zeros(2), r"the baseline has the shape \(2,\)"),
        ([0.0, np.zeros((1, 4, 4, 3))], r"the baseline has the shape \(1, 4, 4, 3\)"),
        (np.full(SHAPE, np.nan), "the baseline holds NaN"),
        (True, "the type bool"),
        ("zeroes", "no baseline 'zeroes'; did you mean 'zeros'"),
        ("pink", "no baseline 'pink'; expected zeros, blurred, uniform, black, white"),
        ([], "baseline is an empty list"),
        ([0.1, 0.2, 0.3], r"baseline is a list of numbers, \[0.1, 0.2, 0.3\]: give a colour as an array"),
    ],
)
def test_no_such_baseline(baseline, message):
    with pytest.raises((TfvizError, InvalidImagesError), match=message):
        tfviz.integrated_gradients(linear(), IMAGES, baseline=baseline)


@pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning")
def test_a_network_that_leaves_the_size_open():
    model = model_of("open_size")
    images = random_images(2, (18, 25, 3))
    for baseline in ("blurred", "uniform", np.zeros((18, 25, 3))):
        found = tfviz.integrated_gradients(model, images, 1, baseline=baseline, steps=20)
        assert found.shape == images.shape and np.isfinite(found).all()
    with pytest.raises(InvalidImagesError, match="the baseline has the shape"):
        tfviz.integrated_gradients(model, images, 1, baseline=np.zeros((18, 18, 3)))
