"""The fingerprint: the same for the same computation wherever it is, another for any other."""

from __future__ import annotations

import gc
import json
import os
import pickle
import subprocess
import sys
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import KINDS, SHAPE, build, head, model_of, random_images, randomise
from support.places import ROOT
from support.thinning import by_day

import tfviz
from tfviz.network.traced.fingerprint import fingerprint

TWO, THREE = tf.constant([2.0]), tf.constant([3.0])

# What a manifest says of a model of one input and one output.
WHOLE = {"signature": None, "input": "images", "others": [], "outputs": ["0"], "cut": None, "precision": "float32"}


# By day; the others are written otherwise, or of parts of these.
QUICK = ["nested", "subclassed", "depthwise", "bfloat16", "vision_transformer"]


@pytest.mark.parametrize("kind", by_day(KINDS, QUICK))
def test_a_model_built_again_under_other_names_has_the_same_fingerprint(kind):
    first, second = build(kind), build(kind)
    assert fingerprint(tfviz.trace(first)) == fingerprint(tfviz.trace(second))


def test_kinds_of_models_differ():
    # These are one network, written in three ways.
    same = {"relu_argument", "relu_layer", "relu_activation", "relu_op"}
    found = [fingerprint(tfviz.trace(model_of(kind))) for kind in KINDS if kind not in same]
    assert len(set(found)) == len(found) and all(len(each) == 64 for each in found)


@pytest.mark.parametrize("kind", by_day(KINDS, QUICK))
def test_a_saved_model_has_that_of_the_model_it_was_saved_from(kind, saved_folder):
    assert fingerprint(tfviz.trace(saved_folder(kind))) == fingerprint(tfviz.trace(model_of(kind)))


@pytest.mark.parametrize("kind", ["nested", "depthwise", "recurrent"])
def test_any_weight_that_changes_changes_it(kind):
    model = build(kind)
    found = {fingerprint(tfviz.trace(model))}
    for variable in model.weights:
        before = variable.numpy()
        if before.dtype.kind != "f":
            continue  # the seed of a dropout, which is not run
        changed = before.copy()
        changed.flat[-1] = np.nextafter(changed.flat[-1], np.inf, dtype=changed.dtype)
        variable.assign(changed)
        found.add(fingerprint(tfviz.trace(model)))
        variable.assign(before)
    floats = sum(each.numpy().dtype.kind == "f" for each in model.weights)
    assert len(found) == floats + 1


def test_the_order_of_outputs_does_not(tmp_path):
    """A SavedModel sorts them by their names: output_10 comes before output_2."""
    image = layers.Input(SHAPE)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(image))
    model = randomise(keras.Model(image, [layers.Dense(3, activation="softmax")(x) for _ in range(12)]))
    model.export(tmp_path / "out")
    assert fingerprint(tfviz.trace(tmp_path / "out", output=3)) == fingerprint(tfviz.trace(model, output=3))


def test_weights_that_change_places_change_it():
    def two(first, second):
        image = layers.Input(SHAPE)
        x = layers.Conv2D(3, 3, padding="same", activation="relu")(image)
        model = keras.Model(image, head(layers.Conv2D(3, 3, padding="same", activation="relu")(x)))
        randomise(model)
        kernels = [each for each in model.weights if each.shape == (3, 3, 3, 3)]
        for variable, seed in zip(kernels, (first, second), strict=True):
            variable.assign(np.random.default_rng(seed).normal(size=(3, 3, 3, 3)))
        return fingerprint(tfviz.trace(model))

    assert two(0, 1) == two(0, 1) != two(1, 0)


CHANGES = {
    "a constant": (lambda x: 2 * x, lambda x: 3 * x),
    "an attribute": (lambda x: tf.nn.max_pool2d(x, 3, 1, "SAME"), lambda x: tf.nn.max_pool2d(x, 5, 1, "SAME")),
    "an operation": (tf.sin, tf.cos),
    "the order of operands": (lambda x: x - tf.square(x), lambda x: tf.square(x) - x),
    "a branch": (
        lambda x: tf.cond(tf.reduce_mean(x) > 0, lambda: x, lambda: 2 * x),
        lambda x: tf.cond(tf.reduce_mean(x) > 0, lambda: x, lambda: 3 * x),
    ),
    "a result": (lambda x: tf.split(x, 2, -1)[0], lambda x: tf.split(x, 2, -1)[1]),
    "a gradient that is stopped": (lambda x: x + tf.sin(x), lambda x: x + tf.stop_gradient(tf.sin(x))),
    "a captured constant": (lambda x: x * TWO, lambda x: x * THREE),
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_computation_has_another_fingerprint(what):
    def of(function):
        image = layers.Input(SHAPE)
        x = layers.Conv2D(4, 3, activation="relu")(image)
        model = keras.Model(
            image, head(layers.Lambda(function, output_shape=function(tf.zeros((1, 14, 14, 4))).shape[1:])(x))
        )
        return fingerprint(tfviz.trace(randomise(model)))

    first, second = CHANGES[what]
    assert of(first) == of(first) != of(second)


def test_what_is_explained_of_a_model_does_not_change_it():
    network = tfviz.trace(model_of("functional"), score=lambda outputs: outputs[:, 0])
    assert fingerprint(network) == fingerprint(tfviz.trace(model_of("functional")))


def test_it_is_the_same_in_another_process(saved_folder):
    code = (
        "import sys, tfviz\n"
        "from tfviz.network.traced import fingerprint\n"
        "print(*[fingerprint(tfviz.trace(folder)) for folder in sys.argv[1:]])"
    )
    kinds = ["nested", "subclassed"]
    command = [sys.executable, "-c", code, *map(saved_folder, kinds)]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [fingerprint(tfviz.trace(model_of(kind))) for kind in kinds]


def test_a_manifest_names_the_network_by_it(tmp_path):
    model = build("functional")
    explanation = tfviz.explain(model, random_images(2), methods="gradient")
    path = explanation.save(tmp_path)
    said = json.loads(path.read_text())
    assert said["model"] == {
        "name": "functional",
        "path": None,
        "fingerprint": fingerprint(tfviz.trace(model)),
        **WHOLE,
    }


def test_an_explanation_takes_it_along_to_another_process():
    explanation = tfviz.explain(model_of("functional"), random_images(1), methods="gradient")
    copied = pickle.loads(pickle.dumps(explanation))
    assert copied.origin.part == explanation.origin.part == WHOLE
    assert copied.fingerprint == explanation.fingerprint == fingerprint(tfviz.trace(model_of("functional")))
    np.testing.assert_array_equal(copied.maps["gradient"], explanation.maps["gradient"])
    assert copied.select([0]).fingerprint == explanation.fingerprint


def test_weights_that_change_before_it_is_saved_are_not_named(tmp_path):
    model = build("functional")
    first, second = (tfviz.explain(model, random_images(1), methods="gradient") for _ in range(2))
    expected = fingerprint(tfviz.trace(model))
    assert first.fingerprint == expected  # asked for in time
    kernel = model.get_layer("conv2").kernel
    before = kernel.numpy()
    # One weight of many, or two that change places.
    for changed in (
        np.nextafter(before, np.where(np.arange(before.size) == 7, np.inf, before.ravel()).reshape(before.shape)),
        before[::-1],
    ):
        kernel.assign(changed)
        with pytest.warns(tfviz.TfvizWarning, match="is not known: its weights have changed since"):
            path = second.save(tmp_path)
        assert json.loads(path.read_text())["model"] == {
            "name": "functional",
            "path": None,
            "fingerprint": None,
            **WHOLE,
        }
    assert first.fingerprint == expected
    kernel.assign(before)
    assert second.fingerprint == expected


@pytest.mark.parametrize("kind", ["functional", "subclassed"])
def test_an_explanation_does_not_keep_the_model_alive(kind):
    model = build(kind)
    explanation, known = (tfviz.explain(model, random_images(1), methods="gradient") for _ in range(2))
    expected = known.fingerprint
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None and known.fingerprint == expected
    with pytest.warns(tfviz.TfvizWarning, match="is not known: neither its model nor its trace exists any more"):
        copied = pickle.loads(pickle.dumps(explanation))
    with pytest.warns(tfviz.TfvizWarning, match="neither its model"):
        assert copied.fingerprint is None
    assert copied.origin.part == WHOLE


def test_that_of_a_model_that_was_opened_by_its_path_is_known_later(saved_folder):
    explanation = tfviz.explain(saved_folder("nested"), random_images(1), methods="gradient")
    gc.collect()
    assert explanation.fingerprint == fingerprint(tfviz.trace(model_of("nested")))


def test_a_network_that_is_held_is_known_later(saved_folder):
    network = tfviz.trace(saved_folder("nested"), score=lambda outputs: outputs[:, 0])
    explanation = tfviz.explain(network, random_images(1), methods="gradient")
    gc.collect()
    assert explanation.fingerprint == fingerprint(network)
