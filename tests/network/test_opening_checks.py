"""What is found in configurations and graphs as data, one rule at a time."""

from __future__ import annotations

import inspect

import h5py
import keras
import pytest
import tensorflow as tf
from support.attacks import function, layer, spec

from tfviz.network.opening.configuration import find_in_configuration
from tfviz.network.opening.effects import FunctionLibrary
from tfviz.network.opening.library import Library
from tfviz.network.opening.links import find_links
from tfviz.network.opening.op_layers import MODULES_OF_ARITHMETIC, OF_KERAS, judge_op_layer
from tfviz.network.opening.trust import Finding, Missing, quoted


class Own(keras.layers.Layer):
    """A class of the user's."""


def found(node, library=keras, **own):
    """Return what is found in a configuration, as text."""
    return list(map(str, find_in_configuration(node, Library(library, own))))


# Configurations.

TENSOR = tf.TensorSpec.__module__


@pytest.mark.parametrize(
    "node",
    [
        layer("Dense"),
        layer("Dense", registered="Dense"),
        {"class_name": "BatchNormalizationV1", "config": {}},
        {"class_name": "BatchNormalizationV2", "config": {}},
        {"class_name": "Functional", "config": {}},
        {"class_name": "dog"},
        {"class_name": ["a"], "config": {}},
        function("builtins", "relu", "function"),
        function(None, "relu"),
        function("keras.activations", "relu"),
        spec("TensorSpec", TENSOR),
        {"class_name": "TypeSpec", "type_spec": "tf.TensorSpec", "serialized": []},
        {"class_name": "__numpy__", "config": {"value": [1], "dtype": "float32"}},
        layer("StringLookup", vocabulary=["a", "b"]),
        layer("zeros_initializer".title(), "x")
        | {"class_name": "Zeros", "module": "tensorflow.python.ops.init_ops_v2"},
    ],
)
def test_what_is_data_or_keras_own(node):
    assert not found({"config": [node]})


@pytest.mark.parametrize(
    "node, what",
    [
        (layer("TextVectorization", idf_weights="/etc/passwd"), "reads the file '/etc/passwd'"),
        (
            layer("Dense", "keras.layers", "Conv2D"),
            "'Conv2D' of the module 'keras.layers', which is not a part of a netw",
        ),
        (layer("core.Dense", "keras.src.layers"), "'core.Dense' of the module 'keras.src.layers', which is not part"),
        (layer("Lambda", function=["code"]), "'own', a Lambda, which runs Python code of the file"),
        (layer("Lambda", function="relu"), "'own', a Lambda, which runs Python code of the file"),
        (layer("Dense", "torch.hub"), "'Dense' of the module 'torch.hub', which is not part of Keras"),
        (function("keras.activations", "relu", "load"), "'load' of the module 'keras.activations', which is not part"),
        (function("keras.layers", "Dense"), "'Dense' of the module 'keras.layers', which is not a part of a network"),
        (
            function("keras.activations", "get"),
            "'get' of the module 'keras.activations', which is not a part of a netw",
        ),
        (function("builtins", 5), "'function' of the module 'builtins' under the name 5"),
        (spec("TensorSpec", TENSOR, "Lambda"), "the type 'TensorSpec' of the module"),
        (spec("TensorSpec", "tensorflow"), "the type 'TensorSpec' of the module 'tensorflow'"),
        ({"class_name": "x" * 300, "config": {}}, "xxx...xxx"),
        ({"class_name": "a\nb\x1b", "config": {}}, r"'a\nb\x1b', which is not part of Keras"),
    ],
)
def test_what_is_found(node, what):
    (text, *_) = found({"config": [node]})
    assert what in text and len(text) < 250 and text.isprintable()


def test_objects_of_the_users():
    """A class counts under the name by which a file of either format is read."""
    named = layer("Own", "mine", "pkg>Own")
    assert found(named) == ["'pkg>Own' of the module 'mine', which is not part of Keras"]
    assert found(named, Own=Own) == found(named)
    assert not found(named, **{"pkg>Own": Own})
    assert not found(layer("Own", "mine", "Own"), Own=Own)
    assert not found({"class_name": "Own", "config": {}}, Own=Own)
    assert not found(function("mine", "act", "pkg>act") | {"config": "pkg>act"}, **{"pkg>act": abs})
    # The one format would read the class of the user's, the other a Lambda of Keras's.
    shadowed = layer("Lambda", "mine", "Own", function=["code"])
    assert found(shadowed, Own=Own)[-1] == "'own', a Lambda, which runs Python code of the file"
    # What is nested in an object of the user's is looked at all the same.
    assert found(layer("Own", "mine", "Own", inner=function("os", "system")), Own=Own)


def test_how_things_are_shown():
    assert str(Finding("x", "runs")) == "x, which runs" and str(Missing("x")) == "'x', which is not part of Keras"
    assert quoted("a" * 300).endswith("'") and len(quoted("a" * 300)) == 100


def test_every_module_of_arithmetic_holds_functions_of_tensors():
    """All that is let pass is a function, and none takes a function, a path or a folder."""
    passed = 0
    for module in sorted(MODULES_OF_ARITHMETIC - {OF_KERAS}):
        for package in (tf, tf.compat.v1):
            for name, each in vars(getattr(package, module, tf.Module)).items():
                if judge_op_layer({"function": f"{module}.{name}"}):
                    continue
                assert inspect.isfunction(each), name
                taken = " ".join(inspect.signature(each).parameters)
                assert not {"filename", "path", "fn", "func", "function", "directory", "cell"} & {*taken.split()}, name
                passed += 1
    assert passed > 400
    assert judge_op_layer({"function": "keras.activations.relu"}) == ""
    assert judge_op_layer({"function": "keras.activations.nonsense"})
    assert judge_op_layer({"function": "io.write_file", "node_def": {"op": "Relu"}})


# Graphs.


def library(**bodies):
    """Return functions by their names; a body is a list of (operation, name, inputs, what it calls)."""
    graph = tf.compat.v1.GraphDef()
    for name, body in bodies.items():
        made = graph.library.function.add()
        made.signature.name = name
        for argument in ("first", "second"):
            made.signature.input_arg.add(name=argument)
        for operation, called, inputs, calls in body:
            node = made.node_def.add(name=called, op=operation, input=inputs)
            if isinstance(calls, list):
                node.attr["branches"].list.func.extend(
                    [tf.compat.v1.AttrValue().func.__class__(name=each) for each in calls]
                )
            elif calls:
                node.attr["f"].func.name = calls
    return graph.library


READS = [("ReadFile", "read", [], "")]
FILLS = "InitializeTableFromTextFileV2"


def effects(functions, *calls):
    """Return the operations with effects of functions that are called."""
    return sorted(each.what.split()[2] for each in FunctionLibrary(functions).effects_of_functions(calls))


def test_functions_that_call_each_other_in_a_circle():
    functions = library(a=[("PartitionedCall", "x", [], "b")], b=[("PartitionedCall", "x", [], "a"), *READS])
    assert effects(functions, ("a", frozenset())) == ["ReadFile"]


@pytest.mark.parametrize(
    "call", [("Case", "x", [], ["other", "reads"]), ("reads", "x", [], ""), ("AnyOperation", "x", [], "reads")]
)
def test_how_a_function_is_called(call):
    functions = library(root=[call], reads=READS, other=[("Relu", "y", ["first"], "")])
    assert effects(functions, ("root", frozenset())) == ["ReadFile"]


@pytest.mark.parametrize("name", ["text", "texts", "alike", "gradient"])
def test_how_a_function_is_named(name):
    functions = library(root=[("PartitionedCall", "x", [], "called")], called=[], reads=READS)
    (root, called, reads) = functions.function
    if name == "text":
        called.attr["backward_function_name"].s = b"reads"
    elif name == "texts":
        root.node_def[0].attr["any"].list.s.append(b"reads")
    elif name == "alike":
        for each in (called, reads):
            each.attr["api_implements"].s = b"the same"
    else:
        functions.gradient.add(function_name="called", gradient_func="reads")
    assert effects(functions, ("root", frozenset())) == ["ReadFile"]
    assert (
        effects(library(root=[("PartitionedCall", "x", [], "called")], called=[], reads=READS), ("root", frozenset()))
        == []
    )


ASSET = frozenset({"first"})


@pytest.mark.parametrize(
    "body, expected",
    [
        ([(FILLS, "fill", ["second", "first"], "")], []),
        ([(FILLS, "fill", ["first", "second"], "")], [FILLS]),
        ([(FILLS, "fill", ["first"], "")], [FILLS]),
        ([("Identity", "same", ["first"], ""), (FILLS, "fill", ["second", "same:output:0"], "")], []),
        ([("Relu", "same", ["first"], ""), (FILLS, "fill", ["second", "same:output:0"], "")], [FILLS]),
        ([("ReadFile", "read", ["second", "first"], "")], ["ReadFile"]),
        ([("PartitionedCall", "call", ["second", "first"], "fills")], []),
        ([("fills", "call", ["second", "first"], "")], []),
        ([("PartitionedCall", "call", ["first", "second"], "fills")], [FILLS]),
        ([("PartitionedCall", "call", ["^first", "second", "first"], "fills")], []),
        ([("If", "call", ["second", "first"], "fills")], [FILLS]),
        (
            [
                ("PartitionedCall", "call", ["second", "first"], "fills"),
                ("PartitionedCall", "other", ["first"] * 2, "fills"),
            ],
            [],
        ),
        (
            [
                ("PartitionedCall", "call", ["second", "second"], "fills"),
                ("PartitionedCall", "x", ["second", "first"], "fills"),
            ],
            [FILLS],
        ),
    ],
)
def test_which_path_a_table_is_filled_from(body, expected):
    """That of a file of the SavedModel itself, `first`, is right, as the second argument of what fills the table."""
    functions = library(root=body, fills=[(FILLS, "fill", ["first", "second"], "")])
    assert effects(functions, ("root", ASSET)) == expected
    found_in_graph = FunctionLibrary(functions).effects_of_operations(functions.function[0].node_def, ASSET)
    assert sorted(each.what.split()[2] for each in found_in_graph) == expected


# Weights.


def test_links_within_a_file(tmp_path):
    """A link that leads nowhere, a virtual dataset of the file itself, and a group that holds itself are its own."""
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["data"] = [1, 2, 3, 4]
        file["nowhere"] = h5py.SoftLink("/none")
        layout = h5py.VirtualLayout((4,), "i8")
        layout[:] = h5py.VirtualSource(file["data"])
        file.create_virtual_dataset("virtual", layout)
        file.create_group("group")["round"] = file["/"]
        assert not list(find_links(file))
        file["group/inner"] = h5py.ExternalLink("other.h5", "/")
        assert [str(each) for each in find_links(file)] == [
            "weights that lie in another file, 'other.h5', which is read with them"
        ]
