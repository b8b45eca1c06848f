"""Float32 rounds no worse with shortcuts than without, and an export gives the numbers of the network that it is of."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import distance, randomise
from support.places import SCRIPTS

import tfviz
from tfviz.network.program.operations import run_operation
from tfviz.network.program.program import program_of

SCRIPTS = str(SCRIPTS)
SHAPE = (16, 16, 3)
IMAGES = np.random.default_rng(0).normal(size=(6, *SHAPE)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fused", "separable"])
def test_gradients_are_as_near_to_float64_as_those_of_a_tape(name, run_script, capsys, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    assert run_script("rounding.py", "--network", name, "--pictures", "60") is None
    head, _, *rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in capsys.readouterr().out.splitlines()]
    assert head == ["network", "gradient", "median", "90 %", "99 %", "largest", "score"]
    assert [row[:2] for row in rows] == [[name, "fast"], [name, "not fast"], [name, "own tape"]]
    fast, plain, tape = ([float(cell) for cell in row[2:]] for row in rows)
    for found in (fast, plain):
        # Sixteen units of rounding. How far from a tape, only the order of sums says, which differs between processors:
        # the first layer's gradient in one sum of 144 products rounds 2.2 times as far as in nine sums of sixteen.
        assert found[0] < min(2 * tape[0], 1e-6) and found[1] < min(2 * tape[1], 1e-6)
        # One picture more or less, in which a ReLU tips over, is chance.
        assert found[3] < 0.1 and found[4] < 1e-5


def network():
    image = keras.Input(SHAPE)
    x = image
    for filters in (8, 12, 12):
        x = layers.Conv2D(filters, 3, use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
    return randomise(keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x))))


def frozen(model):
    """The model as a graph whose weights are constants."""
    weights = [tf.constant(np.asarray(weight)) for weight in model.weights]
    names = {id(variable.value.handle): each for variable, each in zip(model.weights, weights, strict=True)}
    traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec([None, *SHAPE]))
    program = program_of(traced.graph)
    given = len(program.inputs) - len(traced.captured_inputs)
    known = dict(zip(program.inputs[given:], traced.captured_inputs, strict=True))

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], name="images")])
    def serve(images):
        tensors = {program.inputs[0]: images}
        for step in program.steps:
            if step.type == "ReadVariableOp":
                tensors[step.outputs[0]] = tf.constant(names[id(known[step.inputs[0]])].numpy())
            else:
                found = run_operation(step, [tensors[value] for value in step.inputs])
                tensors.update(zip(step.outputs, found, strict=True))
        return {"scores": tensors[program.outputs[0]]}

    return serve


def exported_and_explained(source, folder):
    tfviz.export(source, str(folder), ["saliency"])
    signature = tf.saved_model.load(str(folder)).signatures["saliency"]
    found = signature(images=tf.constant(IMAGES), targets=tf.constant([1]))
    explanation = tfviz.explain(source, IMAGES, 1, methods=("saliency",))
    return (found["maps"], found["scores"]), (explanation.maps["saliency"], explanation.scores)


def test_an_export_of_weights_gives_the_same_numbers(tmp_path):
    (maps, scores), (own_maps, own_scores) = exported_and_explained(network(), tmp_path / "out")
    np.testing.assert_array_equal(maps, own_maps)
    np.testing.assert_array_equal(scores, own_scores)


def test_an_export_of_constants_gives_them_up_to_rounding(tmp_path):
    module = tf.Module()
    module.serve = frozen(network())
    tf.saved_model.save(module, str(tmp_path / "frozen"), signatures=module.serve)
    (maps, scores), (own_maps, own_scores) = exported_and_explained(str(tmp_path / "frozen"), tmp_path / "out")
    np.testing.assert_allclose(scores, own_scores, rtol=1e-4, atol=1e-5)
    assert np.median([distance(*pair) for pair in zip(np.asarray(maps), own_maps, strict=True)]) < 1e-5
