"""The commands on SavedModels as they are served: signatures, encoded images, several outputs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import CLASSES

import tfviz
from tfviz.apps.beam import AttributionHandler
from tfviz.apps.files import METADATA
from tfviz.errors import UnsupportedModelError

SIDE = 12
ENCODED = tf.TensorSpec([None], tf.string, name="records")


class Served(tf.Module):
    """Networks that decode, resize and normalise in the graph, each in its way."""

    def __init__(self):
        super().__init__(name="served")
        generator = np.random.default_rng(3)
        self.kernel = tf.Variable(generator.normal(size=(3, 3, 3, 4)).astype(np.float32), name="kernel")
        self.dense = tf.Variable(generator.normal(size=(4, CLASSES)).astype(np.float32), name="dense")

    def images(self, records, change):
        def decode(record):
            return change(tf.image.resize(tf.io.decode_jpeg(record, 3), [SIDE, SIDE]))

        return tf.map_fn(decode, records, fn_output_signature=tf.float32)

    def scores(self, images):
        return tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(images, self.kernel, 1, "SAME")), [1, 2]) @ self.dense

    @tf.function(input_signature=[ENCODED])
    def blue_first(self, records):
        return {"scores": self.scores(self.images(records, blue_first))}

    @tf.function(input_signature=[ENCODED])
    def two_outputs(self, records):
        images = self.images(records, lambda image: image)
        return {"scores": self.scores(images / 255), "mean": tf.reduce_mean(images, [1, 2])}

    @tf.function(input_signature=[ENCODED])
    def standardised(self, records):
        return {"scores": self.scores(self.images(records, tf.image.per_image_standardization))}

    @tf.function(input_signature=[ENCODED])
    def standardised_size(self, records):
        def decode(record):
            image = tf.ensure_shape(tf.io.decode_image(record, 3, expand_animations=False), [20, 50, 3])
            return tf.image.per_image_standardization(image)

        return {"scores": self.scores(tf.map_fn(decode, records, fn_output_signature=tf.float32))}

    @tf.function(input_signature=[ENCODED])
    def centred_size(self, records):
        """What it takes has as many pixels as its images, which no operation but the last says."""

        def decode(record):
            image = tf.reshape(tf.cast(tf.io.decode_image(record, 3, expand_animations=False), tf.float32), [-1])
            return tf.reshape(image - tf.reduce_mean(image), [SIDE, SIDE, 3])

        return {"scores": self.scores(tf.map_fn(decode, records, fn_output_signature=tf.float32))}

    @tf.function(input_signature=[ENCODED])
    def standardised_jpeg(self, records):
        def decode(record):
            size = tf.io.extract_jpeg_shape(record)[:2]
            image = tf.io.decode_and_crop_jpeg(record, tf.concat([[0, 0], size], 0), channels=3)
            return tf.image.per_image_standardization(tf.image.resize(image, [SIDE, SIDE]))

        return {"scores": self.scores(tf.map_fn(decode, records, fn_output_signature=tf.float32))}

    @tf.function(input_signature=[ENCODED])
    def base64(self, records):
        return {"scores": self.scores(self.images(tf.io.decode_base64(records), lambda image: image))}

    @tf.function(input_signature=[ENCODED])
    def open_size(self, records):
        spec = tf.TensorSpec([None, None, 3], tf.uint8)
        images = tf.map_fn(lambda record: tf.io.decode_jpeg(record, 3), records, fn_output_signature=spec)
        return {"scores": self.scores(tf.cast(images, tf.float32) / 255)}

    @tf.function(input_signature=[ENCODED])
    def exact_size(self, records):
        def decode(record):
            return tf.ensure_shape(tf.io.decode_png(record, 3), [20, 50, 3])

        images = tf.map_fn(decode, records, fn_output_signature=tf.uint8)
        return {"scores": self.scores(tf.cast(images, tf.float32) / 255)}

    @tf.function(input_signature=[ENCODED])
    def resized_after(self, records):
        """The images that are explained are smaller than the pictures that are taken."""

        def decode(record):
            image = tf.io.decode_image(record, channels=3, expand_animations=False)
            return tf.image.resize(tf.ensure_shape(image, [20, 50, 3]), [SIDE, SIDE])

        return {"scores": self.scores(tf.map_fn(decode, records, fn_output_signature=tf.float32) / 255)}


SIGNATURES = (
    "blue_first",
    "two_outputs",
    "standardised",
    "standardised_size",
    "standardised_jpeg",
    "centred_size",
    "base64",
    "open_size",
    "exact_size",
    "resized_after",
)


def blue_first(image):
    return image[..., ::-1] / 127.5 - 1


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A SavedModel and two photographs of different sizes."""
    folder = tmp_path_factory.mktemp("served")
    module = Served()
    tf.saved_model.save(module, str(folder / "model"), signatures={name: getattr(module, name) for name in SIGNATURES})
    generator = np.random.default_rng(0)
    for name, shape in {"tall": (40, 30, 3), "wide": (20, 50, 3)}.items():
        cv2.imwrite(str(folder / f"{name}.png"), generator.integers(0, 256, shape, np.uint8))
    return folder


@pytest.fixture
def run(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    return run


def explain(run, served, *arguments, images=("tall",)):
    files = [served / f"{name}.png" for name in images]
    return run("explain", *files, "--model", served / "model", "--method", "gradient", "--save-maps", *arguments)


@pytest.mark.filterwarnings("ignore:.*the model's output:tfviz.errors.TfvizWarning")
def test_a_signature_is_explained_end_to_end(run, served):
    """The oracle is the tape in the signature's own arithmetic."""
    status, out, err = explain(run, served, "--signature", "blue_first", "--target", 1, images=("tall", "wide"))
    assert (status, err) == (0, "")
    module = Served()
    records = [(served / f"{name}.png").read_bytes() for name in ("tall", "wide")]
    images = module.images(tf.constant(records), blue_first)
    with tf.GradientTape() as tape:
        tape.watch(images)
        score = module.scores(images)[:, 1]
    gradient = tape.gradient(score, images).numpy()
    for row, name in enumerate(("tall", "wide")):
        np.testing.assert_allclose(np.load(f"tfviz-output/{name}.gradient.npy"), gradient[row], atol=1e-6)
    network = tfviz.trace(str(served / "model"), signature="blue_first")
    assert f"images are explained as {network.cut} decodes them (--cut chooses another)" in out
    manifest = json.loads(Path("tfviz-output/manifest.json").read_text())
    preprocessing = {"name": "the network's own", "order": "bgr", "size": [SIDE, SIDE], "fit": "stretch"}
    assert manifest["preprocessing"] == preprocessing
    # The picture is the photograph, in its own colours.
    shown = cv2.imread("tfviz-output/tall.tfviz.png")[..., ::-1].astype(float)
    photograph = cv2.imread(str(served / "tall.png"))[..., ::-1].astype(float)
    panel = shown[: shown.shape[0], : shown.shape[1] // 2]
    colored = panel[(panel < 250).any(axis=-1)]
    assert np.abs(colored.mean(axis=0) - photograph.mean(axis=(0, 1))).max() < 12


@pytest.mark.filterwarnings("ignore:.*the model's output:tfviz.errors.TfvizWarning")
def test_pictures_of_one_size_alone(run, served):
    """What the network makes of pixels is tried on pictures of its own size; others are refused by their names."""
    status, _, err = explain(run, served, "--signature", "exact_size", "--target", 1, images=("wide", "tall"))
    assert (
        status == 1 and err.startswith(f"tfviz: {served / 'tall.png'}: image 0 cannot be decoded") and "20,50,3" in err
    )
    module = Served()
    image = tf.constant(cv2.imread(str(served / "wide.png"))[np.newaxis, ..., ::-1] / np.float32(255))
    with tf.GradientTape() as tape:
        tape.watch(image)
        score = module.scores(image)[:, 1]
    found = np.load("tfviz-output/wide.gradient.npy")
    np.testing.assert_allclose(found, tape.gradient(score, image)[0] / 255, atol=1e-6)
    manifest = json.loads(Path("tfviz-output/manifest.json").read_text())
    assert manifest["preprocessing"] == {
        "name": "the network's own",
        "order": "rgb",
        "size": [20, 50],
        "fit": "stretch",
    }


@pytest.mark.filterwarnings("ignore:.*the model's output:tfviz.errors.TfvizWarning")
def test_pictures_of_one_size_that_are_made_smaller(run, served):
    status, out, err = explain(run, served, "--signature", "resized_after", images=("wide",))
    assert (status, err) == (0, "") and "wide" in out


def test_an_output_of_several(run, served):
    status, out, err = explain(run, served, "--signature", "two_outputs")
    assert status == 1 and out == "" and "('mean' (None, 3), 'scores' (None, 5))" in err and "(--output-name)" in err
    status, _, err = explain(run, served, "--signature", "two_outputs", "--output-name", "scores", "--target", 4)
    assert (status, err) == (0, "")
    status, out, _ = run("layers", served / "model", "--signature", "two_outputs", "--output-name", "scores")
    assert status == 0 and "Relu" in out and "TensorListStack decodes them" in out


@pytest.fixture
def described(served, tmp_path):
    """A model beside whose signatures a file names the class scores."""
    model = shutil.copytree(served / "model", tmp_path / "described")

    def write(**outputs):
        (model / METADATA).write_text(json.dumps({"inputs": {"records": {}}, "outputs": outputs}))
        return model

    return write


def test_layers_follow_the_metadata(run, described):
    model = described(wanted={"output_tensor_name": "scores"})
    status, out, err = run("layers", model, "--signature", "two_outputs")
    assert status == 0 and "Relu" in out, err


@pytest.mark.parametrize("outputs", [{"mean": {}}, {"nothing": {}}, {"a": {}, "b": {}}])
def test_what_is_typed_wins_over_the_metadata(run, described, served, outputs):
    """Where that names another output, one that there is not, or several."""
    model = described(**outputs)
    choice = ["--signature", "two_outputs", "--output-name", "scores", "--target", 2]
    assert explain(run, served, *choice, "--output", "plain")[0] == 0
    status, _, err = explain(run, served, *choice, "--output", "typed", "--model", model)
    assert (status, err) == (0, "")
    np.testing.assert_array_equal(np.load("typed/tall.gradient.npy"), np.load("plain/tall.gradient.npy"))
    status, _, _ = run("layers", model, *choice[:4])
    assert status == 0


def test_another_cut(run, served):
    status, out, _ = run("layers", served / "model", "--signature", "two_outputs", "--output-name", "scores")
    later = next(line.split()[0] for line in out.splitlines() if "truediv" in line)
    choice = ["--signature", "two_outputs", "--output-name", "scores", "--target", 2]
    status, out, err = explain(run, served, *choice, "--output", "first")
    assert (status, err) == (0, "")
    network = tfviz.trace(str(served / "model"), signature="two_outputs", output="scores")
    name = next(step.name for step in network.program.steps if step.name.endswith(later))
    status, out, err = explain(run, served, *choice, "--cut", name, "--output", "second")
    assert (status, err) == (0, "") and f"as {name} decodes them" in out
    first, second = (np.load(f"{folder}/tall.gradient.npy") for folder in ("first", "second"))
    np.testing.assert_allclose(second, first * 255, rtol=1e-4, atol=1e-6)


def test_images_of_several_sizes_that_are_not_resized(run, served):
    status, _, err = explain(run, served, "--signature", "open_size", "--target", 1, images=("tall", "wide"))
    assert (status, err) == (0, "")
    assert np.load("tfviz-output/tall.gradient.npy").shape == (40, 30, 3)
    assert np.load("tfviz-output/wide.gradient.npy").shape == (20, 50, 3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "the SavedModel has 10 signatures that take images, say which with signature="),
        (("--signature", "blue"), "no signature 'blue'; did you mean 'blue_first'"),
        (("--signature", "blue_first", "--input-name", "image"), "no input 'image'; "),
        (("--signature", "blue_first", "--output-name", "score"), "no output 'score'; did you mean 'scores'"),
        (("--signature", "blue_first", "--depth", "12"), "--depth 12 is for networks of numbers; this one decodes"),
        (("--signature", "blue_first", "--fit", "crop"), "--fit crop is for networks of numbers; this one decodes"),
        (("--signature", "blue_first", "--interpolation", "keras"), "--interpolation keras is for networks of numbers"),
        (("--signature", "blue_first", "--cut", "x"), "no operation 'x' gives a batch of decoded images"),
        (("--signature", "standardised"), "what the network makes of black and white is not known at"),
        (("--signature", "standardised_size"), "what the network makes of black and white is not known at"),
        (("--signature", "standardised_jpeg"), "what the network makes of black and white is not known at"),
        (("--signature", "centred_size"), "what the network makes of black and white is not known at"),
        (("--signature", "base64"), "inside of something else than serialised Examples is explained in Python"),
    ],
)
def test_bad_choices_are_one_line(run, served, tmp_path, arguments, message):
    status, out, err = explain(run, served, *arguments)
    assert (status, out) == (1, "") and message in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_network_of_several_inputs(run, served, tmp_path):
    """No file holds the others, on the command line and in Beam."""
    picture, age = keras.Input((SIDE, SIDE, 3), name="picture"), keras.Input((1,), name="age")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(picture))
    keras.Model([picture, age], keras.layers.Concatenate()([x, age])).save(tmp_path / "two.keras")
    status, out, err = run("explain", served / "tall.png", "--model", tmp_path / "two.keras")
    assert (status, out) == (1, "") and "the network takes 'age' beside the image" in err and err.count("\n") == 1
    with pytest.raises(UnsupportedModelError, match="the network takes 'age' beside the image"):
        AttributionHandler(str(tmp_path / "two.keras"), "saliency").load_model()


def test_a_signature_in_beam(served):
    """The handler gives what the network does with the bytes of a file."""
    handler = AttributionHandler(str(served / "model"), "saliency", signature="blue_first", target=2)
    records = [(served / "tall.png").read_bytes(), b"no picture"]
    found = [each.inference for each in handler.run_inference(records, handler.load_model())]
    network = tfviz.trace(str(served / "model"), signature="blue_first")
    np.testing.assert_allclose(found[0]["map"], tfviz.saliency(network, records[:1], 2)[0], rtol=1e-6)
    assert "not an image" in found[1]["error"]


def test_a_standardising_network_can_be_told(run, served):
    status, _, err = explain(run, served, "--signature", "standardised", "--preprocess", "-1..1", "--target", 1)
    assert status == 0 and err.count("\n") == 1 and "--preprocess -1..1 says how images are shown, no more" in err


def test_integers_that_are_given_as_shares_of_one(run, served, tmp_path):
    image = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(keras.ops.cast(image, "float32")))
    keras.Model(image, keras.layers.Dense(3, activation="softmax")(x)).export(tmp_path / "whole")
    arguments = ["explain", served / "tall.png", "--model", tmp_path / "whole", "--method", "gradient", "--preprocess"]
    status, _, err = run(*arguments, "0..1")
    assert status == 0 and "the network takes uint8 images, but white is 1 by --preprocess 0..1" in err
    status, _, err = run(*arguments, "0..255")
    assert (status, err) == (0, "")


def test_a_broken_file(run, served, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    status, _, err = explain(run, served, tmp_path / "broken.png", "--signature", "blue_first", "--target", 1)
    assert status == 1 and err.count("\n") == 1 and "broken.png" in err
    assert Path("tfviz-output/tall.gradient.npy").exists()


def test_fool_and_localize(run, served):
    choice = ["--model", served / "model", "--signature", "blue_first"]
    status, _, err = run("localize", served / "tall.png", *choice)
    assert (status, err) == (0, "")
    status, out, _ = run("fool", served / "tall.png", *choice, "--method", "pgd", "--epsilon", 64, "--save-array")
    assert "pgd: class" in out
    changed = np.load("tfviz-output/tall.fooled.npy")
    assert changed.shape == (SIDE, SIDE, 3) and changed.min() >= -1 and changed.max() <= 1
