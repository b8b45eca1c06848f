"""Every form in which a model comes: objects, files, folders; traced once, with the weights of today."""

from __future__ import annotations

import copy
import gc
import importlib
import inspect
import operator
import threading
import warnings
import weakref
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import (
    CLASSES,
    SHAPE,
    WithCall,
    build,
    distance,
    head,
    linear,
    model_of,
    random_images,
    randomise,
)
from support.thinning import by_day

import tfviz
from tfviz.errors import TfvizError, TfvizWarning, UnsupportedModelError
from tfviz.network import open_network
from tfviz.network.opening import TraceOptions


class Counting(keras.Model):
    """Counts how often Python runs its call: once for each trace."""

    def __init__(self, **options):
        super().__init__(**options)
        self.conv = layers.Conv2D(4, 3, activation="relu", name="conv")
        self.scores = layers.Dense(CLASSES, name="scores")
        self.calls = []

    def call(self, x):
        self.calls.append(x)
        return self.scores(tf.reduce_mean(self.conv(x), [1, 2]))


def counting():
    model = Counting()
    model(np.zeros((1, *SHAPE), np.float32))
    randomise(model)
    model.calls.clear()
    return model


FILES = {"functional": [".keras", ".h5"], "sequential": [".keras"], "nested": [".h5"], "lazily_built": [".keras"]}


@pytest.mark.parametrize(
    "kind, suffix",
    by_day(
        [(kind, suffix) for kind, suffixes in FILES.items() for suffix in suffixes],
        [("nested", ".h5"), ("lazily_built", ".keras")],
    ),
)
def test_a_keras_file(kind, suffix, tmp_path):
    path = tmp_path / f"my_model{suffix}"
    model_of(kind).save(path)
    images = random_images()
    for given in (path, str(path)):
        network = tfviz.trace(given)
        assert network.name == "my_model"
        np.testing.assert_array_equal(tfviz.gradient(network, images), tfviz.gradient(model_of(kind), images))
    np.testing.assert_array_equal(tfviz.grad_cam(path, images), tfviz.grad_cam(model_of(kind), images))


@pytest.mark.parametrize("form", ["str", "Path", "loaded"])
def test_a_saved_model(form, saved_folder, loaded):
    folder = saved_folder("functional")
    given = {"str": folder, "Path": Path(folder), "loaded": loaded("functional")}[form]
    network = tfviz.trace(given)
    gc.collect()  # a signature does not keep its variables alive
    assert network.image_shape == SHAPE and network.num_classes == CLASSES
    images = random_images()
    np.testing.assert_allclose(
        tfviz.gradient(network, images), tfviz.gradient(model_of("functional"), images), rtol=1e-5, atol=1e-8
    )


def test_names():
    assert tfviz.trace(model_of("nested")).name == "nested"


def test_a_network_is_its_own_trace(saved_folder):
    network = tfviz.trace(saved_folder("functional"))
    assert tfviz.trace(network) is network


def test_a_module_with_and_without_a_signature(loaded):
    """The oracle is the formula of the module."""
    module = WithCall()
    images = random_images()
    with tf.GradientTape() as tape:
        x = tf.constant(images)
        tape.watch(x)
        maps = tf.nn.relu(tf.nn.conv2d(x, module.kernel, 1, "SAME") + module.bias)
        score = (tf.reduce_mean(maps, [1, 2]) @ module.dense)[:, 3]
    expected = tape.gradient(score, x)
    for kind in ("with_signature", "with_call"):
        np.testing.assert_allclose(tfviz.gradient(loaded(kind), images, 3), expected, rtol=1e-5, atol=1e-8)
        assert tfviz.trace(loaded(kind)).name == "SavedModel"


class Several(tf.Module):
    def __init__(self):
        super().__init__()
        self.factor = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32)])
    def double(self, x):
        return {"scores": self.factor * tf.reduce_mean(x, [1, 2])}

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32)])
    def negative(self, x):
        return {"scores": -tf.reduce_mean(x, [1, 2])}

    @tf.function(input_signature=[tf.TensorSpec([None, 7], tf.float32)])
    def text(self, x):
        return {"scores": x}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def decode(self, x):
        return {"length": tf.strings.length(x)}


def load_with(tmp_path, **signatures):
    module = Several()
    tf.saved_model.save(
        module, str(tmp_path), signatures={key: getattr(module, name) for key, name in signatures.items()}
    )
    return tf.saved_model.load(str(tmp_path))


def test_the_one_signature_that_takes_images(tmp_path):
    model = load_with(tmp_path, describe="text", classify="double", decode="decode")
    gradient = tfviz.gradient(model, random_images(), 1)
    np.testing.assert_allclose(gradient, np.broadcast_to([0, 2 / 256, 0], gradient.shape), rtol=1e-6)


def test_the_serving_default_comes_first(tmp_path):
    model = load_with(tmp_path, classify="double", serving_default="negative")
    gradient = tfviz.gradient(model, random_images(), 1)
    np.testing.assert_allclose(gradient, np.broadcast_to([0, -1 / 256, 0], gradient.shape), rtol=1e-6)


def test_several_signatures_that_take_images(tmp_path):
    model = load_with(tmp_path, one="double", other="negative", describe="text")
    message = r"2 signatures that take images, say which with signature='one' .*; it has 'one', 'other', 'describe'"
    with pytest.raises(UnsupportedModelError, match=message):
        tfviz.trace(model)


def test_a_signature_can_be_named(tmp_path):
    model = load_with(tmp_path, one="double", serving_default="negative", describe="text")
    for source in (model, str(tmp_path)):
        gradient = tfviz.gradient(tfviz.trace(source, signature="one"), random_images(), 1)
        np.testing.assert_allclose(gradient, np.broadcast_to([0, 2 / 256, 0], gradient.shape), rtol=1e-6)
    with pytest.raises(UnsupportedModelError, match=r"no signature 'describes'; did you mean 'describe'"):
        tfviz.trace(model, signature="describes")
    with pytest.raises(UnsupportedModelError, match=r"no signature 'xyz'; the SavedModel has 'one', 'serving_default'"):
        tfviz.trace(model, signature="xyz")
    with pytest.raises(UnsupportedModelError, match=r"no input that may be an image \(x float32 \(None, 7\)\)"):
        tfviz.trace(model, signature="describe")
    with pytest.raises(
        UnsupportedModelError, match="no signature 'one': only SavedModels have signatures, and this is"
    ):
        tfviz.trace(model_of("functional"), signature="one")


def test_no_signature_that_takes_images(tmp_path):
    with pytest.raises(UnsupportedModelError, match="0 signatures that take images, expected one; it has 'describe'"):
        tfviz.trace(load_with(tmp_path, describe="text"))


def test_a_serving_default_that_takes_no_images(tmp_path):
    model = load_with(tmp_path, serving_default="decode")
    with pytest.raises(UnsupportedModelError, match="nothing in the model is a batch of decoded images"):
        tfviz.trace(model)


def test_a_saved_model_of_nothing(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(UnsupportedModelError, match="0 signatures that take images, expected one; it has none"):
        tfviz.trace(str(tmp_path))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_an_input_of_half_precision(dtype):
    image = layers.Input(SHAPE, dtype=dtype)
    model = randomise(keras.Model(image, head(layers.Conv2D(4, 3, activation="relu", name="conv")(image))))
    gradient = tfviz.gradient(model, random_images(), 1)
    assert gradient.dtype == np.float32 and gradient.any()


@pytest.mark.parametrize(
    "method", [pytest.param(tfviz.saliency, marks=pytest.mark.slow), tfviz.guided_backprop, tfviz.rise]
)
def test_a_saved_model_with_functions_that_xla_compiles(method, loaded):
    """Keras compiles a depthwise convolution on CPU, as in ConvNeXt; its numbers differ by float32's rounding."""
    live = method(model_of("depthwise"), random_images(), 1)
    assert distance(method(loaded("depthwise"), random_images(), 1), live) < 1e-5


def test_a_model_that_does_not_say_its_image_size():
    model = Counting()
    with pytest.raises(UnsupportedModelError, match=r"is not built.*build it with model\.build\(\(None, height, width"):
        tfviz.trace(model)
    network = tfviz.trace(model, image_shape=SHAPE)
    assert network.image_shape == SHAPE
    assert tfviz.saliency(network, random_images()).any()


def test_an_image_size_of_the_users_own():
    """A model with an open size, traced for one size, and the cached trace stays open."""
    model = model_of("open_size")
    assert tfviz.trace(model, image_shape=(20, 24, 3)).image_shape == (20, 24, 3)
    assert tfviz.trace(model, image_shape=(20, 24, 3)).layers["conv1"] == (18, 22, 4)
    assert tfviz.trace(model).image_shape == (None, None, 3)


# Weights.


def test_weights_are_those_of_now():
    model = linear()
    images = random_images(2, (4, 4, 3))
    kernel = model.get_weights()[0]
    for factor in (1.0, -2.0, 3.0):
        model.get_layer("scores").kernel.assign(factor * kernel)
        expected = np.broadcast_to(factor * kernel[:, 2].reshape(4, 4, 3), images.shape)
        np.testing.assert_allclose(tfviz.gradient(model, images, 2), expected, rtol=1e-6)


def test_weights_of_a_loaded_model_are_those_of_now(saved_folder):
    model = tf.saved_model.load(saved_folder("functional"))
    images = random_images()
    before = tfviz.gradient(model, images, 1)
    _, kernel = sorted(model.variables[-2:], key=lambda variable: len(variable.shape))
    kernel.assign(2 * kernel)
    np.testing.assert_allclose(tfviz.gradient(model, images, 1), 2 * before, rtol=1e-5)


def test_training_changes_the_explanation():
    model = build("lazily_built")
    images = random_images()
    before = tfviz.gradient(model, images, 0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(images, np.array([0, 1]), epochs=1, verbose=0)
    after = tfviz.gradient(model, images, 0)
    assert not np.array_equal(before, after)
    copy = build("lazily_built")
    copy.set_weights(model.get_weights())
    np.testing.assert_allclose(after, tfviz.gradient(copy, images, 0), rtol=1e-4, atol=1e-7)


# The cache.


def test_a_model_is_traced_once():
    model = counting()
    images = random_images()
    for method in (tfviz.saliency, tfviz.gradient, tfviz.grad_cam, tfviz.guided_backprop, tfviz.saliency):
        method(model, images)
    tfviz.Explainer(model, "grad_cam")(images)
    assert len(model.calls) == 1
    assert tfviz.trace(model).compiled is tfviz.trace(model).compiled
    other = counting()
    tfviz.saliency(other, images)
    assert len(other.calls) == 1 and tfviz.trace(other).compiled is not tfviz.trace(model).compiled


def test_a_loaded_model_is_traced_once(loaded):
    model = loaded("functional")
    assert tfviz.trace(model).compiled is tfviz.trace(model).compiled


def test_training_and_freezing_do_not_make_another_trace():
    model = counting()
    before = tfviz.trace(model).compiled
    model.get_layer("conv").kernel.assign_add(tf.ones_like(model.get_layer("conv").kernel))
    model.trainable = False
    assert tfviz.trace(model).compiled is before


def test_a_sequential_that_got_another_layer():
    model = keras.Sequential([layers.Input((4, 4, 3)), layers.Flatten(), layers.Dense(4, name="first")])
    images = random_images(2, (4, 4, 3))
    assert tfviz.gradient(model, images, 3).any() and tfviz.trace(model).num_classes == 4
    model.add(layers.Dense(6, activation="softmax", name="second"))
    assert tfviz.trace(model).num_classes == 6
    first, second = model.get_layer("first").get_weights()[0], model.get_layer("second").get_weights()[0]
    expected = np.broadcast_to((first @ second)[:, 5].reshape(4, 4, 3), images.shape)
    np.testing.assert_allclose(tfviz.gradient(model, images, 5), expected, rtol=1e-4, atol=1e-6)
    model.pop()
    assert tfviz.trace(model).num_classes == 4
    np.testing.assert_allclose(
        tfviz.gradient(model, images, 3), np.broadcast_to(first[:, 3].reshape(4, 4, 3), images.shape), rtol=1e-5
    )


def test_another_activation_is_another_trace():
    model = build("functional")
    images = random_images()
    plain = tfviz.guided_backprop(model, images, 0)
    model.get_layer("conv2").activation = keras.activations.linear
    assert not np.allclose(tfviz.guided_backprop(model, images, 0), plain)


def scaled(kerases, factors, read):
    """A model whose gradient is the factor that its layer reads from an attribute."""

    class Scale(kerases.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.factors = factors

        def call(self, x):
            return x * read(self.factors)

    image = kerases.layers.Input((4, 4, 3))
    summed = kerases.layers.Lambda(lambda x: tf.reduce_sum(x, [1, 2]))(Scale(name="scale")(image))
    return kerases.Model(image, summed)


def first(factors):
    return factors[0]


def set_item(key, value):
    return lambda layer: operator.setitem(layer.factors, key, value)


def set_to(value):
    return lambda layer: setattr(layer, "factors", value)


@pytest.mark.parametrize(
    "factors, read, change",
    [
        ([2.0, 3.0], first, set_to([5.0, 2.0])),
        ([2.0, 3.0], first, set_item(0, 5.0)),
        ([[2.0], 3.0], lambda factors: factors[0][0], set_item(0, [5.0])),
        ([[2.0], 3.0], lambda factors: factors[0][0], lambda layer: operator.setitem(layer.factors[0], 0, 5.0)),
        ({"a": 2.0}, lambda factors: factors["a"], set_to({"a": 5.0})),
        ({"a": 2.0}, lambda factors: factors["a"], set_item("a", 5.0)),
        ({2.0}, lambda factors: min(factors), lambda layer: layer.factors.update([1.0]) or layer.factors.add(-5.0)),
        ((2.0, [3.0]), lambda factors: factors[1][0], set_to((2.0, [5.0]))),
        ([lambda: 2.0], lambda factors: factors[0](), set_to([lambda: 5.0])),
        (np.array([2.0, 3.0], np.float32), first, set_to(np.array([5.0, 3.0], np.float32))),
        (lambda: 2.0, lambda factors: factors(), set_to(lambda: 5.0)),
        (partial(float, "2"), lambda factors: factors(), set_to(partial(float, "5"))),
    ],
)
@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_another_value_of_an_attribute_is_another_trace(name, factors, read, change):
    kerases = keras if name == "keras" else pytest.importorskip("tf_keras")
    model = scaled(kerases, copy.deepcopy(factors), read)
    images = random_images(2, (4, 4, 3))
    before, network = tfviz.gradient(model, images, 0)[..., 0], tfviz.trace(model)
    assert tfviz.trace(model).compiled is network.compiled
    layer = model.get_layer("scale")
    change(layer)
    found = tfviz.gradient(model, images, 0)[..., 0]
    np.testing.assert_array_equal(found, np.full_like(found, float(read(layer.factors))))
    assert not np.array_equal(found, before)
    gone = weakref.ref(model)
    del model, layer, network
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("kind", ["functional", "lazily_built", "nested", "subclassed", "shared_layer"])
def test_an_explained_model_can_be_forgotten(kind):
    model = build(kind)
    tfviz.saliency(model, random_images())
    tfviz.grad_cam(model, random_images(), layer=tfviz.trace(model).default_layer)
    tfviz.guided_backprop(model, random_images())
    reference = weakref.ref(model)
    variable = weakref.ref(model.weights[0])
    del model
    gc.collect()
    assert reference() is None and variable() is None


def test_a_loaded_model_can_be_forgotten(saved_folder):
    model = tf.saved_model.load(saved_folder("functional"))
    tfviz.saliency(model, random_images())
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_a_network_and_an_explainer_keep_their_model_alive():
    images = random_images()
    expected = tfviz.saliency(model_of("functional"), images)
    network, explainer = tfviz.trace(build("functional")), tfviz.Explainer(build("functional"), "saliency")
    gc.collect()
    np.testing.assert_array_equal(tfviz.saliency(network, images), expected)
    np.testing.assert_array_equal(explainer(images), expected)


def test_a_network_names_its_model_but_another_cannot_be_put_in_its_place():
    model = model_of("functional")
    network = tfviz.trace(model)
    assert network.model is model and network.without_model().model is None
    with pytest.raises(AttributeError):
        network.model = model


def test_many_threads_at_once():
    model = counting()
    images = random_images(4)
    start = threading.Barrier(6)
    found = {}

    def work(index):
        start.wait()
        method = (tfviz.saliency, tfviz.grad_cam)[index % 2]
        found[index] = [method(model, images) for _ in range(3)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(model.calls) == 1 and len(found) == 6
    for index, maps in found.items():
        for each in maps:
            np.testing.assert_array_equal(each, found[index % 2][0])
    assert len(tfviz.trace(model).compiled) == 2


# A model's own gradients.


@tf.custom_gradient
def straight_through(x):
    return tf.sign(x), lambda upstream: upstream


@tf.custom_gradient
def nearly_itself(x):
    """A custom gradient that is the gradient of its operations."""
    return 2 * x, lambda upstream: 2 * upstream


def with_gradient_of_its_own(function):
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, name="conv")(image)
    x = layers.Lambda(function, output_shape=(14, 14, 4), name="quantise")(x)
    return randomise(keras.Model(image, head(x)))


def test_a_straight_through_estimator_is_warned_about(tmp_path):
    model = with_gradient_of_its_own(straight_through)
    with pytest.warns(TfvizWarning, match=r"a gradient of its own in .*quantise.*differ from the model's own by 100%"):
        tfviz.trace(model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tfviz.trace(model)
    assert not caught, "the same model warns once"


def test_a_warning_within_a_method_is_for_the_line_that_called_it():
    with pytest.warns(TfvizWarning) as caught:
        tfviz.gradient(with_gradient_of_its_own(straight_through), random_images())
    of_trace, of_method = caught
    assert "a gradient of its own" in str(of_trace.message) and "zero everywhere" in str(of_method.message)
    assert of_trace.filename == of_method.filename == __file__


def test_what_trace_would_say_is_kept_with_a_network_that_is_opened_in_silence():
    """As warnings are errors here, none is emitted."""
    model = with_gradient_of_its_own(straight_through)
    network = open_network(model)
    (message,) = network.warnings
    assert "a gradient of its own" in message and tfviz.trace(network) is network
    assert tfviz.trace(model).function is network.function and open_network(model).warnings == ()


def test_a_straight_through_estimator_of_an_open_size():
    image = layers.Input((None, None, 3))
    x = layers.Conv2D(4, 3, name="conv")(image)
    x = layers.Lambda(straight_through, output_shape=lambda shape: shape, name="quantise")(x)
    with pytest.warns(TfvizWarning, match=r"a gradient of its own in .*quantise"):
        tfviz.trace(randomise(keras.Model(image, head(x))))


@pytest.mark.parametrize("kept", [True, False])
def test_a_straight_through_estimator_in_a_saved_model(kept, tmp_path, monkeypatch):
    """TensorFlow saves custom gradients or not; where it did not, another process has nothing to differ from."""
    if not kept:
        monkeypatch.setattr("tfviz.network.diagnosis.custom_gradients.has_gradient", lambda tag: False)
    module = tf.Module()
    module.call = tf.function(
        lambda x: {"scores": tf.reduce_mean(straight_through(3 * x), [1, 2])},
        input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32)],
    )
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=kept)
    tf.saved_model.save(module, str(tmp_path), signatures=module.call, options=options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = tfviz.trace(str(tmp_path))
    assert ["differ" if "differ" in str(each.message) else "not saved" for each in caught] == [
        "differ" if kept else "not saved"
    ]
    images = random_images()
    np.testing.assert_allclose(network.logits(images), np.sign(images).mean((1, 2)), rtol=1e-6)


@pytest.mark.parametrize("function", [nearly_itself, tf.nn.silu, keras.ops.silu, tf.nn.gelu])
def test_custom_gradients_that_change_nothing_are_silent(function):
    model = with_gradient_of_its_own(function)
    images = random_images()
    with tf.GradientTape() as tape:
        x = tf.constant(images)
        tape.watch(x)
        score = tf.math.log(model(x)[:, 0]) - tf.math.log(model(x)[:, 1])
    ours = tfviz.gradient(model, images, 0) - tfviz.gradient(model, images, 1)
    np.testing.assert_allclose(ours, tape.gradient(score, x), rtol=1e-3, atol=1e-6)


def test_silu_in_every_form_is_silent(loaded):
    for model in (model_of("silu"), loaded("silu")):
        assert tfviz.trace(model).head.kind == "softmax"


def test_a_model_is_traced_as_it_predicts():
    """Dropout and batch normalisation do as at prediction, whatever the model was doing before."""
    model = build("nested")
    images = random_images()
    predicted = model.predict(images, verbose=0)
    model(images, training=True)
    model.get_layer("backbone").get_layer("norm").moving_mean.assign(np.zeros(4))
    assert not np.allclose(model.predict(images, verbose=0), predicted)
    logits = tfviz.trace(model).logits(images)
    np.testing.assert_allclose(tf.nn.softmax(logits), model.predict(images, verbose=0), rtol=1e-4)


class NoShape(keras.Model):
    """A model that says it is built, but not for which images."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)
        self.dense.build((None, 3))
        self.built = True

    def call(self, images):
        return self.dense(tf.reduce_mean(images, axis=(1, 2)))


def test_the_image_size_can_be_said():
    model = NoShape()
    with pytest.raises(tfviz.UnsupportedModelError, match=r"image_shape=\(height, width, channels\)"):
        tfviz.trace(model)
    network = tfviz.trace(model, image_shape=(None, None, 3))
    images = np.random.default_rng(0).normal(size=(2, 5, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(network.logits(images), model(images), rtol=1e-5)


# The options of `trace`.


@pytest.mark.parametrize(
    "option, values, expected",
    [
        ("image_shape", [5, (8, 8), (8, 8, 3, 1), "8x8", (8.0, 8, 3), (0, 8, 3), np.ones((2, 3))], "(height, width, "),
        ("score", [3, "class", [len]], "a function of the model's outputs"),
        ("tokens_to_map", [3, (14, 14)], "a function of tokens (N, T, D)"),
        ("signature", [3, b"serving_default", True], "the name of a signature"),
        ("input", [3, ["images"]], "the name of an input"),
        ("output", [[], 1.0, True, ("a", 1), np.array([0, 1])], "the name or number of an output"),
        ("cut", [3, {}], "the name of an operation"),
        ("precision", [3, tf.float16, True], "the name of a type, such as 'bfloat16'"),
        ("custom_objects", [3, [len], {3: len}], "a dictionary of layers and functions by name"),
        ("data_format", [3, [], "NCHW", np.array(["channels_last"])], "'channels_last' or 'channels_first'"),
        ("random", [3, None, [], "maybe", np.array(["keep", "off"])], "'keep' or 'off'"),
        ("jit_compile", ["x", None, 1], "True or False"),
        ("safe_mode", ["x", None, 0], "True or False"),
        ("fast", ["x", 1, []], "True, False or None"),
        ("maximum_model_bytes", ["x", None, 0, 1e9, True], "a number of bytes"),
    ],
)
def test_an_option_of_another_type_is_refused(option, values, expected):
    for value in values:
        with pytest.raises(TfvizError) as caught:
            tfviz.trace(model_of("functional"), **{option: value})
        message = str(caught.value)
        assert message.startswith(f"{option} is ") and f", expected {expected}" in message and "\n" not in message


def test_the_arguments_of_trace_are_its_options():
    _, *arguments = inspect.signature(tfviz.trace).parameters.values()
    assert [(each.name, each.default) for each in arguments] == [
        (each.name, each.default) for each in fields(TraceOptions)
    ]


def test_every_argument_of_trace_becomes_the_option_of_its_name(monkeypatch):
    module = importlib.import_module("tfviz.network.trace")
    monkeypatch.setattr(module, "TraceOptions", dict)
    opened = lambda model, options: SimpleNamespace(options=options, warnings=())  # noqa: E731  # one line in the test
    monkeypatch.setattr(module, "open_network", opened)
    given = {each.name: (each.name,) for each in fields(TraceOptions)}
    assert tfviz.trace("a model", **given).options == given


def test_the_image_size_may_be_an_array():
    for shape in (np.array([20, 24, 3]), tf.TensorShape([20, 24, 3])):
        assert tfviz.trace(model_of("open_size"), image_shape=shape).image_shape == (20, 24, 3)
    assert tfviz.trace(model_of("functional"), output=np.int64(0)).num_classes == CLASSES
