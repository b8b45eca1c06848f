"""Models that take channels first: all that is found of them is what is found of their twin that takes channels last.

The twin has the same weights, so that the numbers are those of the same operations, to the last bit.
"""

from __future__ import annotations

import copy
import json
import pickle

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from matplotlib.backends.backend_agg import FigureCanvasAgg
from support.model_zoo import randomise

import tfviz
from tfviz.apps.beam.handler import AttributionHandler
from tfviz.errors import InvalidImagesError, TfvizError, TfvizWarning, UnsupportedModelError
from tfviz.methods import METHODS
from tfviz.results import collapse, to_picture

HEIGHT, WIDTH = 20, 24
FEW = {"steps": 3, "samples": 2, "masks": 10, "cells": 3, "patch": 6, "scales": (50,)}
TO_LAST = layers.Permute((2, 3, 1))


def network(channels=3, size=(HEIGHT, WIDTH), dtype="float32"):
    image = keras.Input((*size, channels), dtype=dtype, name="pixels")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(layers.Rescaling(2.0, -0.5)(image))
    x = layers.Conv2D(6, 3, strides=2, activation="relu", name="conv2")(x)
    x = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return randomise(keras.Model(image, x, name="last"))


def turned(inner, prepare=lambda image: image):
    """The same network for channels first."""
    height, width, channels = inner.input_shape[1:]
    image = keras.Input((channels, height, width), dtype=inner.inputs[0].dtype, name="pixels")
    return keras.Model(image, inner(layers.Permute((2, 3, 1), name="to_last")(prepare(image))), name="first")


def images_of(count=2, channels=3, size=(HEIGHT, WIDTH)):
    return np.random.default_rng(0).uniform(0, 1, (count, *size, channels)).astype(np.float32)


def first(values):
    return np.moveaxis(values, -1, -3)


def turned_by(turn, channels, size=(HEIGHT, WIDTH)):
    """A small network for channels first, which puts them last in a way of its own."""
    image = keras.Input((channels, *size))
    x = layers.Conv2D(2, 1, name="conv")(turn(image) if isinstance(turn, layers.Layer) else layers.Lambda(turn)(image))
    return keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


# The two networks are traced, and all their methods compiled, in one process.
pytestmark = pytest.mark.xdist_group("channels first")
LAST = network()
FIRST = turned(LAST)
IMAGES = images_of()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("first")
    FIRST.export(place / "saved", verbose=False)
    FIRST.save(place / "first.keras")
    LAST.save(place / "last.keras")
    picture = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    cv2.imwrite(str(place / "picture.png"), picture)
    return place


def options_of(name):
    return {key: value for key, value in FEW.items() if key in METHODS[name].options}


@pytest.mark.parametrize("form", ["live", "saved"])
def test_every_method_is_that_of_the_twin(form, folder):
    model = {"live": FIRST, "saved": str(folder / "saved")}[form]
    options = {name: options_of(name) for name in METHODS}
    seen = tfviz.trace(model)
    found = tfviz.explain(seen, first(IMAGES), [0, 2], methods=list(METHODS), options=options)
    expected = tfviz.explain(LAST, IMAGES, [0, 2], methods=list(METHODS), options=options)
    assert (seen.data_format, seen.image_shape, seen.default_layer) == ("channels_first", (HEIGHT, WIDTH, 3), "conv2")
    assert "channels_first" not in seen.layers and seen.layers["conv1"] == (HEIGHT, WIDTH, 4)
    for name, values in expected.maps.items():
        np.testing.assert_array_equal(found.maps[name], first(values) if values.ndim == 4 else values, err_msg=name)
    np.testing.assert_array_equal(found.images, first(IMAGES))
    np.testing.assert_array_equal(seen.logits(first(IMAGES)), tfviz.trace(LAST).logits(IMAGES))
    assert json.loads(json.dumps(found.origin.part))["data_format"] == found.data_format == "channels_first"
    alone = tfviz.gradient(seen, first(IMAGES)[1], 2)
    np.testing.assert_allclose(alone[0], first(expected.maps["gradient"])[1], rtol=1e-6)


FORMATS = {
    # What the image goes through before it is turned.
    "prepared": (turned(LAST, lambda x: (x / 255 - 0.5) / np.float32([[[0.2]], [[0.3]], [[0.4]]])), "channels_first"),
    "blue first": (turned(LAST, lambda x: x[:, ::-1]), "channels_first"),
    "grey": (turned(network(channels=1)), "channels_first"),
    "four channels": (turned(network(channels=4)), "channels_first"),
    "twelve channels": (turned(network(channels=12)), "channels_first"),
    "integers": (turned(network(dtype="uint8")), "channels_first"),
    "any size": (turned(network(size=(None, None))), "channels_first"),
    # Nothing is transposed, but what has the height and width of the image has its channels last.
    "reshaped": (turned_by(layers.Reshape((HEIGHT, WIDTH, 1)), 1), "channels_first"),
    "squeezed, expanded": (turned_by(lambda x: ops.expand_dims(ops.squeeze(x, 1), -1), 1), "channels_first"),
    "repeated": (turned_by(lambda x: ops.transpose(ops.repeat(x, 3, 1), (0, 2, 3, 1)), 1), "channels_first"),
    "stacked": (turned_by(lambda x: ops.stack([x[:, k] for k in range(4)], -1), 4), "channels_first"),
    "mixed by einsum": (turned_by(lambda x: ops.einsum("nchw,cd->nhwd", x, np.eye(6, 3)), 6), "channels_first"),
    "thirteen channels of any size": (turned_by(TO_LAST, 13, (None, None)), "channels_first"),
    "channels last": (LAST, "channels_last"),
    # A spectrogram (time, frequency, 1) whose frequencies become channels.
    "a spectrogram": (
        keras.Sequential([keras.Input((40, 16, 1)), layers.Permute((1, 3, 2)), layers.Conv2D(4, 1), layers.Flatten()]),
        "channels_last",
    ),
    "a spectrogram, turned": (
        keras.Sequential([keras.Input((40, 100, 1)), TO_LAST, layers.Conv2D(4, 1), layers.Flatten(), layers.Dense(2)]),
        "channels_last",
    ),
    # A signal of twelve leads, of height 1, under a convolution of images.
    "a signal": (
        keras.Sequential([keras.Input((1, 60, 12)), layers.Conv2D(4, (1, 3)), layers.Flatten(), layers.Dense(2)]),
        "channels_last",
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_is_found(name):
    model, expected = FORMATS[name]
    assert tfviz.trace(model).data_format == expected


MOVED = {
    # Where a dot at (12, 20) must be found.
    "cut": lambda x: x[:, :, 8:24, 4:28],
    "turned over": lambda x: x[:, :, ::-1, ::-1],
    "padded": lambda x: ops.pad(x, [[0, 0], [0, 0], [4, 0], [0, 12]]),
    "reflected": lambda x: ops.pad(x, [[0, 0], [0, 0], [3, 2], [1, 0]], "reflect"),
    "transposed": lambda x: ops.transpose(x, (0, 1, 3, 2)),
    "transposed with its channels": lambda x: ops.transpose(ops.transpose(x, (0, 3, 2, 1)), (0, 3, 1, 2)),
    "resized": lambda x: ops.image.resize(x, (16, 20), data_format="channels_first"),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", MOVED)
def test_a_map_is_where_the_dot_is(name, channels):
    """The image is moved about while its channels are first, which tells nothing of the format yet."""
    image = keras.Input((channels, 32, 40))
    x = layers.Permute((2, 3, 1))(layers.Lambda(MOVED[name])(image))
    x = layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones", name="conv")(x)
    model = keras.Model(
        image, layers.Dense(2, "softmax", kernel_initializer="ones")(layers.GlobalAveragePooling2D()(x))
    )
    seen, dot = tfviz.trace(model), np.zeros((1, channels, 32, 40), np.float32)
    dot[:, :, 12, 20] = 1
    assert (seen.data_format, seen.default_layer) == ("channels_first", "conv")
    place = np.unravel_index(tfviz.grad_cam(seen, dot, 0)[0].argmax(), (32, 40))
    assert np.abs(np.subtract(place, (12, 20))).max() <= 1


def test_one_of_several_ways_shows_the_format():
    image = keras.Input((3, HEIGHT, WIDTH))
    colours = layers.Dense(3)(layers.Lambda(lambda x: ops.mean(x, (2, 3)))(image))
    seen = tfviz.trace(keras.Model(image, layers.Add()([LAST(TO_LAST(image)), colours])))
    assert (seen.data_format, seen.image_shape) == ("channels_first", (HEIGHT, WIDTH, 3))


def patches(size=(HEIGHT, WIDTH)):
    """Patches are cut out of channels first: nothing is transposed to channels last."""
    image = keras.Input((3, *size))
    x = layers.Reshape((3, HEIGHT // 4, 4, WIDTH // 4, 4))(image)
    x = layers.Reshape((HEIGHT // 4, WIDTH // 4, 48))(layers.Permute((2, 4, 1, 3, 5))(x))
    x = layers.Conv2D(4, 1, activation="relu", name="embed")(x)
    return randomise(keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x))))


def test_what_does_not_say_it_is_warned_about_and_may_be_told():
    model = patches()
    with pytest.warns(TfvizWarning, match=r"shape \(3, 20, 24\), .*height 3.*say data_format='channels_first'"):
        assert tfviz.trace(model).data_format == "channels_last"
    for channels in (1, 4):
        flat = keras.Sequential([keras.Input((channels, HEIGHT, WIDTH)), layers.Flatten(), layers.Dense(2)])
        with pytest.warns(TfvizWarning, match=f"taken for images of height {channels}"):
            tfviz.trace(flat)
    seen = tfviz.trace(model, data_format="channels_first")
    variable = tf.Variable(first(IMAGES))
    with tf.GradientTape() as tape:
        score = model(variable)[:, 1]
    np.testing.assert_allclose(tfviz.gradient(seen, first(IMAGES), 1), tape.gradient(score, variable), atol=1e-6)
    assert tfviz.saliency(seen, first(IMAGES), 1).shape == (2, HEIGHT, WIDTH)
    with pytest.raises(TfvizError, match="data_format is 'NCHW', expected 'channels_last' or 'channels_first'"):
        tfviz.trace(model, data_format="NCHW")


def test_what_says_it_may_be_told_otherwise():
    seen = tfviz.trace(FIRST, data_format="channels_last")
    assert (seen.data_format, seen.image_shape) == ("channels_last", (3, HEIGHT, WIDTH))
    np.testing.assert_array_equal(tfviz.gradient(seen, first(IMAGES), 0), tfviz.gradient(FIRST, first(IMAGES), 0))


@pytest.mark.parametrize("told", [{}, {"data_format": "channels_first"}], ids=["found", "told"])
def test_the_size_of_images_is_said_as_ever(told):
    seen = tfviz.trace(FORMATS["any size"][0], image_shape=(30, 40, 3), **told)
    assert seen.image_shape == (30, 40, 3)
    assert tfviz.saliency(seen, np.zeros((1, 3, 30, 40)) + 0.5, 0).shape == (1, 30, 40)
    with pytest.raises(UnsupportedModelError, match=r"cannot be traced on images \(3, 30, 40\)"):
        tfviz.trace(FIRST, image_shape=(30, 40, 3), **told)


def test_images_of_the_other_format_are_refused():
    with pytest.raises(InvalidImagesError, match=r"\(2, 20, 24, 3\), the network takes \(N, 3, 20, 24\)"):
        tfviz.saliency(FIRST, IMAGES, 0)


def test_what_no_cpu_runs_is_said():
    """TensorFlow has the kernels of such convolutions on GPUs alone; where it has them here, nothing is to be said."""
    image = keras.Input((3, HEIGHT, WIDTH))
    x = layers.Conv2D(4, 1, data_format="channels_first")(image)
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D("channels_first")(x)))
    seen = tfviz.trace(model)
    assert seen.data_format == "channels_first"
    try:
        model(first(IMAGES))
    except tf.errors.OpError:
        with pytest.raises(TfvizError, match="NHWC"):
            tfviz.saliency(seen, first(IMAGES), 0)
    with pytest.raises(InvalidImagesError, match=r"\(1, 3, 5, 5\), the network takes \(N, 3, 20, 24\)"):
        tfviz.saliency(seen, np.zeros((1, 3, 5, 5)), 0)


def test_a_dictionary_of_inputs():
    """As the models of transformers take their `pixel_values`, beside an input that is held."""

    class Classifier(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = network()

        def call(self, inputs):
            return self.inner(tf.transpose(inputs["pixel_values"], (0, 2, 3, 1))) * inputs["weight"]

    model = Classifier()
    given = {"pixel_values": first(IMAGES), "weight": np.float32([[1, 2, 3], [3, 2, 1]])}
    model(given)
    seen = tfviz.trace(model, input="pixel_values")
    found = tfviz.gradient(seen, given, 1)
    variable = tf.Variable(first(IMAGES))
    with tf.GradientTape() as tape:
        score = model({**given, "pixel_values": variable})[:, 1]
    assert seen.data_format == "channels_first"
    np.testing.assert_allclose(found, tape.gradient(score, variable), rtol=1e-4, atol=1e-6)


def test_one_input_in_a_dictionary_keeps_its_name():
    tf_keras = pytest.importorskip("tf_keras")

    class Classifier(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.conv, self.dense = tf_keras.layers.Conv2D(4, 3), tf_keras.layers.Dense(3)

        def call(self, inputs):
            x = self.conv(tf.transpose(inputs["pixel_values"], (0, 2, 3, 1)))
            return self.dense(tf.reduce_mean(x, (1, 2)))

    model = Classifier()
    model({"pixel_values": first(IMAGES)})
    expected = tfviz.gradient(model, first(IMAGES), 1)
    np.testing.assert_array_equal(tfviz.gradient(model, {"pixel_values": first(IMAGES)}, 1), expected)


@pytest.mark.filterwarnings("ignore:integrated_gradients misses completeness")
@pytest.mark.parametrize("of_a_list", [False, True])
def test_a_baseline_that_is_an_image(of_a_list):
    baseline = np.random.default_rng(2).uniform(0, 1, (HEIGHT, WIDTH, 3)).astype(np.float32)
    given = [baseline, "black"] if of_a_list else baseline
    expected = tfviz.integrated_gradients(LAST, IMAGES, 1, baseline=given, steps=4)
    given = [first(baseline), "black"] if of_a_list else first(baseline)
    found = tfviz.integrated_gradients(FIRST, first(IMAGES), 1, baseline=given, steps=4)
    np.testing.assert_array_equal(found, first(expected))
    with pytest.raises(
        InvalidImagesError, match=r"baseline has the shape \(20, 24, 3\), expected an image \(3, 20, 24\)"
    ):
        tfviz.integrated_gradients(FIRST, first(IMAGES), 1, baseline=baseline)
    more = {"of": "integrated_gradients", "samples": 2}
    expected = tfviz.smooth_grad(LAST, IMAGES, 1, options={"baseline": baseline, "steps": 2}, **more)
    found = tfviz.smooth_grad(FIRST, first(IMAGES), 1, options={"baseline": first(baseline), "steps": 2}, **more)
    np.testing.assert_array_equal(found, first(expected))


def test_pictures_are_those_of_the_twin():
    found = tfviz.explain(FIRST, first(IMAGES), 1, methods=["gradient", "layer_cam"])
    expected = tfviz.explain(LAST, IMAGES, 1, methods=["gradient", "layer_cam"])
    for order in ("rgb", "bgr"):
        for name, values in expected.shown(order).items():
            np.testing.assert_array_equal(found.shown(order)[name], values)
    np.testing.assert_array_equal(_pixels(found), _pixels(expected))
    grey = tfviz.explain(FORMATS["grey"][0], first(images_of(channels=1)), 1, methods="gradient")
    picture = np.random.default_rng(0).integers(0, 256, (2, HEIGHT, WIDTH, 3), np.uint8)
    assert np.ptp(grey.by_row(picture), axis=-1).max() == 0


def _pixels(explanation):
    canvas = FigureCanvasAgg(explanation.plot())
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def test_functions_of_pictures_refuse_channels_first():
    with pytest.raises(InvalidImagesError, match=r"channels first; np.moveaxis\(values, -3, -1\) puts them last"):
        collapse(np.zeros((2, 3, 20, 24)))
    with pytest.raises(InvalidImagesError, match=r"got \(2, 3, 20, 24\); np.moveaxis"):
        to_picture(np.zeros((2, 3, 20, 24)))
    assert collapse(np.zeros((2, 3, 20, 12))).shape == (2, 3, 20)


@pytest.mark.filterwarnings("ignore::tfviz.TfvizWarning")  # that a few steps do not get there
def test_attacks_and_visualisations():
    for name, target in (("fooling_image", 1), ("fgsm", 1), ("pgd", 1)):
        found = getattr(tfviz, name)(FIRST, first(IMAGES), target, pixel_range=(0, 1))
        expected = getattr(tfviz, name)(LAST, IMAGES, target, pixel_range=(0, 1))
        np.testing.assert_array_equal(found.images, first(expected.images))
        np.testing.assert_array_equal(found.differences, first(expected.differences))
        np.testing.assert_array_equal(found.probabilities_after, expected.probabilities_after)
    options = {"pixel_range": (0, 1), "iterations": 3, "snapshots": [0, 2]}
    found = tfviz.class_visualization(FIRST, [0, 1], images=first(IMAGES), **options)
    expected = tfviz.class_visualization(LAST, [0, 1], images=IMAGES, **options)
    np.testing.assert_array_equal(found.images, first(expected.images))
    np.testing.assert_array_equal(found.snapshots[2], first(expected.snapshots[2]))
    np.testing.assert_array_equal(found.scores, expected.scores)
    found = tfviz.full_grad_decomposition(FIRST, first(IMAGES), 1)
    np.testing.assert_array_equal(found.input_term, tfviz.full_grad_decomposition(LAST, IMAGES, 1).input_term)


def test_copies_and_pickles_keep_the_format(folder):
    told = tfviz.trace(str(folder / "saved"), data_format="channels_first", random="off")
    assert copy.deepcopy(told).data_format == pickle.loads(pickle.dumps(told)).data_format == "channels_first"
    assert tfviz.Explainer(told, "gradient")(first(IMAGES), 1).shape == (2, 3, HEIGHT, WIDTH)
    inside = told.in_channels_last()
    np.testing.assert_array_equal(tfviz.gradient(inside, IMAGES, 1), tfviz.gradient(LAST, IMAGES, 1))


def test_batches_of_one():
    """A signature for one image is opened."""
    module = tf.Module()
    module.network = network()

    @tf.function(input_signature=[tf.TensorSpec([1, 3, HEIGHT, WIDTH], tf.float32, name="pixels")])
    def one(pixels):
        return {"scores": module.network(tf.transpose(pixels, (0, 2, 3, 1)))}

    module.one, module.signatures = one, {"serving_default": one.get_concrete_function()}
    found = tfviz.gradient(module, first(IMAGES), 1)
    np.testing.assert_allclose(found, first(tfviz.gradient(module.network, IMAGES, 1)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("cut", [None, "transpose"])
def test_encoded_images_that_are_turned_where_they_are_decoded(cut):
    """They are cut before they are turned, or behind it, where the user wants that."""
    module = tf.Module()
    module.network = network()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="records")])
    def served(records):
        def decode(record):
            return tf.ensure_shape(tf.io.decode_png(record, 3), [HEIGHT, WIDTH, 3])

        pixels = tf.map_fn(decode, records, fn_output_signature=tf.uint8)
        planes = tf.transpose(tf.cast(pixels, tf.float32) / 255, (0, 3, 1, 2), name="transpose")
        return {"scores": module.network(tf.transpose(planes - 0.5, (0, 2, 3, 1)))}

    module.served, module.signatures = served, {"serving_default": served.get_concrete_function()}
    seen = tfviz.trace(module) if cut is None else tfviz.trace(module, cut=cut)
    records = [cv2.imencode(".png", np.uint8(each * 255))[1].tobytes() for each in IMAGES]
    found = tfviz.gradient(seen, records, 1)
    images = seen.decode(records)
    shape = (2, HEIGHT, WIDTH, 3) if cut is None else (2, 3, HEIGHT, WIDTH)
    assert found.shape == images.shape == shape
    np.testing.assert_array_equal(tfviz.gradient(seen, images, 1), found)
    own = images / 255 if cut is None else np.moveaxis(images, 1, -1)
    expected = tfviz.gradient(module.network, own.astype(np.float32) - 0.5, 1)
    expected = expected / 255 if cut is None else first(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)


def test_exports_take_and_give_the_format(tmp_path):
    tfviz.export(FIRST, tmp_path / "out", ["gradient", "grad_cam"])
    loaded = tf.saved_model.load(str(tmp_path / "out"))
    signature = loaded.signatures["gradient"]
    assert signature.structured_input_signature[1]["images"].shape == (None, 3, HEIGHT, WIDTH)
    found = signature(images=first(IMAGES), targets=tf.constant([1]))
    np.testing.assert_array_equal(found["maps"], tfviz.gradient(FIRST, first(IMAGES), 1))
    cam = loaded.signatures["grad_cam"](images=first(IMAGES), targets=tf.constant([1]))["maps"]
    np.testing.assert_array_equal(cam, tfviz.grad_cam(FIRST, first(IMAGES), 1))
    tfviz.export(FIRST, tmp_path / "encoded", ["gradient"], encoded=True, preprocess="0..1")
    record = cv2.imencode(".png", np.uint8(IMAGES[0] * 255)[..., ::-1])[1].tobytes()
    served = tf.saved_model.load(str(tmp_path / "encoded")).signatures["gradient"]
    found = served(encoded=tf.constant([record]), targets=tf.constant([1]))["maps"]
    pixels = np.float32(np.uint8(IMAGES[:1] * 255) / 255)
    np.testing.assert_allclose(found, tfviz.gradient(FIRST, first(pixels), 1), rtol=1e-4, atol=1e-7)


@pytest.mark.slow
def test_the_command_line(run, folder, tmp_path):
    """Pictures, boxes and tables are those of the twin; arrays are in the model's own format."""
    photo, given = folder / "picture.png", {}
    for name in ("saved", "last.keras"):
        about = ("--model", folder / name, "--preprocess", "0..1", "--output", name)
        methods = ("--method", "integrated_gradients", "--method", "grad_cam")
        status, out, err = run("explain", photo, *about, *methods, "--save-maps")
        assert (status, err) == (0, "")
        status, boxes, err = run("localize", photo, *about, "--method", "integrated_gradients", "--how", "threshold")
        assert status == 0
        fooled = run("fool", photo, *about, "--save-array", "--iterations", "3", "--target", "1")[1]
        seen = run("visualize", "--class", "1", *about, "--iterations", "2")[1]
        files = {path.name: path for path in (tmp_path / name).iterdir()}
        said_by = [each.replace(f"by {name.removesuffix('.keras')}", "by") for each in (out, boxes, fooled, seen)]
        given[name] = [each.replace(name, "") for each in said_by], files
    (found, files), (expected, other) = given.values()
    said = "the network takes channels first, as do arrays of its images (--data-format changes that)\n"
    assert said in found[0] and said in run("layers", folder / "saved")[1]
    found = [each.replace(said, "") for each in found]
    assert found == expected and files.keys() == other.keys()
    for file, path in other.items():
        if path.suffix == ".png":
            np.testing.assert_array_equal(cv2.imread(str(files[file])), cv2.imread(str(path)), err_msg=file)
        elif path.suffix == ".npy":
            array = np.load(path)
            np.testing.assert_array_equal(np.load(files[file]), first(array) if array.ndim == 3 else array)
    assert np.load(files["picture.fooled.npy"]).shape == (3, HEIGHT, WIDTH)
    assert json.loads(files["manifest.json"].read_text())["model"]["data_format"] == "channels_first"


def test_the_command_line_is_told(run, folder, tmp_path):
    patches().save(tmp_path / "patches.keras")
    model = ("--model", "patches.keras", "--preprocess", "0..1", "--method", "saliency", "--output", "out")
    status, _, err = run("explain", folder / "picture.png", *model, "--data-format", "channels_first")
    assert (status, err) == (0, "")
    assert run("explain", folder / "picture.png", *model)[2].endswith(
        "but the network takes 24; if its channels come first, say --data-format channels_first\n"
    )
    status, _, err = run("explain", folder / "picture.png", *model, "--data-format", "first")
    assert status and "data_format is 'first', expected 'channels_last' or 'channels_first'" in err


@pytest.mark.slow
def test_beam(run, folder, tmp_path):
    """Examples are numbers in the model's own format, or files; overlays are those of the twin."""
    explainer = AttributionHandler(str(folder / "saved"), "gradient", preprocess="0..1").load_model()
    record = (folder / "picture.png").read_bytes()
    pixels = np.float32(cv2.imread(str(folder / "picture.png"))[..., ::-1] / 255)
    of_numbers, of_file, wrong = explainer([first(pixels), record, pixels])
    np.testing.assert_allclose(of_numbers["map"], of_file["map"], rtol=1e-4, atol=1e-7)
    assert of_file["map"].shape == (3, HEIGHT, WIDTH)
    assert "the network takes (N, 3, 20, 24)" in wrong["error"]
    overlays = []
    for name in ("first.keras", "last.keras"):
        about = ("--model", folder / name, "--preprocess", "0..1", "--output", tmp_path / name, "--overlays")
        assert run("batch", "--input", folder / "picture.png", *about, "--method", "gradient")[0] == 0
        overlays += (tmp_path / name / "overlays").iterdir()
    np.testing.assert_array_equal(*(cv2.imread(str(path)) for path in overlays))


def test_the_callback(tmp_path):
    """The cards of TensorBoard show the picture."""
    from tfviz.apps.training.cards import CardMaker

    found = tfviz.explain(FIRST, first(IMAGES), 1, methods="gradient")
    expected = tfviz.explain(LAST, IMAGES, 1, methods="gradient")
    for maker in (CardMaker(), CardMaker(pixel_range=(0, 1))):
        np.testing.assert_array_equal(maker.shown(found), maker.shown(expected))
        np.testing.assert_array_equal(maker.found(found)["gradient"], maker.found(expected)["gradient"])
