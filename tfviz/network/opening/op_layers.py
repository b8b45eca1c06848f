"""Layers of Keras 2 that call a function of TensorFlow by its name: `x / 255` in a functional model is one.

The names reach all that TensorFlow publishes, `io.write_file` and `py_function` too, and a call without a tensor runs
when the model is built. So a function must be known to do arithmetic alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from google.protobuf import json_format  # type: ignore[import-untyped]  # protobuf ships no types
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types

from tfviz.network.opening.effects import effect_of

OP_LAYERS = frozenset({"TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"})
MODULES_OF_ARITHMETIC = frozenset(
    {"__operators__", "bitwise", "image", "linalg", "math", "nn", "quantization", "ragged", "random", "sets", "signal"}
    | {"sparse", "strings"}
)
NO_ARITHMETIC = ("unigram", "global_generator", "set_seed")
"""Parts of names in those modules: what reads a vocabulary, and what changes the process."""
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
OF_KERAS = "keras.activations"


def judge_op_layer(config: Mapping[str, Any]) -> str:
    """Return what comes of such a layer that is more than arithmetic, empty for one that is not."""
    if "node_def" in config:
        return _judge_node(config["node_def"])
    symbol = str(config.get("function")).removeprefix("compat.v1.")
    module, _, name = symbol.rpartition(".")
    is_arithmetic = module == OF_KERAS or name in TOP_LEVEL if module in ("", OF_KERAS) else _is_in_known_module(symbol)
    return "" if is_arithmetic else f"calls TensorFlow's {symbol}, which is not known to be arithmetic alone"


def _is_in_known_module(symbol: str) -> bool:
    return symbol.partition(".")[0] in MODULES_OF_ARITHMETIC and not any(each in symbol for each in NO_ARITHMETIC)


def _judge_node(definition: Any) -> str:
    """Return the same of an operation that is written out, as a dictionary or, by TensorFlow 2.0, serialised."""
    node = tf.compat.v1.NodeDef()
    try:
        if isinstance(definition, str):
            node.ParseFromString(definition.encode())
        else:
            json_format.ParseDict(definition, node)
    except (json_format.ParseError, DecodeError, AttributeError, TypeError):
        return "holds an operation that cannot be read"
    effect = effect_of(node)
    return f"runs the operation {node.op}, which {effect}" if effect else ""
