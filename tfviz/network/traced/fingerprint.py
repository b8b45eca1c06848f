"""A digest of what a network computes, which tells it from any other.

It is a hash of hashes from the outputs back: that of a value is made of its operation and of the hashes of what the
operation takes, so only the computation counts. Names, the order of the outputs and `Identity` do not, since an export
changes them. All weights are read, so it is found only when it is written down; a `stamp` of the weights, which is less
work, tells whether the network is still the same by then.

A digest of the file would not do: a live model has none, and the same model saved twice gives other bytes. The
fingerprint cannot tell that two programs written differently compute the same: an optimised graph is another network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfviz.network.program import Program, Step, Value, program_of

# They pass on what they are given, and gradients, too: an export adds them, which changes no map.
TRANSPARENT = frozenset({"Identity", "IdentityN"})
# Names that differ between processes, and attributes that only change how fast an operation runs.
NAMES = frozenset({"container", "shared_name", "parallel_iterations", "use_cudnn_on_gpu", "_output_shapes"})

WORD = 8  # bytes
SAMPLE = 1024  # words at most

Digests = dict[Value, bytes]


class Traced(Protocol):
    """A network, which keeps alive the variables that are read, as its function does not."""

    @property
    def function(self) -> Any:
        """The function that its model was traced as."""


def fingerprint(network: Traced) -> str:
    """Return 64 hexadecimal digits that stand for what a network computes; 0.8 s for VGG16.

    It is a SHA-256, in the manner of a Merkle tree. The digest of a value is made of the type and the attributes of its
    operation and the digests of the operands; that of an argument, of its place among the arguments; that of a variable
    or captured constant, of its type, shape and content. The fingerprint is the digest of the outputs' digests, sorted.
    So it is the same in every process, and for a Keras model and a SavedModel of it, as long as their operations are
    the same; it changes with any weight that the outputs depend on, and if gradients are stopped. Left out are the
    names of operations and layers, the order of the outputs (a SavedModel sorts them by their names), operations that
    change neither numbers nor gradients (`Identity`), and the contents of lookup tables.
    """
    return fingerprint_of(network.function)


def fingerprint_of(function: Any) -> str:
    """Return the fingerprint of the function that a model was traced as.

    Raises `AssertionError`, as TensorFlow does, if a variable that the function reads does not exist any more.
    """
    variables = {id(variable.handle): variable for variable in _variables(function)}
    # The whole function of the model, even if only a part of it is explained.
    program, captured = program_of(function.graph), function.captured_inputs
    own = len(program.inputs) - len(captured)
    digests = {value: _digest("argument", index) for index, value in enumerate(program.inputs[:own])}
    needed = program.needed_for(program.outputs)
    for value, tensor in zip(program.inputs[own:], captured, strict=True):
        if value in needed:
            digests[value] = _content(variables.get(id(tensor), tensor))
    _digest_program(program, digests)
    return _digest("outputs", sorted({digests[value] for value in program.outputs})).hex()


def stamp(function: Any) -> bytes:
    """Return a short digest that changes, almost surely, if a variable of a function does; 0.06 s for VGG16.

    It holds within one process: of each variable its identity, the sum of its content in words of 64 bits, and a sample
    of these.
    """
    return _digest(*(part for variable in _variables(function) for part in (id(variable.handle), *_sums(variable))))


def _variables(function: Any) -> list[Any]:
    """Return the variables of a function; of one that a SavedModel got under a strategy, its first copy."""
    return [getattr(variable, "values", (variable,))[0] for variable in function.variables]


def _sums(variable: Any) -> Iterator[Any]:
    """Yield what stands for the content of a variable: of numbers their sum as words, a sample and the last bytes.

    Texts are digested whole. The array is read in place, as far as TensorFlow lends it.
    """
    array = np.asarray(tf.convert_to_tensor(variable))
    if array.dtype == object:
        yield _content(variable)
        return
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    words = content[: content.size // WORD * WORD].view(np.uint64)
    yield np.sum(words, keepdims=True)
    # The sum does not change if numbers change places.
    yield words[:: words.size // SAMPLE + 1]
    yield content[words.size * WORD :]


def _digest_program(program: Program, digests: Digests) -> bytes:
    """Return the digest of the outputs of a program, given those of its arguments.

    The digests of all values on the way are added to `digests`. Unlike the outputs of the whole network, those of an
    inner program are in order, as the step around it gives them.
    """
    for step in program.steps:
        inputs = [digests[value] for value in step.inputs]
        if step.type in TRANSPARENT:
            digests.update(zip(step.outputs, inputs, strict=True))
            continue
        made = _digest(step.type, _attributes(step), inputs, [_digest_inner(inner) for inner in step.programs])
        digests.update((value, _digest(made, index)) for index, value in enumerate(step.outputs))
    return _digest("outputs", [digests[value] for value in program.outputs])


def _digest_inner(program: Program) -> bytes:
    return _digest_program(program, {value: _digest("argument", index) for index, value in enumerate(program.inputs)})


def _attributes(step: Step) -> Mapping[str, Any]:
    """Return the attributes of an operation, but for functions and those that do not change its result."""
    operation = step.operation
    names = [attribute.name for attribute in operation.op_def.attr if attribute.name not in NAMES]
    return {name: operation.get_attr(name) for name in sorted(names) if not _is_function(step, name)}


def _is_function(step: Step, name: str) -> bool:
    attribute = step.operation.node_def.attr[name]
    return attribute.HasField("func") or bool(attribute.list.func)


def _content(tensor: Any) -> bytes:
    """Return the digest of the content of a variable or constant; of a table, only that there is one."""
    if tensor.dtype in (tf.resource, tf.variant):
        return _digest("resource")
    # Not `numpy()`, which copies.
    array = np.asarray(tf.convert_to_tensor(tensor))
    content = array.ravel().tolist() if array.dtype == object else array
    return _digest(str(array.dtype), array.shape, content)


def _digest(*parts: Any) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        _add(digest, part)
    return digest.digest()


def _add(digest: Any, part: Any) -> None:
    """Add a part behind its length, so that no two lists of parts are the same bytes."""
    if isinstance(part, np.ndarray):
        content: Any = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
    elif isinstance(part, bytes):
        content = part
    elif isinstance(part, Mapping):
        content = _digest(*(each for item in part.items() for each in item))
    elif isinstance(part, list | tuple):
        content = _digest(*part)
    elif hasattr(part, "tensor_content"):
        # The same numbers are written in several ways.
        content = _content(tf.constant(tf.make_ndarray(part)))
    else:
        content = repr(part).encode()
    digest.update(f"{len(content)} ".encode())
    digest.update(content)
