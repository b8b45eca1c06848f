"""Bad input ends in one line that says what was wrong, what was expected and what exists."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, SHAPE, build, head, linear, model_of, random_images
from support.places import ROOT

import tfviz
from tfviz import errors
from tfviz.errors import (
    InvalidImagesError,
    InvalidTargetsError,
    TfvizError,
    UnknownMethodError,
    UnsafeModelError,
    UnsupportedModelError,
)
from tfviz.network.program import operations
from tfviz.network.program.operations import _raw_signature

IMAGES = random_images(3)


def fails(error, message, function, *arguments, **options):
    with pytest.raises(error, match=message) as raised:
        function(*arguments, **options)
    assert type(raised.value) is error
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 700
    return str(raised.value)


def test_every_error_is_a_value_error_of_tfviz():
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and each.__name__.endswith("Error")]
    assert len(kinds) == 8
    assert all(issubclass(kind, TfvizError) and issubclass(kind, ValueError) and kind.__doc__ for kind in kinds)
    assert issubclass(errors.TfvizWarning, UserWarning)


# Images.


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("index", [0, 2, 4])
def test_an_image_that_is_not_finite_is_named(value, index):
    images = random_images(5)
    images[index, 3, 3, 1] = value
    message = f"image {index} holds NaN or infinite values"
    fails(InvalidImagesError, message, tfviz.saliency, model_of("functional"), images)
    fails(InvalidImagesError, message, tfviz.saliency, model_of("functional"), images, batch_size=2)
    batches = tf.data.Dataset.from_tensor_slices(images).batch(2)
    fails(InvalidImagesError, message, tfviz.saliency, model_of("functional"), batches)


@pytest.mark.parametrize(
    "shape",
    [
        (2, 16, 16, 1),
        (2, 16, 16, 4),
        (2, 16, 15, 3),
        (2, 3, 16, 16),
        (16, 16),
        (16, 16, 1),
        (1, 2, 16, 16, 3),
        (3,),
        (),
    ],
)
def test_images_of_the_wrong_shape(shape):
    found = str(shape).replace("(", r"\(").replace(")", r"\)")
    message = r"images have the shape .*the network takes \(N, 16, 16, 3\)"
    said = fails(InvalidImagesError, message, tfviz.saliency, model_of("functional"), np.zeros(shape, np.float32))
    assert str(shape) in said or str((1, *shape)) in said, found


def test_images_of_the_wrong_shape_for_an_open_size():
    said = r"images have the shape \(1, 8, 8, 4\), the network takes \(N, any, any, 3\)"
    fails(InvalidImagesError, said, tfviz.saliency, model_of("open_size"), np.zeros((8, 8, 4), np.float32))


def test_images_of_different_shapes():
    images = [np.zeros((16, 16, 3)), np.zeros((8, 16, 3))]
    said = r"images of different shapes; expected one array \(N, height, width, channels\)"
    fails(InvalidImagesError, said, tfviz.saliency, model_of("functional"), images)


@pytest.mark.parametrize(
    "images", [None, np.full((1, *SHAPE), "x"), np.zeros((1, *SHAPE), complex), object(), ["a", 3]]
)
def test_images_that_are_no_numbers(images):
    fails(InvalidImagesError, "images are of type .*, expected numbers", tfviz.saliency, model_of("functional"), images)


@pytest.mark.parametrize("images", [np.zeros((0, *SHAPE), np.float32), tf.data.Dataset.range(0)])
def test_no_images(images):
    said = r"there are no images: expected a batch \(N, height, width, channels\) with N of at least 1"
    fails(InvalidImagesError, said, tfviz.saliency, model_of("functional"), images)


@pytest.mark.parametrize("size", [0, -1, 2.0, True, None, "8"])
def test_the_batch_size(size):
    said = f"batch_size is {size!r}, expected an integer of at least 1"
    fails(InvalidImagesError, said, tfviz.saliency, model_of("functional"), IMAGES, batch_size=size)


# Targets.


@pytest.mark.parametrize("target, wrong", [(5, 5), (-1, -1), ([0, 7, 1], 7), ([0, -2, 9], -2), (2**40, 2**40)])
def test_a_target_out_of_range(target, wrong):
    said = f"target {wrong} is out of range: the network has 5 classes, 0 to 4"
    fails(InvalidTargetsError, said, tfviz.saliency, model_of("functional"), IMAGES, target)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([0, 1], "there are 2 targets for 3 images"),
        ([0, 1, 2, 3], "there are 4 targets for 3 images"),
        ([4], "there is 1 target for 3 images"),
        ([], "there are 0 targets for 3 images"),
        ([[[0]]], "targets have the shape (1, 1, 1), expected one class index, or indices (N,)"),
    ],
)
def test_the_wrong_number_of_targets(targets, message):
    fails(InvalidTargetsError, re.escape(message), tfviz.saliency, model_of("functional"), IMAGES, targets)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_wrong_number_of_targets_for_a_dataset(count, batch):
    dataset = tf.data.Dataset.from_tensor_slices(IMAGES).batch(batch)
    said = "there is 1 target for " if count == 1 else f"there are {count} targets for "
    fails(InvalidTargetsError, said, tfviz.saliency, model_of("functional"), dataset, [0] * count)


@pytest.mark.parametrize("targets", [1.0, [0.0, 1.0, 2.0], b"cat", [True, False, True], np.full((3, CLASSES), 0.2)])
def test_targets_that_are_no_indices(targets):
    fails(
        InvalidTargetsError,
        r"targets are of type .*, expected class indices|expected indices \(N,\) or one-hot rows",
        tfviz.saliency,
        model_of("functional"),
        IMAGES,
        targets,
    )


def test_targets_do_not_hide_a_wrong_batch_size():
    fails(
        InvalidImagesError,
        "batch_size is 0, expected",
        tfviz.explain,
        model_of("functional"),
        IMAGES,
        top=2,
        batch_size=0,
    )


@pytest.mark.parametrize("rows", [np.eye(4)[[0, 1, 2]], np.zeros((3, 5)), np.ones((3, 5)), np.zeros((3, 0))])
def test_rows_that_are_not_one_hot(rows):
    said = r"targets have the shape \(3, \d\); expected indices \(N,\) or one-hot rows \(N, 5\)"
    fails(InvalidTargetsError, said, tfviz.saliency, model_of("functional"), IMAGES, rows)


def test_the_wrong_number_of_one_hot_rows():
    fails(InvalidTargetsError, "3", tfviz.saliency, model_of("functional"), IMAGES, np.eye(5)[[0, 1]])


# Methods and options.


@pytest.mark.parametrize(
    "name, message",
    [
        ("grad_camm", "no method 'grad_camm'; did you mean 'grad_cam'"),
        ("zzz", "no method 'zzz'; they are .*gradient.*saliency.*grad_cam"),
        (None, "no method None; they are "),
    ],
)
def test_an_unknown_method(name, message):
    fails(UnknownMethodError, message, tfviz.Explainer, model_of("functional"), name)


def test_an_unknown_option():
    said = "grad_cam does not know the option 'penultimate_layer'; its options are: layer, upsample"
    fails(UnknownMethodError, said, tfviz.grad_cam, model_of("functional"), IMAGES, penultimate_layer="conv2")
    said = "saliency does not know the option 'layer'; its options are: none"
    fails(UnknownMethodError, said, tfviz.saliency, model_of("functional"), IMAGES, layer="conv2")
    fails(UnknownMethodError, said, tfviz.Explainer, model_of("functional"), "saliency", layer="conv2")


@pytest.mark.parametrize(
    "method, option, told",
    [
        ("saliency", "smooth_samples", "none; that is samples of smooth_grad(..., of='saliency')"),
        ("score_cam", "smooth_noise", "placement; that is noise of smooth_grad(..., of='score_cam')"),
        ("var_grad", "smooth_noise", "of, samples, noise, seed, tolerance, options (that is noise)"),
        ("xrai", "smooth_samples", "dilation"),
    ],
)
def test_an_option_of_another_library_is_told_ours(method, option, told):
    with pytest.raises(UnknownMethodError, match=f"{re.escape(told)}$"):
        getattr(tfviz, method)(model_of("functional"), IMAGES, **{option: 2})


# Results.


def test_a_gradient_that_overflows_is_named():
    """The square root has an infinite slope at zero."""
    image = layers.Input((4, 4, 3))
    roots = layers.Lambda(lambda x: tf.reduce_sum(tf.sqrt(x), [1, 2]), output_shape=(3,))(image)
    images = np.ones((3, 4, 4, 3), np.float32)
    images[1, 0, 0] = 0
    fails(
        TfvizError,
        "saliency of image 1 holds NaN or infinite values: the network's own gradient overflows",
        tfviz.saliency,
        keras.Model(image, roots),
        images,
        0,
    )


# Models.


def test_what_is_no_model():
    for thing in (3, None, [1, 2], lambda x: x, {"a": 1}):
        said = (
            f"cannot open a {type(thing).__name__}; expected a Keras model, a .keras or .h5 file, a SavedModel folder"
        )
        fails(UnsupportedModelError, said, tfviz.trace, thing)


def test_a_path_that_does_not_exist(tmp_path):
    path = tmp_path / "nowhere.keras"
    for given in (path, str(path)):
        fails(UnsupportedModelError, r"no model at '.*nowhere\.keras'; expected a Keras model", tfviz.trace, given)


def test_a_folder_that_is_no_saved_model(tmp_path):
    fails(UnsupportedModelError, "is not a SavedModel: it holds no saved_model.pb", tfviz.trace, str(tmp_path))


def test_a_saved_model_that_is_broken(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"not a protocol buffer")
    fails(
        UnsupportedModelError,
        "cannot open '.*': its saved_model.pb is cut short or is something else",
        tfviz.trace,
        tmp_path,
    )


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"")
    said = r"model\.onnx' is not a model; expected a folder or a file ending in .*\.keras.*\.h5"
    fails(UnsupportedModelError, said, tfviz.trace, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "change, version, said",
    [
        ({"new": 3}, {"keras_version": "3.99"}, r"Unrecognized keyword arguments passed to Conv2D: \{'new': 3\}$"),
        ({"filters": 0}, {}, r"Invalid value for argument `filters`.*"),
    ],
)
def test_a_file_that_keras_itself_cannot_load(change, version, said, tmp_path):
    """Keras' own reason, without what it was doing, the configuration, or a guess."""
    path, other = tmp_path / "model.keras", tmp_path / "changed.keras"
    model_of("functional").save(path)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(other, "w") as changed:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "config.json":
                written = json.loads(content) | {"build_config": {}}
                layer = next(each for each in written["config"]["layers"] if each["class_name"] == "Conv2D")
                layer["config"] |= change
                content = json.dumps(written).encode()
            if name == "metadata.json":
                content = json.dumps(json.loads(content) | version).encode()
            changed.writestr(name, content)
    saved = f", which Keras {version['keras_version']} saved" if version else ""
    expected = rf"cannot open '.*changed\.keras'{saved}: Keras {re.escape(keras.__version__)} says {said}"
    with pytest.raises(UnsupportedModelError, match=expected) as raised:
        tfviz.trace(other)
    assert "\n" not in str(raised.value) and "whole" not in str(raised.value)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("part", [0.0, 0.5])
def test_a_file_that_is_cut_off(suffix, part, tmp_path):
    path = tmp_path / f"cut{suffix}"
    linear().save(path)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    fails(UnsupportedModelError, f"cannot open '.*cut{suffix}': .*Is the file whole", tfviz.trace, path)


def test_a_file_with_a_lambda(tmp_path):
    path = tmp_path / "lambda.keras"
    model_of("with_lambda").save(path)
    said = "is not opened: it holds '.*', a Lambda, which runs Python code of the file.*safe_mode=False.*"
    fails(UnsafeModelError, said, tfviz.trace, path)


def test_several_inputs():
    left, right = layers.Input(SHAPE, name="left"), layers.Input(SHAPE, name="right")
    model = keras.Model([left, right], head(layers.Add()([left, right])))
    said = "several inputs that may be the image .left float32 .*, right float32 .*; say which with input='left'"
    fails(UnsupportedModelError, said, tfviz.trace, model)


@pytest.mark.parametrize("shape", [(7,), (4, 4), (8, 16, 16, 3)])
def test_an_input_that_is_no_image(shape):
    image = layers.Input(shape)
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(image)))
    said = (
        r"no input that may be an image \(images float32 \(None, .*; expected one input of images \(N, height, width, "
    )
    fails(UnsupportedModelError, said, tfviz.trace, model)


def test_an_unbuilt_model():
    model = keras.Sequential([layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()], name="fresh")
    said = "the model 'fresh' is not built, so its weights .* call it once on a batch of images, or build it"
    fails(UnsupportedModelError, said, tfviz.trace, model)
    assert not model.built


@pytest.mark.parametrize("channels", [1, 3])
def test_an_output_of_maps(channels):
    image = layers.Input(SHAPE)
    model = keras.Model(image, layers.Conv2D(channels, 3, activation="sigmoid")(image))
    said = rf"the model's output has the shape \(None, 14, 14, {channels}\), expected class scores \(N, classes\); say"
    fails(UnsupportedModelError, said, tfviz.trace, model)


def test_an_output_of_one_number_an_image():
    image = layers.Input(SHAPE)
    model = keras.Model(image, layers.Lambda(lambda x: tf.reduce_mean(x, [1, 2, 3]), output_shape=())(image))
    said = r"the model's output has the shape \(None,\), expected class scores"
    fails(UnsupportedModelError, said, tfviz.trace, model)
    network = tfviz.trace(model, score=lambda outputs: outputs)
    np.testing.assert_allclose(tfviz.gradient(network, IMAGES), 1 / (16 * 16 * 3), rtol=1e-5)


def test_an_operation_that_is_not_tensorflows_own(monkeypatch):
    """It is met when a method is compiled, and the error must come out of there as it is."""
    model = build("functional")
    _raw_signature.cache_clear()
    monkeypatch.delattr(tf.raw_ops, "Conv2D")
    monkeypatch.setattr(operations, "unpublished_operation", lambda name: None)
    said = "the model holds the operation Conv2D, which is not one of TensorFlow .*'s own and cannot be replayed"
    fails(UnsupportedModelError, said, tfviz.saliency, model, IMAGES)


ON_ANOTHER_BACKEND = """
import sys
from importlib.machinery import ModuleSpec
from unittest.mock import MagicMock

class StandIn:  # the NumPy backend imports SciPy and JAX, which this model never needs

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name.split(".")[0] in ("scipy", "jax") else None

    def create_module(self, spec):
        return MagicMock(__path__=[])

    def exec_module(self, module):
        pass

sys.meta_path.append(StandIn())
import keras, numpy, tfviz
model = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
try:
    tfviz.saliency(model, numpy.zeros((1, 8, 8, 3)))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_another_backend():
    environment = {"KERAS_BACKEND": "numpy", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ON_ANOTHER_BACKEND]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("UnsupportedModelError Keras runs on the numpy backend, expected tensorflow: set os.environ")
