"""Model files that do more than hold a network. Most would touch the file `mark` if opened without looking."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile
from functools import cache
from importlib import import_module

import h5py
import tensorflow as tf
from google.protobuf import descriptor_pool, message_factory

from support.model_zoo import SHAPE

MARK = "mark"
SPEC = tf.TensorSpec([None, *SHAPE], name="images")


# Keras files: a small model whose configuration is changed as data.


@cache
def _content(library, suffix, folder):
    layers = import_module(library).layers
    model = import_module(library).Sequential(
        [
            layers.Input(SHAPE),
            layers.Conv2D(2, 3, activation="relu", name="conv"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, name="scores"),
        ]
    )
    path = folder / f"plain_{library}{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of an old format
        model.save(path)
    return path


def keras_file(library, suffix, folder, change):
    """Write a file of a small model with a changed configuration: `change` is given the list of its layers."""
    source, path = _content(library, suffix, folder), folder / f"changed_{library}{suffix}"
    if suffix == ".keras":
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
            for member in old.infolist():
                content = old.read(member)
                if member.filename == "config.json":
                    configuration = json.loads(content)
                    change(configuration["config"]["layers"])
                    content = json.dumps(configuration)
                new.writestr(member.filename, content)
        return path
    shutil.copyfile(source, path)
    with h5py.File(path, "a") as file:
        configuration = json.loads(file.attrs["model_config"])
        change(configuration["config"]["layers"])
        file.attrs["model_config"] = json.dumps(configuration)
    return path


def touch(x):
    """Touch the mark, without a name of this module: its code is what a Lambda holds, and is run elsewhere."""
    __import__("pathlib").Path("mark").touch()
    return x


def code_of_touch():
    """Return the code of `touch` as Keras 2 and 3 write it."""
    utilities = import_module("tf_keras.src.utils.generic_utils")
    return list(utilities.func_dump(touch))


def lambda_of(function, kind, **more):
    """Return a Lambda as Keras 2 writes it."""
    shape = {"output_shape": None, "output_shape_type": "raw", "output_shape_module": None}
    config = {"name": "double", "function": function, "function_type": kind, "module": "__main__", "arguments": {}}
    return {"class_name": "Lambda", "config": config | shape | more}


def function(module, name, registered=None):
    """Return a function as Keras 3 names it."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": registered or name}


def layer(name, module="keras.layers", registered=None, **config):
    """Return a layer as Keras 3 names it."""
    return {"module": module, "class_name": name, "registered_name": registered, "config": {"name": "own", **config}}


def spec(name, module, registered=None):
    """Return the type of a tensor as both Keras name it."""
    return {
        "class_name": "__typespec__",
        "spec_name": name,
        "module": module,
        "registered_name": registered,
        "config": [],
    }


def inserted(new):
    """Return the change that puts a layer before the convolution."""
    return lambda layers: layers.insert(1, new() if callable(new) else new)


def changed(key, value):
    """Return the change of a setting of the convolution."""
    return lambda layers: layers[1]["config"].__setitem__(key, value() if callable(value) else value)


def nested(new):
    """Return a model that holds a layer."""
    image = {
        "class_name": "InputLayer",
        "config": {"batch_input_shape": [None, *SHAPE], "name": "inner", "dtype": None},
    }
    return {"class_name": "Sequential", "config": {"name": "nested", "layers": [image, new]}}


def wrapped(new):
    """Return a wrapper around a layer."""
    return {"class_name": "TimeDistributed", "config": {"name": "each", "layer": new}}


def op_layer(symbol):
    """Return the layer that calls a function of TensorFlow's in a model of Keras 2."""
    return {"class_name": "TFOpLambda", "config": {"name": "own", "function": symbol}, "inbound_nodes": []}


def in_residual(new):
    """Return a recurrent layer whose cell holds a function in a way of its own."""
    cell = {"class_name": "LSTMCell", "config": {"units": 2}}
    config = {"name": "own", "cell": cell, "residual_fn": new, "residual_fn_type": "lambda", "residual_fn_module": None}
    place = "keras.src.layers.rnn.cell_wrappers"
    return layer("RNN", cell={"class_name": "ResidualWrapper", "module": place, "config": config})


def with_links(path, kind):
    """Let weights in an HDF5 file lie in another file."""
    with h5py.File(path, "a") as file:
        if kind == "link":
            file["elsewhere"] = h5py.ExternalLink("/etc/other.h5", "/")
        elif kind == "external":
            file.create_dataset("elsewhere", (4,), "u1", external=[("/etc/hostname", 0, 4)])
        else:
            layout = h5py.VirtualLayout((4,), "u1")
            layout[:] = h5py.VirtualSource("/etc/other.h5", "data", (4,))
            file.create_virtual_dataset("elsewhere", layout)


def hidden_graph():
    """Return a graph, serialised, that writes the mark and ends in a data set."""
    graph = tf.Graph()
    with graph.as_default():
        writing = [tf.io.write_file(MARK, "")]
    with graph.as_default(), tf.control_dependencies(writing):
        dataset = tf.raw_ops.TensorDataset(components=[tf.constant([1.0, 2.0, 3.0])], output_shapes=[[3]])
    definition = graph.as_graph_def()
    end = definition.node.add(name="dataset", op="_Retval", input=[dataset.op.name])
    end.attr["T"].type = tf.variant.as_datatype_enum
    return definition.SerializeToString()


# SavedModels.


def mean(images):
    """Return the scores of a small model: the mean of each channel."""
    return tf.reduce_mean(images, [1, 2])


def saved(folder, function=mean, name="saved", signatures=None, gradients=False, **attributes):
    """Write a SavedModel of a function of images, with what it holds beside."""
    module = tf.Module()
    for key, value in attributes.items():
        setattr(module, key, value)
    module.call = tf.function(function, input_signature=[SPEC])
    named = {"serving_default": module.call} | {key: getattr(module, key) for key in signatures or ()}
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=gradients)
    tf.saved_model.save(module, str(folder / name), signatures=named, options=options)
    return folder / name


def writing(images):
    """Write the mark on the way to the scores."""
    with tf.control_dependencies([tf.io.write_file(MARK, "")]):
        return tf.identity(mean(images))


def reading_in_a_branch(images):
    """Read a file in a branch that no image takes."""
    length = lambda: tf.cast(tf.strings.length(tf.io.read_file(MARK)), tf.float32)  # noqa: E731 - both are branches
    return mean(images) + tf.cond(tf.reduce_sum(images) > 1e9, length, lambda: 0.0)


def looking_in_a_loop(images):
    """Look for files in a loop."""
    step = lambda i, y: (i + 1, y + tf.cast(tf.size(tf.io.matching_files("*")), tf.float32))  # noqa: E731 - as above
    return tf.while_loop(lambda i, _: i < 2, step, (0, mean(images)))[1]


def printing_to_a_file(images):
    """Print into a file."""
    tf.print("", output_stream=f"file://{MARK}")
    return mean(images)


def through_a_dataset(images):
    """Read a file as a data set."""
    dataset = tf.data.TextLineDataset(MARK)
    return mean(images) + tf.cast(dataset.reduce(0, lambda count, _: count + 1), tf.float32)


def through_python(images):
    """Call Python."""
    seen = tf.py_function(touch, [images], tf.float32)
    seen.set_shape(images.shape)
    return mean(seen)


def through_numpy(images):
    """Call Python, the other way."""
    seen = tf.numpy_function(touch, [images], tf.float32)
    seen.set_shape(images.shape)
    return mean(seen)


def through_a_hidden_graph(images):
    """Run a graph that is held as a text."""
    dataset = tf.raw_ops.DatasetFromGraph(graph_def=hidden_graph())
    (found,) = tf.raw_ops.DatasetToSingleElement(dataset=dataset, output_types=[tf.float32], output_shapes=[[3]])
    return mean(images) + found


@tf.custom_gradient
def _with_gradient(images):
    def backward(upstream):
        with tf.control_dependencies([tf.io.write_file(MARK, "")]):
            return tf.identity(2 * upstream)

    return 2 * images, backward


def writing_in_its_gradient(images):
    """Write the mark on the way back."""
    return mean(_with_gradient(images))


class Resource(tf.saved_model.experimental.TrackableResource):
    """A value that is made, filled and deleted by functions of the model's own; `where` it writes the mark."""

    def __init__(self, where):
        self.where = where
        super().__init__()

    def _mark(self, where):
        if where == self.where:
            tf.io.write_file(MARK, "")

    def _create_resource(self):
        self._mark("create")
        return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[3])

    def _initialize(self):
        self._mark("initialize")
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=tf.ones([3]))

    def _destroy_resource(self):
        self._mark("destroy")
        tf.raw_ops.DestroyResourceOp(resource=self.resource_handle)


def saved_with_resource(folder, where):
    """Write a SavedModel that reads such a value."""
    resource = Resource(where)

    def call(images):
        return mean(images) + tf.raw_ops.ReadVariableOp(resource=resource.resource_handle, dtype=tf.float32)

    return saved(folder, call, resource=resource)


def _initializers(graph):
    """Yield the functions of a graph that fill such a value."""
    for function in graph.graph_def.library.function:
        if any(node.op == "AssignVariableOp" for node in function.node_def):
            yield function


def _add_to_initializer(graph, operation):
    """Let a value of the model's own be filled by one more operation, and return that."""
    (function,) = _initializers(graph)
    function.control_ret["added"] = "added"
    function.signature.control_output.append("added")
    return function, function.node_def.add(name="added", op=operation)


def add_writing_function(graph, name="evil"):
    """Add a function to a graph that writes the mark, and return it."""
    write = tf.function(lambda: (tf.io.write_file(MARK, ""), tf.constant(1.0))[1], input_signature=[])
    added = graph.graph_def.library.function.add()
    added.CopyFrom(write.get_concrete_function().function_def)
    added.signature.name = name
    return added


def call_by_operation(graph):
    """Call a function by an operation of its name."""
    add_writing_function(graph)
    _add_to_initializer(graph, "evil")


def call_another_implementation(graph):
    """Call a function that does nothing, for which TensorFlow takes another that says it does the same."""
    evil, good = add_writing_function(graph), add_writing_function(graph, "good")
    kept = [node for node in good.node_def if "WriteFile" not in node.op]
    del good.node_def[:], good.signature.control_output[:]
    good.node_def.extend(kept)
    good.control_ret.clear()
    for node in good.node_def:
        inputs = [each for each in node.input if "WriteFile" not in each]
        del node.input[:]
        node.input.extend(inputs)
    for function, device in ((evil, b"CPU"), (good, b"GPU")):
        function.attr["api_implements"].s, function.attr["api_preferred_device"].s = b"same", device
    _, call = _add_to_initializer(graph, "StatefulPartitionedCall")
    call.attr["f"].func.name = "good"
    call.attr["Tin"].list.SetInParent()
    call.attr["Tout"].list.type.append(tf.float32.as_datatype_enum)


def count_from_the_end(graph):
    """Name functions by negative numbers, as TensorFlow lets them be."""
    nodes = graph.object_graph_def.nodes
    for node in nodes:
        for child in node.children:
            if child.local_name == "_initialize":
                child.node_id -= len(nodes)


def call_by_object(graph):
    """Let an object stand for a function, which it has as what it is called by."""
    nodes = graph.object_graph_def.nodes
    holder = len(nodes)
    nodes.add().user_object.identifier = "_generic_user_object"
    nodes[holder].user_object.version.producer = 1
    nodes[0].children.add(node_id=holder, local_name="holder")
    for node in nodes:
        for child in node.children:
            if child.local_name == "_initialize":
                nodes[holder].children.add(node_id=child.node_id, local_name="__call__")
                child.node_id = holder


def depend_on_maker(graph):
    """Name a function among what an object depends on, and not among what it holds."""
    for node in graph.object_graph_def.nodes:
        for child in [each for each in node.children if each.local_name == "_initialize"]:
            node.dependencies.add(node_id=child.node_id, local_name="_create_resource")
            node.children.remove(child)


def leave_name_open(graph):
    """Print to a file whose name the caller of a function says."""
    _, node = _add_to_initializer(graph, "PrintV2")
    node.attr["output_stream"].placeholder = "where"


def add_operation(operation, **attributes):
    """Return the change that fills a value by one more operation, with texts as attributes."""

    def change(graph):
        _, node = _add_to_initializer(graph, operation)
        for name, value in attributes.items():
            node.attr[name].s = value.encode()

    return change


def vocabulary_table(folder):
    """Return a table whose words stand in a file."""
    words = folder / "words.txt"
    words.write_text("cat\ndog\n")
    index = tf.lookup.TextFileIndex
    how = (tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER)
    return tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(str(words), *how), -1)


def saved_with_table(folder):
    """Write a SavedModel with a vocabulary among its assets."""
    table = vocabulary_table(folder)
    return saved(folder, lambda images: mean(images) + tf.cast(table.size(), tf.float32), table=table)


def rewrite(folder, change):
    """Change the graph of a SavedModel on the disk."""
    kind = descriptor_pool.Default().FindMessageTypeByName("tensorflow.SavedModel")
    file = folder / "saved_model.pb"
    proto = message_factory.GetMessageClass(kind).FromString(file.read_bytes())
    change(proto.meta_graphs[0])
    file.write_bytes(proto.SerializeToString())
    return folder


def saved_by_tensorflow_1(folder, evil=None):
    """Write a SavedModel as TensorFlow 1 does, with a table; evil: what writes the mark."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, *SHAPE], name="images")
        weights = v1.get_variable("weights", [3, 3], initializer=tf.ones_initializer())
        known = tf.cast(vocabulary_table(folder).lookup(tf.constant("dog")), tf.float32)
        scores = tf.matmul(mean(images), weights) + known
        main = v1.tables_initializer()
        if evil == "initialisation":
            main = tf.group(main, tf.io.write_file(MARK, ""))
        if evil == "signature":
            with tf.control_dependencies([tf.io.write_file(MARK, "")]):
                scores = tf.identity(scores)
        if evil == "collection":
            v1.add_to_collection("table_initializer", tf.io.write_file(MARK, ""))
            main = None
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(folder / "saved"))
        info = v1.saved_model.build_tensor_info
        signature = v1.saved_model.build_signature_def({"images": info(images)}, {"scores": info(scores)}, "predict")
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature},
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            main_op=main,
        )
        builder.save()
    return folder / "saved"


def restore_when_initialised(graph):
    """Let TensorFlow 1 restore weights a second time, from a path of the graph's own."""
    (default,) = [node for node in graph.graph_def.node if node.name == "save/filename/input"]
    default.attr["value"].tensor.CopyFrom(tf.make_tensor_proto("/elsewhere/weights"))
    (main,) = [node for node in graph.graph_def.node if node.name == "init_all_tables"]
    restore = graph.graph_def.node.add(name="again", op="RestoreV2")
    restores = [node for node in graph.graph_def.node if node.op == "RestoreV2"]
    restore.CopyFrom(restores[0])
    restore.name = "again"
    main.input.append("^again")


def read_words_when_restored(graph):
    """Let TensorFlow 1 fill a table when it restores weights: the path of its words is the graph's own then."""
    by_name = {node.name: node for node in graph.graph_def.node}
    (words,) = [node.name for node in graph.graph_def.node if node.op == "InitializeTableFromTextFileV2"]
    by_name[graph.saver_def.restore_op_name].input.append(f"^{words}")
