"""Networks that end in features: what needs no score is shown of them, all else names the way out."""

from __future__ import annotations

import json

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfviz
from tfviz import Channel, Class, Direction, Layer, Neuron
from tfviz.errors import InvalidTargetsError, TfvizError, UnsupportedModelError

SHAPE = (12, 10, 3)
IMAGES = np.random.default_rng(0).uniform(size=(3, *SHAPE)).astype(np.float32)
WAY_OUT = r"output has the shape \(None, 5, 4, 4\), expected class scores \(N, classes\); .*trace\(model, score=lambda"


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(2)
    awake = {"activation": "relu", "bias_initializer": keras.initializers.Constant(2.0)}
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(5, 3, name="early", **awake),
            layers.MaxPool2D(2, name="pool"),
            layers.Conv2D(4, 1, name="late", **awake),
        ],
        name="backbone",
    )


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("backbone") / "saved")
    model.export(path)
    return path


@pytest.fixture(scope="module", params=["live", "saved"])
def network(request, model, folder):
    return tfviz.trace(model if request.param == "live" else folder)


def features(model, layer):
    return keras.Model(model.inputs[0], model.get_layer(layer).output)(IMAGES).numpy()


def first_component(maps):
    """By NumPy: of each image's features (h · w, c), the projection on the first singular vector."""
    found = []
    for each in maps:
        flat = each.reshape(-1, each.shape[-1]).astype(np.float64)
        projected = (flat @ np.linalg.svd(flat)[2][0]).reshape(each.shape[:2])
        found.append(projected * np.sign(projected.sum()))
    return np.stack(found)


def test_it_is_opened(network):
    assert (network.head.kind, network.num_classes, network.default_layer) == ("none", None, "late")
    assert list(network.layers) == ["early", "pool", "late"]
    assert not network.head.has_classes


@pytest.mark.parametrize("layer", ["early", None])
def test_eigen_cam_needs_no_score(network, model, layer):
    expected = first_component(features(model, layer or "late"))
    found = tfviz.eigen_cam(network, IMAGES, layer=layer, upsample=False, batch_size=2)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    smooth = tfviz.smooth_grad(network, IMAGES, of="eigen_cam", options={"upsample": False}, samples=2, noise=0.0)
    np.testing.assert_allclose(smooth, first_component(features(model, "late")), rtol=1e-3, atol=1e-4)


def test_an_explanation_says_that_there_is_no_score(network, tmp_path):
    found = tfviz.explain(network, IMAGES, methods="eigen_cam", layer=["early", "late"])
    assert set(found.maps) == {"eigen_cam@early", "eigen_cam@late"} and found.warnings == ()
    assert np.isnan(found.scores).all() and np.isnan(found.logits).all() and np.isnan(found.probabilities).all()
    assert found.scored_by == "none, as the model has no classifier" and set(found.titles()) == {"no score"}
    assert not found.has_classes and found.head == "none"
    found.select([0]).save(tmp_path)
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert written["score"] == {"head": "none", "meaning": "none, as the model has no classifier"}
    (result,) = written["results"]
    assert [result[name] for name in ("score", "probability", "target", "class")] == [None] * 4


def test_objectives_of_layers_need_no_score(network, model):
    wanted = [Channel("late", 1), Neuron("late", 2, 1, 3), Direction("late", [1, 0, 0, 1]), Layer("early")]
    options = {"pixel_range": (0, 1), "preset": "simonyan", "l2": 0.0, "rate": 1e-3, "normalised": True}
    found = tfviz.feature_visualization(network, wanted, images=IMAGES[:1], iterations=3, **options)
    late, early = features(model, "late")[0], features(model, "early")[0]
    expected = [
        late[..., 1].mean(), late[1, 3, 2], late.mean(axis=(0, 1)) @ [1, 0, 0, 1] / np.sqrt(2), np.mean(early**2)
    ]  # fmt: skip
    np.testing.assert_allclose(found.history[0], expected, rtol=1e-4)
    assert (found.scores > found.history[0]).all()


NEED_A_SCORE = {
    "saliency": lambda network: tfviz.saliency(network, IMAGES),
    "a target": lambda network: tfviz.saliency(network, IMAGES, 1),
    "grad_cam": lambda network: tfviz.grad_cam(network, IMAGES),
    "occlusion": lambda network: tfviz.occlusion(network, IMAGES),
    "an explainer": lambda network: tfviz.Explainer(network, "rise"),
    "an inner method": lambda network: tfviz.smooth_grad(network, IMAGES, of="grad_cam"),
    "explain": lambda network: tfviz.explain(network, IMAGES, methods=["eigen_cam", "grad_cam"]),
    "a decomposition": lambda network: tfviz.full_grad_decomposition(network, IMAGES),
    "logits": lambda network: network.logits(IMAGES),
    "an attack": lambda network: tfviz.pgd(network, IMAGES, pixel_range=(0, 1)),
    "a class": lambda network: tfviz.class_visualization(network, 1, pixel_range=(0, 1)),
    "no class": lambda network: tfviz.class_visualization(network, None, pixel_range=(0, 1)),
    "a sum": lambda network: tfviz.feature_visualization(network, Layer("late") + Class(1), pixel_range=(0, 1)),
}


@pytest.mark.parametrize("what", NEED_A_SCORE)
def test_what_needs_a_score_names_the_way_out(network, what):
    with pytest.raises(UnsupportedModelError, match=WAY_OUT) as caught:
        NEED_A_SCORE[what](network)
    assert "\n" not in str(caught.value)


def test_the_way_out(model):
    network = tfviz.trace(model, score=lambda outputs: tf.reduce_mean(outputs[..., 2], axis=(1, 2)))
    assert (network.head.kind, network.head.lacking) == ("custom", "")
    np.testing.assert_allclose(network.logits(IMAGES)[:, 0], features(model, "late")[..., 2].mean((1, 2)), rtol=1e-5)
    assert tfviz.saliency(network, IMAGES).any(axis=(1, 2)).all()


@pytest.mark.parametrize("target", [0, 3, -3])
def test_there_are_no_targets(network, target):
    with pytest.raises(InvalidTargetsError, match="this network has no classifier, and so no targets; pass None"):
        tfviz.eigen_cam(network, IMAGES, target)
    with pytest.raises(TfvizError, match="top asks for the best classes"):
        tfviz.explain(network, IMAGES, methods="eigen_cam", top=2)


def test_tokens_and_padded_maps_without_a_classifier():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 2, strides=2, name="patches")(image)
    tokens = layers.LayerNormalization(name="last")(layers.Reshape((16, 4))(x))
    network = tfviz.trace(keras.Model(image, tokens))
    assert network.head.kind == "none" and network.default_layer == "last"
    assert tfviz.eigen_cam(network, np.ones((1, 8, 8, 3)), upsample=False).shape == (1, 4, 4)
    padded = tfviz.trace(keras.Model(image, layers.ZeroPadding2D(1)(layers.MaxPool2D(2)(x))))
    assert padded.default_layer == "patches"


def test_maps_of_probabilities_are_a_segmentation_and_no_features():
    """Of which a score must say what is explained, as before."""
    image = keras.Input((8, 8, 3))
    with pytest.raises(UnsupportedModelError, match="expected class scores"):
        tfviz.trace(keras.Model(image, layers.Conv2D(4, 1, activation="softmax")(image)))


def test_an_export_of_what_needs_no_score(network, model, tmp_path):
    path = str(tmp_path / "exported")
    tfviz.export(network, path, ["eigen_cam"])
    loaded = tf.saved_model.load(path)
    found = loaded.signatures["eigen_cam"](images=tf.constant(IMAGES), targets=tf.constant([-1]))
    np.testing.assert_array_equal(found["maps"], tfviz.eigen_cam(network, IMAGES))
    assert np.isnan(found["scores"]).all()
    written = json.loads((tmp_path / "exported" / "assets.extra" / "manifest.json").read_text())
    assert written["score"]["meaning"] == "none, as the model has no classifier"
    with pytest.raises(UnsupportedModelError, match=WAY_OUT):
        tfviz.export(network, str(tmp_path / "other"), ["grad_cam"])


@pytest.fixture
def on_disk(model, folder, tmp_path):
    model.save(tmp_path / "own.keras")
    cv2.imwrite(str(tmp_path / "one.png"), np.rint(IMAGES[0] * 255).astype(np.uint8))
    return {"live": "own.keras", "saved": folder}


@pytest.mark.parametrize("form", [pytest.param("live", marks=pytest.mark.slow), "saved"])
def test_on_the_command_line(run, on_disk, tmp_path, form):
    about = ["--model", on_disk[form], "--preprocess", "0..1"]
    status, out, err = run("explain", "one.png", *about, "--method", "eigen_cam", "--save-maps")
    assert (status, err) == (0, "")
    assert "the score is none, as the model has no classifier" in out and "eigen_cam: layer late, the default" in out
    assert "none" in next(line for line in out.splitlines() if line.strip().startswith("one"))
    written = cv2.imread(str(tmp_path / "one.png"))[..., ::-1] / np.float32(255)
    expected = tfviz.eigen_cam(on_disk[form] if form == "saved" else str(tmp_path / "own.keras"), written)
    np.testing.assert_allclose(np.load(tmp_path / "tfviz-output" / "one.eigen_cam.npy"), expected[0], rtol=1e-4)
    status, out, _ = run("visualize", *about, "--objective", "neuron:late:2:1,3", "--iterations", 4)
    assert status == 0 and out.startswith("neuron:late:2:1,3: score ")
    status, out, _ = run("layers", on_disk[form])
    assert status == 0 and "default" in out


@pytest.mark.parametrize(
    "command",
    [
        ["explain", "one.png"],
        ["explain", "one.png", "--method", "eigen_cam", "--target", "1"],
        ["explain", "one.png", "--method", "grad_cam"],
        ["localize", "one.png"],
        ["fool", "one.png", "--target", "1"],
        ["fool", "one.png", "--method", "pgd"],
        ["visualize", "--class", "1"],
    ],
    ids=" ".join,
)
def test_what_needs_a_score_on_the_command_line(run, on_disk, command):
    status, out, err = run(*command, "--model", "own.keras", "--preprocess", "0..1")
    assert (status, out) == (1, "") and err.count("\n") == 1
    assert "expected class scores (N, classes); say what to explain with trace(model, score=" in err


def test_all_methods_are_those_that_need_no_score(run, on_disk):
    status, out, err = run("explain", "one.png", "--model", "own.keras", "--preprocess", "0..1", "--method", "all",
                           "--layer", "early")  # fmt: skip
    assert status == 0 and "eigen_cam: layer early" in out
    assert "saliency is left out: the model's output has the shape" in err
