"""Guided backpropagation and deconvnet against networks written by hand with `tf.custom_gradient` ReLUs."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import (
    CLASSES,
    SHAPE,
    distance,
    head,
    model_of,
    nested_vgg16,
    random_images,
    randomise,
    with_relu,
)
from support.thinning import by_day

import tfviz
from tfviz.errors import RuleError, TfvizWarning

CAPS = {"relu6": 6.0, "relu5": 5.0}
FORMS = ["relu_argument", "relu_layer", "relu_activation", "relu_op", "subclassed", "relu6", "relu5", "functional"]
RULES = ["guided_backprop", "deconvnet"]


def relu(name, cap=np.inf):
    """A ReLU with the backward pass of a method, as its paper draws it."""

    @tf.custom_gradient
    def apply(x):
        def backward(upstream):
            if name == "deconvnet":
                return tf.where(upstream > 0, upstream, 0)
            passes = (x > 0) & (x < cap)
            return tf.where(passes & (upstream > 0) if name == "guided_backprop" else passes, upstream, 0)

        return tf.minimum(tf.maximum(x, 0), cap), backward

    return apply


def weights_of(layer):
    return [tf.convert_to_tensor(variable) for variable in layer.weights]


def convolve(x, layer, padding):
    kernel, bias = weights_of(layer)
    return tf.nn.conv2d(x, kernel, 1, padding) + bias


def two_convolutions(model, rectify):
    def forward(x):
        x = rectify(convolve(x, model.get_layer("conv1"), "SAME"))
        if model.name == "functional":
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        x = rectify(convolve(x, model.get_layer("conv2"), "VALID"))
        kernel, bias = weights_of(model.get_layer("scores"))
        return tf.reduce_mean(x, [1, 2]) @ kernel + bias

    return forward


def vgg16(model, rectify):
    backbone = model.get_layer("vgg16")

    def forward(x):
        x = x / 0.5
        for block, depth in enumerate([2, 2, 3, 3, 3], start=1):
            for index in range(1, depth + 1):
                x = rectify(convolve(x, backbone.get_layer(f"block{block}_conv{index}"), "SAME"))
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        kernel, bias = weights_of(model.get_layer("scores"))
        return tf.reduce_mean(x, [1, 2]) @ kernel + bias

    return forward


def oracle(forward, images, target):
    with tf.GradientTape() as tape:
        x = tf.constant(images)
        tape.watch(x)
        score = forward(x)[:, target]
    return tape.gradient(score, x).numpy()


def images_for(kind, shape=SHAPE):
    """Images that drive some features of a clipped ReLU beyond its clip."""
    return random_images(3, shape) * np.float32(12 if kind in CAPS else 1)


@pytest.mark.parametrize("kind", FORMS)
def test_guided_backprop(kind):
    model = model_of(kind)
    images = images_for(kind)
    for target in (0, 3):
        expected = oracle(two_convolutions(model, relu("guided_backprop", CAPS.get(kind, np.inf))), images, target)
        ours = tfviz.guided_backprop(model, images, target)
        assert distance(ours, expected) < 1e-5
        assert distance(tfviz.gradient(model, images, target), expected) > 0.1


@pytest.mark.parametrize("kind", FORMS)
def test_deconvnet(kind):
    model = model_of(kind)
    # The clip of ReLU(5) is an operation of its own (Minimum), whose plain gradient stays: compare below the clip.
    images = images_for(kind) * np.float32(0.1 if kind == "relu5" else 1)
    for target in (0, 3):
        expected = oracle(two_convolutions(model, relu("deconvnet", CAPS.get(kind, np.inf))), images, target)
        ours = tfviz.deconvnet(model, images, target)
        assert distance(ours, expected) < 1e-5
        assert distance(tfviz.guided_backprop(model, images, target), expected) > 0.1


@pytest.mark.parametrize("kind", CAPS)
def test_the_clip_was_reached(kind):
    """Else the tests above would not see it."""
    plain = two_convolutions(model_of(kind), relu("plain"))
    clipped = two_convolutions(model_of(kind), relu("plain", CAPS[kind]))
    images = images_for(kind)
    assert distance(oracle(plain, images, 0), oracle(clipped, images, 0)) > 0.1
    assert distance(tfviz.gradient(model_of(kind), images, 0), oracle(clipped, images, 0)) < 1e-5


@pytest.mark.parametrize("form", by_day(["keras", "saved"], ["saved"]))
@pytest.mark.parametrize("method", by_day([*RULES, "gradient"], list(RULES)))
def test_the_commonest_model(method, form, loaded):
    model = nested_vgg16()
    images = random_images(2, (64, 64, 3))
    expected = oracle(vgg16(model, relu(method)), images, 1)
    ours = getattr(tfviz, method)(model if form == "keras" else loaded("nested_vgg16"), images, 1)
    assert distance(ours, expected) < 1e-4


@pytest.mark.parametrize("kind", ["nested", "subclassed", "shared_layer", "bfloat16"])
@pytest.mark.parametrize("method", RULES)
def test_a_saved_model_is_guided_like_the_live_one(method, kind, loaded):
    images = random_images()
    method = getattr(tfviz, method)
    live, plain = method(model_of(kind), images), tfviz.gradient(model_of(kind), images)
    assert distance(method(loaded(kind), images), live) < 1e-5
    assert distance(plain, live) > 0.05


INSIDE = {
    "a condition": lambda f: lambda x: tf.cond(tf.reduce_sum(x) < 1e9, lambda: f(x), lambda: x),
    "a loop": lambda f: lambda x: tf.while_loop(lambda i, x: i < 1, lambda i, x: (i + 1, f(x)), (0, x))[1],
    "a compiled call": lambda f: tf.function(f, jit_compile=True),
}


def hidden(function, place):
    """A network whose nonlinearities stand inside of something else."""

    def make(index):
        return layers.Lambda(INSIDE[place](function), output_shape=lambda shape: shape, name=f"hidden{index}")

    return randomise(with_relu("hidden", make))


@pytest.mark.parametrize("place", INSIDE)
@pytest.mark.parametrize("method", RULES)
def test_relus_inside(method, place):
    model = hidden(tf.nn.relu, place)
    images = random_images()
    maps = [oracle(two_convolutions(model, relu(method)), images, target) for target in range(CLASSES)]
    target = next(target for target in range(CLASSES) if maps[target].any(axis=(1, 2, 3)).all())
    assert distance(getattr(tfviz, method)(model, images, target), maps[target]) < 1e-5


@pytest.mark.parametrize("place", INSIDE)
def test_other_nonlinearities_inside_are_refused(place):
    with pytest.raises(RuleError, match=r"has none between .*its nonlinearities: 2 tanh"):
        tfviz.guided_backprop(hidden(tf.tanh, place), random_images())
    hard_swish = hidden(lambda x: x * tf.nn.relu6(x + 3) / 6, place)
    with pytest.raises(RuleError, match="a hard sigmoid or hard swish"):
        tfviz.guided_backprop(hard_swish, random_images())


def test_relus_after_the_score_do_not_count():
    """A head with a ReLU beside the score."""
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, name="conv")(image)
    scores = layers.Dense(3, name="scores")(layers.GlobalAveragePooling2D()(x))
    model = randomise(keras.Model(image, [scores, layers.ReLU()(scores)]))
    network = tfviz.trace(model, score=lambda outputs: outputs[0][:, 1])
    assert tfviz.gradient(network, random_images()).any()


OTHERS = {
    "SiLU": (lambda index: layers.Activation("silu"), "has none between .*its nonlinearities: 2 sigmoid .or SiLU."),
    "GELU": (lambda index: layers.Activation("gelu"), r"has none between .*its nonlinearities: 2 erf \(GELU\)"),
    "tanh": (lambda index: layers.Activation("tanh"), "has none between .*its nonlinearities: 2 tanh"),
    "ELU": (lambda index: layers.ELU(), "has none between .*its nonlinearities: 2 ELU"),
    "leaky ReLU": (lambda index: layers.LeakyReLU(), "has none between .*its nonlinearities: 2 leaky ReLU"),
    "softplus": (lambda index: layers.Activation("softplus"), "has none between .*its nonlinearities: 2 softplus"),
    "nothing": (lambda index: layers.Identity(), "has none between .*its nonlinearities: none"),
    "PReLU": (lambda index: layers.PReLU(shared_axes=[1, 2]), "is not defined for a PReLU"),
    "ReLU with a threshold": (lambda index: layers.ReLU(threshold=1.0), "a ReLU with a threshold|has none between"),
    "hard swish": (lambda index: layers.Activation("hard_swish"), "a hard sigmoid or hard swish"),
    "hard swish by hand": (
        lambda index: layers.Lambda(lambda x: x * tf.nn.relu6(x + 3) / 6, output_shape=lambda shape: shape),
        "a hard sigmoid or hard swish",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_networks_without_relus_are_refused(name):
    make, message = OTHERS[name]
    model = randomise(with_relu("others", make))
    for method in (*RULES, "guided_grad_cam"):
        with pytest.raises(RuleError, match=message) as raised:
            getattr(tfviz, method)(model, random_images())
        said = str(raised.value)
        assert said.startswith("deconvnet " if method == "deconvnet" else "guided_backprop ")
        assert "\n" not in said and "gradient, saliency and grad_cam work on any network" in said
    assert tfviz.saliency(model, random_images()).any()


def test_one_relu_with_a_threshold_among_others():
    def make(index):
        return layers.ReLU() if index == 1 else layers.ReLU(threshold=1.0, name="late")

    with pytest.raises(RuleError, match=r"is not defined for a ReLU with a threshold .*late"):
        tfviz.guided_backprop(randomise(with_relu("mixed", make)), random_images())


def test_a_refusal_names_the_operation():
    model = randomise(with_relu("mixed", lambda index: layers.ReLU() if index == 1 else layers.PReLU(name="here")))
    with pytest.raises(RuleError, match=r"is not defined for a PReLU .*here"):
        tfviz.guided_backprop(model, random_images())


def test_a_saved_model_is_refused_like_the_live_one(loaded):
    with pytest.raises(RuleError, match=r"2 sigmoid \(or SiLU\)"):
        tfviz.guided_backprop(loaded("silu"), random_images())


def test_a_relu_of_the_weights_alone_does_not_count():
    class Positive(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(3, 3, 3, 4), initializer="ones", name="kernel")

        def call(self, x):
            return tf.nn.conv2d(x, tf.nn.relu(self.kernel), 1, "SAME")

    image = layers.Input(SHAPE)
    model = randomise(keras.Model(image, head(Positive(name="positive")(image))))
    with pytest.raises(RuleError, match="has none between its image and its score"):
        tfviz.guided_backprop(model, random_images())


def gated():
    """Squeeze and excitation as in RegNetY: ReLU features are multiplied by a sigmoid of themselves."""
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="conv1")(image)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(2, 1, activation="relu", name="squeeze")(gate)
    gate = layers.Conv2D(4, 1, activation="sigmoid", name="excite")(gate)
    return randomise(keras.Model(image, head(layers.Multiply(name="gated")([x, gate])), name="gated"))


def test_a_sigmoid_gate_beside_relus_is_warned_about():
    """Features that come out of a plain ReLU may be gated: that makes the ReLU no part of another nonlinearity."""
    model = gated()

    def forward(x):
        rectify = relu("guided_backprop")
        x = rectify(convolve(x, model.get_layer("conv1"), "VALID"))
        gate = rectify(convolve(tf.reduce_mean(x, [1, 2], keepdims=True), model.get_layer("squeeze"), "VALID"))
        x = x * tf.sigmoid(convolve(gate, model.get_layer("excite"), "VALID"))
        kernel, bias = weights_of(model.get_layer("scores"))
        return tf.reduce_mean(x, [1, 2]) @ kernel + bias

    images = random_images()
    with pytest.warns(TfvizWarning, match=r"guided_backprop changed 2 ReLUs and left the plain gradient at 1 sigmoid"):
        ours = tfviz.guided_backprop(model, images, 1)
    assert distance(ours, oracle(forward, images, 1)) < 1e-5


def test_the_gradients_of_tensorflow_stay_as_they_are():
    x = tf.constant([-1.0, 2.0, 3.0])
    upstream = tf.constant([1.0, -1.0, 1.0])

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.nn.relu(x)
        return tape.gradient(y, x, upstream).numpy().tolist()

    compiled = tf.function(lambda x: tf.gradients(tf.nn.relu(x), x, upstream)[0])
    tfviz.guided_backprop(model_of("relu_op"), random_images())
    tfviz.deconvnet(model_of("relu_op"), random_images())
    assert gradient(x) == compiled(x).numpy().tolist() == [0, -1, 1]
    plain = oracle(two_convolutions(model_of("relu_op"), tf.nn.relu), random_images(), 2)
    assert distance(tfviz.gradient(model_of("relu_op"), random_images(), 2), plain) < 1e-5
