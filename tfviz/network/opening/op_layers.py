"""Judges layers of Keras 2 that call a function of TensorFlow by name: `x / 255` in a functional model is one.

The names reach all that TensorFlow publishes, `io.write_file` and `py_function` too, and a call without a tensor runs
when the model is built. So a function must be known to do arithmetic alone: it is on the list of functions of no module
(`TOP_LEVEL`), or is in a module of arithmetic and takes no function or path. An operation that is written out is judged
by `effects`.

The modules are allowed as a whole, but for the names of `NO_ARITHMETIC`, since a list of their functions would be out
of date with the next TensorFlow. Hence the look at parameters: what takes a function or a path does more than
arithmetic, wherever it is.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from google.protobuf import json_format  # type: ignore[import-untyped]  # protobuf ships no types

from tfviz.network.opening.effects import effect_of
from tfviz.network.opening.trust import quoted
from tfviz.network.program import operation_definition

OP_LAYERS = frozenset({"TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"})
OF_KERAS = "keras.activations"
MODULES_OF_ARITHMETIC = frozenset(
    {"__operators__", "bitwise", "image", "linalg", "math", "nn", "quantization", "ragged", "random", "sets", "signal"}
    | {"sparse", "strings", OF_KERAS}
)
# Names in those modules that are more: what reads a vocabulary, changes the process or builds from a configuration.
NO_ARITHMETIC = re.compile(r"\w*unigram\w*|\w*generator|set_\w*seed|get|serialize|deserialize")
# Parameters of functions that do more than arithmetic.
MORE_THAN_TENSORS = frozenset(
    {"fn", "func", "function", "op", "body", "cond", "callable", "cell", "loop_fn", "filename", "path", "directory"}
)
ASSERTIONS = re.compile(r"debugging\.(check_numerics|assert_\w+)")
# Functions of no module that take nothing but tensors and numbers; `tf.abs` is `math.abs` in a file.
_TOP_LEVEL = """
add_n argsort as_string assert_equal assert_greater assert_less assert_rank batch_to_space bitcast boolean_mask
broadcast_dynamic_shape broadcast_static_shape broadcast_to cast clip_by_global_norm clip_by_norm clip_by_value
complex concat constant convert_to_tensor dynamic_partition dynamic_stitch edit_distance eig eigvals einsum
ensure_shape expand_dims extract_volume_patches eye fill gather gather_nd histogram_fixed_width identity identity_n
linspace matrix_square_root meshgrid no_op norm one_hot ones ones_like pad parallel_stack range rank realdiv repeat
required_space_to_batch_paddings reshape reverse reverse_sequence roll saturate_cast scatter_nd searchsorted
sequence_mask shape shape_n size slice sort space_to_batch space_to_batch_nd split squeeze stack stop_gradient
strided_slice tensor_scatter_nd_add tensor_scatter_nd_max tensor_scatter_nd_min tensor_scatter_nd_sub
tensor_scatter_nd_update tensordot tile transpose truncatediv truncatemod unique unique_with_counts unravel_index
unstack where zeros zeros_like
"""
TOP_LEVEL = frozenset(_TOP_LEVEL.split())


def judge_op_layer(config: Mapping[str, Any]) -> str:
    """Return what such a layer does beyond arithmetic, to follow "which" in a message; empty if nothing.

    config: the layer's own, of one of `OP_LAYERS`. Its function is named as TensorFlow 2 or, with `compat.v1.`, as
    TensorFlow 1 publishes it; an operation that is written out (`node_def`) may stand beside it or in its place.
    """
    if "node_def" in config and (does := _judge_node(config["node_def"])):
        return does
    if "node_def" in config and "function" not in config:
        return ""
    symbol = str(config.get("function")).removeprefix("compat.v1.")
    if symbol in TOP_LEVEL or ASSERTIONS.fullmatch(symbol) or _is_arithmetic(symbol):
        return ""
    return f"calls TensorFlow's {quoted(symbol)}, which is not known to be arithmetic alone"


def _is_arithmetic(symbol: str) -> bool:
    """Return whether a name is that of a function of tensors in one of the modules of arithmetic, not of one below."""
    module, _, name = symbol.rpartition(".")
    if module not in MODULES_OF_ARITHMETIC or NO_ARITHMETIC.fullmatch(name):
        return False
    if module == OF_KERAS:
        return inspect.isfunction(getattr(keras.activations, name, None))
    found = [getattr(getattr(package, module, None), name, None) for package in (tf, tf.compat.v1)]
    functions = [each for each in found if inspect.isfunction(each)]
    taken = {parameter for each in functions for parameter in inspect.signature(each).parameters}
    return bool(functions) and not taken & MORE_THAN_TENSORS


def _judge_node(definition: Any) -> str:
    """Return the same for an operation that is written out, as a dictionary or, by TensorFlow 2.0, serialised."""
    node = tf.compat.v1.NodeDef()
    try:
        if isinstance(definition, str):
            node.ParseFromString(definition.encode())
        else:
            json_format.ParseDict(definition, node)
    except Exception:  # protobuf raises what it likes for what is not a message
        return "holds an operation that cannot be read"
    if operation_definition(node.op) is None or any(
        each.HasField("func") or each.list.func for each in node.attr.values()
    ):
        return "calls a function that the file does not hold"
    effect = effect_of(node)
    return f"runs the operation {quoted(node.op)}, which {effect}" if effect else ""
