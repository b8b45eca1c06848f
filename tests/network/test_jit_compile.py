"""Passes compiled by XLA: the same numbers, and one line where XLA has no such program."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import SHAPE, distance, model_of, random_images

import tfviz
from tfviz.methods import METHODS
from tfviz.methods.engine.compiled import compile_methods
from tfviz.network.program.internals import function_graph
from tfviz.network.program.program import is_compiled_call

# A few weights make a few maps zero, and few steps miss completeness.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning"),
    pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning"),
]
IMAGES = random_images(2)
QUICK = {"samples": 2, "steps": 2, "masks": 2, "patch": 8, "stride": 8, "max_channels": 2}
MAINLY = {"guided_grad_cam", "integrated_gradients"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in MAINLY else pytest.mark.slow) for name in METHODS]
)
def test_every_method_gives_the_same(name):
    model = model_of("functional")
    options = {option: value for option, value in QUICK.items() if option in METHODS[name].options}
    found = getattr(tfviz, name)(tfviz.trace(model, jit_compile=True), IMAGES, [3, 1], **options)
    assert distance(found, getattr(tfviz, name)(model, IMAGES, [3, 1], **options)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nested", "subclassed", "condition", "depthwise", "silu", "vision_transformer"])
def test_other_kinds(kind):
    model = model_of(kind)
    found = tfviz.gradient(tfviz.trace(model, jit_compile=True), IMAGES, 1)
    assert distance(found, tfviz.gradient(model, IMAGES, 1)) < 1e-4


def compiled_calls(graph):
    calls = [each for each in graph.get_operations() if "PartitionedCall" in each.type]
    inner = [function_graph(graph, each.get_attr("f").name) for each in calls]
    return sum(map(is_compiled_call, calls)) + sum(map(compiled_calls, inner))


def test_xla_is_asked_for_only_if_it_is_wanted():
    """The passes of all rules in one call; a loop has its own."""
    model = model_of("functional")
    chosen = {"guided_grad_cam": {}, "smooth_grad": {}}
    for compiles, expected in ((True, 1), (False, 0)):
        network = tfviz.trace(model, jit_compile=compiles)
        compiled = compile_methods(network, chosen)
        assert network.running.jit_compile is compiles
        assert compiled_calls(compiled.function.graph) == expected


def test_with_a_reduced_precision():
    model = model_of("functional")
    plain = tfviz.trace(model, precision="bfloat16")
    network = tfviz.trace(model, precision="bfloat16", jit_compile=True)
    assert distance(tfviz.grad_cam(network, IMAGES, 1), tfviz.grad_cam(plain, IMAGES, 1)) < 0.02
    assert "precision_error" in tfviz.explain(network, IMAGES, 1, methods="grad_cam").diagnostics["grad_cam"]


def test_what_xla_cannot_do_is_said_in_one_line(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE])])
    def function(x):
        factor = tf.strings.to_number(tf.strings.as_string(tf.reduce_mean(x, [1, 2])))
        return tf.nn.softmax(tf.reduce_max(x, [1, 2]) * factor)

    module = tf.Module()
    module.function = function
    tf.saved_model.save(module, str(tmp_path), signatures=function)
    for model, reason in ((str(tmp_path), "AsString"), (model_of("loop"), "a fixed tensor list size")):
        with pytest.raises(tfviz.UnsupportedModelError) as raised:
            tfviz.gradient(tfviz.trace(model, jit_compile=True), IMAGES, 1)
        message = str(raised.value)
        assert message.startswith("the network must be traced without jit_compile, as XLA cannot compile it")
        assert reason in message and "\n" not in message
        assert np.isfinite(tfviz.gradient(model, IMAGES, 1)).all()


def test_images_that_the_network_refuses_are_not_blamed_on_xla():
    layers = [keras.layers.Conv2D(2, 7), keras.layers.GlobalMaxPooling2D()]
    network = tfviz.trace(keras.Sequential([keras.Input((None, None, 3)), *layers]), jit_compile=True)
    with pytest.raises(tfviz.InvalidImagesError, match=r"^the network cannot take images of the shape \(4, 4, 3\): "):
        tfviz.gradient(network, np.zeros((1, 4, 4, 3)), 1)


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_no_other_value(value):
    with pytest.raises(tfviz.TfvizError, match=f"^jit_compile is {value!r}, expected True or False$"):
        tfviz.trace(model_of("functional"), jit_compile=value)
