"""What TensorFlow does not publish: each private use is tried here, so that a new release fails loudly and by name."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import tensorflow as tf
from support.thinning import by_day, every

from tfviz.errors import UnsupportedModelError
from tfviz.network.program import internals
from tfviz.network.program.operations import _raw_signature
from tfviz.network.program.program import CALLS, program_of
from tfviz.network.replay.replay import replay

RAW_OPERATIONS = sorted(name for name in dir(tf.raw_ops) if not name.startswith("_"))
SPEC = tf.TensorSpec([None, 3], tf.float32)


def outer_function():
    @tf.function(autograph=False)
    def inner(x):
        return 3 * x

    @tf.function
    def outer(x):
        return inner(x) + 1

    return outer.get_concrete_function(SPEC)


def the_call(graph):
    (call,) = [operation for operation in graph.get_operations() if operation.type in CALLS]
    return call


def test_the_graph_of_a_function_that_was_traced_here():
    graph = outer_function().graph
    nested = internals.function_graph(graph, the_call(graph).get_attr("f").name)
    assert [operation.type for operation in nested.get_operations()][:1] == ["Placeholder"]
    assert "Mul" in [operation.type for operation in nested.get_operations()]
    assert len(nested.inputs) == len(nested.outputs) == 1


def test_the_graph_of_a_function_that_was_loaded(tmp_path):
    module = tf.Module()
    module.function = outer_function()
    module.call = tf.function(lambda x: {"result": module.function(x)}, input_signature=[SPEC])
    tf.saved_model.save(module, str(tmp_path), signatures=module.call)
    graph = tf.saved_model.load(str(tmp_path)).signatures["serving_default"].graph
    program = program_of(graph)
    assert len(program.calls) >= 2 and not any(step.type in CALLS for step in program.steps)
    (image,) = program.inputs
    result = tf.function(lambda x: replay(program, {image: x})[program.outputs[0]])(tf.constant([[1.0, 2.0, 3.0]]))
    assert result.numpy().tolist() == [[4.0, 7.0, 10.0]]


def test_the_graph_of_a_function_that_only_the_runtime_knows():
    graph = outer_function().graph
    name = the_call(graph).get_attr("f").name
    nested = internals.function_graph(tf.Graph(), name)
    assert "Mul" in [operation.type for operation in nested.get_operations()]
    assert len(nested.inputs) == len(nested.outputs) == 1


def test_whether_a_custom_gradient_is_known():
    @tf.custom_gradient
    def straight_through(x):
        return tf.round(x), lambda upstream: upstream

    graph = tf.function(straight_through).get_concrete_function(SPEC).graph
    (tag,) = [
        operation.get_attr("_gradient_op_type").decode()
        for operation in graph.get_operations()
        if "_gradient_op_type" in operation.node_def.attr
    ]
    assert internals.has_gradient(tag)
    assert not internals.has_gradient("CustomGradient-of-nobody")


def test_whether_a_python_function_is_here():
    function = tf.function(lambda x: tf.numpy_function(abs, [x], tf.float32), autograph=False)
    concrete = function.get_concrete_function(SPEC)
    (call,) = [each for each in concrete.graph.get_operations() if each.type == "PyFunc"]
    assert internals.has_python_function(call.get_attr("token"))
    assert not internals.has_python_function(b"pyfunc_of_nobody")


def test_definitions_of_operations():
    definition = internals.operation_definition("Conv2D")
    assert [argument.name for argument in definition.input_arg] == ["input", "filter"]
    assert "strides" in [attribute.name for attribute in definition.attr]


def test_kernels_by_type():
    with tf.Graph().as_default() as graph:
        for dtype in (tf.float32, tf.bfloat16, tf.float16):
            x = tf.raw_ops.Placeholder(dtype=dtype, shape=[1, 1, 1, 1])
            tf.raw_ops.Conv2D(input=x, filter=x, strides=[1, 1, 1, 1], padding="SAME")
            tf.raw_ops.IdentityN(input=[x])
            tf.raw_ops.LRN(input=x)
    found = [(each.type, internals.has_kernel(each, "CPU")) for each in graph.get_operations() if each.inputs]
    assert found == [
        *[("Conv2D", True), ("IdentityN", True), ("LRN", True)],
        *[("Conv2D", True), ("IdentityN", True), ("LRN", False)],
        *[("Conv2D", True), ("IdentityN", True), ("LRN", True)],
    ]
    assert not internals.has_kernel(graph.get_operations()[1], "XPU")


def problem_with(operation):
    """Inputs first, then the attributes that do not follow from the inputs; each argument once."""
    function, names = _raw_signature(operation)
    parameters = [name for name in inspect.signature(function).parameters if name != "name"]
    definition = internals.operation_definition(operation)
    known = {each.name for each in (*definition.input_arg, *definition.attr)}
    renamed = {name: argument for name, argument in names.items() if name != argument}
    if sorted(names.values()) != sorted(parameters) or not set(names) <= known:
        return f"{names} for {parameters}"
    return f"ambiguous: {renamed}" if set(renamed.values()) & known or len(renamed) > 3 else ""


def test_every_operation_of_tensorflow_has_an_argument_for_each_name():
    problems = {operation: problem_with(operation) for operation in RAW_OPERATIONS}
    assert len(problems) > 1300
    assert not {operation: problem for operation, problem in problems.items() if problem}


@pytest.mark.parametrize(
    "operation, expected",
    [
        ("Squeeze", {"input": "input", "squeeze_dims": "axis"}),
        ("Mean", {"input": "input", "reduction_indices": "axis", "keep_dims": "keep_dims"}),
        ("Select", {"condition": "condition", "t": "x", "e": "y"}),
        ("Split", {"split_dim": "axis", "value": "value", "num_split": "num_split"}),
        ("ConcatV2", {"values": "values", "axis": "axis"}),
        ("Reverse", {"tensor": "tensor", "dims": "dims"}),
        ("ExpandDims", {"input": "input", "dim": "axis"}),
        ("ArgMax", {"input": "input", "dimension": "dimension", "output_type": "output_type"}),
    ],
)
def test_renamed_arguments(operation, expected):
    assert _raw_signature(operation)[1] == expected


RENAMED = {
    "squeeze": lambda x: tf.squeeze(tf.expand_dims(x, 1), [1]),
    "mean": lambda x: tf.reduce_mean(x, axis=1, keepdims=True),
    "sums": lambda x: tf.reduce_sum(x, 1) + tf.reduce_max(x, 1) + tf.reduce_prod(x, 1) - tf.reduce_min(x, 1),
    "select": lambda x: tf.raw_ops.Select(condition=x > 0, x=x, y=2 * x),
    "split": lambda x: tf.split(x, 3, axis=1)[2],
    "uneven split": lambda x: tf.split(x, [1, 2], axis=1)[1],
    "concat": lambda x: tf.concat([x, 2 * x, -x], 1),
    "stack": lambda x: tf.unstack(tf.stack([x, 2 * x], 1), axis=1)[1],
    "slice": lambda x: x[:, 1:, tf.newaxis],
    "gather": lambda x: tf.gather(x, [2, 0], axis=1),
    "einsum": lambda x: tf.einsum("ni,nj->nij", x, x),
    "cumulative": lambda x: tf.cumsum(x, axis=1, reverse=True),
    "cast": lambda x: tf.cast(tf.cast(x, tf.float64), tf.float32),
    "top": lambda x: tf.math.top_k(x, 2).values,
    "pad": lambda x: tf.pad(x, [[0, 0], [1, 2]], constant_values=3.0),
    "assertion": lambda x: tf.debugging.check_numerics(x, "finite"),
}


@pytest.mark.parametrize("name", by_day(RENAMED, every(RENAMED, 2)))
def test_replayed_operations_do_what_they_did(name):
    operations = RENAMED[name]
    program = program_of(tf.function(operations).get_concrete_function(SPEC).graph)

    def replayed(x):
        return replay(program, {program.inputs[0]: x})[program.outputs[0]]

    x = tf.constant(np.random.default_rng(0).normal(size=(2, 3)), tf.float32)
    for ours, theirs in zip(with_gradient(replayed, x), with_gradient(operations, x), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@tf.function(reduce_retracing=False)
def with_gradient(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        result = function(x)
    return result, tape.gradient(result, x)


def test_an_operation_of_nobody():
    with pytest.raises(UnsupportedModelError, match="holds the operation Conv2Dream, which is not one of TensorFlow"):
        _raw_signature("Conv2Dream")


def test_an_operation_that_is_not_published():
    """Of XLA's, those that hold functions are not run."""
    assert not hasattr(tf.raw_ops, "XlaPad") and not hasattr(tf.raw_ops, "XlaReduce")
    function, names = _raw_signature("XlaPad")
    assert list(names) == ["input", "padding_value", "padding_low", "padding_high", "padding_interior"]

    @tf.function(input_signature=[SPEC])
    def padded(x):
        sizes = {"padding_low": [1, 0], "padding_high": [0, 2], "padding_interior": [0, 0]}
        return function(input=x, padding_value=7.0, **sizes)

    assert padded([[1.0, 2.0, 3.0]]).numpy().tolist() == [[7.0] * 5, [1.0, 2.0, 3.0, 7.0, 7.0]]
    with pytest.raises(UnsupportedModelError, match="holds the operation XlaReduce, which is not one of TensorFlow"):
        _raw_signature("XlaReduce")
