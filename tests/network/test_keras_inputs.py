"""The functions that Keras models of several inputs and outputs become, in Keras 3 and in tf_keras."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import random_images, randomise

from tfviz.errors import UnsupportedModelError
from tfviz.network.opening.keras_models import output_names, trace_keras

SHAPE = (8, 8, 3)
EXTRA = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.int32)


@pytest.fixture(params=["keras", "tf_keras"])
def library(request):
    return pytest.importorskip(request.param)


def parts(library, **extra):
    """Two inputs and two outputs that depend on both."""
    layers = library.layers
    image, extra = layers.Input(SHAPE, name="image"), layers.Input((4,), name="extra", **{"dtype": "int32", **extra})
    numbers = layers.Lambda(lambda x: tf.cast(x, "float32"), output_shape=(4,))(extra)
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(image), numbers])
    first = layers.Dense(2, name="first")(x)
    return image, extra, first, layers.Dense(3, name="second")(first)


def check(model, arguments, outputs=None):
    """The traced function takes `arguments` by name and does what the model does with them, in batches of any size."""
    function = trace_keras(model, None)
    positional, named = function.structured_input_signature
    assert positional == () and set(named) == set(arguments)
    for name, spec in named.items():
        assert spec.shape[0] is None and spec.dtype == arguments[name].dtype, spec
    for count in (1, 2):
        given = {name: array[:count] for name, array in arguments.items()}
        found = function(**{name: tf.constant(array) for name, array in given.items()})
        expected = outputs(given)
        tf.nest.assert_same_structure(found, expected)
        for ours, theirs in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_list_of_inputs_and_outputs(library):
    image, extra, first, second = parts(library)
    model = randomise(library.Model([extra, image], [second, first]))
    arguments = {"image": random_images(2, SHAPE), "extra": EXTRA}
    check(model, arguments, lambda given: model([given["extra"], given["image"]]))
    assert output_names(model) == ["second", "first"]


def test_dictionaries(library):
    image, extra, first, second = parts(library)
    model = randomise(library.Model({"image": image, "extra": extra}, {"z": first, "a": second}))
    check(model, {"image": random_images(2, SHAPE), "extra": EXTRA}, model)
    assert output_names(model) == ["a", "z"]  # as tf.nest flattens them


def test_a_nested_structure():
    """Only in Keras 3: tf_keras cannot call such a model."""
    image, extra, first, _ = parts(keras)
    model = randomise(keras.Model({"photo": [image], "rest": {"extra": extra}}, first))
    arguments = {"image": random_images(2, SHAPE), "extra": EXTRA}
    check(model, arguments, lambda given: model({"photo": [given["image"]], "rest": {"extra": given["extra"]}}))
    assert output_names(model) == []


def test_one_input_is_called_images(library):
    layers = library.layers
    image = layers.Input(SHAPE, name="photo", dtype="uint8")
    x = layers.Flatten()(layers.Rescaling(0.5)(image))
    images = np.random.default_rng(0).integers(0, 256, (2, *SHAPE)).astype(np.uint8)
    for model in (library.Model(image, x), library.Model([image], x), library.Model({"photo": image}, x)):
        function = trace_keras(model, None)
        assert function.structured_input_signature == ((tf.TensorSpec([None, *SHAPE], tf.uint8, "images"),), {})
        np.testing.assert_array_equal(function(tf.constant(images)), 0.5 * images.reshape(2, -1))
    assert output_names(model) == []


def test_text_beside_images(library):
    layers = library.layers
    image, text = layers.Input(SHAPE, name="image"), layers.Input((), name="text", dtype="string")
    length = layers.Lambda(
        lambda x: tf.cast(tf.strings.length(x), "float32")[:, None], output_shape=(1,), dtype="string"
    )(text)
    model = library.Model([image, text], layers.Concatenate()([layers.GlobalAveragePooling2D()(image), length]))
    arguments = {"image": random_images(2, SHAPE), "text": np.array([b"one", b"seven"], object)}
    function = trace_keras(model, None)
    assert function.structured_input_signature[1]["text"].dtype == tf.string
    found = function(**{name: tf.constant(array) for name, array in arguments.items()})
    expected = np.concatenate([arguments["image"].mean((1, 2)), [[3], [5]]], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_names_that_are_no_names_of_arguments(library):
    layers = library.layers
    inputs = {"the image": layers.Input(SHAPE, name="the image"), "2nd": layers.Input((3,), name="2nd")}
    pooled = layers.GlobalAveragePooling2D()(inputs["the image"])
    model = library.Model(inputs, layers.Add()([pooled, inputs["2nd"]]))
    found = trace_keras(model, None).structured_input_signature[1]
    assert {name: spec.shape.rank for name, spec in found.items()} == {"the_image": 4, "input_2nd": 2}


def test_a_model_with_two_images(library):
    layers = library.layers
    left, right = (layers.Input((None, None, 3), name=name) for name in ("left", "right"))
    conv = layers.Conv2D(2, 3, name="conv")
    model = randomise(library.Model([left, right], layers.Concatenate()([conv(left), conv(right)])))
    named = trace_keras(model, (9, 10, 3)).structured_input_signature[1]
    assert {name: tuple(spec.shape) for name, spec in named.items()} == dict.fromkeys(
        ("left", "right"), (None, 9, 10, 3)
    )
    with pytest.raises(UnsupportedModelError, match=r"no input takes images \(9, 10, 1\); the model takes left \(None"):
        trace_keras(model, (9, 10, 1))


def subclassed(library, call):
    class Own(library.Model):
        def __init__(self):
            super().__init__()
            self.dense = library.layers.Dense(2)

        def combine(self, image, extra):
            return {"sum": self.dense(tf.concat([tf.reduce_mean(image, [1, 2]), extra], -1)), "image": image}

    Own.call = call
    return Own()


@pytest.mark.parametrize("form", ["list", "dict", "arguments"])
def test_a_subclassed_model(form, library):
    image, extra = random_images(2, SHAPE), EXTRA.astype(np.float32)
    if form == "list":
        model = subclassed(library, lambda self, inputs: self.combine(*inputs))
        expected = model([image, extra])
        names = ("input_1", "input_2")
    elif form == "dict":
        model = subclassed(library, lambda self, inputs: self.combine(inputs["photo"], inputs["more"]))
        expected = model({"photo": image, "more": extra})
        names = ("photo", "more")
    else:
        model = subclassed(library, lambda self, photo, more: self.combine(photo, more))
        expected = model(image, extra)
        names = ("photo", "more")
    if form == "arguments" and library is keras:  # Keras 3 keeps the shape of the first argument alone
        with pytest.raises(UnsupportedModelError, match=r"cannot be traced on images \(8, 8, 3\): .*more"):
            trace_keras(model, None)
        return
    function = trace_keras(model, None)
    found = function(**dict(zip(names, (tf.constant(image), tf.constant(extra)), strict=True)))
    np.testing.assert_allclose(found["sum"], expected["sum"], rtol=1e-5)
    np.testing.assert_array_equal(found["image"], image)
    assert all(spec.shape[0] is None for spec in function.structured_input_signature[1].values())


def test_a_sequential_inside_another_model(library):
    """It answers the question for its input with the tensor of the model around it."""
    layers = library.layers
    inner = library.Sequential([layers.Input((None, None, 3)), layers.Conv2D(2, 3)])
    image = layers.Input(SHAPE)
    library.Model(image, inner(image))
    assert trace_keras(inner, None).inputs[0].shape.as_list() == [None, None, None, 3]


def test_a_trace_does_not_keep_the_model(library):
    image, extra, first, _ = parts(library)
    model = library.Model([image, extra], first)
    function, reference = trace_keras(model, None), weakref.ref(model)
    library.backend.clear_session()
    del model, image, extra, first
    gc.collect()
    assert reference() is None and function is not None


def test_why_a_model_cannot_be_traced(library):
    """In the words of Keras, without its colours and the list of arguments that it ends in."""
    model = library.Sequential([library.layers.Input(SHAPE), library.layers.Conv2D(4, 3, name="conv")])
    with pytest.raises(UnsupportedModelError) as caught:
        trace_keras(model, (12, 12, 1))
    message = str(caught.value)
    assert "cannot be traced on images (12, 12, 1): " in message and "expected" in message
    assert message.isprintable() and "kwargs" not in message
