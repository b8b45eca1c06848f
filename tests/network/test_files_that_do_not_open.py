"""Files and folders that do not open say what is wrong with them, and what to do."""

from __future__ import annotations

import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import SHAPE, distance, head, random_images, randomise
from tensorflow.core.protobuf import saved_model_pb2

import tfviz
from tfviz.errors import UnsupportedModelError
from tfviz.network.opening.files import open_path


def refused(path, *said, custom_objects=None):
    """Check that a path does not open, with one line that says all of it."""
    with pytest.raises(UnsupportedModelError) as caught:
        open_path(path, custom_objects)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    for each in said:
        assert re.search(each, message), message


# SavedModels.


@pytest.fixture
def folder(saved_folder, tmp_path):
    """A SavedModel that a test may break."""
    return shutil.copytree(saved_folder("functional"), tmp_path / "saved")


def rewrite(folder, change):
    """Change the graph of a SavedModel on the disk."""
    file, proto = folder / "saved_model.pb", saved_model_pb2.SavedModel()
    proto.ParseFromString(file.read_bytes())
    change(proto)
    file.write_bytes(proto.SerializeToString())


def test_an_operation_that_this_tensorflow_does_not_have(folder):
    def rename(proto):
        for function in proto.meta_graphs[0].graph_def.library.function:
            for node in function.node_def:
                node.op = "FancyRelu" if node.op == "Relu" else node.op

    rewrite(folder, rename)
    refused(folder, f"it needs the operation 'FancyRelu', which TensorFlow {tf.__version__} does not have")


def test_a_folder_that_is_no_saved_model(tmp_path):
    refused(tmp_path, "is not a SavedModel: it holds no saved_model.pb, but nothing")
    (tmp_path / "weights.h5").touch()
    refused(tmp_path, "is not a SavedModel: it holds no saved_model.pb, but weights.h5")


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_a_graph_that_is_cut_short(part, folder):
    file = folder / "saved_model.pb"
    file.write_bytes(file.read_bytes()[: int(part * file.stat().st_size)])
    refused(folder, "saved_model.pb is cut short")


def test_several_graphs(folder):
    def add(proto):
        proto.meta_graphs[0].meta_info_def.tags[:] = ["train"]
        proto.meta_graphs.add().meta_info_def.tags.append("test")

    rewrite(folder, add)
    refused(folder, r"tag sets: .*train.*test", r"Load it with tf.saved_model.load\(path, tags=...\) and pass")


def test_weights_that_are_missing(folder):
    (folder / "variables" / "variables.index").unlink()
    refused(folder, r"it has no '.*variables/variables.index', where its weights are; copy the whole folder")
    shutil.rmtree(folder / "variables")
    refused(folder, r"it has no '.*variables/variables.index', where its weights are")


@pytest.mark.parametrize("name, part", [("variables.data-00000-of-00001", 0.5), ("variables.index", 0.2)])
def test_weights_that_are_cut_short(name, part, folder):
    file = folder / "variables" / name
    file.write_bytes(file.read_bytes()[: int(part * file.stat().st_size)])
    refused(folder, r"Are the weights in '.*/variables' whole\?")


def test_no_weights_at_all(folder):
    (folder / "variables" / "variables.data-00000-of-00001").unlink()
    refused(folder, r"variables.data-00000-of-00001.*Are the weights in '.*/variables' whole\?")


# Objects of the user's own.


def steep(x):
    return tf.nn.relu(3 * x)


def with_own_objects(library=keras):
    class Own(library.layers.Layer):
        def call(self, x):
            return 2 * x

    image = library.layers.Input(SHAPE)
    x = library.layers.Conv2D(4, 3, activation=steep, name="conv")(Own(name="own")(image))
    pooled = library.layers.GlobalAveragePooling2D(name="pool")(x)
    return randomise(library.Model(image, library.layers.Dense(5, name="scores")(pooled))), {"Own": Own, "steep": steep}


@pytest.mark.parametrize("library, suffix", [("keras", ".keras"), ("keras", ".h5"), ("tf_keras", ".keras")])
def test_custom_objects(library, suffix, tmp_path):
    model, objects = with_own_objects(pytest.importorskip(library))
    path, images = tmp_path / f"own{suffix}", random_images()
    model.save(path)
    if library == "keras":  # tf_keras finds a class by itself where it was defined
        refused(path, r"it holds 'Own', which is not part of Keras; pass it with .*custom_objects=\{\"Own\": Own\}")
    refused(path, r"it holds 'steep', which is not", custom_objects={"Own": objects["Own"]})
    opened, _ = open_path(path, objects)
    assert isinstance(opened, pytest.importorskip(library).Model)
    assert distance(tfviz.gradient(opened, images, 1), tfviz.gradient(model, images, 1)) < 1e-6


def test_a_function_whose_name_tf_keras_does_not_write(tmp_path):
    model, objects = with_own_objects(pytest.importorskip("tf_keras"))
    with pytest.warns(UserWarning, match="HDF5"):
        model.save(tmp_path / "own.h5")
    refused(tmp_path / "own.h5", "Keras 2 does not write into .h5 files; save it as .keras", custom_objects=objects)


@keras.saving.register_keras_serializable(package="tests")
class Registered(layers.Layer):
    """Known to Keras by its package and name."""

    def call(self, x):
        return x + 0.5


def test_an_object_that_keras_knows(tmp_path):
    image = layers.Input(SHAPE)
    model = randomise(keras.Model(image, head(layers.Conv2D(4, 3, name="conv")(Registered()(image)))))
    model.save(tmp_path / "registered.keras")
    images = random_images()
    np.testing.assert_array_equal(
        tfviz.gradient(tmp_path / "registered.keras", images, 1), tfviz.gradient(model, images, 1)
    )
    model.export(str(tmp_path / "exported"))
    refused(tmp_path / "exported", "custom_objects are for .keras and .h5 files", custom_objects={"a": Registered})
