"""Reads arrays from a file of torch's format before release 1.6, without torch.

Such a file is five pickles (a magic number, a version, facts about the machine, the arrays by name, the keys of their
storages) and then, for each key, the number of values as int64 and the values. Pickles can run code when they are read,
so only the names that arrays need are allowed, and none of them is called but to describe an array.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
COUNT = numpy.dtype("<i8")
STORAGES = {"FloatStorage": numpy.dtype("<f4"), "LongStorage": numpy.dtype("<i8")}


class _Storage(NamedTuple):
    key: str
    dtype: numpy.dtype[Any]


class _Tensor(NamedTuple):
    """An array in a storage: its first value, shape and strides are counted in values."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_file(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the float32 and int64 arrays in the content of a file by their names, in the order of the file.

    Raises
    ------
    pickle.UnpicklingError
        The file names anything but arrays.
    ValueError
        It is not of this format, or ends early.
    """
    file = BytesIO(content)
    magic, _, _, tensors, keys = (_ArrayUnpickler(file).load() for _ in range(5))
    if magic != MAGIC_NUMBER:
        raise ValueError("the file does not begin with torch's magic number")
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    values = {key: _read_values(file, dtypes[key]) for key in keys}
    return {name: _array(tensor, values[tensor.storage.key]) for name, tensor in tensors.items()}


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that knows the names that occur in a dictionary of arrays, and refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for here, never what it is elsewhere."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            # A new one each time: a pickle may set attributes of what it names, such as a function's defaults.
            return partial(_tensor)
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"the file names {module}.{name}, which no array needs")

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage that a mark in the pickle stands for: a kind, a type, a key, a device, a size, a view."""
        _, dtype, key, *_ = pid
        return _Storage(key, dtype)


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def _read_values(file: BytesIO, dtype: numpy.dtype[Any]) -> NDArray[Any]:
    """Return the values of the next storage; raise `ValueError` if the file ends before them."""
    (count,) = numpy.frombuffer(file.read(COUNT.itemsize), COUNT)
    return numpy.frombuffer(file.read(int(count) * dtype.itemsize), dtype, count=int(count))


def _array(tensor: _Tensor, values: NDArray[Any]) -> NDArray[Any]:
    """Return an array of a storage's values; raise `ValueError` if it reaches beyond them."""
    size = values.dtype.itemsize
    strides = [size * step for step in tensor.strides]
    array: NDArray[Any] = numpy.ndarray(tensor.shape, values.dtype, values, size * tensor.offset, strides)
    return array
