"""What holds under a `MirroredStrategy` of two devices; `test_replicas` runs this file in a process of its own.

TensorFlow must be told of the second device before it starts, so that no test beside others can.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
import tempfile
import threading
import traceback
import warnings
from functools import cache, partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

import tfviz
from support.model_zoo import CLASSES, SHAPE, build, distance, random_images, randomise
from tfviz.apps.training import ExplainImages
from tfviz.methods import METHODS
from tfviz.methods.engine import batching
from tfviz.methods.engine.replicas import Replica, on_device, run_parts
from tfviz.network.batches.batches import Batch
from tfviz.network.batches.targets import Targets

DEVICES = ["/job:localhost/replica:0/task:0/device:CPU:0", "/job:localhost/replica:0/task:0/device:CPU:1"]
IMAGES = random_images(5)
TARGETS = np.array([3, 0, 4, 1, 2])
CONVOLUTIONS = {"Conv2D", "_FusedConv2D", "_MklNativeFusedConv2D", "_MklNativeConv2D", "Conv2DBackpropInput"}
QUICK = {"samples": 4, "steps": 5, "masks": 10, "patch": 6, "stride": 5}


@cache
def strategy():
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@cache
def mirrored(kind="residual"):
    with strategy().scope():
        return build(kind)


def quick(name):
    return {option: value for option, value in QUICK.items() if option in METHODS[name].options}


def both(function, *arguments, **options):
    """What a function gives without the strategy and under it."""
    alone = function(*arguments, **options)
    with strategy().scope():
        return alone, function(*arguments, **options)


def copies(variable):
    return strategy().experimental_local_results(variable)


def graphs_by_device(run):
    """The operations of every graph that ran for the first time, by its device: the runtime's own record."""
    context.context().enable_run_metadata()
    with strategy().scope():
        run()
    found = {device: [] for device in DEVICES}
    for function in context.context().export_run_metadata().function_graphs:
        for graph in function.partition_graphs:
            (device,) = {node.device for node in graph.node}
            found[device] += [node.op for node in graph.node]
    context.context().disable_run_metadata()
    assert all(CONVOLUTIONS & {*operations} for operations in found.values()), found
    return found


def fetched(run):
    """How many tensors the second device fetches from the first, in all the graphs that run."""
    return sum(operation in ("_Recv", "_HostRecv") for operation in graphs_by_device(run)[DEVICES[1]])


def check_methods_give_the_same_numbers(names=("guided_grad_cam", "score_cam", "rise")):
    network = tfviz.trace(mirrored())
    for name in names:
        alone, split = both(getattr(tfviz, name), network, IMAGES, TARGETS, **quick(name))
        assert distance(split, alone) < 1e-6, (name, distance(split, alone))


def slow_every_method_gives_the_same_numbers():
    check_methods_give_the_same_numbers(METHODS)


def check_explain_keeps_the_order_of_images_in_batches_of_any_size():
    options = {
        "methods": ("saliency", "integrated_gradients", "grad_cam"),
        "options": {"integrated_gradients": {"steps": 4}},
    }
    alone = tfviz.explain(mirrored(), IMAGES, TARGETS, **options)
    for batch_size in (1, 2, 3, 5, 32):
        with strategy().scope():
            split = tfviz.explain(mirrored(), IMAGES, TARGETS, batch_size=batch_size, **options)
        for field in ("images", "targets"):
            np.testing.assert_array_equal(getattr(split, field), getattr(alone, field))
        for field in ("scores", "logits", "probabilities"):
            assert distance(getattr(split, field), getattr(alone, field)) < 1e-6
        for name, values in alone.maps.items():
            assert distance(split.maps[name], values) < 1e-6, (batch_size, name)
        gap = "integrated_gradients"
        for name, values in alone.diagnostics[gap].items():
            np.testing.assert_allclose(split.diagnostics[gap][name], values, rtol=1e-3, atol=1e-5)


def check_the_devices_share_what_is_computed_at_once():
    seen, run = [], batching._run_batch
    batching._run_batch = lambda *arguments: (seen.append((len(arguments[2].images), arguments[3])), run(*arguments))[1]
    try:
        with strategy().scope():
            tfviz.grad_cam(mirrored(), IMAGES, batch_size=3)
    finally:
        batching._run_batch = run
    assert sorted(seen) == [(1, 2), (1, 2), (1, 2), (2, 2)]


def check_inputs_beside_the_image_are_split_with_it():
    image, shift = keras.Input(SHAPE, name="picture"), keras.Input((3,), name="shift")
    x = keras.layers.Add()([image, keras.layers.Reshape((1, 1, 3))(shift)])
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, activation="relu")(x))
    model = randomise(keras.Model([image, shift], keras.layers.Dense(CLASSES, activation="softmax")(x)))
    shifts = np.random.default_rng(0).normal(size=(len(IMAGES), 3)).astype(np.float32)
    for method in (tfviz.saliency, partial(tfviz.rise, masks=6)):
        alone, split = both(method, model, {"picture": IMAGES, "shift": shifts}, TARGETS)
        assert distance(split, alone) < 1e-6


def check_several_targets_of_an_image_go_with_it():
    options = {"methods": ("saliency", "rise"), "options": {"rise": {"masks": 6}}, "top": 2}
    for batch_size in (32, 4):
        alone, split = both(tfviz.explain, mirrored(), IMAGES, batch_size=batch_size, **options)
        np.testing.assert_array_equal(split.targets, alone.targets)
        for name, values in alone.maps.items():
            assert values.shape == (10, *SHAPE[:2]) and distance(split.maps[name], values) < 1e-6, (batch_size, name)


def check_datasets():
    dataset = tf.data.Dataset.from_tensor_slices(IMAGES).batch(3)
    alone, split = both(tfviz.grad_cam, mirrored(), dataset)
    assert distance(split, alone) < 1e-6
    assert distance(split, tfviz.grad_cam(mirrored(), IMAGES)) < 1e-6


def check_several_layers_and_explainers():
    explainer = tfviz.Explainer(mirrored(), "grad_cam", layer=["stem", "block1_conv"])
    alone, split = both(explainer, IMAGES)
    assert list(split) == list(alone) == ["stem", "block1_conv"]
    for layer, maps in alone.items():
        assert distance(split[layer], maps) < 1e-6


def check_each_device_runs_its_part_and_fetches_no_weights_from_the_other():
    for name in ("grad_cam", "rise"):
        with strategy().scope():
            model = build("functional")
        assert fetched(partial(getattr(tfviz, name), model, IMAGES, TARGETS, **quick(name))) == 0


def check_each_replica_reads_its_own_copy_of_the_weights():
    """Copies of a weight never differ in a training; here they do, to show whose are read."""
    with strategy().scope():
        model = build("residual")
    kernel = copies(model.get_layer("scores").kernel.value)
    before, other = kernel[1].numpy(), kernel[1].numpy()[:, ::-1]
    own = tfviz.saliency(model, IMAGES, TARGETS)
    kernel[1].assign(other)
    with strategy().scope():
        split = tfviz.saliency(model, IMAGES, TARGETS)
    kernel[0].assign(other)
    reversed_ = tfviz.saliency(model, IMAGES, TARGETS)
    assert distance(reversed_, own) > 0.1 and not np.array_equal(before, other)
    assert distance(split[:2], own[:2]) < 1e-6 and distance(split[2:], reversed_[2:]) < 1e-6


def check_a_model_of_outside_is_split_too():
    model = build("nested")
    alone, split = both(tfviz.smooth_grad, model, IMAGES, TARGETS, samples=3)
    assert distance(split, alone) < 1e-6
    assert fetched(lambda: tfviz.grad_cam(model, IMAGES)) > 0


def check_constants_are_copied_once_for_all_batches():
    constant = tf.constant(np.arange(6.0), tf.float32)
    function = tf.function(lambda x: x * constant, input_signature=[tf.TensorSpec([6])]).get_concrete_function()
    (captured,) = function.captured_inputs
    (copied,) = inspect.getclosurevars(on_device(function, DEVICES[1], {})).nonlocals["captured"]
    assert captured.device == DEVICES[0] and copied.device == DEVICES[1] and (copied.numpy() == captured.numpy()).all()


def check_files_are_opened_under_the_strategy():
    with tempfile.TemporaryDirectory() as folder:
        model = build("functional")
        model.save(f"{folder}/model.keras")
        model.export(f"{folder}/saved")
        alone = tfviz.grad_cam(model, IMAGES)
        for name in ("model.keras", "saved"):
            split = []
            assert fetched(lambda name=name, split=split: split.append(tfviz.grad_cam(f"{folder}/{name}", IMAGES))) == 0
            assert distance(split[0], alone) < 1e-6


def check_weights_that_a_training_under_the_strategy_changed():
    """Keras 3 leaves each replica with moving statistics of its own, of which the first one's count."""
    with strategy().scope():
        model = build("residual")
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    first = tfviz.grad_cam(model, IMAGES, TARGETS)
    model.fit(random_images(8), np.arange(8) % CLASSES, batch_size=4, epochs=2, verbose=0)
    alone, split = both(tfviz.grad_cam, model, IMAGES, TARGETS)
    assert distance(split, alone) < 1e-6 and distance(split, first) > 1e-3
    moving = copies(model.get_layer("block1_bn").moving_mean.value)
    assert not np.array_equal(*(copy.numpy() for copy in moving))


def check_statistics_that_are_the_mean_of_all_replicas():
    """tf_keras keeps a moving mean on each replica; at inference outside of one, their mean counts."""
    import tf_keras

    with strategy().scope():
        image = tf_keras.Input(SHAPE)
        x = tf_keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
        x = tf_keras.layers.GlobalAveragePooling2D()(tf_keras.layers.ReLU()(tf_keras.layers.BatchNormalization()(x)))
        model = randomise(tf_keras.Model(image, tf_keras.layers.Dense(CLASSES, activation="softmax")(x)))
    moving = next(layer for layer in model.layers if "normalization" in layer.name).moving_mean
    for copy, value in zip(copies(moving), (0.1, 0.5), strict=True):
        copy.assign(tf.fill([4], value))
    alone, split = both(tfviz.saliency, model, IMAGES, TARGETS)
    assert distance(split, alone) < 1e-6
    for copy in copies(moving):
        copy.assign(tf.fill([4], 0.3))
    assert distance(split, tfviz.saliency(model, IMAGES, TARGETS)) < 1e-6
    assert distance(split, tfviz.saliency(build("residual"), IMAGES, TARGETS)) > 0.1


def check_parts_run_at_the_same_time_and_their_errors_come_through():
    barrier = threading.Barrier(2, timeout=20)

    parts = Batch(IMAGES, Targets(TARGETS[:, np.newaxis]), {}).split(tfviz.trace(build("functional")), 2)

    def meet(compiled, part):
        barrier.wait()
        return {"device": tf.constant(1).device, "compiled": compiled, "targets": part.targets.flat.tolist()}

    replicas = [Replica(device, name) for device, name in zip(DEVICES, ("a", "b"), strict=True)]
    found = run_parts(replicas, meet, parts)
    assert [each["compiled"] for each in found] == ["a", "b"] and [each["device"] for each in found] == DEVICES
    assert [each["targets"] for each in found] == [[3, 0], [4, 1, 2]]

    def fail(compiled, part):
        if compiled == "b":
            raise KeyError("of b")
        return {}

    with pytest.raises(KeyError, match="of b"):
        run_parts(replicas, fail, parts)


def check_errors_stay_clear():
    with strategy().scope():
        model = build("open_size")
        with pytest.raises(tfviz.InvalidImagesError, match=r"cannot take images of the shape \(2, 2, 3\)"):
            tfviz.grad_cam(model, np.zeros((4, 2, 2, 3)))
        with pytest.raises(tfviz.InvalidImagesError, match="image 0 holds NaN"):
            tfviz.grad_cam(model, IMAGES * np.nan)


def check_inside_of_a_replica_nothing_is_split():
    network = tfviz.trace(mirrored())
    alone = tfviz.grad_cam(network, IMAGES, TARGETS)
    found = strategy().run(lambda: tfviz.grad_cam(network, IMAGES, TARGETS))
    for maps in copies(found):
        assert distance(maps, alone) < 1e-6


def check_one_device_is_no_split():
    with tf.distribute.OneDeviceStrategy("CPU:1").scope():
        assert distance(tfviz.grad_cam(mirrored(), IMAGES), tfviz.grad_cam(mirrored(), IMAGES)) == 0
    with tf.distribute.MirroredStrategy(["CPU:1"]).scope():
        tfviz.grad_cam(mirrored(), IMAGES)


def check_other_strategies_are_refused():
    other = tf.distribute.experimental.CentralStorageStrategy(["CPU:0", "CPU:1"], "CPU:0")
    told = (
        "a batch is split over the 2 replicas of a MirroredStrategy only, not of CentralStorageStrategy: "
        "explain outside of strategy.scope(), in one process"
    )
    with other.scope(), pytest.raises(tfviz.TfvizError, match=re.escape(told)):
        tfviz.grad_cam(mirrored(), IMAGES)


def slow_explanations_while_a_model_is_trained_on_both():
    """Inside of the strategy's scope, as tf_keras calls its callbacks, or outside, as Keras 3 does."""
    for library in (keras, importlib.import_module("tf_keras")):
        layers, seen = library.layers, []
        with strategy().scope():
            image = layers.Input(SHAPE)
            x = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu", name="conv")(image))
            x = layers.Dense(CLASSES, activation="softmax")(layers.GlobalAveragePooling2D()(x))
            model = library.Model(image, x)
            model.compile("adam", "sparse_categorical_crossentropy")
        with tempfile.TemporaryDirectory() as folder:
            callback = ExplainImages(folder, IMAGES, methods="grad_cam")
            cards = callback._cards.found
            object.__setattr__(
                callback._cards, "found", lambda found, cards=cards, seen=seen: (seen.append(found), cards(found))[1]
            )
            model.fit(random_images(8), np.arange(8) % CLASSES, batch_size=4, epochs=2, verbose=0, callbacks=[callback])
        first, last = seen[0].maps["grad_cam"], seen[-1].maps["grad_cam"]
        assert len(seen) == 3 and not np.array_equal(first, last)
        assert distance(last, tfviz.grad_cam(model, IMAGES)) < 1e-6


CHECKS = {name: value for name, value in list(globals().items()) if name.startswith(("check_", "slow_"))}


def main():
    """Print the traceback of each check that is named, empty for those that hold."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    warnings.simplefilter("ignore", tfviz.TfvizWarning)  # of maps that are zero, and few steps; tested elsewhere
    found = {}
    for name in sys.argv[1:]:
        try:
            CHECKS[name]()
            found[name] = ""
        except Exception:
            found[name] = traceback.format_exc()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
