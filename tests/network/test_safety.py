"""No file runs code, reads or writes other files or reaches other machines when it is opened and explained."""

from __future__ import annotations

import contextlib
import gc
import inspect
import re
import shutil
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from support import attacks
from support.attacks import (
    changed,
    code_of_touch,
    function,
    in_residual,
    inserted,
    keras_file,
    lambda_of,
    layer,
    nested,
    op_layer,
    saved,
    saved_by_tensorflow_1,
    saved_with_resource,
    saved_with_table,
    spec,
    with_links,
    wrapped,
)
from support.model_zoo import SHAPE, random_images
from support.thinning import by_day
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

import tfviz
from tfviz.errors import TfvizWarning, UnsafeModelError, UnsupportedModelError
from tfviz.network.opening.configuration import MORE_THAN_ARITHMETIC
from tfviz.network.opening.effects import effect_of
from tfviz.network.opening.library import CLASSES_STAND_IN, Library
from tfviz.network.opening.op_layers import TOP_LEVEL, judge_op_layer

LIBRARIES = ("keras", "tf_keras")


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """Work in a folder of the test's own, where the mark would be."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return where Keras files are written."""
    return tmp_path_factory.mktemp("files")


def is_refused(path, folder, said="", error=UnsafeModelError, place=None):
    """Check that a model is refused in a line, that names it, and that nothing was touched."""
    with pytest.raises(error) as caught:
        tfviz.trace(path)
    message = str(caught.value)
    assert re.search(said, message), message
    assert "\n" not in message and (str(path) if place is None else place) in message and len(message) < 600
    gc.collect()
    assert not (folder / attacks.MARK).exists()


# Keras files.

ATTACKS = {
    "lambda": (
        inserted(lambda: lambda_of(code_of_touch(), "lambda")),
        "it holds 'double', a Lambda, which runs Python code of the file",
    ),
    "lambda in its shape": (
        inserted(lambda: lambda_of("relu", "raw", output_shape=code_of_touch(), output_shape_type="lambda")),
        "a Lambda, which runs Python code",
    ),
    "lambda of a module": (
        inserted(lambda_of(function("os", "system"), "function")),
        "'system' of the module 'os', which is not a part of a network",
    ),
    "lambda of Keras 3": (
        inserted(
            lambda: layer("Lambda", function={"class_name": "__lambda__", "config": {"code": code_of_touch()[0]}})
        ),
        "it holds 'own', a Lambda, which runs Python code of the file",
    ),
    "lambda by its registered name": (
        inserted(
            lambda: {**lambda_of(code_of_touch(), "lambda"), "registered_name": "Dense", "module": "keras.layers"}
        ),
        "'Dense' of the module 'keras.layers'",
    ),
    "lambda that is registered as another": (
        inserted(
            lambda: {**lambda_of(code_of_touch(), "lambda"), "registered_name": "Custom>Adam", "module": "keras.layers"}
        ),
        "a Lambda, which runs Python code",
    ),
    "nested lambda": (inserted(lambda: nested(lambda_of(code_of_touch(), "lambda"))), "'double', a Lambda"),
    "wrapped lambda": (inserted(lambda: wrapped(lambda_of(code_of_touch(), "lambda"))), "'double', a Lambda"),
    "code as an initializer": (
        changed("kernel_initializer", lambda: {"class_name": "__lambda__", "config": {"value": code_of_touch()}}),
        "a Python lambda, which runs Python code",
    ),
    "code as an activation": (
        changed("activation", lambda: {"class_name": "__lambda__", "config": {"code": code_of_touch()[0]}}),
        "a Python lambda, which runs Python code",
    ),
    "function of a module": (changed("activation", function("posix", "system", "function")), "of the module 'posix'"),
    "built-in function": (changed("activation", function("builtins", "eval")), "'eval' of the module 'builtins'"),
    "class of a module": (
        changed("kernel_initializer", layer("Popen", "subprocess", "Popen", args=["touch", attacks.MARK])),
        "'Popen' of the module 'subprocess'",
    ),
    "known name of a module": (changed("kernel_initializer", layer("Zeros", "os")), "'Zeros' of the module 'os'"),
    "module that acts when imported": (changed("bias_initializer", layer("X", "antigravity")), "'antigravity'"),
    "in a nested model's training": (
        inserted({**nested(layer("Rescaling", scale=1.0)), "compile_config": {"loss": function("os", "system")}}),
        "'system' of the module 'os'",
    ),
    "other model": (inserted(layer("TFSMLayer", filepath="elsewhere")), "a TFSMLayer, which loads another model"),
    "file of words": (
        inserted(layer("StringLookup", vocabulary="/etc/passwd")),
        "a StringLookup, which reads the file '/etc/passwd'",
    ),
    "TensorFlow's files": (inserted(op_layer("io.write_file")), "calls TensorFlow's 'io.write_file'"),
    "TensorFlow's folders": (inserted(op_layer("io.gfile.rmtree")), "calls TensorFlow's 'io.gfile.rmtree'"),
    "TensorFlow's raw files": (inserted(op_layer("raw_ops.WriteFile")), "calls TensorFlow's 'raw_ops.WriteFile'"),
    "TensorFlow's Python": (inserted(op_layer("compat.v1.py_func")), "calls TensorFlow's 'py_func'"),
    "Keras through TensorFlow": (
        inserted(op_layer("keras.models.load_model")),
        "calls TensorFlow's 'keras.models.load_model'",
    ),
    "vocabulary of a sampler": (inserted(op_layer("random.fixed_unigram_candidate_sampler")), "fixed_unigram"),
    "operation": (
        inserted({"class_name": "TensorFlowOpLayer", "config": {"name": "own", "node_def": {"op": "WriteFile"}}}),
        "runs the operation 'WriteFile', which touches files",
    ),
    "operation that hides others": (
        inserted(
            {"class_name": "TensorFlowOpLayer", "config": {"name": "own", "node_def": {"op": "DatasetFromGraph"}}}
        ),
        "runs the operation 'DatasetFromGraph', which runs what cannot be looked through",
    ),
    "type": (changed("name", spec("Popen", "subprocess")), "the type 'Popen' of the module 'subprocess'"),
    "type of a module that acts": (changed("name", spec("TensorSpec", "antigravity")), "of the module 'antigravity'"),
    "type that is registered as a layer": (
        changed("name", spec("TensorSpec", "keras.src.layers.core.lambda_layer", "Lambda")),
        "the type 'TensorSpec' of the module 'keras.src.layers.core.lambda_layer'",
    ),
    "objects in a text": (
        lambda layers: layers[1].__setitem__(
            "inbound_nodes", [[["_CONSTANT_VALUE", -1, [{"_TYPE": "COMPOSITE"}, "{}"]]]]
        ),
        "objects in a text, which cannot be looked through",
    ),
    "function that the file does not hold": (
        inserted({"class_name": "TensorFlowOpLayer", "config": {"node_def": {"op": "__inference_f_1"}}}),
        "calls a function that the file does not hold",
    ),
    "function in an operation": (
        inserted(
            {
                "class_name": "TensorFlowOpLayer",
                "config": {"node_def": {"op": "PartitionedCall", "attr": {"f": {"func": {"name": "f"}}}}},
            }
        ),
        "calls a function that the file does not hold",
    ),
    "old type": (
        changed("name", {"class_name": "TypeSpec", "type_spec": ["x"], "serialized": []}),
        r"the type \['x'\]",
    ),
    "module that is no text": (changed("bias_initializer", layer("Zeros", 5)), "'Zeros' of the module 5 under the"),
    "TensorFlow's quantisation": (
        inserted(op_layer("quantization.experimental.quantize_saved_model")),
        "calls TensorFlow's 'quantization.experimental.quantize_saved_model'",
    ),
}
# What may be the user's own by its name: it is refused as long as nobody passes it.
STRANGERS = {
    "registered elsewhere": (inserted(lambda: {**lambda_of([], "raw"), "class_name": "Mine"}), "Mine"),
    "module that is called alike": (changed("kernel_initializer", layer("Zeros", "keras_evil.sub")), "Zeros"),
    "method of a class": (
        inserted({"class_name": "ClassMethod", "config": {"cls_symbol": "io.gfile.GFile"}}),
        "ClassM",
    ),
    "method by its name": (inserted({"class_name": "InstanceMethod", "config": {"attr_name": "x"}}), "InstanceMethod"),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", ATTACKS)
def test_a_keras_file_that_does_more_is_refused(kind, library, suffix, files, tmp_path):
    pytest.importorskip("tf_keras")
    change, said = ATTACKS[kind]
    is_refused(keras_file(library, suffix, files, change), tmp_path, said)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", STRANGERS)
def test_what_may_be_the_users_is_asked_for(kind, library, suffix, files, tmp_path):
    pytest.importorskip("tf_keras")
    change, name = STRANGERS[kind]
    said = f"it holds '{name}.*', which is not part of Keras; pass it with tfviz.trace"
    is_refused(keras_file(library, suffix, files, change), tmp_path, said, UnsupportedModelError)


@pytest.mark.parametrize(
    "place, name",
    [("utils", "get_file"), ("saving", "load_model"), ("src.utils.python_utils", "func_load"), ("activations", "get")],
)
def test_keras_own_functions_that_are_no_part_of_a_network(place, name, files, tmp_path):
    change = changed("activation", function(f"keras.{place}", name, "function"))
    said = f"'{name}' of the module 'keras.{place}', which is not a part of a network"
    is_refused(keras_file("keras", ".keras", files, change), tmp_path, said)


def test_a_class_of_keras_that_is_not_published_but_runs_code(files, tmp_path):
    pytest.importorskip("tf_keras")
    path = keras_file("tf_keras", ".keras", files, inserted(lambda: in_residual(code_of_touch())))
    is_refused(path, tmp_path, "'own', a ResidualWrapper, which runs Python code")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    "place, name",
    [
        ("layers.core.tf_op_layer", "ClassMethod"),
        ("layers.core.tf_op_layer", "InstanceMethod"),
        ("export.export_lib", "ReloadedLayer"),
    ],
)
def test_layers_of_tf_keras_that_are_not_published(place, name, suffix, files, tmp_path):
    """They call what they are told to, or load another model."""
    pytest.importorskip("tf_keras")
    path = keras_file("tf_keras", suffix, files, inserted(layer(name, f"tf_keras.src.{place}")))
    is_refused(path, tmp_path, f"'{name}' of the module 'tf_keras.src.{place}', which is not a part of a network")


def test_the_file_of_the_report(tmp_path):
    """Where an .h5 file says that Keras 2 wrote it, a refusal of Keras 3 was followed by tf_keras, which loads it."""
    old = pytest.importorskip("tf_keras")
    image = old.layers.Input(SHAPE)
    pooled = old.layers.GlobalAveragePooling2D()(old.layers.Conv2D(2, 3)(old.layers.Lambda(lambda x: x)(image)))
    with pytest.warns(UserWarning, match="HDF5"):
        old.Model(image, old.layers.Dense(3)(pooled)).save("evil.h5")
    is_refused("evil.h5", tmp_path, "a Lambda, which runs Python code")


@pytest.mark.parametrize("library, suffix", [("tf_keras", ".h5"), ("tf_keras", ".keras"), ("keras", ".keras")])
def test_what_is_trusted_is_opened_and_said(library, suffix, files, tmp_path):
    """The attack is real: with `safe_mode=False` the code runs."""
    pytest.importorskip("tf_keras")
    code = code_of_touch()
    of_keras_3 = {"class_name": "__lambda__", "config": {"code": code[0], "defaults": None, "closure": None}}
    new = lambda_of(code, "lambda") if library == "tf_keras" else layer("Lambda", function=of_keras_3)
    path = keras_file(library, suffix, files, inserted(new))
    with pytest.warns(TfvizWarning, match="so it may do all that you may: it holds .*a Lambda, which"):
        network = tfviz.trace(path, safe_mode=False)
    assert (tmp_path / attacks.MARK).exists()
    assert tfviz.gradient(network, random_images()).any()


def test_a_refusal_of_keras_is_final(files, tmp_path, monkeypatch):
    """Keras may know of a danger that is not known here."""
    old = pytest.importorskip("tf_keras")
    monkeypatch.setattr("tfviz.network.opening.keras_files.find_in_configuration", lambda *_: [])
    monkeypatch.setattr(old.saving, "load_model", lambda *_, **__: pytest.fail("tf_keras was asked"))
    change = layer("Lambda", function={"class_name": "__lambda__", "config": {"code": code_of_touch()[0]}})
    path = keras_file("tf_keras", ".h5", files, inserted(change))
    danger = "is unsafe" if keras.__version__.startswith("3.10.") else "arbitrary code execution"
    is_refused(path, tmp_path, f"is not opened: Keras says .*{danger}.* If you trust whoever made it")


@pytest.mark.parametrize("name", ["unsafe", "security", "safe_mode"])
def test_a_layer_may_be_called_so(name, tmp_path):
    """Keras 3 cannot read the layer, and quotes the file in what it says."""
    old = pytest.importorskip("tf_keras")
    image = old.layers.Input(SHAPE)
    x = old.layers.GlobalAveragePooling2D()(old.layers.DepthwiseConv2D(3, name=name)(image))
    with pytest.warns(UserWarning, match="HDF5"):
        old.Model(image, old.layers.Dense(3)(x)).save("called.h5")
    with h5py.File("called.h5", "a") as file:
        file.attrs["keras_version"] = file.attrs["keras_version"].encode()
    assert isinstance(tfviz.trace("called.h5").model, old.Model)


def test_clean_files_are_opened_without_a_word(files):
    pytest.importorskip("tf_keras")
    for library in LIBRARIES:
        for suffix in (".keras", ".h5"):
            path = keras_file(library, suffix, files, lambda layers: None)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert tfviz.trace(path).num_classes == tfviz.trace(path, safe_mode=False).num_classes == 3


def double(x):
    return 2 * x


def test_a_lambda_of_the_users_own_function(files, tmp_path):
    """It holds a name, and the code is the user's."""
    pytest.importorskip("tf_keras")
    named = layer("Lambda", function=function("builtins", "double", "function"), output_shape=list(SHAPE))
    of_keras_2 = ("tf_keras", ".h5", lambda_of("double", "function"))
    for library, suffix, new in (("keras", ".keras", named), ("keras", ".h5", named), of_keras_2):
        path = keras_file(library, suffix, files, inserted(new))
        is_refused(path, tmp_path, "it holds 'double', which is not part of Keras", UnsupportedModelError)
        assert tfviz.trace(path, custom_objects={"double": double}).num_classes == 3


@keras.saving.register_keras_serializable(package="tests")
class Shifted(keras.layers.Layer):
    """A layer whose registered name differs from its own, and that calls Python."""

    def call(self, x):
        found = tf.py_function(lambda y: y + 1, [x], tf.float32)
        found.set_shape(x.shape)
        return found


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_registered_layer_is_the_users(suffix, tmp_path, monkeypatch):
    """It may do what it likes, and where it is not registered, it is asked for under the name that opens the file."""
    image = keras.layers.Input(SHAPE)
    keras.Model(image, keras.layers.GlobalAveragePooling2D()(Shifted()(image))).save(f"own{suffix}")
    assert tfviz.gradient(f"own{suffix}", random_images(), 1).any()
    monkeypatch.delitem(keras.saving.get_custom_objects(), "tests>Shifted")
    with pytest.raises(UnsupportedModelError, match="which is not part of Keras; pass it with") as caught:
        tfviz.trace(f"own{suffix}")
    (name,) = re.findall(r'custom_objects=\{"([^"]+)": Shifted\}', str(caught.value))
    assert tfviz.trace(f"own{suffix}", custom_objects={name: Shifted}).num_classes == 3


def test_how_a_nested_model_is_trained_is_read_but_not_how_the_whole_is(tmp_path):
    def own_loss(truth, scores):
        return truth - scores

    def model_of():
        image = keras.layers.Input(SHAPE)
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3, name="conv")(image))
        return keras.Model(image, keras.layers.Dense(3, name="scores")(x), name="model")

    inner = model_of()
    inner.compile("sgd", own_loss)
    inner.save("whole.keras")
    assert tfviz.trace("whole.keras").num_classes == 3
    keras.Sequential([keras.layers.Input(SHAPE), inner]).save("part.keras")
    is_refused("part.keras", tmp_path, "it holds 'own_loss'", UnsupportedModelError)


@pytest.mark.filterwarnings("ignore:.*expects numbers up to about 255:tfviz.errors.TfvizWarning")
def test_layers_of_tf_keras_that_call_arithmetic(tmp_path):
    """`x / 255` in a functional model of Keras 2 is a function of TensorFlow's, by its name."""
    old = pytest.importorskip("tf_keras")
    image = old.layers.Input(SHAPE)
    x = tf.image.resize(image[:, :, :, ::-1] / 255.0 - [0.1, 0.2, 0.3], (12, 12))
    x = tf.nn.elu(old.layers.Conv2D(4, 3, name="conv")(x))
    x = tf.concat([x, tf.clip_by_value(x, 0.0, 1.0)], -1)
    x = old.backend.mean(old.activations.gelu(x), axis=(1, 2))
    model = old.Model(image, tf.math.l2_normalize(old.layers.Dense(3, name="scores")(x), -1))
    model.save("arithmetic.keras")
    images = random_images()
    np.testing.assert_allclose(
        tfviz.gradient("arithmetic.keras", images, 1), tfviz.gradient(model, images, 1), rtol=1e-5, atol=1e-7
    )


def test_an_operation_that_is_written_out():
    """As models of TensorFlow 2.0 to 2.3 hold it, as a dictionary or serialised."""
    node = tf.compat.v1.NodeDef(name="x", op="Relu", input=["y"])
    for written in ({"name": "x", "op": "Relu", "input": ["y"]}, node.SerializeToString().decode()):
        assert judge_op_layer({"node_def": written}) == ""
    node.op = "ReadFile"
    for written in ({"op": "ReadFile"}, node.SerializeToString().decode()):
        assert judge_op_layer({"node_def": written}) == "runs the operation 'ReadFile', which touches files"
    for broken in (7, "\ud800", {"attr": {"T": {"i": 1e400}}}, {"op": 5}, None):
        assert judge_op_layer({"node_def": broken}) == "holds an operation that cannot be read"


def test_the_functions_of_tensorflow_that_count_as_arithmetic():
    """None takes a function, a path or a device; all that is not there is refused."""
    for name in TOP_LEVEL:
        found = getattr(tf, name, None)
        if found is not None:
            taken = set(inspect.signature(found).parameters)
            assert not taken & {"fn", "func", "function", "filename", "path", "output_stream", "graph_def", "body"}, (
                name
            )
    for symbol in ("keras.activations.get", "random.set_seed", "nn.raw_rnn", "ragged.map_flat_values", "math.none"):
        assert judge_op_layer({"function": symbol})
    for symbol in (
        "math.add",
        "nn.relu",
        "compat.v1.image.resize_bilinear",
        "__operators__.add",
        "debugging.assert_rank",
    ):
        assert not judge_op_layer({"function": symbol})
    for symbol in ("py_function", "numpy_function", "print", "load_library", "import_graph_def", "data.Dataset", "x"):
        assert judge_op_layer({"function": symbol})


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_layer_of_keras_is_known(library):
    """By the name that it has in a file of either format, and in its own module."""
    package = pytest.importorskip(library)
    known = Library(package, {})
    layers = {name: each for name, each in vars(package.layers).items() if isinstance(each, type)}
    assert len(layers) > 100
    for name, each in layers.items():
        for module, called in (
            (None, name),
            (None, each.__name__),
            ("keras.layers", name),
            (each.__module__, each.__name__),
        ):
            assert each.__name__ in known.kinds(module, called), name
    assert not known.kinds("keras.layers", "get_file") and not known.kinds("keras.utils", "Sequence")
    assert not known.kinds(None, "Sequence") and not known.kinds("keras.layers", "deserialize")
    assert {*MORE_THAN_ARITHMETIC} <= {*dir(keras.layers)} and "layers" in CLASSES_STAND_IN


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "name",
    by_day(["MobileNetV3Small", "ConvNeXtTiny", "EfficientNetV2B0", "NASNetMobile"], ["MobileNetV3Small"]),
)
def test_keras_applications_are_clean(library, name, tmp_path, monkeypatch):
    """Their files hold layers, functions and initializers of all kinds."""
    package = pytest.importorskip(library)
    monkeypatch.setattr(package.saving, "load_model", lambda *_, **__: "opened")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of an initializer of TensorFlow's
        getattr(package.applications, name)(weights=None).save(tmp_path / "application.keras")
    assert (
        tfviz.network.opening.keras_files.open_keras_file(tmp_path / "application.keras", {}, True, 10**8)[0]
        == "opened"
    )


# Weights that lie in other files.


@pytest.mark.parametrize("kind", ["link", "external", "virtual"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_weights_that_lie_in_other_files(kind, compression, files, tmp_path):
    path = shutil.copyfile(keras_file("keras", ".h5", files, lambda layers: None), tmp_path / "links.h5")
    with_links(path, kind)
    said = "it holds weights that lie in another file, '/etc/(other.h5|hostname)', which is read with them"
    is_refused(path, tmp_path, said)
    with zipfile.ZipFile(keras_file("keras", ".keras", files, lambda layers: None)) as old:
        old.extract("model.weights.h5", tmp_path)
        with_links(tmp_path / "model.weights.h5", kind)
        with zipfile.ZipFile(tmp_path / "links.keras", "w", compression) as new:
            for name in ("config.json", "metadata.json"):
                new.writestr(name, old.read(name))
            new.write(tmp_path / "model.weights.h5", "model.weights.h5")
    is_refused(tmp_path / "links.keras", tmp_path, said)


def test_links_inside_a_file_are_its_own(files, tmp_path):
    """A group that holds itself, too."""
    path = shutil.copyfile(keras_file("keras", ".h5", files, lambda layers: None), tmp_path / "round.h5")
    with h5py.File(path, "a") as file:
        file["soft"] = h5py.SoftLink("/model_weights")
        file["round"] = file["/model_weights"]
        file["model_weights/round"] = file["/"]
    assert tfviz.trace(path).num_classes == 3


# SavedModels.

SAVED_ATTACKS = {
    "writes": (lambda folder: saved(folder, attacks.writing), "the operation WriteFile .*, which touches files"),
    "reads in a branch": (lambda folder: saved(folder, attacks.reading_in_a_branch), "ReadFile"),
    "looks in a loop": (lambda folder: saved(folder, attacks.looking_in_a_loop), "MatchingFiles"),
    "prints to a file": (lambda folder: saved(folder, attacks.printing_to_a_file), "PrintV2"),
    "runs a hidden graph": (
        lambda folder: saved(folder, attacks.through_a_hidden_graph),
        "DatasetFromGraph.*, which runs what cannot be looked through",
    ),
    "reads a data set": (lambda folder: saved(folder, attacks.through_a_dataset), "TextLineDataset"),
    "calls Python": (lambda folder: saved(folder, attacks.through_python), "EagerPyFunc.*calls a Python function"),
    "calls NumPy": (lambda folder: saved(folder, attacks.through_numpy), "PyFunc .*calls a Python function"),
    "writes in its gradient": (
        lambda folder: saved(folder, attacks.writing_in_its_gradient, gradients=True),
        "WriteFile",
    ),
    "writes when made": (
        lambda folder: saved_with_resource(folder, "create"),
        "WriteFile.* as soon as the model is lo",
    ),
    "writes when filled": (lambda folder: saved_with_resource(folder, "initialize"), "WriteFile.* as soon as the"),
    "writes when deleted": (lambda folder: saved_with_resource(folder, "destroy"), "WriteFile.* as soon as the"),
    "TensorFlow 1, when made": (lambda folder: saved_by_tensorflow_1(folder, "initialisation"), "WriteFile"),
    "TensorFlow 1, when called": (lambda folder: saved_by_tensorflow_1(folder, "signature"), "WriteFile.* as soon as"),
    "TensorFlow 1, by a collection": (lambda folder: saved_by_tensorflow_1(folder, "collection"), "WriteFile"),
}


# TensorFlow 1 warns of its own ways.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", SAVED_ATTACKS)
def test_a_saved_model_that_does_more_is_refused(kind, tmp_path):
    make, said = SAVED_ATTACKS[kind]
    folder = make(tmp_path)
    gc.collect()  # what was saved may write its mark when it is deleted
    (tmp_path / attacks.MARK).unlink(missing_ok=True)
    is_refused(folder, tmp_path, said)


CHANGED = {
    "calls a function by an operation": (attacks.call_by_operation, "WriteFile"),
    "has another implementation": (attacks.call_another_implementation, "WriteFile"),
    "counts from the end": (attacks.count_from_the_end, "objects that refer outside of their list"),
    "calls by an object": (attacks.call_by_object, "WriteFile"),
    "depends on its maker": (attacks.depend_on_maker, "WriteFile"),
    "leaves a file's name open": (attacks.leave_name_open, "PrintV2 .*, which runs what cannot be looked through"),
    "dumps a tensor": (attacks.add_operation("DumpTensor", log_dir_path="."), "DumpTensor .*, which touches files"),
    "saves statistics": (attacks.add_operation("CalibrationStatisticsSaver"), "CalibrationStatisticsSaver"),
    "serves": (attacks.add_operation("RpcServerStart"), "RpcServerStart .*, which talks to other machines"),
    "keeps a state that nobody knows": (attacks.add_operation("SleepOp"), "is not known to stay inside of the network"),
}


IN_ITS_FUNCTIONS = (attacks.count_from_the_end, attacks.call_by_object, attacks.depend_on_maker)


@pytest.mark.parametrize("kind", CHANGED)
def test_a_saved_model_that_was_changed_by_hand(kind, tmp_path):
    change, said = CHANGED[kind]
    folder = attacks.rewrite(saved_with_resource(tmp_path, "initialize" if change in IN_ITS_FUNCTIONS else ""), change)
    (tmp_path / attacks.MARK).unlink(missing_ok=True)
    is_refused(folder, tmp_path, said)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "change, said",
    [
        (attacks.restore_when_initialised, "RestoreV2 .'again'"),
        (attacks.read_words_when_restored, "InitializeTableFromTextFileV2"),
    ],
)
def test_a_saved_model_of_tensorflow_1_that_was_changed_by_hand(change, said, tmp_path):
    is_refused(attacks.rewrite(saved_by_tensorflow_1(tmp_path), change), tmp_path, said)


@pytest.mark.parametrize("number", range(6))
def test_signatures_that_are_none(number, tmp_path):
    """Any object of a folder may stand in their place."""

    def change(graph):
        for child in graph.object_graph_def.nodes[0].children:
            child.node_id = number if child.local_name == "signatures" else child.node_id

    folder = attacks.rewrite(saved(tmp_path, weights=tf.Variable(1.0), inner=tf.Module()), change)
    with contextlib.suppress(UnsupportedModelError):
        assert tfviz.trace(folder).num_classes == 3


@pytest.mark.parametrize("key", ["serving_default", "other"])
def test_a_signature_that_is_an_object(key, tmp_path):
    """Its attributes would be functions of the file's own, which a look at it runs."""

    def change(graph):
        for node in graph.object_graph_def.nodes:
            for child in node.children:
                if child.local_name == "serving_default":
                    child.local_name, child.node_id = key, 0

    folder = attacks.rewrite(saved(tmp_path), change)
    is_refused(
        folder, tmp_path, f"the SavedModel's signature '{key}' is not a function", UnsupportedModelError, place=""
    )


def test_weights_that_are_named_by_references(files, tmp_path):
    path = shutil.copyfile(keras_file("keras", ".h5", files, lambda layers: None), tmp_path / "named.h5")
    with h5py.File(path, "a") as file:
        references = np.array([file["model_weights"].ref], dtype=h5py.ref_dtype)
        file["model_weights"].attrs["layer_names"] = references
    is_refused(path, tmp_path, r"weights that are named by a reference \('layer_names'\)")


def test_scores_of_unknown_rank(tmp_path):
    table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, [3.0, 2.0, 1.0])

    def call(images):
        return table.lookup(tf.cast(attacks.mean(images)[:, 0], tf.int64))

    with pytest.raises(UnsupportedModelError, match="the model's output has the shape unknown, expected class scores"):
        tfviz.trace(saved(tmp_path, call, table=table))


def move_asset(graph, name):
    graph.asset_file_def[0].filename = name


def name_words_in_a_constant(graph, name="/etc/passwd"):
    for body in graph.graph_def.library.function:
        for node in body.node_def:
            if node.op == "InitializeTableFromTextFileV2":
                node.input[1] = "words:output:0"
                words = body.node_def.add(name="words", op="Const")
                words.attr["dtype"].type = tf.string.as_datatype_enum
                words.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(name))


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda graph: move_asset(graph, "../../words.txt"), "the asset '../../words.txt', which lies outside"),
        (lambda graph: move_asset(graph, "/etc/passwd"), "the asset '/etc/passwd', which lies outside of the folder"),
        (name_words_in_a_constant, "InitializeTableFromTextFileV2 .*, which touches files"),
    ],
)
def test_a_table_of_words_that_are_not_the_folders_own(change, said, tmp_path):
    is_refused(attacks.rewrite(saved_with_table(tmp_path), change), tmp_path, said)


def test_a_function_that_tensorflow_takes_for_its_own(tmp_path):
    """TensorFlow calls what an object has under certain names when it restores it."""
    write = tf.function(lambda: (tf.io.write_file(attacks.MARK, ""), tf.constant(1))[1], input_signature=[])

    def rename(graph):
        for child in graph.object_graph_def.nodes[0].children:
            child.local_name = "_serialize_to_tensors" if child.local_name == "write" else child.local_name

    is_refused(attacks.rewrite(saved(tmp_path, write=write), rename), tmp_path, "WriteFile")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "make", [saved_with_table, lambda folder: saved_with_resource(folder, ""), saved_by_tensorflow_1]
)
def test_a_saved_model_with_tables_and_values_of_its_own_is_opened(make, tmp_path):
    folder = make(tmp_path)
    moved = folder.rename(tmp_path / "moved")
    for words in tmp_path.glob("words.txt"):
        words.unlink()
    network = tfviz.trace(moved)
    assert tfviz.gradient(network, random_images(), 1).any()


def test_another_signature_may_read_files(tmp_path):
    read = tf.function(lambda path: {"file": tf.io.read_file(path)}, input_signature=[tf.TensorSpec([], tf.string)])
    network = tfviz.trace(saved(tmp_path, read=read, signatures=["read"]))
    assert tfviz.gradient(network, random_images(), 1).any()


def test_a_loaded_saved_model_is_looked_through_too(tmp_path):
    model = tf.saved_model.load(str(saved(tmp_path, attacks.writing)))
    with pytest.raises(UnsafeModelError, match="the SavedModel is not opened: it holds the operation WriteFile"):
        tfviz.trace(model)
    with pytest.warns(
        TfvizWarning,
        match="was opened with safe_mode=False, so it may do all that you may: it holds the operation WriteFile",
    ):
        network = tfviz.trace(model, safe_mode=False)
    assert network.num_classes == 3


def test_a_trusted_saved_model(tmp_path):
    path = saved(tmp_path, attacks.reading_in_a_branch)
    with pytest.warns(
        TfvizWarning,
        match="was opened with safe_mode=False, so it may do all that you may: it holds the operation ReadFile",
    ):
        network = tfviz.trace(path, safe_mode=False)
    np.testing.assert_allclose(tfviz.gradient(network, np.ones((1, *SHAPE), np.float32), 1)[..., 1], 1 / 256, rtol=1e-5)
    with pytest.warns(TfvizWarning, match="as soon as the model is loaded"):
        tfviz.trace(saved_with_resource(tmp_path, "initialize"), safe_mode=False)
    assert (tmp_path / attacks.MARK).exists()


def test_python_that_no_file_holds(tmp_path, monkeypatch):
    """In another process the function of a py_function is missing; it is one line here too."""
    path = saved(tmp_path, attacks.through_python)
    with pytest.warns(TfvizWarning, match="which calls a Python function .py_function."):
        tfviz.trace(path, safe_mode=False)
    monkeypatch.setattr("tfviz.network.opening.python_functions.has_python_function", lambda token: False)
    said = "calls a Python function .*EagerPyFunc.*, a py_function.*, which a file cannot hold: it runs only in"
    with pytest.raises(UnsupportedModelError, match=said):
        tfviz.trace(path, safe_mode=False)


def test_a_live_model_may_call_python_but_is_not_exported(tmp_path):
    class Own(keras.layers.Layer):
        def call(self, x):
            found = tf.py_function(lambda y: 3 * y, [x], tf.float32)
            found.set_shape(x.shape)
            return found

    image = keras.layers.Input(SHAPE)
    x = keras.layers.GlobalAveragePooling2D()(Own()(image))
    model = keras.Model(image, x)
    gradient = tfviz.gradient(model, random_images(), 1)
    np.testing.assert_allclose(gradient[..., 1], 3 / 256, rtol=1e-5)
    with pytest.raises(UnsupportedModelError, match=r"the model calls a Python function .*which a file cannot hold"):
        tfviz.export(model, tmp_path / "exported", methods="gradient")
    assert not (tmp_path / "exported").exists()


@pytest.mark.parametrize("safe_mode", [None, 0, "no"])
def test_safe_mode_has_two_values(safe_mode):
    with pytest.raises(tfviz.TfvizError, match=f"safe_mode is {safe_mode!r}, expected True or False"):
        tfviz.trace("x.keras", safe_mode=safe_mode)


def test_safe_mode_is_for_files():
    model = keras.Sequential([keras.layers.Input(SHAPE), keras.layers.GlobalAveragePooling2D()])
    with pytest.raises(UnsupportedModelError, match="safe_mode is for files and SavedModels; this model is neither"):
        tfviz.trace(model, safe_mode=False)


# TensorFlow's operations.

# Words in the names of arguments by which an operation may reach out.
REACHING = re.compile(
    r"file|path|address|url|host|token|region|(?<!re)source|stream|graph|dir|program|module|library|endpoint|call_t"
)
# Operations without a state that have such an argument and mean something else by it.
MEANING_ELSE = re.compile(
    r"ApproxTopK|TensorSliceDataset|InTopK(V2)?|CTCBeamSearchDecoder|CudnnRNN\w*|TensorArrayGrad\w*|RiscSort|PrintV2|TfLiteSubgraphExecute|XlaSelectAndScatter|XlaLaunchV2|TPUReplicateMetadata|TPUPartitioned\w+"
    r"|Xla\w*SparseDenseMatmul\w+|_(Fused|Mkl|Quantized)\w+|_?TPU\w+|(Decode|Encode)Proto(V2)?|FixedUnigramCandidateSampler"
)


def test_every_operation_of_tensorflow_was_looked_at():
    """With a state it is refused or of a known family; without one it may have no argument that reaches out."""
    operations = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())).op
    assert len(operations) > 1500
    reaching, keeping = [], 0
    for definition in operations:
        effect = effect_of(tf.compat.v1.NodeDef(op=definition.name))
        keeping += definition.is_stateful and not effect
        arguments = " ".join(each.name for each in (*definition.input_arg, *definition.attr))
        if REACHING.search(arguments) and not effect and not MEANING_ELSE.fullmatch(definition.name):
            reaching.append((definition.name, arguments))
    assert not reaching
    # A family that takes in more than it did must be looked at.
    assert keeping <= 251


@pytest.mark.parametrize(
    "operation, attribute, harmless, harmful",
    [
        ("PrintV2", "output_stream", "stderr", "file:///tmp/x"),
        ("FixedUnigramCandidateSampler", "vocab_file", "", "/etc/passwd"),
        ("DecodeProtoV2", "descriptor_source", "local://", "/etc/passwd"),
        ("EncodeProto", "descriptor_source", "bytes://abc", "/etc/passwd"),
    ],
)
def test_operations_that_reach_out_by_an_attribute(operation, attribute, harmless, harmful):
    for value, effect in ((harmless, ""), (harmful, "touches files")):
        node = tf.compat.v1.NodeDef(op=operation)
        node.attr[attribute].s = value.encode()
        assert effect_of(node) == effect
