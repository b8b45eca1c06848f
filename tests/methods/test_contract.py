"""What every method promises, for every method in `METHODS` and every kind of model. A new method cannot skip any."""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import inspect
import itertools
import random
import re

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import CLASSES, SHAPE, SIZE, build, distance, model_of, random_images
from support.options import quick
from support.thinning import by_day, every, first_of_each, spread

import tfviz
from tfviz.errors import TfvizError
from tfviz.methods import METHODS, run_methods
from tfviz.network.program.compiled_functions import CompiledFunctions

# A target that nothing speaks for has a zero map, which is warned about; that is tested in test_cam.
# So few steps miss completeness, which is tested in test_integrated_gradients.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning"),
    pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning"),
]

LIVE = ["functional", "sequential", "lazily_built", "nested", "subclassed", "shared_layer"]
RELUS = ["relu_argument", "relu_layer", "relu_op"]
LIVE += [*RELUS, "bfloat16", "vision_transformer"]
SAVED = ["functional", "lazily_built", "nested", "subclassed", "shared_layer", "bfloat16", "vision_transformer"]
# Another kind than the functional one, which most tests take, for each method; what is compiled for one is shared.
OTHER_KINDS = spread(METHODS, [*LIVE[1:], "saved"])
IMAGES = random_images(5)
TARGETS = np.array([3, 0, 4, 1, 2])

FORMS = ["tf_keras", "encoded images", "saved by tf_keras", "examples", "integers"]

# Another value of every option, given the network: one that must change the result.
ALTERNATIVES = {
    "layer": lambda network: next(name for name in network.layers if name != network.default_layer),
    "upsample": lambda network: False,
    "placement": lambda network: "receptive_field",
    "max_channels": lambda network: 1,
    "baseline": lambda network: ["blurred", 0.5],
    "steps": lambda network: 1,
    "of": lambda network: "saliency",
    "samples": lambda network: 2,
    "noise": lambda network: 0.3,
    "patch": lambda network: 5,
    "stride": lambda network: 3,
    "fill": lambda network: 0.7,
    "masks": lambda network: 7,
    "cell_size": lambda network: 5,
    "probability": lambda network: 0.3,
    "scales": lambda network: 1e4,
    "smallest_segment": lambda network: 3000,
    "smallest_addition": lambda network: 9000,
    "dilation": lambda network: 40,
    "seed": lambda network: 1,
    "quadrature": lambda network: "gauss_legendre",
    "tolerance": lambda network: 10.0,
    "max_steps": lambda network: 20,
}
# Wide enough to end after the first eight samples, but not after the first steps.
NARROW = {("integrated_gradients", "tolerance"): lambda network: 1e-9}
# What must be set besides, for an option to matter.
WITH = {
    ("integrated_gradients", "seed"): {"baseline": "uniform"},
    ("xrai", "seed"): {"baseline": "uniform"},
    ("integrated_gradients", "max_steps"): {"tolerance": 1e-9},
    ("rise", "tolerance"): {"masks": 100},
    **{(name, "tolerance"): {"samples": 24} for name, each in METHODS.items() if "samples" in each.options},
    **{(name, "options"): {"of": "grad_cam"} for name in METHODS if METHODS[name].result == "inner"},
}
ALTERNATIVES["options"] = lambda network: {"layer": ALTERNATIVES["layer"](network)}


def alternative(name, option, network):
    return NARROW.get((name, option), ALTERNATIVES[option])(network)


class Serving(tf.Module):
    """The functional kind, as it is served."""

    def __init__(self):
        super().__init__(name="serving")
        self.network = model_of("functional")

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.uint8)])
    def integers(self, images):
        return self.network(tf.cast(images, tf.float32), training=False)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def encoded_images(self, records):
        def decode(record):
            return tf.image.resize(tf.io.decode_png(record, 3), SHAPE[:2])

        return self.network(tf.map_fn(decode, records, fn_output_signature=tf.float32), training=False)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def examples(self, examples):
        parsed = tf.io.parse_example(examples, {"image/encoded": tf.io.FixedLenFeature([], tf.string)})
        return self.encoded_images(parsed["image/encoded"])


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Return the network of a form, and images as it takes them."""
    folder = tmp_path_factory.mktemp("served")
    module, networks = Serving(), {}
    names = ("integers", "encoded_images", "examples")
    tf.saved_model.save(module, str(folder / "served"), signatures={name: getattr(module, name) for name in names})

    def open_form(form):
        if "tf_keras" in form:
            pytest.importorskip("tf_keras")
            model = importlib.import_module("support.tf_keras_zoo").twin("functional")
            if form == "tf_keras":
                return model
            model.save(str(folder / "tf_keras"), save_format="tf")
            return tfviz.trace(str(folder / "tf_keras"))
        return tfviz.trace(str(folder / "served"), signature=form.replace(" ", "_"))

    def form_and_images(form, images):
        if form not in networks:
            networks[form] = open_form(form)
        records = [cv2.imencode(".png", image[..., ::-1])[1].tobytes() for image in images]
        given = {"encoded images": records, "examples": [example_of(record) for record in records]}
        return networks[form], given.get(form, images)

    return form_and_images


def example_of(record):
    """A serialised tf.train.Example of an encoded image."""
    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[record]))
    return tf.train.Example(features=tf.train.Features(feature={"image/encoded": value})).SerializeToString()


def of_every_method(test):
    return pytest.mark.parametrize("name", METHODS)(test)


def of_cases(kinds, chosen):
    """Run a test for every method and kind, those that are not chosen at night."""
    return pytest.mark.parametrize("name, kind", by_day(itertools.product(METHODS, kinds), chosen))


def of_every_kind(test):
    """Run a test for every method and kind, by day for the functional one and another of each method.

    How a ReLU is written matters to the methods that have a rule for it.
    """
    ruled = [name for name in METHODS if any(gradient.rule is not None for gradient in METHODS[name].gradients)]
    chosen = {*itertools.product(METHODS, LIVE[:1]), *OTHER_KINDS, *spread(ruled, RELUS)}
    return of_cases([*LIVE, "saved"], chosen)(test)


@pytest.fixture
def model(kind, loaded):
    return loaded("nested") if kind == "saved" else model_of(kind)


def run(name, model, images=IMAGES, targets=None, **options):
    return getattr(tfviz, name)(model, images, targets, **{**quick(name), **options})


def tolerance(kind):
    return 2e-2 if kind == "bfloat16" else 1e-5


def shape_of(name, count):
    method = METHODS[name]
    if method.result == "inner":
        method = METHODS[method.options["of"]]
    return (count, *SHAPE) if method.result == "attribution" else (count, SIZE, SIZE)


@of_every_kind
def test_results_are_finite_float32_of_the_documented_shape(name, model):
    result = run(name, model)
    assert isinstance(result, np.ndarray) and result.dtype == np.float32
    assert result.shape == shape_of(name, 5)
    assert np.isfinite(result).all() and result.any()


@of_every_kind
def test_a_batch_is_its_images_one_by_one(name, kind, model):
    together = run(name, model, targets=TARGETS)
    alone = [run(name, model, IMAGES[index : index + 1], TARGETS[index])[0] for index in range(5)]
    assert distance(together, alone) < tolerance(kind)


@of_every_kind
def test_results_repeat(name, model):
    np.testing.assert_array_equal(run(name, model, targets=TARGETS), run(name, model, targets=TARGETS))


@of_every_kind
def test_another_target_gives_another_map(name, model):
    maps = [run(name, model, targets=target) for target in range(CLASSES)]
    if not METHODS[name].of_target:
        for other in maps[1:]:
            np.testing.assert_array_equal(other, maps[0])
        return
    assert sum(each.any() for each in maps) >= 2
    for first in range(CLASSES):
        for second in range(first):
            assert not np.array_equal(maps[first], maps[second]) or not maps[first].any()


@of_cases(["functional", "subclassed", "saved"], spread(METHODS, ["saved"]))
def test_one_trace_serves_all_batch_sizes(name, model, monkeypatch):
    """Python runs the arithmetic of a method when it is traced, once more for its loop, and never again."""
    method, traces = METHODS[name], []

    @functools.wraps(method.compute)
    def counted(passes, *arguments, **options):
        traces.append(name)
        return method.compute(passes, *arguments, **options)

    monkeypatch.setitem(METHODS, name, dataclasses.replace(method, compute=counted))
    network = copy.copy(tfviz.trace(model))
    network.compiled = CompiledFunctions()
    run(name, network, IMAGES[:1])
    assert len(traces) <= 2
    first = len(traces)
    for count in (2, 5, 1):
        run(name, network, IMAGES[:count])
    run(name, network, targets=TARGETS, batch_size=3)
    assert len(traces) == first


@of_cases(SAVED, [(name, kind if kind in SAVED else "functional") for name, kind in OTHER_KINDS])
def test_a_saved_model_agrees_with_the_live_one(name, kind, loaded):
    images = IMAGES[:2]
    live = run(name, model_of(kind), images)
    assert distance(run(name, loaded(kind), images), live) < tolerance(kind)


@pytest.mark.parametrize("name, form", by_day(itertools.product(METHODS, FORMS), spread(METHODS, FORMS)))
def test_every_form_of_a_network_gives_its_maps(name, form, served):
    """Small integers, which every form can be given."""
    images = np.random.default_rng(5).integers(0, 4, (2, *SHAPE), np.uint8)
    expected = run(name, model_of("functional"), images, targets=[3, 1])
    assert distance(run(name, *served(form, images), targets=[3, 1]), expected) < 1e-5


OPTIONS = [(name, option) for name in METHODS for option in METHODS[name].options]


@pytest.mark.parametrize("name, option", by_day(OPTIONS, first_of_each(OPTIONS, 2)))
def test_every_option_changes_the_result(name, option):
    model = model_of("functional")
    value = alternative(name, option, tfviz.trace(model))
    given = WITH.get((name, option), {})
    default = {**METHODS[name].options, **quick(name), **given}[option]
    before = run(name, model, targets=TARGETS, **given)
    np.testing.assert_array_equal(run(name, model, targets=TARGETS, **{**given, option: default}), before)
    after = run(name, model, targets=TARGETS, **{**given, option: value})
    assert after.shape != before.shape or not np.allclose(after, before)


@of_every_method
def test_targets_in_every_form(name):
    model = model_of("functional")
    predicted = tfviz.trace(model).logits(IMAGES).argmax(axis=1)
    expected = run(name, model, targets=predicted)
    for form in (None, list(map(int, predicted)), tuple(predicted), tf.constant(predicted), np.eye(CLASSES)[predicted]):
        np.testing.assert_array_equal(run(name, model, targets=form), expected)
    for form in (2, np.int64(2), [2] * 5, tf.constant(2), np.eye(CLASSES, dtype=int)[[2] * 5]):
        np.testing.assert_array_equal(run(name, model, targets=form), run(name, model, targets=np.full(5, 2)))


@of_every_method
def test_images_in_every_form(name):
    model = model_of("functional")
    expected = run(name, model, targets=TARGETS)
    for form in (tf.constant(IMAGES), list(IMAGES), IMAGES.astype(np.float64)):
        np.testing.assert_array_equal(run(name, model, form, TARGETS), expected)
    np.testing.assert_array_equal(run(name, model, IMAGES[0], 3), run(name, model, IMAGES[:1], 3))
    whole = np.arange(SIZE * SIZE * 3, dtype=np.uint8).reshape(1, *SHAPE)
    np.testing.assert_array_equal(run(name, model, whole, 3), run(name, model, whole.astype(np.float32), 3))


@of_every_method
def test_datasets(name):
    model = model_of("functional")
    expected = run(name, model, targets=TARGETS)
    images = tf.data.Dataset.from_tensor_slices(IMAGES)
    labelled = tf.data.Dataset.from_tensor_slices((IMAGES, np.zeros(5)))
    for dataset in (images.batch(2), images.batch(5), labelled.batch(3), images):
        assert distance(run(name, model, dataset, TARGETS), expected) < 1e-5
    assert distance(run(name, model, images.batch(2)), run(name, model)) < 1e-5
    assert distance(run(name, model, images.batch(5), 1, batch_size=2), run(name, model, targets=1)) < 1e-5


@of_every_method
@pytest.mark.parametrize("batch_size", [1, 2, 5, np.int64(3)])
def test_the_batch_size_does_not_change_the_numbers(name, batch_size):
    model = model_of("functional")
    expected = run(name, model, targets=TARGETS)
    assert distance(run(name, model, targets=TARGETS, batch_size=batch_size), expected) < 1e-5


@of_every_method
def test_an_explainer_is_the_function(name):
    model = model_of("functional")
    explainer = tfviz.Explainer(model, name, **quick(name))
    np.testing.assert_array_equal(explainer(IMAGES, TARGETS), run(name, model, targets=TARGETS))
    np.testing.assert_array_equal(explainer(IMAGES), run(name, model))
    assert distance(explainer(IMAGES, TARGETS, batch_size=2), explainer(IMAGES, TARGETS)) < 1e-5
    for option in list(METHODS[name].options)[:1]:
        chosen = {**quick(name), **WITH.get((name, option), {}), option: alternative(name, option, explainer.network)}
        expected = run(name, model, targets=TARGETS, **chosen)
        np.testing.assert_array_equal(tfviz.Explainer(model, name, **chosen)(IMAGES, TARGETS), expected)


@pytest.mark.parametrize("kind", by_day(["functional", "nested", "shared_layer"], ["nested"]))
def test_all_methods_at_once(kind):
    """They share their passes, and must not notice."""
    model = model_of(kind)
    network = tfviz.trace(model)
    results = run_methods(tfviz.trace(model), {name: quick(name) for name in METHODS}, IMAGES, TARGETS, batch_size=2)
    for name in METHODS:
        expected = run(name, model, targets=TARGETS)
        np.testing.assert_allclose(results.maps[name], expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    logits = network.logits(IMAGES)
    np.testing.assert_array_equal(results.targets, TARGETS)
    np.testing.assert_allclose(results.scores, logits[np.arange(5), TARGETS], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(results.probabilities, model.predict(IMAGES, verbose=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(results.images, IMAGES)
    assert results.layers == {name: network.default_layer for name in METHODS if "layer" in METHODS[name].options}


@of_every_method
def test_the_public_function_says_what_it_takes(name):
    parameters = inspect.signature(getattr(tfviz, name)).parameters
    options = {option: parameters[option].default for option in METHODS[name].options}
    assert list(parameters) == ["model", "images", "targets", *options, "batch_size"]
    assert options == METHODS[name].options
    assert parameters["batch_size"].default == 32 and parameters["targets"].default is None
    assert all(parameters[each].kind is inspect.Parameter.KEYWORD_ONLY for each in (*options, "batch_size"))
    assert getattr(tfviz, name).__name__ == name


@of_every_method
def test_the_registry_says_what_a_reader_should_know(name):
    method = METHODS[name]
    assert method.name == name and method.result in ("attribution", "map", "inner")
    assert re.fullmatch(r"\w+ \d{4}, (arXiv \d{4}\.\d{4,5}|WACV|IEEE TIP)", method.paper)
    assert method.needs and method.caution and ("forward" in method.cost or method.result == "inner")
    assert "References\n    ----------\n    .. [1]" in getattr(tfviz, name).__doc__


# Nothing is left behind.


def parts_of(value):
    """What must stay of an attribute: the object itself, and what a container holds."""
    if isinstance(value, dict):
        return id(value), [(repr(key), id(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return id(value), [id(item) for item in value]
    if isinstance(value, set | frozenset):
        return id(value), sorted(id(item) for item in value)
    return repr(value) if isinstance(value, bool | int | float | str | None) else id(value)


def state_of(model):
    """Everything that a method could have changed in a model."""
    every_layer = list(model._flatten_layers())
    return {
        "variables": [(variable.path, variable.numpy().tobytes()) for variable in model.variables],
        "config": str(model.get_config()) if model.name != "subclassed" else "",
        "attributes": [{key: parts_of(value) for key, value in vars(layer).items()} for layer in every_layer],
        "classes": [type(layer) for layer in every_layer],
        "nodes": [len(layer._inbound_nodes) for layer in every_layer],
    }


def state_of_the_process():
    number = int(keras.layers.Flatten().name.rpartition("_")[2])
    return {
        "layer names": number,
        "floatx": keras.backend.floatx(),
        "data format": keras.backend.image_data_format(),
        "epsilon": keras.backend.epsilon(),
        "policy": keras.config.dtype_policy().name,
        "random": random.getstate(),
        "numpy random": str(np.random.get_state()),  # noqa: NPY002  # the state of the old generator is the subject
        "eager": (tf.executing_eagerly(), tf.config.functions_run_eagerly(), tf.config.optimizer.get_jit()),
        "precision": tf.config.experimental.tensor_float_32_execution_enabled(),
    }


def random_numbers(action):
    """What TensorFlow draws before an action and after it."""
    tf.random.set_seed(3)
    first = tf.random.uniform([3])
    action()
    return np.concatenate([first, tf.random.uniform([3])])


def assert_untouched(model, action, image_batch=IMAGES):
    keras.layers.Flatten()  # from the second one on, names carry a number
    outputs = model(image_batch, training=False).numpy().tobytes()
    model_before, process_before = state_of(model), state_of_the_process()
    drawn = random_numbers(action)
    process_after, model_after = state_of_the_process(), state_of(model)
    np.testing.assert_array_equal(drawn, random_numbers(lambda: None))
    assert process_after.pop("layer names") == process_before.pop("layer names") + 1
    assert process_after == process_before
    assert model_after == model_before
    assert model(image_batch, training=False).numpy().tobytes() == outputs


@of_cases(LIVE, spread(every(METHODS, 2), LIVE))
def test_the_model_and_the_process_stay_untouched(name, kind):
    model = build(kind)
    model(IMAGES, training=False)
    assert_untouched(model, lambda: run(name, model))


@pytest.mark.parametrize("kind", by_day(["lazily_built", "subclassed"], ["subclassed"]))
def test_all_methods_at_once_leave_everything_untouched(kind):
    """One by one most are run at night."""
    model = build(kind)
    model(IMAGES, training=False)
    chosen = {name: quick(name) for name in METHODS}
    assert_untouched(model, lambda: run_methods(tfviz.trace(model), chosen, IMAGES, TARGETS))


BAD = {
    "images": lambda model: tfviz.grad_cam(model, np.full((1, *SHAPE), np.nan)),
    "shape": lambda model: tfviz.grad_cam(model, IMAGES[:, :3]),
    "target": lambda model: tfviz.guided_backprop(model, IMAGES, 99),
    "layer": lambda model: tfviz.guided_grad_cam(model, IMAGES, layer="nowhere"),
    "option": lambda model: tfviz.saliency(model, IMAGES, colour="red"),
    "score": lambda model: tfviz.saliency(tfviz.trace(model, score=lambda outputs: outputs[:, 99]), IMAGES),
    "layer of an explainer": lambda model: tfviz.Explainer(model, "grad_cam", layer=3)(IMAGES),
}


def broken(passes):
    """A method that fails when its backward passes are done."""
    assert passes.gradient() is not None
    raise ZeroDivisionError("in the middle of it")


@pytest.mark.parametrize("kind", ["functional", "nested", "subclassed"])
def test_errors_leave_everything_untouched(kind, monkeypatch):
    method = METHODS["gradient"]
    monkeypatch.setitem(METHODS, "broken", dataclasses.replace(method, name="broken", compute=broken))
    model = build(kind)
    model(IMAGES, training=False)
    expected = tfviz.gradient(model_of(kind), IMAGES)

    def fail_in_every_way():
        for cause in BAD.values():
            with pytest.raises((ValueError, TypeError)):
                cause(model)
        with pytest.raises(Exception, match="in the middle of it"):
            tfviz.Explainer(model, "broken")(IMAGES)

    assert_untouched(model, fail_in_every_way)
    np.testing.assert_array_equal(tfviz.gradient(model, IMAGES), expected)


def test_a_refused_rule_leaves_everything_untouched():
    model = build("silu")

    def refused():
        with pytest.raises(TfvizError, match="has none"):
            tfviz.guided_backprop(model, IMAGES)

    assert_untouched(model, refused)


@of_every_method
def test_images_and_targets_of_the_user_stay_as_they_are(name):
    images, targets = IMAGES.copy(), TARGETS.copy()
    result = run(name, model_of("functional"), images, targets)
    result *= 0  # the result is the user's own
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(targets, TARGETS)
    assert run(name, model_of("functional"), images, targets).any()
