"""A replay is the model: its outputs to the last bit and its gradient, for every kind of model."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import (
    KINDS,
    SHAPE,
    build_nested_vgg16,
    distance,
    model_of,
    random_images,
    randomise,
    with_gradient,
)
from support.thinning import by_day

import tfviz
from tfviz.errors import UnsupportedModelError
from tfviz.network.program.program import is_compiled_call, program_of
from tfviz.network.replay.replay import replay
from tfviz.network.replay.rules import GUIDED_BACKPROP, Rule

# XLA and Grappler fuse these differently when every value between the operations is needed.
FUSED = {"depthwise", "silu", "vision_transformer"}
SAVED = ["functional", "nested", "subclassed", "shared_layer", "with_lambda", "condition", "loop", "recurrent"]
SAVED += ["depthwise", "bfloat16", "silu", "with_signature", "with_call"]


def replayed(network):
    def run(images):
        tensors = network.replay(images)
        return [tensors[value] for value in network.program.outputs]

    return run


def assert_same(network, original, images, *, bits=True):
    (outputs, gradient), (expected, expected_gradient) = (
        with_gradient(function, images) for function in (replayed(network), original)
    )
    for ours, theirs in zip(outputs, expected, strict=True):
        if bits:
            np.testing.assert_array_equal(ours, theirs)
        assert distance(ours, theirs) < 1e-6
    assert distance(gradient, expected_gradient) < 1e-5


def call(model):
    return lambda images: model(images, training=False)


# By day, those that differ in more than how they write a ReLU or join their layers.
MAINLY = ["nested", "subclassed", "with_lambda", "condition", "loop", "recurrent", "depthwise", "silu", "residual"]
MAINLY += ["bfloat16", "vision_transformer"]


@pytest.mark.parametrize("kind", by_day(KINDS, MAINLY))
def test_a_live_model(kind):
    model = model_of(kind)
    assert_same(tfviz.trace(model), call(model), random_images(), bits=kind not in FUSED)


@pytest.mark.parametrize(
    "kind", by_day(SAVED, ["subclassed", "loop", "recurrent", "depthwise", "with_signature", "with_call"])
)
def test_a_saved_model(kind, loaded):
    model = loaded(kind)
    network = tfviz.trace(model)
    if kind == "with_call":
        original = model
    else:
        function = model.signatures["classify" if kind == "with_signature" else "serving_default"]
        (name,) = function.structured_input_signature[1]

        def original(images):
            return function(**{name: images})

    assert_same(network, original, random_images(), bits=kind not in FUSED)


def test_the_commonest_model():
    model = build_nested_vgg16()
    assert_same(tfviz.trace(model), call(model), random_images(shape=(64, 64, 3)))


@pytest.mark.parametrize("kind", ["condition", "loop"])
@pytest.mark.parametrize("shift", by_day([-2.0, -0.5, 0.5, 2.0], [-2.0, 0.5]))
def test_control_flow_follows_the_image(kind, shift):
    model = model_of(kind)
    assert_same(tfviz.trace(model), call(model), random_images() + np.float32(shift))


def test_both_branches_were_really_taken():
    """Oracle of the condition: a positive batch doubles the features, a negative one squares them."""
    model = model_of("condition")
    features = keras.Model(model.input, model.get_layer("conv1").output)
    kernel, bias = (variable.numpy() for variable in model.get_layer("scores").weights)
    for sign, change in ((1, lambda x: 2 * x), (-1, np.square)):
        images = sign * np.abs(random_images())
        pooled = change(features(images).numpy()).mean((1, 2))
        np.testing.assert_allclose(tfviz.trace(model).logits(images), pooled @ kernel + bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (9, 23), (40, 7)])
def test_an_open_size(size):
    model = model_of("open_size")
    assert tfviz.trace(model).image_shape == (None, None, 3)
    assert_same(tfviz.trace(model), call(model), random_images(shape=(*size, 3)))


def test_a_call_compiled_by_xla_is_replayed_so():
    network = tfviz.trace(model_of("depthwise"))
    (step,) = [step for step in network.program.steps if step.programs]
    assert is_compiled_call(step.operation)
    assert "Conv2D" in [inner.type for inner in step.programs[0].steps]
    again = tf.function(replayed(network)).get_concrete_function(tf.TensorSpec([None, *SHAPE]))
    assert any(is_compiled_call(operation) for operation in again.graph.get_operations())


def test_calls_that_are_not_compiled_are_inlined():
    network = tfviz.trace(model_of("subclassed"))
    assert network.program.calls
    assert not [step for step in network.program.steps if "PartitionedCall" in step.type]


def test_operations_that_nothing_needs_are_dropped():
    @tf.function(input_signature=[tf.TensorSpec([None, 3])])
    def wasteful(x):
        tf.exp(x)
        tf.debugging.assert_all_finite(x, "finite")
        return tf.sin(x), tf.cos(x)

    program = program_of(wasteful.get_concrete_function().graph)
    assert [step.type for step in program.steps if step.type != "Identity"] == ["Sin", "Cos"]


def test_where_values_come_from_and_go_to():
    @tf.function(input_signature=[tf.TensorSpec([3]), tf.TensorSpec([3])])
    def two(x, y):
        return tf.sin(x) + tf.cos(y)

    program = program_of(two.get_concrete_function().graph)
    sine, cosine, added, result = (step.outputs[0] for step in program.steps)
    x, y = program.inputs
    assert program.depending_on([x]) == {x, sine, added, result}
    assert program.needed_for([cosine]) == {y, cosine}
    assert program.outputs == [result] and result.step is program.steps[3] and x.step is None


def test_a_loop_of_tensorflow_1():
    @tf.function(input_signature=[tf.TensorSpec([3])])
    def cyclic(x):
        return tf.raw_ops.Exit(data=tf.raw_ops.Enter(data=x, frame_name="frame"))

    with pytest.raises(UnsupportedModelError, match=r"holds a TensorFlow 1 loop .*export it again with TensorFlow 2"):
        program_of(cyclic.get_concrete_function().graph)


def test_the_tape_watches_values_as_they_appear():
    """What lies before a watched value is not differentiated, and a watched argument is."""
    function = tf.function(lambda x: tf.exp(tf.sin(x))).get_concrete_function(tf.TensorSpec([3]))
    program = program_of(function.graph)
    image, sine = program.inputs[0], program.steps[0].outputs[0]

    @tf.function
    def gradients(x, watched):
        with tf.GradientTape(watch_accessed_variables=False, persistent=True) as tape:
            tensors = replay(program, {image: x}, tape=tape, watched=watched)
        result = tensors[program.outputs[0]]
        return tape.gradient(result, tensors[sine]), tape.gradient(result, x)

    x = np.array([0.1, 0.2, 0.3], np.float32)
    inner, outer = np.exp(np.sin(x)), np.cos(x) * np.exp(np.sin(x))
    at_sine, at_image = gradients(tf.constant(x), frozenset({sine}))
    assert at_image is None
    np.testing.assert_allclose(at_sine, inner, rtol=1e-6)
    at_sine, at_image = gradients(tf.constant(x), frozenset({image}))
    np.testing.assert_allclose(at_image, outer, rtol=1e-6)


def test_a_loop_whose_tensors_grow():
    @tf.function(input_signature=[tf.TensorSpec([None, 2])])
    def growing(x):
        _, result = tf.while_loop(
            lambda i, x: i < 3,
            lambda i, x: (i + 1, tf.concat([x, tf.sin(x)], 0)),
            (0, x),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, 2])),
        )
        return result

    program = program_of(growing.get_concrete_function().graph)
    x = random_images(2, (2,))
    ours = with_gradient(lambda x: replay(program, {program.inputs[0]: x})[program.outputs[0]], x)
    for result, expected in zip(ours, with_gradient(growing, x), strict=True):
        np.testing.assert_array_equal(result, expected)
    assert ours[0][0].shape == (16, 2)


INSIDE = {
    "condition": lambda x: tf.cond(tf.reduce_sum(x) < 1e9, lambda: tf.nn.relu(x), lambda: x),
    "loop": lambda x: tf.while_loop(lambda i, x: i < 1, lambda i, x: (i + 1, tf.nn.relu(x)), (0, x))[1],
    "compiled call": tf.function(tf.nn.relu, jit_compile=True),
    "nested call": tf.function(tf.nn.relu),
}


@pytest.mark.parametrize("place", INSIDE)
def test_rules_reach_inside(place):
    """Upstream -1, 2 at inputs 3, -3, 3: the ReLU blocks the second, a guided ReLU the first as well."""
    program = program_of(tf.function(INSIDE[place]).get_concrete_function(tf.TensorSpec([3])).graph)
    upstream = tf.constant([-1.0, 2.0, 2.0])

    @tf.function
    def gradient(x, rule):
        with tf.GradientTape() as tape:
            tape.watch(x)
            result = tf.reduce_sum(upstream * replay(program, {program.inputs[0]: x}, rule=rule)[program.outputs[0]])
        return tape.gradient(result, x)

    x = tf.constant([3.0, -3.0, 3.0])
    assert gradient(x, None).numpy().tolist() == [-1, 0, 2]
    assert gradient(x, GUIDED_BACKPROP).numpy().tolist() == [0, 0, 2]
    assert gradient(x, Rule("sevens", frozenset({"Relu"}), lambda up, local: up * 0 + 7)).numpy().tolist() == [7, 7, 7]


@pytest.mark.slow
@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize(
    "name, size",
    [
        ("ResNet50", 64),
        ("MobileNetV2", 64),
        ("MobileNetV3Small", 64),
        ("EfficientNetB0", 64),
        ("DenseNet121", 64),
        ("InceptionV3", 96),
        ("Xception", 96),
        ("NASNetMobile", 224),
        ("ConvNeXtTiny", 64),
    ],
)
def test_the_networks_of_keras(name, size, saved, tmp_path):
    extra = {} if name == "NASNetMobile" else {"input_shape": (size, size, 3)}
    model = randomise(getattr(keras.applications, name)(weights=None, classes=10, classifier_activation=None, **extra))
    original, opened = call(model), model
    if saved:
        model.export(str(tmp_path))
        opened = tf.saved_model.load(str(tmp_path))
        function = opened.signatures["serving_default"]
        (argument,) = function.structured_input_signature[1]

        def original(images):
            return function(**{argument: images})

    # Float32 noise decides near-ties of ReLUs and pooling where Grappler fuses differently.
    images = random_images(shape=(size, size, 3))
    network = tfviz.trace(opened)
    (outputs, gradient), (expected, expected_gradient) = (
        with_gradient(function, images) for function in (replayed(network), original)
    )
    assert distance(outputs[0], expected[0]) < 1e-5
    assert distance(gradient, expected_gradient) < 1e-3
