"""The handler in Beam's own RunInference: results equal tfviz's, unusable examples stop no others."""

from __future__ import annotations

import copy
import inspect
import io
import os
import pickle
import re
import threading
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import apache_beam as beam
import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.internal import pickler
from apache_beam.internal.cloudpickle import cloudpickle
from apache_beam.metrics import MetricsFilter
from apache_beam.ml.inference.base import KeyedModelHandler, KeyModelMapping, ModelHandler, ModelMetadata, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from support.model_zoo import SHAPE, SIZE, model_of, open_size, randomise

import tfviz
from tfviz.apps.beam import AttributionHandler
from tfviz.apps.beam.handler_options import BeamOptions
from tfviz.apps.records import example_explainer as examples
from tfviz.model_options import ModelOptions

OPTIONS = {"layer": "conv1"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The files of two models of equal input."""
    folder = tmp_path_factory.mktemp("models")
    for kind in ("functional", "residual"):
        model_of(kind).save(folder / f"{kind}.keras")
    randomise(open_size()).save(folder / "open.keras")
    return folder


def keep(pair, folder):
    """What comes out of a pipeline comes out of a copy of this module, in whatever process."""
    (folder / uuid.uuid4().hex).write_bytes(pickle.dumps(pair))


@pytest.fixture
def run(tmp_path):
    """Run elements through a transform; return what comes out by its key, and the counters."""

    def pipeline(elements, transform, make_inputs=lambda pipeline: {}):
        # In this process, and not by the runner that Beam would download.
        opened = beam.Pipeline(runner="FnApiRunner", options=PipelineOptions([]))
        results = opened | beam.Create(elements) | transform(**make_inputs(opened))
        _ = results | "keep" >> beam.Map(keep, tmp_path)
        done = opened.run()
        done.wait_until_finish()
        counters = done.metrics().query(MetricsFilter().with_namespace("tfviz"))["counters"]
        found = dict(pickle.loads(path.read_bytes()) for path in tmp_path.iterdir())
        return found, {each.key.metric.name: each.result for each in counters}

    return pipeline


def keyed(*handlers, **options):
    return lambda **inputs: RunInference(KeyedModelHandler(*handlers), **options, **inputs)


def some_images(count=5, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, *SHAPE)).astype(np.float32)


def png(image):
    return bytes(cv2.imencode(".png", image[..., ::-1])[1])


def test_results_are_those_of_the_method(models, run):
    images = some_images()
    handler = AttributionHandler(str(models / "functional.keras"), "grad_cam", **OPTIONS)
    found, counters = run(list(enumerate(images)), keyed(handler))
    expected = tfviz.explain(model_of("functional"), images, methods="grad_cam", layer="conv1")
    for number, result in found.items():
        np.testing.assert_array_equal(result.example, images[number])
        np.testing.assert_allclose(result.inference["map"], expected.maps["grad_cam"][number], rtol=1e-5, atol=1e-6)
        assert result.inference["target"] == expected.targets[number]
        assert result.inference["score"] == pytest.approx(float(expected.scores[number]), rel=1e-5)
        assert result.model_id == str(models / "functional.keras") and len(result.inference) == 5
        assert result.inference["prediction"] == result.inference["target"]
    assert len(found) == counters["num_inferences"] == 5


def test_options_of_an_inner_method_and_a_target(models, run):
    images = some_images(2)
    options = {"of": "layer_cam", "samples": 3, "seed": 5, "layer": "conv2"}
    handler = AttributionHandler(str(models / "functional.keras"), "smooth_grad", target=3, **options)
    found, _ = run(list(enumerate(images)), keyed(handler))
    inner = {"of": "layer_cam", "samples": 3, "seed": 5, "options": {"layer": "conv2"}}
    expected = tfviz.smooth_grad(model_of("functional"), images, 3, **inner)
    np.testing.assert_allclose([found[n].inference["map"] for n in range(2)], expected, rtol=1e-4, atol=1e-6)
    assert {result.inference["target"] for result in found.values()} == {3}


def test_encoded_pictures_and_targets_of_their_own(models, run):
    """Bytes are preprocessed as `tfviz explain` does it; a pair names the class."""
    pictures = np.random.default_rng(1).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)
    elements = [(n, (png(picture), n if n < 3 else None)) for n, picture in enumerate(pictures)]
    handler = AttributionHandler(
        str(models / "functional.keras"), "gradient", preprocess="mean=10,20,30;std=5;order=bgr"
    )
    found, _ = run(elements, keyed(handler))
    images = (pictures[..., ::-1].astype(np.float32) - [10, 20, 30]) / 5
    predicted = int(tfviz.trace(model_of("functional")).logits(images)[3].argmax())
    targets = [0, 1, 2, predicted]
    expected = tfviz.gradient(model_of("functional"), images, targets)
    np.testing.assert_allclose([found[n].inference["map"] for n in range(4)], expected, rtol=1e-4, atol=1e-6)
    assert [found[n].inference["target"] for n in range(4)] == targets


def test_unusable_examples_stop_no_others(models, run):
    """Each has its reason, the others of their batch their maps, and the counters know."""
    good = some_images(4)
    nan = good[0].copy()
    nan[3, 3] = np.nan
    tall = png(np.zeros((SIZE, 1, 3), np.uint8))
    bad = {
        "nan": (nan, "image 0 holds NaN"),
        "text": (np.full(SHAPE, "a"), "an example is one image (H, W, C) of numbers or the bytes of one, got <U1"),
        "batch": (good, "an example is one image (H, W, C) of numbers or the bytes of one, got float32 (4, "),
        "small": (good[0, :5], "images have the shape"),
        "class": ((good[0], 99), "target 99 is out of range"),
        "bytes": (b"no image", "the picture is not an image that OpenCV can read"),
        "empty": (b"", "the picture is empty"),
        "strip": (tall, "the picture has 1x16 pixels"),
    }
    elements = list(zip("abcd", good, strict=True))
    for place, (name, (example, _)) in enumerate(bad.items()):
        elements.insert(2 * place % len(elements), (name, example))
    elements.append(("zero", np.zeros(SHAPE, np.float32)))
    handler = AttributionHandler(
        str(models / "functional.keras"), "input_x_gradient", min_batch_size=32, preprocess="0..1"
    )
    found, counters = run(elements, keyed(handler))
    expected = tfviz.input_x_gradient(model_of("functional"), good)
    for row, name in enumerate("abcd"):
        np.testing.assert_allclose(found[name].inference["map"], expected[row], rtol=1e-4, atol=1e-6)
    for name, (_, reason) in bad.items():
        assert list(found[name].inference) == ["error"] and found[name].inference["error"].startswith(reason), name
    assert not found["zero"].inference["map"].any()
    assert (counters["unusable"], counters["zero_maps"], len(found)) == (8, 1, 13)


class Unwilling:
    """What cannot even be made an array."""

    nbytes = 8

    def __array__(self, *_):
        raise OSError("a file that is gone")


NO_EXAMPLES = {
    "None": (None, "an example is one image .* got a NoneType: object"),
    "text": ("photo.jpg", "an example is one image .* got a str: <U9"),
    "number": (3, "an example is one image .* got a int: int64"),
    "buffer": (bytearray(b"GIF89a"), "an example is one image .* got a bytearray: uint8"),
    "list": ([[1, 2], [3]], "an example is one image .* got a list: .*inhomogeneous"),
    "dictionary": ({"image": np.zeros(SHAPE)}, "an example is one image .* got a dict: object"),
    "unwilling": (Unwilling(), "an example is one image .* got a Unwilling: a file that is gone"),
    "empty": ((), "an example is one image .*, or a pair of one and the class to explain, got 0 things"),
    "three": ((np.zeros(SHAPE), 1, 2), "an example is one image .*, or a pair .*, got 3 things"),
    "name": ((np.zeros(SHAPE, np.float32), "cat"), "the class of an example is 'cat', expected its index"),
    "half": ((np.zeros(SHAPE, np.float32), 1.5), "the class of an example is 1.5, expected its index"),
    "several": ((np.zeros(SHAPE, np.float32), [1, 2]), r"the class of an example is \[1, 2\], expected its index"),
    "truth": ((np.zeros(SHAPE, np.float32), True), "the class of an example is True, expected its index"),
    "large": ((np.zeros(SHAPE, np.float32), 2**70), "targets are of type object"),
    "masked": (np.ma.masked_array(np.zeros(SHAPE), True), "an example's values are a masked array"),
    "no image": (np.zeros((0, SIZE, 3)), "images have the shape"),
}


def test_an_example_that_is_no_image_is_an_error_result(models, run):
    """It fails neither the batch, nor what Beam counts of it."""
    good = some_images(3)
    elements = [("a", good[0]), *((name, example) for name, (example, _) in NO_EXAMPLES.items()), ("b", good[1])]
    elements.append(("c", (good[2], np.int64(2))))
    handler = AttributionHandler(str(models / "functional.keras"), "gradient", min_batch_size=32)
    found, counters = run(elements, keyed(handler))
    for name, (_, reason) in NO_EXAMPLES.items():
        assert list(found[name].inference) == ["error"] and re.match(reason, found[name].inference["error"]), name
    expected = tfviz.gradient(model_of("functional"), good[2], 2)[0]
    np.testing.assert_allclose(found["c"].inference["map"], expected, rtol=1e-4, atol=1e-6)
    assert "map" in found["a"].inference and "map" in found["b"].inference
    assert counters["unusable"] == len(NO_EXAMPLES)


def test_all_arguments_are_shown():
    """Those of the dataclasses among them, by their names and defaults, and taken by keyword alone."""
    first, *_, last = parameters = inspect.signature(AttributionHandler).parameters.values()
    assert (first.name, last.name, last.kind) == ("model_path", "options", inspect.Parameter.VAR_KEYWORD)
    shown = {each.name: each.default for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}
    about_model = {each.name: each.default for each in fields(ModelOptions) if each.name not in ("model", "labels")}
    about_beam = {each.name: each.default for each in fields(BeamOptions)}
    assert shown == {"target": None, "class_names": None, **about_model, **about_beam}


def test_options_about_the_model_are_not_taken_for_those_of_the_method():
    handler = AttributionHandler("model", "grad_cam", layer="conv1", size=9, random="off", max_batch_size=2)
    assert handler._model == ModelOptions("model", size=9, random="off")
    assert handler._choice.options == {"layer": "conv1"} and handler._batching["max_batch_size"] == 2


def test_what_handlers_of_beam_take(models, run, monkeypatch):
    """All that this Beam's own handlers do, under the same names."""
    ours, theirs = (inspect.signature(each.__init__).parameters for each in (AttributionHandler, ModelHandler))
    assert not theirs.keys() - {"kwargs"} - ours.keys() and "env_vars" in ours
    monkeypatch.delenv("TFVIZ_SET_BY_BEAM", raising=False)
    images = some_images(5)
    # The last Beam for Python 3.10 knows neither.
    choices = {"length_fn": lambda pair: 1, "bucket_boundaries": [1, 2]}
    known = choices.keys() & inspect.signature(beam.BatchElements.__init__).parameters.keys()
    options = {"max_batch_duration_secs": 1, **{f"batch_{name}": choices[name] for name in known}}
    handler = AttributionHandler(
        str(models / "functional.keras"), "saliency", max_batch_size=2, env_vars={"TFVIZ_SET_BY_BEAM": "1"}, **options
    )
    assert handler.batch_elements_kwargs().keys() == {
        "min_batch_size",
        "max_batch_size",
        "max_batch_duration_secs",
        *known,
    }
    found, _ = run(list(enumerate(images)), keyed(handler))
    expected = tfviz.saliency(model_of("functional"), images)
    np.testing.assert_allclose([found[n].inference["map"] for n in range(5)], expected, rtol=1e-4, atol=1e-6)
    assert os.environ.pop("TFVIZ_SET_BY_BEAM") == "1"


def test_batches_by_the_size_of_their_examples(models, monkeypatch):
    handler = AttributionHandler("model", "saliency", max_batch_size=6, element_size_fn=lambda image: 3)
    assert handler.batch_elements_kwargs()["element_size_fn"](None) == 3
    monkeypatch.setattr(beam, "BatchElements", type("Old", (), {"__init__": lambda self, min_batch_size: None}))
    with pytest.raises(
        tfviz.TfvizError, match=r"^Apache Beam .* does not batch by max_batch_weight: its BatchElements"
    ):
        AttributionHandler("model", "saliency", max_batch_weight=6)


def test_images_of_several_sizes_in_one_batch(models, run):
    images = [some_images(1)[0, :height] for height in (16, 12, 16, 14)]
    handler = AttributionHandler(str(models / "open.keras"), "saliency", min_batch_size=8)
    found, _ = run(list(enumerate(images)), keyed(handler))
    for number, image in enumerate(images):
        expected = tfviz.saliency(str(models / "open.keras"), image)[0]
        np.testing.assert_allclose(found[number].inference["map"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sharing", [{"large_model": True}, {"model_copies": 2}])
def test_a_model_that_processes_share(models, run, sharing):
    """Beam then keeps the model in a server, and examples and results travel."""
    images = some_images(3)
    handler = AttributionHandler(str(models / "functional.keras"), "saliency", **sharing, max_batch_size=1)
    assert handler.share_model_across_processes() and handler.model_copies() == sharing.get("model_copies", 1)
    found, counters = run([*enumerate(images), ("bad", b"x")], keyed(handler))
    expected = tfviz.saliency(model_of("functional"), images)
    np.testing.assert_allclose([found[n].inference["map"] for n in range(3)], expected, rtol=1e-4, atol=1e-6)
    assert "error" in found["bad"].inference and counters["unusable"] == 1
    assert not AttributionHandler(str(models / "functional.keras"), "saliency").share_model_across_processes()


def test_a_model_for_each_key(models, run):
    images = some_images(4)
    handlers = [
        KeyModelMapping([kind], AttributionHandler(str(models / f"{kind}.keras"), "saliency"))
        for kind in ("functional", "residual")
    ]
    elements = [("functional", images[0]), ("residual", images[0])]
    found, _ = run(elements, keyed(handlers))
    for kind, result in found.items():
        expected = tfviz.saliency(model_of(kind), images[0])[0]
        np.testing.assert_allclose(result.inference["map"], expected, rtol=1e-4, atol=1e-6)
        assert result.model_id == str(models / f"{kind}.keras")


def test_a_model_that_is_updated(models, run):
    """By a side input, as when Beam watches a folder for new models."""
    image = some_images(1)[0]
    update = ModelMetadata(str(models / "residual.keras"), "next")
    handler = AttributionHandler(str(models / "functional.keras"), "saliency")
    found, _ = run(
        [("a", image)],
        keyed(handler),
        lambda pipeline: {"model_metadata_pcoll": pipeline | "update" >> beam.Create([update])},
    )
    expected = tfviz.saliency(model_of("residual"), image)[0]
    np.testing.assert_allclose(found["a"].inference["map"], expected, rtol=1e-4, atol=1e-6)
    assert found["a"].model_id == str(models / "residual.keras")
    handler.update_model_path(None)
    assert handler.run_inference([image], handler.load_model())[0].model_id == str(models / "functional.keras")


@pytest.mark.parametrize("kind", ["several sigmoids", "one sigmoid", "a raw output"])
def test_predictions_of_other_heads(tmp_path, kind):
    """A single sigmoid decides between two classes, several give the likeliest; a number predicts no class."""
    count, activation = {"several sigmoids": (3, "sigmoid"), "one sigmoid": (1, "sigmoid")}.get(kind, (1, None))
    image = keras.Input(SHAPE)
    outputs = keras.layers.Dense(count, activation)(keras.layers.Flatten()(image))
    model = randomise(keras.Model(image, outputs))
    model.save(tmp_path / "model.keras")
    handler = AttributionHandler(str(tmp_path / "model.keras"), "gradient", class_names=["a", "b\n"])
    images = some_images(6)
    found = [each.inference for each in handler.run_inference(images, handler.load_model())]
    probabilities = model.predict(images, verbose=0)
    if kind == "a raw output":
        assert all(each.keys() == {"map", "target", "score"} for each in found)
        return
    probabilities = np.concatenate([1 - probabilities, probabilities], axis=1) if count == 1 else probabilities
    assert [each["prediction"] for each in found] == probabilities.argmax(axis=1).tolist()
    np.testing.assert_allclose([each["probability"] for each in found], probabilities.max(axis=1), rtol=1e-4)
    assert [each.get("name") for each in found] == [{0: "a", 1: "b\\n"}.get(each["prediction"]) for each in found]
    assert len({each["prediction"] for each in found}) > 1


def test_batches(models):
    handler = AttributionHandler(str(models / "functional.keras"), "saliency", min_batch_size=3, max_batch_size=7)
    assert handler.batch_elements_kwargs() == {"min_batch_size": 3, "max_batch_size": 7}
    image = np.zeros((2, 3, 4), np.float32)
    assert handler.get_num_bytes([image, b"12345", (b"1", 5), (image, None)]) == 96 + 5 + 1 + 96
    assert handler.get_metrics_namespace() == "tfviz"


def test_diagnostics(models, run):
    """What a method says of its own results is kept with them, and those that it warns of are counted."""
    images = some_images(2)
    counted = {}
    for steps in (4, 300):
        handler = AttributionHandler(str(models / "functional.keras"), "integrated_gradients", target=1, steps=steps)
        found, counters = run([((steps, n), image) for n, image in enumerate(images)], keyed(handler))
        doubtful = 0
        for n, image in enumerate(images):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                options = {"integrated_gradients": {"steps": steps}}
                alone = tfviz.explain(model_of("functional"), image, 1, methods="integrated_gradients", options=options)
            doubtful += bool(said)
            for name, numbers in alone.diagnostics["integrated_gradients"].items():
                number = found[steps, n].inference["diagnostics"][name]
                assert number == pytest.approx(float(numbers[0]), rel=1e-3, abs=1e-4)
        counted[steps] = doubtful
        assert counters["doubtful"] == doubtful
    assert counted[4] > counted[300] == 0


def failing(monkeypatch, error, is_met):
    """Let the computation fail as a device may, for batches of images that meet it."""
    real = examples.run_methods

    def run_methods(network, chosen, images, *given, **options):
        if is_met(images):
            raise error(None, None, "a device says so")
        return real(network, chosen, images, *given, **options)

    monkeypatch.setattr(examples, "run_methods", run_methods)


@pytest.mark.parametrize(
    "error", [tf.errors.UnavailableError, tf.errors.InternalError, tf.errors.ResourceExhaustedError]
)
def test_what_no_example_can_be_blamed_for_is_raised(models, monkeypatch, error):
    """So that Beam tries again, or fails; even for one example alone."""
    handler = AttributionHandler(str(models / "functional.keras"), "saliency")
    model = handler.load_model()
    failing(monkeypatch, error, lambda images: True)
    with pytest.raises(error):
        handler.run_inference(some_images(3), model)


@pytest.mark.parametrize("error", [tf.errors.ResourceExhaustedError, tf.errors.InvalidArgumentError])
def test_batches_that_are_too_large_are_halved(models, monkeypatch, error):
    images = some_images(5)
    handler = AttributionHandler(str(models / "functional.keras"), "saliency")
    model = handler.load_model()
    expected = tfviz.saliency(model_of("functional"), images)
    failing(monkeypatch, error, lambda images: len(images) > 2)
    found = [each.inference["map"] for each in handler.run_inference(images, model)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_threads_explain_at_the_same_time_and_in_silence(models, monkeypatch):
    """Each waits in its computation for the other; warnings, which raise here, are neither emitted nor silenced."""
    meeting = threading.Barrier(2, timeout=60)
    failing(monkeypatch, tf.errors.InternalError, lambda images: meeting.wait() < 0)
    handlers = [AttributionHandler(str(models / "functional.keras"), "input_x_gradient") for _ in range(2)]
    loaded = [handler.load_model() for handler in handlers]
    zeros = [np.zeros(SHAPE, np.float32)]  # a map of which tfviz warns
    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(handler.run_inference, zeros, model) for handler, model in zip(handlers, loaded, strict=True)
        ]
        found = [list(each.result()) for each in runs]
    assert all("map" in each[0].inference for each in found)
    assert warnings.filters == before


@pytest.mark.parametrize("by", ["pickle", "beam", "cloudpickle", "dill"])
def test_it_travels(models, by):
    modules = {"pickle": pickle, "beam": pickler, "cloudpickle": cloudpickle}
    module = pytest.importorskip("dill") if by == "dill" else modules[by]
    handler = AttributionHandler(str(models / "functional.keras"), "integrated_gradients", steps=40, target=1)
    data = module.dumps(handler)
    assert len(data) < 2000
    arrived = module.loads(module.dumps(copy.deepcopy(handler)))
    image = some_images(1)[0]
    (result,) = arrived.run_inference([image], arrived.load_model())
    expected = tfviz.integrated_gradients(model_of("functional"), image, 1, steps=40)[0]
    np.testing.assert_allclose(result.inference["map"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "method, options, error, message",
    [
        ("grad_camm", {}, "UnknownMethodError", "no method 'grad_camm'; did you mean 'grad_cam'"),
        ("grad_cam", {"steps": 3}, "UnknownMethodError", "steps is given \\(3\\), but to none of: grad_cam"),
        ("smooth_grad", {"options": {"steps": 3}}, "UnknownMethodError", "does not know the option 'steps'"),
        ("grad_cam", {"layer": ["conv1", "conv2"]}, "UnknownLayerError", "one layer is looked at for each example"),
        ("smooth_grad", {"of": "grad_cam", "layer": ["a"]}, "UnknownLayerError", "one layer is looked at"),
    ],
)
def test_what_can_be_known_at_once_is_said_at_once(method, options, error, message):
    with pytest.raises(getattr(tfviz, error), match=message):
        AttributionHandler("no model yet", method, **options)


def test_a_model_that_does_not_exist(models):
    with pytest.raises(
        tfviz.UnsupportedModelError, match=r"there is no model '.*functionl.keras'; did you mean '.*func"
    ):
        AttributionHandler(str(models / "functionl.keras"), "grad_cam").load_model()


def test_inference_arguments_are_refused(models, run):
    handler = AttributionHandler(str(models / "functional.keras"), "saliency")
    with pytest.raises(tfviz.TfvizError, match="options are given to AttributionHandler, not as inference_args"):
        run([("a", b"x")], keyed(handler, inference_args={"steps": 3}))


def test_results_can_be_written_by_numpy(models):
    """They are plain arrays and numbers, on which nothing of TensorFlow hangs."""
    handler = AttributionHandler(str(models / "functional.keras"), "saliency")
    (result,) = handler.run_inference([some_images(1)[0]], handler.load_model())
    kinds = {name: type(value) for name, value in result.inference.items()}
    assert kinds == {"map": np.ndarray, "target": int, "score": float, "prediction": int, "probability": float}
    np.save(io.BytesIO(), result.inference["map"])
