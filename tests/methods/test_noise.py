"""SmoothGrad and its relatives against a plain loop over noisy copies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import distance, linear, model_of, random_images
from support.thinning import by_day, spread

import tfviz
from tfviz.errors import RuleError, TfvizError, UnknownLayerError, UnknownMethodError

IMAGES = random_images(3) * np.float32([1, 2, 0.1])[:, np.newaxis, np.newaxis, np.newaxis]
TARGETS = np.array([3, 0, 4])
BATCHES = [1, 5, 32]
LOOPS = {
    "integrated_gradients": {"steps": 3},
    "score_cam": {"upsample": False},
    "rise": {"masks": 5},
    "smooth_grad": {"samples": 2, "seed": 4},
}
INNER = ["gradient", "saliency", "grad_cam", "guided_backprop"]
FINISH = {
    "smooth_grad": lambda values: values.mean(axis=0),
    "var_grad": lambda values: values.var(axis=0),
    "square_grad": lambda values: np.square(values).mean(axis=0),
}


def noisy_copies(images, samples, noise, seed):
    for sample in range(samples):
        drawn = tf.random.stateless_normal(images.shape[1:], [seed, sample]).numpy()
        yield np.stack([image + noise * np.ptp(image) * drawn for image in images])


def by_hand(name, inner, samples=7, noise=0.15, seed=0, options=None):
    model = model_of("functional")
    copies = noisy_copies(IMAGES, samples, noise, seed)
    values = [getattr(tfviz, inner)(model, each, TARGETS, **(options or {})) for each in copies]
    return FINISH[name](np.array(values, np.float64))


@pytest.mark.parametrize("inner, name", by_day(itertools.product(INNER, FINISH), spread(INNER, FINISH)))
@pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning")
def test_over_any_method(name, inner):
    ours = getattr(tfviz, name)(model_of("functional"), IMAGES, TARGETS, of=inner, samples=7)
    assert distance(ours, by_hand(name, inner)) < 1e-4


@pytest.mark.parametrize("name", FINISH)
def test_its_own_options(name):
    ours = getattr(tfviz, name)(model_of("functional"), IMAGES, TARGETS, samples=3, noise=0.4, seed=9)
    assert distance(ours, by_hand(name, "gradient", 3, 0.4, 9)) < 1e-4


@pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning")
def test_the_options_of_the_inner_method():
    options = {"layer": "conv1", "upsample": False}
    ours = tfviz.smooth_grad(model_of("functional"), IMAGES, TARGETS, of="layer_cam", samples=4, options=options)
    assert distance(ours, by_hand("smooth_grad", "layer_cam", 4, options=options)) < 1e-4


@pytest.mark.parametrize("inner, batch_size", by_day(itertools.product(LOOPS, BATCHES), spread(LOOPS, BATCHES)))
@pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning")
def test_over_methods_that_are_loops_themselves(inner, batch_size):
    options = LOOPS[inner]
    ours = tfviz.smooth_grad(
        model_of("functional"), IMAGES, TARGETS, of=inner, samples=3, options=options, batch_size=batch_size
    )
    assert distance(ours, by_hand("smooth_grad", inner, 3, options=options)) < 1e-4


def test_the_gradient_of_a_linear_model_knows_no_noise():
    model = linear()
    images = random_images(2, (4, 4, 3))
    kernel = model.get_layer("scores").get_weights()[0][:, 1].reshape(4, 4, 3)
    np.testing.assert_allclose(tfviz.smooth_grad(model, images, 1), [kernel, kernel], rtol=1e-5)
    np.testing.assert_allclose(tfviz.square_grad(model, images, 1), [kernel**2] * 2, rtol=1e-5)
    # A difference of sums of squares would leave 1e-7 of them.
    assert (tfviz.var_grad(model, images, 1) <= 1e-12 * kernel**2).all()


def test_the_layer_of_the_inner_method_is_reported():
    explanation = tfviz.explain(
        model_of("functional"),
        random_images(1),
        methods=["smooth_grad", "var_grad"],
        options={"smooth_grad": {"of": "hires_cam", "samples": 2}, "var_grad": {"samples": 2}},
    )
    assert explanation.layers == {"smooth_grad": "conv2"}
    assert explanation.options["smooth_grad"]["options"] == {
        "layer": "conv2",
        "upsample": True,
        "placement": "convention",
    }
    assert explanation.options["var_grad"]["options"] == {}


def test_what_a_rule_says_of_the_network_is_said():
    with pytest.raises(RuleError, match="guided_backprop changes how gradients pass ReLUs"):
        tfviz.smooth_grad(model_of("silu"), random_images(1), of="guided_backprop")


@pytest.mark.parametrize(
    "error, options, message",
    [
        (TfvizError, {"samples": 0}, "samples is 0, expected an integer of at least 1"),
        (TfvizError, {"noise": -0.1}, "noise is -0.1, expected a number of at least 0"),
        (TfvizError, {"noise": float("nan")}, "noise is nan, expected a number of at least 0"),
        (TfvizError, {"seed": -1}, "seed is -1, expected an integer of at least 0"),
        (UnknownMethodError, {"of": ["gradient"]}, r"no method \['gradient'\]"),
        (TfvizError, {"options": 5}, "options are 5, expected those of the inner method by name"),
        (TfvizError, {"of": "grad_cam", "options": {"upsample": "no"}}, "upsample is 'no', expected True or False"),
        (UnknownMethodError, {"of": "gradients"}, "no method 'gradients'; did you mean 'gradient'"),
        (UnknownMethodError, {"options": {"layer": "conv1"}}, "gradient does not know the option 'layer'"),
        (UnknownLayerError, {"of": "grad_cam", "options": {"layer": "conf1"}}, "did you mean 'conv1'"),
        (TfvizError, {"of": "occlusion", "options": {"patch": 17}}, "patch is 17, larger than the image of 16x16"),
    ],
)
def test_bad_options(error, options, message):
    with pytest.raises(error, match=message):
        tfviz.smooth_grad(model_of("functional"), random_images(1), **options)
