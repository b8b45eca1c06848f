"""The one module that touches what TensorFlow does not publish.

Every use stands here with its reason, and `tests/network/test_internals.py` fails loudly when a TensorFlow release
changes it. Everything else is built on `tf.raw_ops`, operations' public attributes and `tf.custom_gradient`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context, execute
from tensorflow.python.framework import function_def_to_graph, kernels, op_def_library, op_def_registry, ops
from tensorflow.python.ops import script_ops


def function_graph(graph: tf.Graph, name: str) -> tf.Graph:
    """Return the graph of the function `name` that an operation of `graph` calls.

    Private because there is no public way from a call operation to the function that it names. The graph's own library
    holds the functions that were traced in this process or loaded from a SavedModel; a function that only the runtime
    knows is rebuilt from its definition.
    """
    function = graph._get_function(name)
    if function is not None and hasattr(function, "graph"):
        return function.graph
    return function_def_to_graph.function_def_to_graph(context.get_function_def(name))


def gradient_tag(operation: tf.Operation) -> str:
    """Return the tag of the custom gradient that an operation carries, empty for none.

    Private because the name of the attribute is.
    """
    if operation.type != "IdentityN" or "_gradient_op_type" not in operation.node_def.attr:
        return ""
    return str(operation.get_attr("_gradient_op_type").decode())


def has_gradient(tag: str) -> bool:
    """Return whether the custom gradient that the graph calls `tag` is known to this process.

    Private because the registry is: asking for the gradient itself raises only deep inside the tape.
    """
    try:
        ops.gradient_registry.lookup(tag)
    except LookupError:
        return False
    return True


def is_tensorflows_own(tag: str) -> bool:
    """Return whether TensorFlow's own operations define the custom gradient `tag`, or it was loaded with a model.

    Private because the registry holds closures: the module of the functions inside tells who wrote them.
    """
    pending, modules = [ops.gradient_registry.lookup(tag)], set()
    while pending:
        function = pending.pop()
        modules.add(function.__module__)
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        pending.extend(content for content in cells if isinstance(content, FunctionType))
    return all(module.startswith("tensorflow.") for module in modules)


def has_python_function(token: bytes) -> bool:
    """Return whether this process has the Python function that a `py_function` calls by a token.

    Private because the registry is: without it the call fails only when it runs, in a traceback.
    """
    return script_ops._py_funcs.get(token.decode()) is not None


def forget_gradients(graph: tf.Graph) -> None:
    """Remove the custom gradients of a finished graph from TensorFlow's registry.

    Private because nothing public does it: the registry keeps every one for ever, and with it the graph and the weights
    of the model that it reads. Once its backward pass is made, a graph no longer needs them, nor do its functions.
    """
    for operation in graph.get_operations():
        ops.gradient_registry._registry.pop(gradient_tag(operation), None)
        for attribute in operation.node_def.attr.values():
            if attribute.HasField("func"):
                forget_gradients(function_graph(graph, attribute.func.name))


def distributed_variable(variable: Any) -> Any:
    """Return the variable of a `tf.distribute` strategy that a function's variable is, or is one replica's copy of.

    None if it is neither. Private because a function that was traced here reads one copy, which alone leads to the
    others.
    """
    if isinstance(variable, tf.distribute.DistributedValues):
        return variable
    reference = getattr(variable.handle, "_distributed_container", None)
    return None if reference is None else reference()


def unpublished_operation(operation_type: str) -> Callable[..., Any] | None:
    """Return an operation that is not among `tf.raw_ops`, for graphs alone, called by the names of its definition.

    Private because it is: `keras.ops.slice_update` is `XlaDynamicUpdateSlice`. None if there is none of that type,
    and for one that runs functions, since what these compute would have to be replayed, too.
    """
    definition = operation_definition(operation_type)
    if definition is None or any("func" in attribute.type for attribute in definition.attr):
        return None

    def run(**arguments: Any) -> Any:
        result = op_def_library.apply_op(operation_type, **arguments)
        made = tf.nest.flatten(result)[0].op
        attributes = [part for each in made.op_def.attr for part in (each.name, made.get_attr(each.name))]
        # Else a tape would not see it, and take its result for a constant.
        execute.record_gradient(operation_type, made.inputs, tuple(attributes), made.outputs)
        return result

    return run


def operation_definition(operation_type: str) -> Any:
    """Return the `OpDef` of an operation type.

    Private because only an operation that exists in a graph has a public `op_def`; the names are needed once a type.
    """
    return op_def_registry.get(operation_type)


def has_kernel(operation: tf.Operation, device: str) -> bool:
    """Return whether TensorFlow has a kernel for the types of an operation on a kind of device, `CPU` or `GPU`.

    Private because the registry of kernels is. What runs on any device, such as `IdentityN`, is of the kind `DEFAULT`.
    """
    attributes = operation.node_def.attr
    return any(
        all(attributes[each.name].type in each.allowed_values.list.type for each in kernel.constraint)
        for kernel in kernels.get_registered_kernels_for_op(operation.type).kernel
        if kernel.device_type in (device, "DEFAULT") and not kernel.label
    )
