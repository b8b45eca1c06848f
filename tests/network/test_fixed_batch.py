"""Networks for batches of one size: opened for any, each image as it is alone."""

from __future__ import annotations

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import distance
from support.thinning import by_day

import tfviz
from tfviz.errors import UnsupportedModelError

SIDE, CLASSES = 8, 3
GENERATOR = np.random.default_rng(0)
KERNEL = GENERATOR.normal(size=(3, 3, 3, 4)).astype(np.float32)
DENSE = GENERATOR.normal(size=(4, CLASSES)).astype(np.float32)
FLAT = GENERATOR.normal(size=(SIDE * SIDE * 4, CLASSES)).astype(np.float32)
IMAGES = GENERATOR.random((3, SIDE, SIDE, 3)).astype(np.float32)
TARGETS = np.array([0, 1, 2])


def conv(images):
    return tf.nn.relu(tf.nn.conv2d(images, KERNEL, 1, "SAME"), name="features")


def pooled(features):
    return tf.reduce_mean(features, [1, 2]) @ DENSE


def tokens_of(images):
    tokens = tf.reshape(conv(images), [1, SIDE * SIDE, 4])
    return tf.concat([tf.ones([1, 1, 4]), tokens], axis=1)


# What each does to its batch, and how many operations must be run on each image by itself.
NETWORKS = {
    "nothing": (lambda images: pooled(conv(images)), 0),
    "flattened": (lambda images: tf.reshape(conv(images), [1, -1]) @ FLAT, 0),
    "counted": (lambda images: tf.reshape(conv(images), [tf.raw_ops.Shape(input=images)[0], -1]) @ FLAT, 0),
    "the first": (lambda images: pooled(conv(tf.image.resize(images[0], [SIDE, SIDE])[tf.newaxis])), 0),
    "squeezed": (lambda images: tf.reshape(tf.squeeze(tf.reduce_mean(conv(images), [1, 2])), [1, 4]) @ DENSE, 0),
    "a token": (lambda images: tf.reduce_mean(tf.nn.softmax(tokens_of(images)), 1) @ DENSE, 1),
    "its mean": (lambda images: pooled(conv(images - tf.reduce_mean(images))), 1),
    "its size": (lambda images: pooled(conv(images - len_of(images) * tf.reduce_max(images))), 2),
    "a loop": (lambda images: pooled(conv(tf.map_fn(tf.image.per_image_standardization, images))), 1),
    "a condition": (
        lambda images: pooled(
            tf.cond(tf.reduce_mean(images) > 0.5, lambda: conv(images), lambda: images @ KERNEL[0, 0])
        ),
        1,
    ),
    "time first": (lambda images: tf.reduce_mean(tf.transpose(conv(images), [1, 2, 0, 3]), [0, 1]) @ DENSE, 2),
}


def len_of(images):
    return tf.cast(tf.raw_ops.Shape(input=images)[0], tf.float32)


def module_of(function, batch=1):
    module = tf.Module()
    spec = tf.TensorSpec([batch, SIDE, SIDE, 3], name="images")
    module.call = tf.function(function, input_signature=[spec])
    return module


def alone(function, images=IMAGES, targets=TARGETS):
    """The outputs and gradients of each image by a tape around the function itself."""
    outputs, gradients = [], []
    for image, target in zip(images, targets, strict=True):
        with tf.GradientTape() as tape:
            x = tf.constant(image[np.newaxis])
            tape.watch(x)
            output = function(x)
            score = output[0, target]
        outputs.append(output[0])
        gradients.append(tape.gradient(score, x)[0])
    return np.stack(outputs), np.stack(gradients)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root, written = tmp_path_factory.mktemp("fixed"), {}

    def folder_of(name):
        if name not in written:
            module = module_of(NETWORKS[name][0])
            written[name] = str(root / name)
            tf.saved_model.save(module, written[name], signatures=module.call)
        return written[name]

    return folder_of


@pytest.mark.parametrize("name", by_day(NETWORKS, ["counted", "the first", "a token", "its size", "a condition"]))
def test_n_images_are_n_runs(name, folders):
    function, by_itself = NETWORKS[name]
    network = tfviz.trace(folders(name))
    outputs, gradients = alone(function)
    np.testing.assert_allclose(network.logits(IMAGES), outputs, rtol=1e-4, atol=1e-4)
    assert distance(tfviz.gradient(network, IMAGES, TARGETS), gradients) < 1e-5
    assert sum(step.type == "EachImage" for step in network.program.steps) == by_itself


def test_the_layers_are_those_of_an_open_batch(folders):
    expected = {"Conv2D": (SIDE, SIDE, 4), "features": (SIDE, SIDE, 4)}
    for name in ("nothing", "flattened", "squeezed", "time first"):
        assert tfviz.trace(folders(name)).layers == expected
    features = tf.nn.relu(tf.nn.conv2d(IMAGES, KERNEL, 1, "SAME")).numpy()
    weights = FLAT.reshape(SIDE, SIDE, 4, CLASSES)
    expected = np.maximum(
        [(each * weights[..., target]).sum(-1) for each, target in zip(features, TARGETS, strict=True)], 0
    )
    np.testing.assert_allclose(tfviz.hires_cam(folders("flattened"), IMAGES, TARGETS), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*raw outputs are taken for logits:tfviz.errors.TfvizWarning")
def test_methods_of_what_runs_on_each_image(folders):
    """Each image's result is what it is alone, whatever the method and the number of targets."""
    network = tfviz.trace(folders("its mean"))
    options = {name: {} for name in ("grad_cam", "full_grad", "guided_backprop", "ablation_cam")}
    options |= {"smooth_grad": {"samples": 3}, "occlusion": {"patch": 4}}

    def maps_of(images):
        return tfviz.explain(network, images, methods=list(options), options=options, top=2).maps

    found, each = maps_of(IMAGES), [maps_of(image) for image in IMAGES]
    for method in options:
        expected = np.concatenate([maps[method] for maps in each])
        np.testing.assert_allclose(found[method], expected, rtol=1e-4, atol=1e-5, err_msg=method)


@pytest.mark.filterwarnings("ignore:the default layer is:tfviz.errors.TfvizWarning")
def test_a_frozen_graph(tmp_path):
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [1, SIDE, SIDE, 3], name="input")
        keep = tf.compat.v1.placeholder_with_default(tf.constant(2.0), [], name="keep")
        features = tf.squeeze(tf.nn.avg_pool2d(conv(images), SIDE, 1, "VALID"))
        tf.nn.softmax((tf.reshape(features, [1, 4]) * keep) @ DENSE, name="probabilities")
    frozen = graph.as_graph_def()
    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(frozen, name=""), [])
    module = tf.Module()
    module.call = wrapped.prune("input:0", "probabilities:0")
    tf.saved_model.save(module, str(tmp_path), signatures=module.call)
    network = tfviz.trace(tmp_path)
    outputs, gradients = alone(lambda images: 2 * pooled(conv(images)))
    np.testing.assert_allclose(tfviz.explain(network, IMAGES).probabilities, tf.nn.softmax(outputs), atol=1e-6)
    assert network.head.kind == "softmax" and network.default_layer == "features"
    assert distance(tfviz.gradient(network, IMAGES, TARGETS), gradients) < 1e-5


class Flattened(layers.Layer):
    def call(self, images):
        return keras.ops.reshape(keras.ops.reshape(images, (1, -1)), (-1, SIDE * SIDE * 4))


class Unstacked(layers.Layer):
    def call(self, images):
        return keras.ops.concatenate([keras.ops.reshape(images[row], (1, -1)) for row in range(images.shape[0])])


@pytest.mark.parametrize("layer", [layers.Flatten, Flattened, Unstacked])
def test_a_keras_model_for_one_image(layer):
    image = keras.Input((SIDE, SIDE, 3), batch_size=1)
    features = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(image)
    model = keras.Model(image, layers.Dense(CLASSES)(layer()(features)))
    network = tfviz.trace(model)
    outputs, gradients = alone(model)
    np.testing.assert_allclose(network.logits(IMAGES), outputs, rtol=1e-4, atol=1e-5)
    assert distance(tfviz.gradient(network, IMAGES, TARGETS), gradients) < 1e-5
    assert network.default_layer == "conv"


def test_a_keras_model_that_was_built_by_one_image():
    """What it was called with is no fixed batch: it is traced once, as for any number."""
    calls = []

    class Counted(layers.Layer):
        def call(self, images):
            calls.append(images.shape)
            return images

    model = keras.Sequential([Counted(), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten()])
    model.add(layers.Dense(CLASSES))
    model(IMAGES[:1])
    calls.clear()
    network = tfviz.trace(model)
    assert calls == [(None, SIDE, SIDE, 3)]
    np.testing.assert_allclose(network.logits(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-5)


def test_an_input_beside_the_image(tmp_path):
    module = tf.Module()
    specs = [tf.TensorSpec([1, SIDE, SIDE, 3], name="images"), tf.TensorSpec([1, 4], name="weights")]
    module.call = tf.function(
        lambda images, weights: (tf.reduce_mean(conv(images), [1, 2]) * weights) @ DENSE, input_signature=specs
    )
    tf.saved_model.save(module, str(tmp_path), signatures=module.call)
    network, weights = tfviz.trace(tmp_path), GENERATOR.random((3, 4)).astype(np.float32)
    found = network.logits({"images": IMAGES, "weights": weights})
    np.testing.assert_allclose(found, (tf.reduce_mean(conv(IMAGES), [1, 2]) * weights) @ DENSE, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "beside, factor",
    [
        ([True, False, True], lambda flip: tf.cast(flip, tf.float32) + 1),
        ([True, False, True], lambda flip: tf.cond(flip[0], lambda: tf.constant([3.0]), lambda: tf.constant([2.0]))),
        ([1 + 2j, 2j, 3], tf.math.imag),
        ([1, 2, 255], lambda number: tf.cast(number, tf.float32)),
        ([b"a", b"", b"abc"], lambda text: tf.cast(tf.strings.length(text), tf.float32)),
    ],
    ids=["bool", "condition", "complex", "uint8", "string"],
)
def test_an_input_of_any_type_beside_the_image(beside, factor, tmp_path):
    module, given = tf.Module(), tf.constant(beside)
    given = tf.cast(given, {tf.complex128: tf.complex64, tf.int32: tf.uint8}.get(given.dtype, given.dtype))
    specs = [tf.TensorSpec([1, SIDE, SIDE, 3], name="images"), tf.TensorSpec([1], given.dtype, "beside")]
    module.call = tf.function(
        lambda images, beside: pooled(conv(images)) * factor(beside)[:, tf.newaxis], input_signature=specs
    )
    tf.saved_model.save(module, str(tmp_path), signatures=module.call)
    array = np.array(beside, object) if given.dtype == tf.string else given.numpy()
    found = tfviz.trace(tmp_path, input="images").logits({"images": IMAGES, "beside": array})
    expected = [pooled(conv(IMAGES[i : i + 1]))[0] * factor(given[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_batch_of_several(tmp_path):
    """It is opened where nothing in the network speaks of its size, and refused where images cannot be told apart."""
    module = module_of(lambda images: pooled(conv(images)), batch=2)
    tf.saved_model.save(module, str(tmp_path / "apart"), signatures=module.call)
    np.testing.assert_allclose(tfviz.trace(tmp_path / "apart").logits(IMAGES), pooled(conv(IMAGES)), rtol=1e-5)
    module = module_of(lambda images: pooled(conv(images - tf.reduce_mean(images))), batch=2)
    tf.saved_model.save(module, str(tmp_path / "mixed"), signatures=module.call)
    said = r"batches of exactly 2 images, expected any number.*because .*Mean does not work on each image by itself"
    with pytest.raises(UnsupportedModelError, match=said):
        tfviz.trace(tmp_path / "mixed")


def test_a_size_that_is_open(tmp_path):
    """A network that takes no images of the first size that is tried is tried with another."""
    module = tf.Module()
    spec = tf.TensorSpec([1, None, None, 3], name="images")
    module.call = tf.function(
        lambda images: pooled(tf.nn.avg_pool2d(conv(images), 65, 1, "VALID") - tf.reduce_mean(images)), [spec]
    )
    tf.saved_model.save(module, str(tmp_path), signatures=module.call)
    images = GENERATOR.random((2, 66, 70, 3)).astype(np.float32)
    outputs, _ = alone(module.call, images, TARGETS[:2])
    np.testing.assert_allclose(tfviz.trace(tmp_path).logits(images), outputs, rtol=1e-4, atol=1e-4)


PNGS = [cv2.imencode(".png", GENERATOR.integers(0, 256, (9, 7, 3), np.uint8))[1].tobytes() for _ in range(3)]


def test_one_encoded_image(tmp_path):
    """One record is decoded at a time."""
    module = tf.Module()

    def scores(records):
        decoded = tf.image.resize(tf.io.decode_png(records[0], 3), [SIDE, SIDE])
        return pooled(conv(decoded[tf.newaxis] / 255))

    module.call = tf.function(scores, input_signature=[tf.TensorSpec([1], tf.string, name="records")])
    tf.saved_model.save(module, str(tmp_path), signatures=module.call)
    network = tfviz.trace(tmp_path)
    expected = np.concatenate([module.call(tf.constant([each])) for each in PNGS])
    assert network.decode(PNGS).shape == (3, SIDE, SIDE, 3)
    np.testing.assert_allclose(network.logits(PNGS), expected, rtol=1e-4, atol=1e-4)


def test_several_encoded_images(tmp_path):
    module = tf.Module()
    spec = tf.TensorSpec([2], tf.string, name="records")
    module.call = tf.function(lambda records: tf.io.decode_png(records[0], 3)[tf.newaxis], input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path), signatures=module.call)
    with pytest.raises(UnsupportedModelError, match="batches of exactly 2 encoded images, expected any number or one"):
        tfviz.trace(tmp_path)


def test_the_command_line(run, folders, tmp_path):
    for name in ("one", "two"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), GENERATOR.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    model = ["--model", folders("its mean"), "--preprocess", "0..1"]
    status, out, err = run("explain", "one.png", "two.png", *model, "--method", "gradient", "--save-maps")
    assert (status, err) == (0, "") and "one" in out
    for name in ("one", "two"):
        picture = cv2.imread(str(tmp_path / f"{name}.png"))[np.newaxis, ..., ::-1] / np.float32(255)
        output, _ = alone(NETWORKS["its mean"][0], picture, [0])
        _, gradients = alone(NETWORKS["its mean"][0], picture, [output[0].argmax()])
        found = np.load(next(tmp_path.rglob(f"{name}.gradient.npy")))
        assert distance(found, gradients[0]) < 1e-5
