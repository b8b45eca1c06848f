"""Explanation metadata as Vertex AI and AI Platform write it: read, checked, and followed by `tfviz explain`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import CLASSES, SHAPE, model_of
from typer.testing import CliRunner

import tfviz
from tfviz.apps.beam import AttributionHandler
from tfviz.apps.command.app import app
from tfviz.apps.files import METADATA
from tfviz.apps.files.output import write_figure
from tfviz.apps.model.explanation_metadata import read_explanation_metadata
from tfviz.apps.model.saved_signatures import read_signatures
from tfviz.apps.model.setup import set_up
from tfviz.apps.records import read_results
from tfviz.errors import InvalidTargetsError, TfvizError, UnsupportedModelError
from tfviz.model_options import ModelOptions
from tfviz.results import Highlight

IMAGE = {"input_tensor_name": "serving_default_images:0", "modality": "image"}
OUTPUT = {"output_tensor_name": "StatefulPartitionedCall:0"}


def read(tmp_path, image=None, output=None, **content):
    full = {"inputs": {"photo": {**IMAGE, **(image or {})}}, "outputs": {"scores": {**OUTPUT, **(output or {})}}}
    (tmp_path / METADATA).write_text(json.dumps({**full, **content}))
    return read_explanation_metadata(tmp_path)


def refused(tmp_path, said, **content):
    with pytest.raises(TfvizError, match=said) as caught:
        read(tmp_path, **content)
    assert METADATA in str(caught.value) and "\n" not in str(caught.value)


def test_no_file(tmp_path):
    assert read_explanation_metadata(tmp_path) is None


def test_both_ways_to_write_keys(tmp_path):
    """As Vertex AI has it, and as AI Platform had it; a name of an input stays as it is written."""
    new = {
        "inputs": {
            "thePhoto": {
                "inputTensorName": "images:0",
                "encoding": "IDENTITY",
                "inputBaselines": [0.5],
                "visualization": {
                    "type": "PIXELS",
                    "polarity": "BOTH",
                    "clipPercentLowerbound": 40,
                    "clipPercentUpperbound": 99,
                    "colorMap": "VIRIDIS",
                    "overlayType": "MASK_BLACK",
                },
            }
        },
        "outputs": {"scores": {"outputTensorName": "dense", "indexDisplayNameMapping": ["a", "b"]}},
    }
    old = {
        "inputs": {
            "thePhoto": {
                "input_tensor_name": "images:0",
                "encoding": "identity",
                "modality": "image",
                "input_baselines": [0.5],
                "visualization": {
                    "type": "pixels",
                    "polarity": "both",
                    "clip_below_percentile": 40,
                    "clip_above_percentile": 99,
                    "color_map": "viridis",
                    "overlay_type": "mask_black",
                },
            }
        },
        "outputs": {"scores": {"output_tensor_name": "dense", "index_name_mapping": ["a", "b"]}},
        "framework": "tensorflow",
    }
    for content in (new, old):
        found = read(tmp_path, **content)
        assert (found.input_tensor, found.output_tensor, found.class_names) == ("images:0", "dense", ["a", "b"])
        assert found.highlight == Highlight("pixels", "both", "viridis", 40, 99, "mask")
        (baseline,) = found.baselines
        assert baseline.shape == () and baseline == 0.5


def test_defaults(tmp_path):
    """Those of Vertex AI; words that say nothing count as left out."""
    found = read(tmp_path)
    assert (found.highlight, found.baselines, found.class_names) == (None, None, None)
    shown = {"type": "OUTLINES", "color_map": "COLOR_MAP_UNSPECIFIED", "polarity": "POLARITY_UNSPECIFIED"}
    expected = Highlight("outlines", "positive", "pink_green", 62.0, 99.9, "none")
    assert read(tmp_path, {"visualization": shown}).highlight == expected
    assert read(tmp_path, {"input_tensor_name": ""}).input_tensor == "photo"


def test_baselines(tmp_path):
    picture = np.arange(24).reshape(1, 2, 4, 3).tolist()
    found = read(tmp_path, {"input_baselines": [0, [1, 2, 3], picture]}).baselines
    assert [each.shape for each in found] == [(), (3,), (2, 4, 3)]
    np.testing.assert_array_equal(found[2], np.arange(24).reshape(2, 4, 3))
    assert read(tmp_path, {"input_baselines": []}).baselines is None


@pytest.mark.parametrize(
    "inputs, name",
    [
        ({"a": {}, "b": {"modality": "image"}}, "b"),
        ({"a": {}, "b": {"visualization": {"type": "PIXELS"}}}, "b"),
        ({"a": {"modality": "numeric"}}, "a"),
    ],
)
def test_which_input_is_the_image(inputs, name, tmp_path):
    assert read(tmp_path, inputs=inputs).input_tensor == name


def signature(inputs, outputs):
    """The tensors of a signature as TensorFlow 2 names them."""
    calls = {key: f"StatefulPartitionedCall:{number}" for number, key in enumerate(sorted(outputs))}
    return {key: f"serving_default_{key}:0" for key in inputs}, calls


def names_of(found, inputs, outputs, **typed):
    return found.names({"one": signature(inputs, outputs)}, "one", **typed)


@pytest.mark.parametrize(
    "tensor, output, names",
    [
        ("images", "scores", {"input": "images", "output": "scores"}),
        ("images:0", "scores:0", {"input": "images", "output": "scores"}),
        ("serving_default_images:0", "StatefulPartitionedCall:0", {"input": "images", "output": "features"}),
        ("classify_more_images:0", "StatefulPartitionedCall_2:1", {"input": "more_images", "output": "scores"}),
    ],
)
def test_tensors_as_keys_of_a_signature(tensor, output, names, tmp_path):
    found = read(tmp_path, {"input_tensor_name": tensor}, {"output_tensor_name": output})
    assert names_of(found, ["images", "more_images"], ["scores", "features"]) == names


def test_the_names_of_the_tensors_themselves(tmp_path):
    """Those of a model of TensorFlow 1 have nothing of its keys in them."""
    found = read(tmp_path, {"input_tensor_name": "Placeholder:0"}, {"output_tensor_name": "head/Softmax"})
    inputs, outputs = {"age": "Placeholder_1:0", "photo": "Placeholder:0"}, {"a": "Relu:0", "b": "head/Softmax:0"}
    assert found.names({"serve": (inputs, outputs)}, "serve") == {"input": "photo", "output": "b"}


def test_what_is_alone_needs_no_name(tmp_path):
    found = read(tmp_path, {"input_tensor_name": ""}, {"output_tensor_name": ""})
    assert names_of(found, ["images"], ["y"]) == {}
    assert names_of(read(tmp_path), ["images"], ["y"]) == {}
    found = read(tmp_path, output={"output_tensor_name": "StatefulPartitionedCall:1"})
    assert names_of(found, ["images"], ["a", "b"]) == {"output": "b"}


@pytest.mark.parametrize("beside", [[], ["extra"]])
def test_tensors_that_the_signature_does_not_have(beside, tmp_path):
    found = read(tmp_path, {"input_tensor_name": "pixels:0"})
    existing = ", ".join(["images", *beside])
    with pytest.raises(UnsupportedModelError, match=f"names the tensor 'pixels:0', but the model has {existing}"):
        names_of(found, ["images", *beside], ["scores"])
    assert names_of(found, ["images", *beside], ["scores"], typed={"input"}) == {}
    found = read(tmp_path, output={"output_tensor_name": "StatefulPartitionedCall:2"})
    with pytest.raises(UnsupportedModelError, match="StatefulPartitionedCall:2"):
        names_of(found, ["images"], ["a", *beside])


def test_the_tensor_of_another_signature(tmp_path):
    """Of a signature that the user names and the file does not."""
    found = read(tmp_path, {"input_tensor_name": "serving_default_images:0"})
    signatures = {"a": signature(["records"], ["scores"]), "b": signature(["images"], ["scores"])}
    assert found.names(signatures, "a") == {}
    with pytest.raises(UnsupportedModelError, match="but the model has records"):
        found.names({"a": signatures["a"]}, "a")


def test_what_is_wrong_is_said(tmp_path):
    refused(tmp_path, "it has no inputs", inputs={})
    refused(tmp_path, "it has no outputs", outputs=["scores"])
    refused(tmp_path, r"2 outputs \(a, b\), expected one", outputs={"a": {}, "b": {}})
    refused(tmp_path, r"which of its inputs \(a, b\) is the image", inputs={"a": {}, "b": {}})
    refused(tmp_path, "encoded as BAG_OF_FEATURES", image={"encoding": "BAG_OF_FEATURES"})
    refused(tmp_path, "input_baselines must be numbers", image={"input_baselines": [{"b64": "AAAA"}]})
    refused(tmp_path, "input_baselines must be numbers", image={"input_baselines": [[1, [2]]]})
    refused(tmp_path, "visualization is 'PIXELS'", image={"visualization": "PIXELS"})
    refused(tmp_path, "polarity", image={"visualization": {"polarity": "UPWARDS"}})
    refused(tmp_path, "0 <= lower < upper", image={"visualization": {"clip_percent_lowerbound": 99.95}})
    refused(tmp_path, "clip percentile .* is True", image={"visualization": {"clip_percent_lowerbound": True}})
    (tmp_path / METADATA).write_text("{")
    with pytest.raises(TfvizError, match="cannot be read"):
        read_explanation_metadata(tmp_path)
    (tmp_path / METADATA).write_text("[1]")
    with pytest.raises(TfvizError, match="it has no inputs"):
        read_explanation_metadata(tmp_path)


def test_settings_that_are_not_followed(tmp_path):
    found = read(tmp_path, {"visualization": {"type": "pixels", "blur_sigma": 2}})
    assert found.warnings == (f"{METADATA}: the visualization's blur_sigma is not followed",)


def test_what_the_user_has_chosen_is_read_alone(tmp_path):
    """By name or tensor, whatever is wrong with the other entries; what has none says nothing."""
    inputs = {"a": {"input_tensor_name": "serving_default_images:0", "input_baselines": 1}, "b": {"encoding": "BAG"}}
    outputs = {"scores": {"index_name_mapping": ["x", "y"]}, "other": {}}
    refused(tmp_path, "which of its inputs", inputs=inputs)
    refused(tmp_path, "2 outputs", outputs=outputs)
    (tmp_path / METADATA).write_text(json.dumps({"inputs": inputs, "outputs": outputs}))
    for name in ("a", "images"):
        found = read_explanation_metadata(tmp_path, name, "scores")
        assert found.baselines == [1] and found.class_names == ["x", "y"]
    found = read_explanation_metadata(tmp_path, "b", "none")
    assert found.baselines is None and found.class_names is None
    (tmp_path / METADATA).write_text(json.dumps({"inputs": []}))
    assert read_explanation_metadata(tmp_path, "a", "b").class_names is None


def test_names_of_what_was_not_typed(tmp_path):
    found = read(tmp_path, {"input_tensor_name": "pixels"}, {"output_tensor_name": "logits"})
    assert names_of(found, ["images", "extra"], ["logits", "features"], typed={"input"}) == {"output": "logits"}
    assert names_of(found, ["pixels", "extra"], ["scores", "features"], typed={"output"}) == {"input": "pixels"}


# On the command line.

SHOWN = {"type": "PIXELS", "polarity": "BOTH", "overlayType": "GRAYSCALE"}


def describe(path, image=None, output=None):
    """Write what `read` does for a model of one input, whose tensor Keras numbers."""
    ((tensor,), _) = (each.values() for each in read_signatures(path)["serving_default"])
    return read(path, {"input_tensor_name": tensor, **(image or {})}, output)


@pytest.fixture
def folder(saved_folder, tmp_path):
    path = shutil.copytree(saved_folder("functional"), tmp_path / "model")
    names = [f"kind {index}" for index in range(CLASSES)]
    describe(path, {"input_baselines": [1.0, [0.0, 0.5, 1.0]], "visualization": SHOWN}, {"index_name_mapping": names})
    cv2.imwrite(str(tmp_path / "photo.png"), np.random.default_rng(0).integers(0, 256, SHAPE))
    return path


def run(folder, *arguments):
    photo, output = str(folder.parent / "photo.png"), folder.parent / "out"
    always = ["--model", str(folder), "--preprocess", "0..1", "--save-maps", "--output", str(output)]
    done = CliRunner().invoke(app, ["explain", photo, *always, *arguments])
    assert done.exit_code == 0, done.output
    picture = cv2.imread(str(output / "photo.tfviz.png"))[..., ::-1]
    return picture, json.loads((output / "manifest.json").read_text()), output


def test_explain_follows_the_baselines_and_names(folder):
    _, manifest, output = run(folder, "--method", "integrated_gradients", "--steps", "3", "--target", "kind 2")
    assert manifest["results"][0]["class"] == "kind 2"
    image = cv2.imread(str(folder.parent / "photo.png"))[np.newaxis, ..., ::-1].astype(np.float32) / 255
    baselines = [np.array(1.0), np.array([0.0, 0.5, 1.0])]
    expected = tfviz.Explainer(model_of("functional"), "integrated_gradients", baseline=baselines, steps=3)(image, 2)
    found = np.load(output / "photo.integrated_gradients.npy")
    np.testing.assert_allclose(found, expected[0], rtol=1e-3, atol=1e-6)
    run(folder, "--method", "integrated_gradients", "--steps", "3", "--target", "2", "--baseline", "zeros")
    assert not np.allclose(np.load(output / "photo.integrated_gradients.npy"), found)


@pytest.mark.parametrize("chosen", [{}, pytest.param({"baseline": "zeros"}, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_batch_and_handler_follow_the_baselines_as_explain_does(folder, chosen):
    """A baseline that is chosen wins."""
    options = [text for name, value in {"steps": 3, **chosen}.items() for text in (f"--{name}", str(value))]
    _, _, output = run(folder, "--method", "integrated_gradients", *options, "--target", "2")
    expected = np.load(output / "photo.integrated_gradients.npy")
    photo = folder.parent / "photo.png"
    always = ["--model", str(folder), "--preprocess", "0..1", "--method", "integrated_gradients", "--target", "2"]
    place = folder.parent / "batch"
    done = CliRunner().invoke(app, ["batch", "--input", str(photo), "--output", str(place), *always, *options])
    assert done.exit_code == 0, done.output
    (record,) = read_results(place)
    np.testing.assert_allclose(record.map, expected, rtol=1e-4, atol=1e-6)
    saved = json.loads((place / "manifest.json").read_text())["methods"]["integrated_gradients"]["options"]
    assert saved["baseline"] == chosen.get("baseline", [1.0, [0.0, 0.5, 1.0]])
    handler = AttributionHandler(str(folder), "integrated_gradients", target=2, preprocess="0..1", steps=3, **chosen)
    (result,) = handler.run_inference([photo.read_bytes()], handler.load_model())
    np.testing.assert_allclose(result.inference["map"], expected, rtol=1e-4, atol=1e-6)


def test_the_model_is_loaded_once(folder, monkeypatch):
    loads = []
    load = tf.saved_model.load
    monkeypatch.setattr(tf.saved_model, "load", lambda *given: loads.append(given) or load(*given))
    setup = set_up(ModelOptions(str(folder), preprocess="0..1"))
    assert len(loads) == 1 and setup.network.name == "model"


@pytest.mark.parametrize(
    "arguments", [["explain", "photo.png", "--model", "model"], ["export", "model", "out", "--encoded"]]
)
def test_the_file_is_read_once(arguments, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    read_text, found = Path.read_text, []
    monkeypatch.setattr(Path, "read_text", lambda path, **how: found.append(path.name) or read_text(path, **how))
    done = CliRunner().invoke(app, [*arguments, "--preprocess", "0..1", "--method", "saliency"])
    assert done.exit_code == 0, done.output
    assert found.count(METADATA) == 1


def test_signatures_are_read_from_the_file(folder, tmp_path):
    served = tf.saved_model.load(str(folder)).signatures
    expected = {
        name: (sorted(each.structured_input_signature[1]), sorted(each.structured_outputs))
        for name, each in served.items()
    }
    found = read_signatures(folder)
    assert expected and {name: tuple(map(list, each)) for name, each in found.items()} == expected
    assert found["serving_default"][0] == signature(*expected["serving_default"])[0]
    (tmp_path / "saved_model.pb").write_bytes(b"\xff")
    assert read_signatures(tmp_path) == read_signatures(tmp_path / "none") == {}


@pytest.mark.parametrize("command", [["explain", "photo.png", "--model"], ["export"], ["layers"]])
def test_an_input_that_does_not_exist_is_one_line(command, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    describe(folder, {"input_tensor_name": "pixels:0"})
    done = CliRunner().invoke(app, [*command, str(folder), *(["out"] if command == ["export"] else [])])
    ((key, *_), _) = read_signatures(folder)["serving_default"]
    assert done.exit_code == 1
    assert done.output == f"tfviz: {METADATA} names the tensor 'pixels:0', but the model has {key}\n"
    assert sorted(each.name for each in folder.parent.iterdir()) == ["model", "photo.png"]


def test_settings_that_are_not_followed_are_said_once(folder, monkeypatch):
    describe(folder, {"visualization": {"type": "pixels", "blur_sigma": 2}})
    setup = set_up(ModelOptions(str(folder), preprocess="0..1"))
    assert setup.all_warnings == setup.warnings and len(setup.warnings) == 1 and "blur_sigma" in setup.warnings[0]
    monkeypatch.chdir(folder.parent)
    done = CliRunner().invoke(app, ["explain", "photo.png", "--model", "model", "--preprocess", "0..1"])
    assert done.exit_code == 0 and done.output.count("blur_sigma") == 1, done.output


def test_explain_shows_highlights_unless_another_look_is_asked_for(folder):
    followed, _, output = run(folder, "--method", "saliency")
    picture = cv2.imread(str(folder.parent / "photo.png"))[np.newaxis, ..., ::-1]
    explanation = tfviz.explain(model_of("functional"), picture.astype(np.float32) / 255, methods="saliency")
    how = Highlight("pixels", "both", "pink_green", 62.0, 99.9, "grayscale")
    names = [f"kind {index}" for index in range(CLASSES)]
    write_figure(output / "expected.png", explanation.plot(picture, names, highlights=how, dpi=150))
    np.testing.assert_array_equal(followed, cv2.imread(str(output / "expected.png"))[..., ::-1])
    for option in (("--colormap", "jet"), ("--blend", "weighted")):
        plain, _, _ = run(folder, "--method", "saliency", *option)
        assert not np.array_equal(plain, followed)


def test_names_of_another_number_of_classes(folder):
    describe(folder, output={"index_name_mapping": ["one", "two"]})
    with pytest.raises(InvalidTargetsError, match="names 2 classes, the model has 5"):
        set_up(ModelOptions(str(folder), preprocess="0..1"))


def test_an_export_follows_the_baselines(folder, tmp_path):
    arguments = ["export", str(folder), str(tmp_path / "out"), "--method", "integrated_gradients", "--steps", "3"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    said = json.loads((tmp_path / "out" / "assets.extra" / "manifest.json").read_text())
    assert said["signatures"]["integrated_gradients"]["options"]["baseline"] == [1.0, [0.0, 0.5, 1.0]]
