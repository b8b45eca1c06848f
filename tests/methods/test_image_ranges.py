"""Images in the wrong range are said, from what the network's own first operations, its type or its name expect."""

from __future__ import annotations

import json
import re
import warnings
from functools import cache

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import KINDS, model_of, randomise

import tfviz
from tfviz import demo
from tfviz.apps.model.preprocessing import applications, families
from tfviz.errors import TfvizWarning
from tfviz.methods.engine.judging import ImageRanges
from tfviz.network.diagnosis.expected_range import APPLICATIONS, ExpectedRange, expected_range

SIDE = 16
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
CAFFE = np.array([103.939, 116.779, 123.68], np.float32)


def pictures(count=2, shape=(SIDE, SIDE, 3), seed=0):
    """Pictures of 0..255, with black and white in each."""
    found = np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(np.float32)
    found[:, 0, 0], found[:, 0, 1] = 0, 255
    return found


def network(*first, shape=(SIDE, SIDE, 3), dtype="float32", classes=3, name=None):
    image = x = keras.Input(shape, dtype=dtype)
    for layer in first:
        x = layer(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu", name="conv")(x))
    return randomise(keras.Model(image, layers.Dense(classes, activation="softmax")(x), name=name))


def adapted():
    layer = layers.Normalization(name="first")
    layer.adapt(pictures(8))
    return layer


# Of each kind of image, which of the networks below it cannot be meant for.
KINDS_OF_IMAGES = {
    "0..255": lambda x: x,
    "0..1": lambda x: x / 255,
    "-1..1": lambda x: x / 127.5 - 1,
    "standardised": lambda x: (x / 255 - MEAN[: x.shape[-1]]) / STD[: x.shape[-1]],
    "mean subtracted": lambda x: x[..., ::-1] - CAFFE[: x.shape[-1]],
    "16 bit": lambda x: 257 * x,
}
OF_255, OF_ONE = {"0..1", "-1..1", "standardised", "16 bit"}, {"0..255", "mean subtracted", "16 bit"}
NETWORKS = {
    "divided": (lambda: network(layers.Rescaling(1 / 255, name="first")), 255, OF_255),
    "to -1..1": (lambda: network(layers.Rescaling(1 / 127.5, -1, name="first")), 255, OF_255),
    "inverted": (lambda: network(layers.Lambda(lambda x: 1 - x / 255, name="first")), 510, OF_255),
    "standardised": (
        lambda: network(layers.Rescaling(1 / 255, name="first"), layers.Normalization(mean=MEAN, variance=STD**2)),
        255,
        OF_255,
    ),
    "of 255": (
        lambda: network(layers.Normalization(mean=255 * MEAN, variance=(255 * STD) ** 2, name="first")),
        229,
        OF_255,
    ),
    "adapted": (lambda: network(adapted()), 256, OF_255),
    "of one": (lambda: network(layers.Normalization(mean=MEAN, variance=STD**2, name="first")), 0.9, OF_ONE),
    "of data without a mean": (
        lambda: network(layers.Normalization(mean=[0.003, -0.01, 0.02], variance=[1.0, 0.9, 1.1], name="first")),
        1,
        OF_ONE,
    ),
    "caffe": (
        lambda: network(layers.Lambda(lambda x: x[..., ::-1] - CAFFE, name="first")),
        230,
        OF_255,
    ),
    "from 0..1 to -1..1": (lambda: network(layers.Rescaling(2.0, -1, name="first")), 1, OF_ONE),
    "multiplied": (lambda: network(layers.Rescaling(255.0, name="first")), 1, OF_ONE),
    "multiplied and divided": (
        lambda: network(layers.Rescaling(255.0, name="first"), layers.Rescaling(1 / 255)),
        1,
        OF_ONE,
    ),
    "from -1..1": (lambda: network(layers.Rescaling(127.5, 127.5, name="first")), 2, OF_ONE),
    "cropped, padded and flipped": (
        lambda: network(
            layers.CenterCrop(12, 12), layers.ZeroPadding2D(2), layers.Permute((2, 1, 3)),
            layers.Lambda(lambda x: x[:, ::-1]), layers.Resizing(8, 8), layers.Rescaling(1 / 255, name="first"),
        ),
        255,
        OF_255,
    ),
    "of bytes": (lambda: network(layers.Lambda(lambda x: tf.cast(x, tf.float32)), dtype="uint8"), 255, OF_255),
    "of bytes, divided": (lambda: network(layers.Rescaling(1 / 255, name="first"), dtype="uint8"), 255, OF_255),
    "in grey": (
        lambda: network(
            layers.Lambda(lambda x: tf.concat([x, x, x], -1)),
            layers.Rescaling(1 / 255, name="first"),
            shape=(SIDE, SIDE, 1),
        ),
        255,
        OF_255,
    ),
    "of dark pictures": (lambda: network(layers.Normalization(mean=5.0, variance=400.0, name="first")), 20, {"16 bit"}),
}  # fmt: skip
SILENT = {
    "convolution": lambda: network(),
    "not adapted": lambda: network(layers.Normalization(mean=0.0, variance=1.0)),
    "slightly rescaled": lambda: network(layers.Rescaling(2.0, 0.1)),
    "rescaled by one": lambda: network(layers.Rescaling(1.0)),
    "of digits": lambda: network(layers.Rescaling(1 / 16)),
    "shifted up": lambda: network(layers.Rescaling(1.0, 100.0)),
    "masked": lambda: network(layers.Lambda(lambda x: x * tf.reshape(tf.range(16.0), [1, 16, 1, 1]) / 1000)),
    "by place": lambda: network(layers.Lambda(lambda x: x - 20 * tf.reshape(tf.range(-8.0, 8), [1, 16, 1, 1]))),
    "batch normalisation": lambda: network(layers.BatchNormalization()),
    "two ways": lambda: network(layers.Lambda(lambda x: tf.concat([x / 255, x], -1))),
    "squared": lambda: network(layers.Lambda(lambda x: x * x / 255)),
    "one over": lambda: network(layers.Lambda(lambda x: 255 / (1 + tf.abs(x)))),
}


@cache
def expecting(kind):
    return expected_range(tfviz.trace((NETWORKS[kind][0] if kind in NETWORKS else SILENT[kind])()))


def said_of(expected, images):
    ranges = ImageRanges(expected)
    ranges.look(np.asarray(images, np.float32))
    return ranges.messages()


@pytest.mark.parametrize("kind", NETWORKS)
def test_what_networks_expect(kind):
    _, largest, wrong = NETWORKS[kind]
    expected = expecting(kind)
    assert expected.largest == pytest.approx(largest, rel=0.02)
    assert expected.by == ("a network of uint8 images" if kind == "of bytes" else "the network's 'first'")
    images = pictures(shape=(SIDE, SIDE, 1) if kind == "in grey" else (SIDE, SIDE, 3))
    assert {name for name, change in KINDS_OF_IMAGES.items() if said_of(expected, change(images))} == wrong


@pytest.mark.parametrize("kind", SILENT)
def test_networks_that_do_not_tell(kind):
    assert expecting(kind) is None


@pytest.mark.parametrize("kind", KINDS)
def test_no_model_of_the_zoo_expects_anything(kind):
    assert expected_range(tfviz.trace(model_of(kind))) is None


@pytest.mark.parametrize("kind", ["divided", "of 255", "of one"])
def test_images_that_fit_whatever_they_show(kind):
    """One colour, the dark, the bright, and what noise leaves of a picture."""
    generator, (make, _, _) = np.random.default_rng(0), NETWORKS[kind]
    unit = 1 if kind == "of one" else 255
    picture = pictures(4) / 255 * unit
    silent = {
        "black": np.zeros((2, SIDE, SIDE, 3)),
        "a colour of 0..1": np.broadcast_to([0.1, 0.5, 0.9], (2, SIDE, SIDE, 3)),
        "a colour of 0..255": np.broadcast_to([10, 200, 255.0], (2, SIDE, SIDE, 3)),
        "noisy": picture + generator.normal(0, 0.3 * unit, picture.shape),
        "a dark frame": generator.integers(0, 7, picture.shape) * unit / 255,
        "dim": 0.1 * picture,
        "very bright": 5 * picture,
    }
    assert not {name for name, images in silent.items() if said_of(expecting(kind), images)} and make


def test_a_dot_of_one_on_black():
    image = np.zeros((1, SIDE, SIDE, 3))
    image[0, 3, 4] = 1
    assert said_of(expecting("divided"), image) and not said_of(expecting("divided"), 255 * image)


def test_one_image_among_others():
    """With the network's own words where it has any, and the number of the image in the call."""
    images = pictures(5)
    images[3] /= 255
    ranges = ImageRanges(None)
    for part in (images[:2], images[2:]):
        ranges.look(part)
    (said,) = ranges.messages()
    assert said == (
        "image 3 holds numbers from 0 to 1, but others of the same batch numbers up to 255: prepare all images alike"
    )
    assert said_of(expecting("divided"), images) == (
        "image 3 holds numbers from 0 to 1, but the network's 'first' expects numbers up to about 255: prepare images "
        "as for its training, or the maps are of something else",
    )
    black = pictures(3)
    black[1] = np.random.default_rng(0).integers(0, 2, black[1].shape)  # a frame without light, and its noise
    black[2] = 0
    black[2, 3, 3] = 0.5  # what an interpolation leaves
    assert not said_of(None, black) and not said_of(None, pictures(3) / 255) and not said_of(None, images[3:4])
    mixed = pictures(2) / 127.5 - 1
    mixed[1] = pictures(1)[0]
    assert said_of(None, mixed)[0].startswith("image 0 holds numbers from -1 to 1, but others")


@pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning")
@pytest.mark.parametrize("kind", ["live", "saved", "tf_keras"])
def test_every_call_says_it(tmp_path, kind):
    model = NETWORKS["divided"][0]()
    if kind == "tf_keras":
        tf_keras = pytest.importorskip("tf_keras")
        first = tf_keras.layers.Rescaling(1 / 255, name="first")
        rest = [tf_keras.layers.Conv2D(4, 3, name="conv"), tf_keras.layers.GlobalAveragePooling2D()]
        model = tf_keras.Sequential([tf_keras.Input((SIDE, SIDE, 3)), first, *rest, tf_keras.layers.Dense(3)])
    if kind == "saved":
        model.export(tmp_path / "saved", verbose=False)
        model = tfviz.trace(tmp_path / "saved")
    images = pictures()
    message = "image 0, 1 holds numbers from 0 to 1, but the network's 'first' expects numbers up to about 255: "
    with pytest.warns(TfvizWarning, match=message):
        tfviz.grad_cam(model, images / 255, 1)
    with pytest.warns(TfvizWarning, match=message):
        explanation = tfviz.explain(model, images / 255, methods="saliency")
    assert [each for each in explanation.warnings if message in each]
    with pytest.warns(TfvizWarning, match=message):
        tfviz.Explainer(model, "gradient")(tf.data.Dataset.from_tensor_slices(images / 255).batch(1), 1)
    assert not tfviz.explain(model, images, methods="gradient").warnings


def test_a_trained_network():
    """The embedded one divides by 255 itself."""
    pair = demo.generate(2, seed=1)
    with pytest.warns(TfvizWarning, match="image 0, 1 holds numbers from .* expects numbers up to about 255"):
        tfviz.saliency(demo.load_network(), pair.images / 255)
    wrapped = keras.Sequential([keras.Input((128, 128, 3)), layers.Rescaling(255.0), demo.load_network()])
    tfviz.saliency(wrapped, pair.images / 255)


def test_an_expectation_is_read_once():
    model = NETWORKS["adapted"][0]()
    traced = tfviz.trace(model)
    assert expected_range(traced) is expected_range(tfviz.trace(model))


def test_what_another_input_makes_of_the_image_is_not_known():
    image, gain = keras.Input((SIDE, SIDE, 3), name="image"), keras.Input((1, 1, 1), name="gain")
    outputs = layers.Dense(2)(layers.Flatten()(layers.Rescaling(1 / 255)(layers.Multiply()([image, gain]))))
    assert expected_range(tfviz.trace(keras.Model([image, gain], outputs), input="image")) is None


def test_a_variable_that_scales():
    class Scale(layers.Layer):
        def build(self, _):
            self.scale = self.add_weight(initializer=keras.initializers.Constant(1 / 255), name="scale")

        def call(self, x):
            return self.scale * x

    image = keras.Input((SIDE, SIDE, 3))
    outputs = layers.Dense(2)(layers.Flatten()(Scale(name="first")(image)))
    assert expected_range(tfviz.trace(keras.Model(image, outputs))).largest == pytest.approx(255)


@pytest.mark.parametrize("range_, says", [((0, 1), True), ((-1, 1), True), ((0, 255), False)])
def test_black_and_white_of_attacks_and_visualisations(range_, says):
    model = NETWORKS["divided"][0]()
    low, high = range_
    images = (low + pictures() / 255 * (high - low)).astype(np.float32)
    for call in (
        lambda: tfviz.pgd(model, images, pixel_range=range_, epsilon=8, away_from=[0, 1], iterations=1),
        lambda: tfviz.class_visualization(model, targets=1, pixel_range=range_, iterations=1),
    ):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            call()
        found = [str(each.message) for each in said if str(each.message).startswith("black is")]
        assert len(found) == says
        if says:
            assert found[0].startswith(
                f"black is {low} and white {high} (--preprocess, pixel_range), but the network's"
            )


@pytest.mark.filterwarnings("ignore:less than 1% of pixel_range:tfviz.errors.TfvizWarning")
def test_the_slip_of_a_pixel_range():
    """0 and 255 for a network that takes 0..1, whatever it makes of them."""
    model = NETWORKS["multiplied and divided"][0]()
    with pytest.warns(TfvizWarning, match="black is 0 and white 255 .*, but the network's 'first' expects .* about 1:"):
        tfviz.fgsm(model, pictures() / 255, pixel_range=(0, 255), away_from=[0, 1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranges")
    NETWORKS["divided"][0]().save(folder / "divided.keras")
    NETWORKS["of one"][0]().save(folder / "one.keras")
    cv2.imwrite(str(folder / "picture.png"), pictures(1)[0].astype(np.uint8))
    return folder


@pytest.mark.parametrize(
    "command, arguments",
    [
        ("explain", ("picture.png", "--method", "saliency", "--output", "out")),
        ("batch", ("--input", "picture.png", "--output", "out")),
        pytest.param("export", ("out", "--method", "saliency", "--encoded"), marks=pytest.mark.slow),
        ("visualize", ("--class", "1", "--iterations", "2", "--output", "out")),
    ],
)
def test_the_command_line_says_it_once(run, folder, tmp_path, command, arguments):
    given = [folder / each if each == "picture.png" else each for each in arguments]
    given = [folder / "divided.keras", *given] if command == "export" else [*given, "--model", folder / "divided.keras"]
    words = "expects numbers up to about 255"
    status, _, err = run(command, *given, "--preprocess", "0..1")
    assert status == 0 and err.count(words) == 1
    assert "warning: black is 0 and white 1 (--preprocess, pixel_range), but the network's 'first' expects" in err
    if command == "batch":
        saved = json.loads((tmp_path / "out" / "manifest.json").read_text())
        assert any(words in each for each in saved["warnings"])


def test_the_command_line_where_nothing_is_said_of_the_preprocessing(run, folder):
    picture = ("explain", folder / "picture.png", "--method", "saliency", "--output", "out", "--model")
    assert "expects numbers up to about 0.898" in run(*picture, folder / "one.keras")[2]
    assert "expects" not in run(*picture, folder / "divided.keras")[2]


def test_an_export_of_encoded_files(tmp_path):
    with pytest.warns(TfvizWarning, match="black is 0 and white 1 .*, but the network's 'first' expects numbers"):
        tfviz.export(NETWORKS["divided"][0](), tmp_path / "a", "saliency", encoded=True, preprocess="0..1")


@pytest.mark.parametrize(
    "name, wrong",
    [
        ("vgg16", {"0..255", "0..1", "-1..1", "standardised", "16 bit"}),
        ("mobilenetv2_1.00_224", {"0..255", "16 bit", "mean subtracted"}),
        ("densenet121", {"0..255", "16 bit", "mean subtracted"}),
        ("my_vgg16", set()),
    ],
)
def test_networks_of_keras_by_name(tmp_path, name, wrong):
    """Live and saved: their preprocessing lies outside of them."""
    model = network(classes=1000, name=name)
    model.export(tmp_path / "saved", verbose=False)
    for opened in (model, tmp_path / "saved"):
        expected = expected_range(tfviz.trace(opened))
        found = {kind for kind, change in KINDS_OF_IMAGES.items() if said_of(expected, change(pictures()))}
        assert found - {"mean subtracted"} == wrong - {"mean subtracted"}
        assert expected is None or expected.by == f"{name!r} of keras.applications"
    assert expected_range(tfviz.trace(network(classes=10, name=name))) is None


# How Keras calls its networks where the name of the function is not all.
NAMES_OF_KERAS = {
    "mobilenet": "mobilenet_1.00_224",
    "mobilenetv2": "mobilenetv2_0.35_96",
    "inceptionv3": "inception_v3",
    "inceptionresnetv2": "inception_resnet_v2",
    "nasnetmobile": "nasnet_mobile",
    "nasnetlarge": "nasnet_large",
}


@pytest.mark.parametrize("function", applications())
def test_the_networks_of_keras_are_all_there(function):
    """Each as Keras says itself what it makes of white, unless it makes nothing of it."""
    white = families()[function].preprocess_input(np.full((1, 2, 2, 3), 255, np.float32)).max()
    name = NAMES_OF_KERAS.get(function, function)
    known = [largest for pattern, largest in APPLICATIONS.items() if re.fullmatch(pattern, name)]
    assert known == ([] if white == 255 else [pytest.approx(white, abs=0.01)])


def test_ranges_in_words():
    assert str(ExpectedRange(65535.0, "it")) == "it expects numbers up to about 65500"
