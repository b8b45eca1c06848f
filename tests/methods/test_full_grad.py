"""FullGrad against closed forms, the models' own gradients, a slow re-implementation of ψ, and its completeness."""

from __future__ import annotations

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, SHAPE, build, distance, head, linear, model_of, random_images, randomise
from support.photographs import read
from support.places import SHARED
from support.slow import slow_resize

import tfviz
from tfviz.errors import InvalidTargetsError, TfvizError, TfvizWarning
from tfviz.methods import run_methods
from tfviz.methods.full_grad import Decomposition, full_grad, full_grad_decomposition, simple_full_grad
from tfviz.network.passes.biases import find_biases

IMAGES = random_images(3)


def slow_psi(attributions):
    """ψ of attributions (N, h, w, c), image by image and channel by channel, at the size of the test images."""
    maps = np.zeros((len(attributions), *SHAPE[:2]))
    for index, attribution in enumerate(np.abs(attributions.astype(np.float64))):
        low, high = attribution.min(), attribution.max()
        for channel in range(attribution.shape[-1]):
            if high > low:
                maps[index] += slow_resize((attribution[..., channel] - low) / (high - low), *SHAPE[:2])
    return maps


def by_hand(model, images, target):
    """The model `functional` without tfviz: its logits, and ∂logit/∂ of the image and of both biased convolutions."""
    kernel1, bias1, kernel2, bias2, kernel, bias = map(tf.constant, model.get_weights())
    with tf.GradientTape() as tape:
        image = tf.constant(images)
        tape.watch(image)
        first = tf.nn.conv2d(image, kernel1, 1, "SAME") + bias1
        tape.watch(first)
        second = tf.nn.conv2d(tf.nn.max_pool2d(tf.nn.relu(first), 2, 2, "VALID"), kernel2, 1, "VALID") + bias2
        tape.watch(second)
        logits = tf.reduce_mean(tf.nn.relu(second), [1, 2]) @ kernel + bias
        score = logits[:, target]
    return score.numpy(), [gradient.numpy() for gradient in tape.gradient(score, [image, first, second])]


def with_biases(**values):
    """The model `functional`, all biases of the layers named set to a number."""
    model = build("functional")
    for name, value in values.items():
        model.get_layer(name).bias.assign(tf.fill(model.get_layer(name).bias.shape, value))
    return model


@pytest.mark.parametrize("target", range(CLASSES))
def test_a_linear_model(target):
    model, images = linear(), random_images(3, (4, 4, 3))
    kernel, bias = model.get_weights()
    found = full_grad_decomposition(model, images, target)
    np.testing.assert_allclose(found.input_term, images.reshape(3, -1) @ kernel[:, target], rtol=1e-5)
    assert list(found.bias_terms) == ["scores"]
    np.testing.assert_allclose(found.bias_terms["scores"], np.full(3, bias[target]), rtol=1e-6)
    np.testing.assert_allclose(found.scores, tfviz.trace(model).logits(images)[:, target], rtol=1e-6)
    np.testing.assert_array_equal(found.targets, np.full(3, target))
    assert found.completeness_error.max() < 1e-5


def test_every_term_of_a_network():
    model = model_of("functional")
    score, (at_image, at_first, at_second) = by_hand(model, IMAGES, 3)
    found = full_grad_decomposition(model, IMAGES, 3)
    np.testing.assert_allclose(found.input_term, (IMAGES * at_image).sum((1, 2, 3)), rtol=1e-4)
    for name, gradient in (("conv1", at_first), ("conv2", at_second)):
        expected = (gradient * model.get_layer(name).bias.numpy()).sum((1, 2, 3))
        np.testing.assert_allclose(found.bias_terms[name], expected, rtol=1e-4)
    np.testing.assert_allclose(found.bias_terms["scores"], np.full(3, model.get_layer("scores").bias[3]), rtol=1e-6)
    np.testing.assert_allclose(found.scores, score, rtol=1e-4)
    total = found.input_term + sum(found.bias_terms.values())
    np.testing.assert_allclose(found.completeness_error, np.abs(found.scores - total) / np.abs(found.scores))


def of_every_kind():
    image = layers.Input(SHAPE)
    x = layers.Rescaling(0.5, offset=-0.25, name="rescale")(image)
    x = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.5, 1, 0.5], name="normalise")(x)
    x = layers.Conv2D(4, 3, name="conv")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(6, name="relu")(x)
    x = layers.DepthwiseConv2D(3, activation="relu", name="depthwise")(x)
    x = layers.SeparableConv2D(5, 3, activation="relu", name="separable")(x)
    x = layers.Conv2DTranspose(4, 3, activation="leaky_relu", name="transposed")(x)
    x = layers.Dense(6, activation="relu", name="dense")(x)
    return randomise(keras.Model(image, head(x)))


def test_every_kind_of_bias():
    """Of a layer's variable: β · ∂s/∂β by TensorFlow's own tape through the model; of preprocessing by the gradient."""
    model = of_every_kind()
    images = 12 * IMAGES
    logits = keras.Model(model.input, model.get_layer("pool").output)
    kernel, bias = model.get_layer("scores").weights
    found = full_grad_decomposition(model, images, 2)
    assert found.completeness_error.max() < 1e-6
    at_image = tfviz.gradient(model, images, 2) / 0.5
    np.testing.assert_allclose(found.bias_terms["rescale"], (-0.25 * at_image).sum((1, 2, 3)), rtol=1e-4)
    mean = np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(found.bias_terms["normalise"], (-mean * at_image).sum((1, 2, 3)), rtol=1e-4)
    for name in ("conv", "norm", "depthwise", "separable", "transposed", "dense", "scores"):
        layer = model.get_layer(name)
        variable = layer.beta if name == "norm" else layer.bias
        for index, image in enumerate(images):
            with tf.GradientTape() as tape:
                score = (logits(image[np.newaxis]) @ kernel + bias)[0, 2]
            slope = tape.gradient(score, variable).numpy()
            added = variable.numpy()
            if name == "norm":
                gamma, beta, mean, variance = layer.get_weights()
                added = beta - gamma * mean / np.sqrt(variance + layer.epsilon)
            np.testing.assert_allclose(found.bias_terms[name][index], (added * slope).sum(), rtol=1e-3, atol=1e-5)
    assert (found.bias_terms["relu"] != 0).all(), "else no ReLU6 is saturated"
    preprocessing, features = ["rescale", "normalise"], ["conv", "norm", "relu", "depthwise", "separable", "transposed"]
    assert list(found.bias_terms) == [*preprocessing, *features, "dense", "scores"]


COMPLETE = ["functional", "nested", "subclassed", "shared_layer", "relu_op", "relu6", "relu5", "with_lambda"]
COMPLETE += ["open_size", "residual"]


@pytest.mark.parametrize("kind", COMPLETE)
def test_the_terms_add_up(kind):
    # Bright images, so that the clips of relu5 and relu6 hold.
    images = 30 * IMAGES
    found = full_grad_decomposition(model_of(kind), images, 1)
    np.testing.assert_allclose(found.scores, tfviz.trace(model_of(kind)).logits(images)[:, 1], rtol=1e-4)
    assert found.completeness_error.max() < 1e-5
    assert kind not in ("relu5", "relu6") or all(found.bias_terms[name].all() for name in ("relu1", "relu2"))


@pytest.mark.parametrize("kind", ["nested", "subclassed", "relu5", "residual"])
def test_a_saved_model_has_the_same_terms(kind, loaded):
    live, saved = (full_grad_decomposition(model, IMAGES, 2) for model in (model_of(kind), loaded(kind)))
    assert list(live.bias_terms) == list(saved.bias_terms)
    for name, term in live.bias_terms.items():
        np.testing.assert_allclose(saved.bias_terms[name], term, rtol=1e-5)


def test_a_single_logit():
    model = randomise(
        keras.Sequential([layers.Input(SHAPE), layers.Flatten(), layers.Dense(1, activation="sigmoid", name="dense")])
    )
    logits = tfviz.trace(model).logits(IMAGES)[:, 0]
    for target, sign in ((0, -1), (1, 1)):
        found = full_grad_decomposition(model, IMAGES, target)
        np.testing.assert_allclose(found.scores, sign * logits, rtol=1e-5)
        np.testing.assert_allclose(found.bias_terms["dense"], np.full(3, sign * model.get_weights()[1][0]), rtol=1e-6)
        assert found.completeness_error.max() < 1e-5


def test_a_score_of_ones_own():
    model = randomise(keras.Sequential([layers.Input(SHAPE), layers.Flatten(), layers.Dense(3, name="scores")]))
    network = tfviz.trace(model, score=lambda outputs: outputs[:, 2] - 2 * outputs[:, 0])
    found = full_grad_decomposition(network, IMAGES)
    bias = model.get_weights()[1]
    np.testing.assert_allclose(found.bias_terms["scores"], np.full(3, bias[2] - 2 * bias[0]), rtol=1e-6)
    assert found.completeness_error.max() < 1e-5
    with pytest.raises(InvalidTargetsError):
        full_grad_decomposition(network, IMAGES, 1)


def test_batches_and_predicted_classes():
    model = model_of("nested")
    whole = full_grad_decomposition(model, IMAGES)
    np.testing.assert_array_equal(whole.targets, model(IMAGES).numpy().argmax(1))
    parts = full_grad_decomposition(model, IMAGES, batch_size=2)
    for ours, theirs in (
        (parts.input_term, whole.input_term),
        *zip(*(each.bias_terms.values() for each in (parts, whole)), strict=True),
    ):
        assert ours.dtype == np.float64 and ours.shape == (3,)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("kind", ["silu", "depthwise", "loop", "recurrent"])
def test_what_is_not_piecewise_linear_is_said(kind):
    with pytest.warns(TfvizWarning, match=r"of 3 scores do not add up.*not piecewise linear") as caught:
        found = full_grad_decomposition(model_of(kind), IMAGES)
    worst = found.completeness_error.argmax()
    assert f"image {worst} miss it by {found.completeness_error[worst]:.2%}" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_what_float32_cannot_resolve_is_said():
    image = layers.Input(SHAPE)
    x = layers.Lambda(lambda x: tf.nn.relu(x + 1e5) - 1e5, output_shape=SHAPE)(image)
    model = keras.Model(image, layers.GlobalAveragePooling2D()(x))
    with pytest.warns(TfvizWarning, match=r"their sizes add up to 2e\+05 but the score is .*float32"):
        full_grad_decomposition(model, IMAGES, 0)


def test_terms_that_are_not_finite():
    """The slope of a root is infinite at zero."""
    image = layers.Input(SHAPE)
    x = layers.Lambda(lambda x: tf.sqrt(tf.nn.relu(x)), output_shape=SHAPE)(image)
    model = keras.Model(image, layers.GlobalAveragePooling2D()(x))
    with pytest.raises(TfvizError, match="the terms of image 1 are NaN or infinite"):
        full_grad_decomposition(model, np.abs(IMAGES) * [[[[1]]], [[[0]]], [[[1]]]], 0)


def test_a_score_of_zero():
    nothing = np.zeros(2)
    found = Decomposition(np.array([0.0, 1.0]), {"conv": nothing}, nothing, nothing)
    np.testing.assert_array_equal(found.completeness_error, [0, np.inf])


def test_what_a_reader_sees():
    found = repr(full_grad_decomposition(model_of("functional"), IMAGES))
    assert re.fullmatch(
        r"Decomposition of 3 scores into the input and 3 biases, completeness error up to \d\.\de-0\d", found
    )


def test_one_forward_and_one_backward_serve_all_terms():
    network = tfviz.trace(build("functional"), fast=False)
    full_grad_decomposition(network, IMAGES)
    (function,) = network.compiled.values()
    types = [operation.type for operation in function.graph.get_operations()]
    assert types.count("Conv2D") == 2 and types.count("Conv2DBackpropInput") == 2


@pytest.mark.parametrize("target", [0, 3])
def test_the_map_by_hand(target):
    model = model_of("functional")
    _, (at_image, *at_biases) = by_hand(model, IMAGES, target)
    biases = [model.get_layer(name).bias.numpy() for name in ("conv1", "conv2")]
    expected = slow_psi(IMAGES * at_image) + sum(slow_psi(b * g) for b, g in zip(biases, at_biases, strict=True))
    np.testing.assert_allclose(full_grad(model, IMAGES, target), expected, rtol=1e-3, atol=1e-4)
    simple = slow_psi(IMAGES * at_image) + sum(map(slow_psi, at_biases))
    np.testing.assert_allclose(simple_full_grad(model, IMAGES, target), simple, rtol=1e-3, atol=1e-4)
    assert distance(simple, expected) > 0.01


def test_what_is_the_same_everywhere_has_no_map():
    """Biases of zero, and that of the dense layer, which has no place: what is left is the image's term."""
    model = with_biases(conv1=0.0, conv2=0.0, scores=7.0)
    _, (at_image, *_) = by_hand(model, IMAGES, 1)
    np.testing.assert_allclose(full_grad(model, IMAGES, 1), slow_psi(IMAGES * at_image), rtol=1e-3, atol=1e-4)
    with pytest.warns(TfvizWarning, match="zero everywhere"):
        assert not full_grad(model, 0 * IMAGES, 1).any()


def test_the_smallest_value_of_a_term_counts_as_nothing():
    """A linear model: ψ(x · w) alone, all of it far from zero; and of a constant, nothing."""
    model, images = linear(), 1 + np.abs(random_images(2, (4, 4, 3)))
    kernel, bias = model.get_weights()
    model.set_weights([1 + np.abs(kernel), bias])
    sizes = images * model.get_weights()[0][:, 2].reshape(4, 4, 3)
    low, high = sizes.min((1, 2, 3), keepdims=True), sizes.max((1, 2, 3), keepdims=True)
    assert low.min() > 0.3
    np.testing.assert_allclose(full_grad(model, images, 2), ((sizes - low) / (high - low)).sum(-1), rtol=1e-4)
    model.set_weights([np.ones_like(kernel), bias])
    with pytest.warns(TfvizWarning, match="zero everywhere"):
        assert not full_grad(model, np.ones_like(images), 2).any()


def test_an_infinite_padding_belongs_to_no_place():
    """Before a maximum, as older code pads: its gradient is zero there."""
    image = layers.Input(SHAPE)
    below = [[0, 0], [1, 1], [1, 1], [0, 0]]
    pad = layers.Lambda(lambda x: tf.pad(x, below, constant_values=-np.inf), output_shape=(18, 18, 3), name="pad")
    x = layers.Conv2D(4, 3, name="conv")(layers.MaxPooling2D(3, name="halve")(pad(image)))
    model = randomise(keras.Model(image, head(x)))
    found = full_grad_decomposition(model, IMAGES)
    assert not found.bias_terms["pad"].any() and found.completeness_error.max() < 1e-5
    assert np.isfinite(full_grad(model, IMAGES)).all()


@pytest.mark.parametrize("method", [full_grad, simple_full_grad])
def test_a_clip_that_never_holds_changes_nothing(method):
    plain, clipped = model_of("relu_layer"), build("relu6")
    clipped.set_weights(plain.get_weights())
    assert not any(full_grad_decomposition(clipped, IMAGES, 1).bias_terms[name].any() for name in ("relu1", "relu2"))
    np.testing.assert_allclose(method(clipped, IMAGES, 1), method(plain, IMAGES, 1), rtol=1e-4, atol=1e-5)


def test_a_clip_that_holds_has_a_place():
    network = tfviz.trace(model_of("relu6"))
    images = 30 * IMAGES
    assert distance(full_grad(network, images), simple_full_grad(network, images)) > 0.01
    ((name, is_map), *_) = [(bias.name, bias.is_map) for bias in find_biases(network) if bias.is_clip]
    assert name == "relu1" and is_map


def test_the_maps_share_their_passes_with_others():
    model = model_of("functional")
    chosen = {"full_grad": {}, "gradient": {}, "grad_cam": {}, "guided_backprop": {}}
    together = run_methods(tfviz.trace(model), chosen, IMAGES, 2)
    np.testing.assert_allclose(together.maps["full_grad"], full_grad(model, IMAGES, 2), rtol=1e-4)
    np.testing.assert_allclose(together.maps["gradient"], tfviz.gradient(model, IMAGES, 2), rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(together.maps["grad_cam"], tfviz.grad_cam(model, IMAGES, 2), rtol=1e-4, atol=1e-8)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
@pytest.mark.parametrize("saved", [False, True])
def test_squeezenet_is_complete(saved, tmp_path):
    model = keras.models.load_model(SHARED / "models" / "squeezenet_imagenet.keras", compile=False)
    if saved:
        model.export(tmp_path)
    names = list(json.loads((SHARED / "images" / "labels.json").read_text()))
    found = full_grad_decomposition(tmp_path if saved else model, read(*names))
    assert len(found.bias_terms) == 26 and found.completeness_error.max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize(
    "name, size, brightness, biases",
    [
        ("VGG16", 64, 128, 16),
        ("ResNet50V2", 64, 1, 71),
        ("DenseNet121", 64, 1, 122),
        ("InceptionV3", 96, 1, 95),
        ("MobileNetV2", 64, 1, 88),
    ],
)
def test_the_networks_of_keras_are_complete(name, size, brightness, biases, saved, tmp_path):
    """Images as their own preprocessing gives them, biases and statistics random."""
    shape = (size, size, 3)
    model = getattr(keras.applications, name)(weights=None, classifier_activation=None, input_shape=shape)
    randomise(model)
    if name == "MobileNetV2":
        for layer in model.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.gamma.assign(2 * layer.gamma)  # else no ReLU6 is saturated
    if saved:
        model.export(tmp_path)
    network = tfviz.trace(tmp_path if saved else model)
    found = full_grad_decomposition(network, brightness * random_images(4, shape))
    assert len(found.bias_terms) == biases and found.completeness_error.max() < 1e-5
    clips = [found.bias_terms[bias.name].any() for bias in find_biases(network) if bias.is_clip]
    assert sum(clips) > 10 or name != "MobileNetV2"
