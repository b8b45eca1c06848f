"""`tfviz.export`: the signatures of a SavedModel give the numbers of the methods, where tfviz is not installed too."""

from __future__ import annotations

import _thread
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, KINDS, SHAPE, build, distance, head, model_of, random_images, randomise
from support.options import WAYS, quick
from support.thinning import by_day

import tfviz
from tfviz.apps.export.export import export
from tfviz.apps.files import saved_model_folder as folders
from tfviz.apps.files.saved_model_folder import write_folder
from tfviz.errors import InvalidImagesError, TfvizError, UnknownLayerError, UnsupportedModelError
from tfviz.methods import METHODS
from tfviz.methods.engine.serving import _images_at_once
from tfviz.network.passes import affordable
from tfviz.network.traced.fingerprint import fingerprint

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning"),
    pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning"),
]

EXPORTED = [name for name, method in METHODS.items() if method.on_host is None]
IMAGES = random_images(5)
TARGETS = np.array([3, 0, 4, 1, 2], np.int32)
# Loads an export where tfviz cannot be imported, and keeps what each signature gives.
ALONE = """
import sys
sys.modules["tfviz"] = None
import numpy as np
import tensorflow as tf

folder, images, found, *names = sys.argv[1:]
given = {"images": tf.constant(np.load(images)), "targets": tf.constant([3, 0, 4, 1, 2])}
model = tf.saved_model.load(folder)
np.savez(found, **{name: model.signatures[name](**given)["maps"].numpy() for name in names})
"""

# What a manifest says of a model of one input and one output.
WHOLE = {"signature": None, "input": "images", "others": [], "outputs": ["0"], "cut": None, "precision": "float32"}


# They run in one process, so that this is written once.
of_the_whole_export = pytest.mark.xdist_group("the export of every method")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The export of one small model with every method."""
    place = tmp_path_factory.mktemp("exported") / "all"
    options = {name: quick(name) for name in EXPORTED}
    assert export(model_of("functional"), place, list(EXPORTED), options=options, batch_size=8) == place
    return place


@pytest.fixture(scope="module")
def signatures(folder):
    model = tf.saved_model.load(str(folder))
    yield model.signatures  # noqa: PT022  # which do not keep the model's variables alive: this frame does


def call(signature, images=IMAGES, targets=(-1,)):
    found = signature(images=tf.constant(images), targets=tf.constant(targets, tf.int32))
    assert set(found) == {"maps", "targets", "scores"}
    return {name: tensor.numpy() for name, tensor in found.items()}


def load(folder):
    """Signatures do not keep their variables alive, the model does."""
    model = tf.saved_model.load(str(folder))
    return model, model.signatures


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def expected():
    options = {name: quick(name) for name in EXPORTED}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tfviz.TfvizWarning)
        return tfviz.explain(
            model_of("functional"), IMAGES, TARGETS, methods=list(EXPORTED), options=options, batch_size=8
        )


@of_the_whole_export
@pytest.mark.parametrize("name", EXPORTED)
def test_a_signature_gives_what_the_method_gives(name, signatures, expected):
    found = call(signatures[name], targets=TARGETS)
    assert found["maps"].dtype == np.float32
    if name in ("guided_backprop", "deconvnet"):
        np.testing.assert_array_equal(found["maps"], expected.maps[name])
    assert distance(found["maps"], expected.maps[name]) < 1e-6
    np.testing.assert_array_equal(found["targets"], TARGETS)
    np.testing.assert_allclose(found["scores"], expected.scores, rtol=1e-6)


@of_the_whole_export
@pytest.mark.parametrize("name", EXPORTED)
def test_a_signature_takes_any_number_of_images_and_explains_the_predicted_class(name, signatures):
    together = call(signatures[name])
    np.testing.assert_array_equal(together["targets"], model_of("functional")(IMAGES).numpy().argmax(axis=1))
    for index in (0, 4):
        alone = call(signatures[name], IMAGES[index : index + 1])
        assert distance(alone["maps"][0], together["maps"][index]) < 1e-5


@of_the_whole_export
def test_the_exported_model_needs_no_tfviz_and_repeats_in_another_process(folder, signatures, tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    run_alone(sys.executable, folder, tmp_path, WAYS)
    check_found(signatures, tmp_path, WAYS)


@of_the_whole_export
@pytest.mark.slow
def test_the_exported_model_runs_where_only_tensorflow_is_installed(folder, signatures, tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "clean"], check=True)
    python = tmp_path / "clean" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", f"tensorflow=={tf.__version__}", f"numpy=={np.__version__}"]
    subprocess.run(install, check=True, capture_output=True)
    there = subprocess.run([python, "-m", "pip", "list"], check=True, capture_output=True, text=True).stdout
    assert "tensorflow" in there and "tfviz" not in there
    run_alone(python, folder, tmp_path, EXPORTED)
    check_found(signatures, tmp_path, EXPORTED)


def run_alone(python, folder, tmp_path, names):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [
        str(each)
        for each in (python, "-I", "-c", ALONE, folder, tmp_path / "images.npy", tmp_path / "found.npz", *names)
    ]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def check_found(signatures, tmp_path, names):
    with np.load(tmp_path / "found.npz") as found:
        assert set(found) == set(names)
        for name in names:
            np.testing.assert_array_equal(found[name], call(signatures[name], targets=TARGETS)["maps"])


OF_KERAS = ["loop"]
SAVED = ["nested", "with_signature", "with_call"]


@pytest.mark.parametrize("kind", OF_KERAS)
def test_a_keras_model_of_any_kind(kind, tmp_path):
    check_kind(model_of(kind), tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in OF_KERAS])
def test_a_keras_model_of_any_other_kind(kind, tmp_path):
    check_kind(model_of(kind), tmp_path / "out")


@pytest.mark.parametrize("kind", by_day(SAVED, ["with_signature", "with_call"]))
def test_a_saved_model(kind, saved_folder, tmp_path):
    check_kind(saved_folder(kind), tmp_path / "out")


def test_a_saved_model_that_was_loaded(loaded, tmp_path):
    check_kind(loaded("functional"), tmp_path / "loaded")


def check_kind(model, out):
    """Two methods, one of them a loop, and the model's own function."""
    methods = ["grad_cam", "integrated_gradients"]
    options = {"integrated_gradients": {"steps": 3}}
    export(model, out, methods, options=options)
    holder, found = load(out)
    expected = tfviz.explain(model, IMAGES, methods=methods, options=options)
    for name in methods:
        assert distance(call(found[name])["maps"], expected.maps[name]) < 1e-6
    network = tfviz.trace(model)
    assert (
        fingerprint(network) == json.loads((out / "assets.extra" / "manifest.json").read_text())["model"]["fingerprint"]
    )
    own = found["classify" if "classify" in found else "serving_default"]
    (given,) = own.structured_input_signature[1]
    (outputs,) = own(**{given: tf.constant(IMAGES)}).values()
    np.testing.assert_array_equal(outputs, tf.nest.flatten(network.call_original(tf.constant(IMAGES)))[0])
    assert holder is not None


@pytest.mark.parametrize("kind", ["functional", "nested"])
def test_serving_default_is_named_as_keras_names_it(kind, tmp_path):
    """And its forward pass is called `serve`, which `TFSMLayer` looks for."""
    model = model_of(kind)
    model.export(tmp_path / "plain")
    export(model, tmp_path / "out")
    (holder, found), (_, plain) = load(tmp_path / "out"), load(tmp_path / "plain")
    for each in ("structured_input_signature", "structured_outputs"):
        assert getattr(found["serving_default"], each) == getattr(plain["serving_default"], each)
    expected = keras.layers.TFSMLayer(tmp_path / "plain")(IMAGES)
    np.testing.assert_array_equal(keras.layers.TFSMLayer(tmp_path / "out")(IMAGES), expected)
    np.testing.assert_array_equal(holder.serve(tf.constant(IMAGES)), expected)


def test_a_network_without_a_size_of_its_own(tmp_path):
    model = model_of("open_size")
    export(model, tmp_path / "out", ["grad_cam", "rise"], options={"rise": {"masks": 9}})
    _holder, found = load(tmp_path / "out")
    for size in ((16, 16), (23, 31)):
        images = random_images(3, (*size, 3))
        for name, options in (("grad_cam", {}), ("rise", {"masks": 9})):
            expected = getattr(tfviz, name)(model, images, **options)
            assert distance(call(found[name], images)["maps"], expected) < 1e-6


def test_as_many_images_at_once_as_fit_into_memory():
    network = tfviz.trace(model_of("functional"))
    assert _images_at_once(network, tf.zeros((2, *SHAPE)), 32) == 32
    assert _images_at_once(network, tf.zeros((2, *SHAPE)), 10**9) == affordable(network, SHAPE) < 10**9
    network = tfviz.trace(model_of("open_size"))
    found = int(_images_at_once(network, tf.zeros((1, 700, 333, 3)), 10**9))
    assert found == pytest.approx(affordable(network, (700, 333, 3)), rel=0.1)
    assert int(_images_at_once(network, tf.zeros((1, 64, 64, 3)), 7)) == 7
    assert int(_images_at_once(network, tf.zeros((1, 30000, 30000, 1)), 7)) == 1


@pytest.mark.parametrize("batch_size", [1, 3])
def test_methods_of_many_runs_take_so_many_images_at_once(batch_size, tmp_path):
    """A network whose scores grow with its batch tells how many there were."""
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="conv1")(image)
    x = layers.Lambda(lambda x: x * tf.cast(tf.shape(x)[0], tf.float32), output_shape=lambda shape: shape)(x)
    model = randomise(keras.Model(image, head(x)))
    export(model, tmp_path / "out", "occlusion", options={"occlusion": quick("occlusion")}, batch_size=batch_size)
    _holder, found = load(tmp_path / "out")
    expected = tfviz.occlusion(model, IMAGES[:1], **quick("occlusion"), batch_size=batch_size)
    assert distance(call(found["occlusion"], IMAGES[:1])["maps"], expected) < 1e-6
    other = tfviz.occlusion(model, IMAGES[:1], **quick("occlusion"), batch_size=batch_size % 7 + 2)
    assert distance(other, expected) > 1e-3


def test_several_layers_have_a_signature_each(tmp_path):
    backbone = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(4, 3, activation="relu", name="conv")], name="left")
    second = keras.Sequential([layers.Input((14, 14, 4)), layers.Conv2D(4, 3, name="conv")], name="right")
    image = layers.Input(SHAPE)
    model = randomise(keras.Model(image, head(second(backbone(image)))))
    names = list(tfviz.trace(model).layers)
    assert names == ["left/conv", "right/conv"]
    export(model, tmp_path / "out", "layer_cam", layer=names)
    _holder, found = load(tmp_path / "out")
    maps = tfviz.layer_cam(model, IMAGES, layer=names)
    for name in names:
        assert distance(call(found[f"layer_cam@{name.replace('/', '.')}"])["maps"], maps[name]) < 1e-6


def test_a_method_with_a_step_on_the_host_is_refused(tmp_path):
    with pytest.raises(TfvizError, match=r"^xrai cannot be exported: its last step runs in Python on the host, not in"):
        export(model_of("functional"), tmp_path / "out", ["saliency", "xrai"])
    assert not any(tmp_path.iterdir())


def test_layers_whose_signatures_would_be_the_same_are_refused(tmp_path):
    image = layers.Input(SHAPE)
    inner = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(3, 3, padding="same", name="conv")], name="a")
    other = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(3, 3, padding="same", name="conv")], name="b")
    x = layers.Conv2D(4, 3, name="a.conv")(other(inner(image)))
    model = randomise(keras.Model(image, head(x)))
    with pytest.raises(TfvizError, match=r"two layers would have the signature 'grad_cam@a\.conv'"):
        export(model, tmp_path / "out", layer=["a/conv", "a.conv"])
    assert not list(tmp_path.iterdir())


@of_the_whole_export
def test_targets_are_checked_where_they_are_given(signatures, tmp_path):
    found = call(signatures["gradient"], targets=[3, -1, -1, 0, 2])
    predicted = model_of("functional")(IMAGES).numpy().argmax(axis=1)
    np.testing.assert_array_equal(found["targets"], [3, predicted[1], predicted[2], 0, 2])
    np.testing.assert_array_equal(call(signatures["gradient"], targets=[2])["targets"], [2] * 5)
    for wrong in (CLASSES, -2) * 10:  # the check must always come before the kernels that index with a target
        with pytest.raises(tf.errors.InvalidArgumentError, match="expected integers below 5, the number of class"):
            call(signatures["gradient"], targets=[0, 1, 2, 3, wrong])
    with pytest.raises(tf.errors.InvalidArgumentError, match="targets are one number for each image, or one for all"):
        call(signatures["gradient"], targets=[0, 1])


def test_a_score_of_ones_own(tmp_path):
    network = tfviz.trace(model_of("functional"), score=lambda outputs: outputs[:, 0] - outputs[:, 1])
    export(network, tmp_path / "out", ["gradient", "occlusion"], options={"occlusion": quick("occlusion")})
    _holder, found = load(tmp_path / "out")
    for name in ("gradient", "occlusion"):
        result = call(found[name])
        assert distance(result["maps"], getattr(tfviz, name)(network, IMAGES, **quick(name))) < 1e-6
        probabilities = model_of("functional")(IMAGES).numpy()
        np.testing.assert_allclose(result["scores"], probabilities[:, 0] - probabilities[:, 1], rtol=1e-4, atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError, match="out of range"):
        call(found["gradient"], targets=[1])


def test_a_score_that_reads_a_variable(saved_folder, tmp_path):
    """It is written with a Keras model; a SavedModel stays as it is, and has no place for it."""
    weights = tf.Variable([0.5, 0.0, -1.0, 2.0, 0.0], name="wanted")

    def score(outputs):
        return tf.linalg.matvec(outputs, weights)

    expected = model_of("functional")(IMAGES).numpy() @ weights.numpy()
    network = tfviz.trace(model_of("functional"), score=score)
    export(network, tmp_path / "out", ["gradient"])
    maps = tfviz.gradient(network, IMAGES)
    holder, found = load(tmp_path / "out")
    weights.assign(tf.zeros(5))  # which the file does not read
    result = call(found["gradient"])
    np.testing.assert_allclose(result["scores"], expected, rtol=1e-4, atol=1e-6)
    assert distance(result["maps"], maps) < 1e-6 and holder is not None
    with pytest.raises(UnsupportedModelError, match=r"the score reads a variable \(wanted:0\) that is not part"):
        export(tfviz.trace(saved_folder("functional"), score=score), tmp_path / "other")
    assert not (tmp_path / "other").exists()


class Labelled(tf.Module):
    """A SavedModel as they are served: names from a file, and a second signature."""

    def __init__(self, names):
        super().__init__()
        initializer = tf.lookup.TextFileInitializer(
            str(names), tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE
        )
        self.table = tf.lookup.StaticHashTable(initializer, "unknown")
        self.kernel = tf.Variable(np.random.default_rng(0).normal(size=(3, 3, 3, 5)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32, "pictures")])
    def classify(self, pictures):
        return {
            "scores": tf.nn.softmax(tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(pictures, self.kernel, 1, "SAME")), [1, 2]))
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, "classes")])
    def label(self, classes):
        return {"names": self.table.lookup(classes)}


def test_a_saved_model_keeps_its_signatures_tables_and_assets(tmp_path):
    (tmp_path / "names.txt").write_text("ant\nbee\ncow\ndog\nemu\n")
    module = Labelled(tmp_path / "names.txt")
    own = {"serving_default": module.classify, "label": module.label}
    tf.saved_model.save(module, str(tmp_path / "in"), signatures=own)
    expected = module.classify(tf.constant(IMAGES))["scores"]
    export(tmp_path / "in", tmp_path / "out", ["grad_cam", "gradient"])
    shutil.rmtree(tmp_path / "in")
    (tmp_path / "names.txt").unlink()
    _holder, found = load(tmp_path / "out")
    assert set(found) == {"serving_default", "label", "grad_cam", "gradient"}
    names = found["label"](classes=tf.constant([2, 4, 9], tf.int64))["names"].numpy()
    assert names.tolist() == [b"cow", b"emu", b"unknown"]
    np.testing.assert_array_equal(found["serving_default"](pictures=tf.constant(IMAGES))["scores"], expected)
    # What is exported may be exported again, as long as names do not clash.
    export(tmp_path / "out", tmp_path / "more", "saliency")
    assert set(load(tmp_path / "more")[1]) == {*found, "saliency"}
    with pytest.raises(TfvizError, match="the model has a signature 'gradient' already; it has: "):
        export(tmp_path / "out", tmp_path / "again", "gradient")


def test_a_keras_model_with_a_table(tmp_path):
    image = layers.Input(SHAPE)
    scores = head(layers.Conv2D(4, 3, activation="relu", name="conv")(image), 3)
    best = layers.Lambda(lambda scores: tf.argmax(scores, -1), output_shape=())(scores)
    names = layers.StringLookup(vocabulary=["ant", "bee", "cow"], invert=True, num_oov_indices=0)(best)
    model = randomise(keras.Model(image, {"scores": scores, "names": names}))
    network = tfviz.trace(model, score=lambda outputs: outputs["scores"][:, 2])
    export(network, tmp_path / "out")
    _holder, found = load(tmp_path / "out")
    expected = model(IMAGES)["names"].numpy()
    (given,) = found["serving_default"].structured_input_signature[1]
    assert (found["serving_default"](**{given: tf.constant(IMAGES)})["names"].numpy() == expected).all()
    assert distance(call(found["grad_cam"])["maps"], tfviz.grad_cam(network, IMAGES)) < 1e-6


SEVERAL = ["grad_cam", "gradient", "guided_backprop", "integrated_gradients"]


def test_weights_are_written_once_however_many_methods_there_are(tmp_path):
    image = layers.Input(SHAPE)
    x = layers.Conv2D(8, 3, activation="relu", name="conv1")(image)
    x = layers.Dense(4, activation="relu")(layers.Dense(100_000, activation="relu")(layers.GlobalAveragePooling2D()(x)))
    model = randomise(keras.Model(image, layers.Dense(3, activation="softmax")(x)))
    weights = 4 * model.count_params()
    assert weights > 5_000_000
    model.export(tmp_path / "plain")
    export(model, tmp_path / "one")
    export(model, tmp_path / "several", SEVERAL)
    export(tmp_path / "plain", tmp_path / "saved", SEVERAL)
    plain, one, several, saved = (size_of(tmp_path / name) for name in ("plain", "one", "several", "saved"))
    assert weights < one < weights + 100_000 and several < one + 300_000 and saved < plain + 400_000


def test_the_weights_of_a_frozen_model_are_written_twice_at_most(tmp_path):
    """Once in its own function, and once for all methods, however often they run the network."""
    kernels = [np.random.default_rng(seed).normal(size=(3, 3, 3, 3000)).astype(np.float32) for seed in (0, 1)]

    class Frozen(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32)])
        def classify(self, images):
            features = [tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(images, each, 1, "SAME")), [1, 2]) for each in kernels]
            return {"scores": tf.nn.softmax(tf.add_n(features)[:, :5])}

    module = Frozen()
    tf.saved_model.save(module, str(tmp_path / "in"), signatures=module.classify)
    export(tmp_path / "in", tmp_path / "out", ["gradient", "smooth_grad"], options={"smooth_grad": {"samples": 3}})
    weights = sum(each.nbytes for each in kernels)
    assert size_of(tmp_path / "out") < 2 * weights + 400_000
    _holder, found = load(tmp_path / "out")
    expected = tfviz.smooth_grad(tmp_path / "in", IMAGES, samples=3)
    assert distance(call(found["smooth_grad"])["maps"], expected) < 1e-6


def test_the_model_is_not_changed_nor_kept_alive(tmp_path):
    model = build("nested")
    tfviz.trace(model)  # which Keras notes as a call
    weights, attributes = [each.numpy() for each in model.weights], dict(vars(model))
    export(model, tmp_path / "out", ["grad_cam", "guided_backprop", "smooth_grad"])
    assert all((each.numpy() == before).all() for each, before in zip(model.weights, weights, strict=True))
    assert {**vars(model)} == attributes
    reference = weakref.ref(model)
    del model, attributes
    gc.collect()
    assert reference() is None


@of_the_whole_export
def test_the_manifest_says_what_made_it(folder, tmp_path):
    said = json.loads((folder / "assets.extra" / "manifest.json").read_text())
    network = tfviz.trace(model_of("functional"))
    assert said["model"] == {"name": "functional", "path": None, "fingerprint": fingerprint(network), **WHOLE}
    assert said["versions"]["tensorflow"] == tf.__version__ and said["batch_size"] == 8 and said["schema"] == 1
    assert said["score"] == {"head": "softmax", "meaning": "the logit before the softmax"}
    assert list(said["signatures"]) == list(EXPORTED)
    grad_cam = {
        "method": "grad_cam",
        "layer": "conv2",
        "options": {"layer": "conv2", "upsample": True, "placement": "convention"},
    }
    assert said["signatures"]["grad_cam"] == grad_cam
    assert said["signatures"]["rise"]["options"]["masks"] == 10 and said["signatures"]["rise"]["layer"] is None
    export(str(folder), tmp_path / "out", "grad_cam", layer=["conv1"])
    said = json.loads((tmp_path / "out" / "assets.extra" / "manifest.json").read_text())
    assert said["model"]["path"] == str(folder.resolve()) and said["model"]["fingerprint"] == fingerprint(network)
    assert said["signatures"]["grad_cam@conv1"]["layer"] == "conv1"


def test_what_must_be_said_of_a_method_is_warned_about(tmp_path):
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="conv1")(image)
    model = randomise(keras.Model(image, head(layers.Conv2D(4, 3, activation="elu", name="conv2")(x))))
    with pytest.warns(tfviz.TfvizWarning) as said:
        export(model, tmp_path / "out", "guided_backprop")
    manifest = json.loads((tmp_path / "out" / "assets.extra" / "manifest.json").read_text())
    assert manifest["warnings"] == [str(each.message) for each in said] and len(said) == 1


WRONG = [
    ({"methods": "grad_camm"}, tfviz.UnknownMethodError, "did you mean 'grad_cam'"),
    ({"layer": "conv9"}, UnknownLayerError, "conv9"),
    ({"methods": "gradient", "layer": "conv1"}, tfviz.UnknownMethodError, "to none of: gradient"),
    ({"methods": "occlusion", "options": {"occlusion": {"patch": 99}}}, TfvizError, "larger than the image"),
    ({"batch_size": 0}, TfvizError, "batch_size is 0, expected an integer of at least 1"),
    ({"encoded": True}, TfvizError, "say what encoded files become: preprocess="),
    ({"preprocess": "0..1"}, TfvizError, "they go with encoded=True"),
    ({"encoded": True, "preprocess": "0..2"}, TfvizError, "no preprocessing '0..2'"),
    (
        {"encoded": True, "preprocess": "0..1", "fit": "squeeze"},
        InvalidImagesError,
        "fit must be crop, cover or stretch, got 'squeeze'",
    ),
    ({"encoded": True, "preprocess": "0..1", "size": (9, 16)}, UnsupportedModelError, "takes images of 16x16"),
]


@pytest.mark.parametrize("options, error, message", WRONG)
def test_bad_input_is_one_clear_error_that_leaves_nothing(options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        export(model_of("functional"), tmp_path / "new" / "out", **options)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_kept_unless_it_is_to_be_replaced(tmp_path):
    out, model = tmp_path / "out", model_of("functional")
    out.mkdir()
    (out / "thesis.txt").write_text("the only copy")
    with pytest.raises(TfvizError, match="exists already; choose another folder, or replace it with overwrite"):
        export(model, out)
    with pytest.raises(TfvizError, match="is not a SavedModel, so it is not replaced"):
        export(model, out, overwrite=True)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]
    out = tmp_path / "other"
    export(model, out, "gradient")
    (tmp_path / "link").symlink_to(out)
    # Also where the model is the one that is replaced, and under another name.
    export(tmp_path / "link", tmp_path / "link", "saliency", overwrite=True)
    assert (tmp_path / "link").is_symlink() and set(load(out)[1]) == {"serving_default", "gradient", "saliency"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "other", "out"]


def write_while_it_appears(out, overwrite):
    def fill(unfinished):
        (unfinished / "saved_model.pb").write_text("new")
        out.mkdir()
        (out / "thesis.txt").write_text("the only copy")

    write_folder(out, fill, overwrite=overwrite)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_appears_meanwhile_is_kept(overwrite, tmp_path):
    out = tmp_path / "out"

    message = "is not a SavedModel" if overwrite else "exists already"
    with pytest.raises(TfvizError, match=message):
        write_while_it_appears(out, overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and os.listdir(out) == ["thesis.txt"]


def test_a_folder_that_appears_in_the_last_moment_is_kept(tmp_path, monkeypatch):
    """After it was looked for; a rename replaces none that holds anything."""
    monkeypatch.setattr(folders, "check_place", lambda folder, overwrite: None)
    out = tmp_path / "out"
    with pytest.raises(TfvizError, match="cannot be written: Directory not empty"):
        write_while_it_appears(out, False)
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and os.listdir(out) == ["thesis.txt"]


def test_what_a_person_put_into_a_saved_model_is_kept(saved_folder, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(saved_folder("functional"), source)
    (source / "explanation_metadata.json").write_text("{}")
    (source / "assets.extra" / "deep").mkdir(parents=True)
    (source / "assets.extra" / "tf_serving_warmup_requests").write_text("requests")
    (source / "assets.extra" / "deep" / "file").write_text("deep")
    (source / "notes.txt").write_text("not of a SavedModel")

    def check(place):
        assert (place / "explanation_metadata.json").read_text() == "{}"
        assert (place / "assets.extra" / "tf_serving_warmup_requests").read_text() == "requests"
        assert (place / "assets.extra" / "deep" / "file").read_text() == "deep"
        return list(json.loads((place / "assets.extra" / "manifest.json").read_text())["signatures"])

    export(source, out)
    assert check(out) == ["grad_cam"] and not (out / "notes.txt").exists()
    export(out, out, "gradient", overwrite=True)
    assert check(out) == ["gradient"]
    (out / "notes.txt").write_text("the only copy")
    with pytest.raises(TfvizError, match=r"holds more than a SavedModel \(notes.txt\), so it is not replaced"):
        export(source, out, overwrite=True)
    assert (out / "notes.txt").exists() and check(out) == ["gradient"]


def test_an_interrupted_export_leaves_what_was_there(tmp_path, monkeypatch):
    out, model, save = tmp_path / "deep" / "out", model_of("functional"), tf.saved_model.save
    written = []

    def save_and_interrupt(root, folder, **options):
        save(root, folder, **options)
        written.append(Path(folder, "saved_model.pb").exists())
        _thread.interrupt_main()

    def interrupted(**options):
        """As by Ctrl-C, when the model is written and not yet in its place: a thread that waits for it may be late."""
        with monkeypatch.context() as patch:
            patch.setattr(tf.saved_model, "save", save_and_interrupt)
            # What runs in the background of a script is told to ignore it.
            before = signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                with pytest.raises(KeyboardInterrupt):
                    export(model, out, "saliency", **options)
            finally:
                signal.signal(signal.SIGINT, before)

    interrupted()
    assert not list(tmp_path.iterdir())
    export(model, out, "gradient")
    before = (out / "saved_model.pb").read_bytes()
    interrupted(overwrite=True)
    assert [path.name for path in out.parent.iterdir()] == ["out"] and (out / "saved_model.pb").read_bytes() == before
    assert written == [True, True]


def test_a_full_disk_is_one_clear_error_that_leaves_nothing(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        for model in (large(), model_of("functional")):  # the variables do not fit, or the graph
            with pytest.raises(TfvizError, match=r"out cannot be written: .*No space left"):
                export(model, small / "out")
            assert not list(small.iterdir())
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_table_that_is_no_part_of_the_model_is_one_clear_error(tmp_path):
    values = tf.lookup.KeyValueTensorInitializer(tf.range(5, dtype=tf.int64), tf.range(5.0))
    table = tf.lookup.StaticHashTable(values, 0.0)
    image = layers.Input(SHAPE)
    x = head(layers.Conv2D(4, 3, activation="relu", name="conv")(image))
    x = layers.Lambda(lambda x: x + table.lookup(tf.argmax(x, -1))[:, tf.newaxis], output_shape=(CLASSES,))(x)
    x = layers.Softmax()(x)
    with pytest.raises(UnsupportedModelError, match="reads a variable or table that is no attribute of it"):
        export(keras.Model(image, x), tmp_path / "out", "occlusion")
    assert not list(tmp_path.iterdir())


def large():
    image = layers.Input(SHAPE)
    x = layers.Dense(100_000)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="conv1")(image)))
    return keras.Model(image, layers.Dense(2, activation="softmax")(x))


def fixed(images):
    features = tf.nn.relu(tf.nn.conv2d(images, tf.reshape(tf.range(-54.0, 54) / 50, [3, 3, 3, 4]), 1, "SAME"))
    return tf.reduce_mean(features, [1, 2])


@pytest.mark.filterwarnings("ignore:.*raw outputs are taken for logits:tfviz.errors.TfvizWarning")
@pytest.mark.parametrize("count", [1, None])
def test_a_batch_of_one_stays_one(tmp_path, count):
    """What the model's own signature takes at once, those of its methods take."""
    module = tf.Module()
    module.call = tf.function(fixed, input_signature=[tf.TensorSpec([count, *SHAPE], name="pictures")])
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.call)
    try:
        network = tfviz.trace(tmp_path / "model")
    except UnsupportedModelError as error:
        pytest.skip(str(error))
    export(network, tmp_path / "exported", ["saliency", "rise"], options={"rise": {"masks": 3}})
    export(network, tmp_path / "encoded", "saliency", encoded=True, preprocess="0..1")
    loaded = tf.saved_model.load(str(tmp_path / "exported")).signatures
    for name in ("saliency", "rise"):
        taken = loaded[name].structured_input_signature[1]
        assert taken["images"].shape == [count, *SHAPE] and taken["targets"].shape == [count]
    found = loaded["saliency"](images=IMAGES[:1], targets=[2])["maps"].numpy()
    assert distance(found, tfviz.saliency(network, IMAGES[:1], 2)) < 1e-6
    taken = tf.saved_model.load(str(tmp_path / "encoded")).signatures["saliency"].structured_input_signature[1]
    assert taken["encoded"].shape == [count]
