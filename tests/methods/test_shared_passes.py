"""Several methods, and several targets of an image, in one pass: what ran is counted in the runtime's own record."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, SHAPE, build, distance, model_of, random_images, randomise, with_relu
from support.thinning import by_day
from tensorflow.python.eager import context

import tfviz
from tfviz.errors import InvalidTargetsError, TfvizError, TfvizWarning
from tfviz.methods import LAYER, Loop, method
from tfviz.methods.engine.explainer import run_methods
from tfviz.methods.engine.registry import METHODS
from tfviz.network.batches.targets import MOST, same_for_all
from tfviz.network.passes import Gradient
from tfviz.network.passes.forward import Forward
from tfviz.network.passes.passes import BIASES, IMAGES
from tfviz.network.replay.rules import GUIDED_BACKPROP, Rule

IMAGES_OF_TWO_SIGNS = random_images(3)
# Some of the networks' maps are zero, which is said, and is not what is tested here.
ZERO_MAPS = pytest.mark.filterwarnings("ignore:.* is zero everywhere for image")
QUICK = {
    "smooth_grad": {"samples": 3},
    "integrated_gradients": {"steps": 3, "baseline": ["zeros", "blurred"]},
    "rise": {"masks": 4},
    "occlusion": {"patch": 8, "stride": 8},
    "score_cam": {"max_channels": 2},
    "ablation_cam": {"max_channels": 2},
    "smooth_full_grad": {"samples": 2},
}
ONE_PASS = ("saliency", "grad_cam", "full_grad", "layer_cam")
RULES = ("saliency", "guided_backprop", "deconvnet", "grad_cam", "guided_grad_cam")


def operations_run(methods, **options):
    """The types of all operations that run in `explain`, those in loops once."""
    # Without shortcuts, which run convolutions forward in the backward pass.
    network = tfviz.trace(build("relu_argument"), fast=False)
    chosen = {name: QUICK[name] for name in methods if name in QUICK}
    context.context().enable_run_metadata()
    try:
        tfviz.explain(network, IMAGES_OF_TWO_SIGNS, methods=methods, options=chosen, **options)
        graphs = context.context().export_run_metadata().function_graphs
    finally:
        context.context().disable_run_metadata()
    return [op for function in graphs for graph in function.partition_graphs for op in operations_of(graph)]


def operations_of(graph):
    """The types of the operations of a graph, those of the functions it calls in their places."""
    functions = {function.signature.name: function for function in graph.library.function}

    def follow(nodes):
        for node in nodes:
            if "PartitionedCall" in node.op:
                yield from follow(needed(functions[node.attr["f"].func.name]))
            else:
                yield node.op

    return list(follow(graph.node))


def needed(function):
    """The operations of a function that its results need: TensorFlow leaves the others out when it runs it."""
    nodes = {node.name: node for node in function.node_def}
    wanted, found = [*function.ret.values(), *function.control_ret.values()], {}
    while wanted:
        name = wanted.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in found:
            found[name] = nodes[name]
            wanted += nodes[name].input
    return found.values()


def counted(methods, **options):
    """How often a convolution runs forward and backward in `explain`; the network has two."""
    types = operations_run(methods, **options)
    return sum(each.endswith("Conv2D") for each in types), sum("Conv2DBackpropInput" in each for each in types)


@pytest.mark.parametrize(
    "methods, expected",
    [
        (("saliency",), (2, 2)),
        (("grad_cam",), (2, 0)),
        (ONE_PASS, (2, 2)),
        (RULES, (2, 6)),
        (("guided_grad_cam",), (2, 2)),
        (("full_grad", "grad_cam", "grad_cam_plus_plus", "hires_cam", "layer_cam", "xgrad_cam", "eigen_cam"), (2, 2)),
    ],
)
def test_one_forward_and_one_backward_a_rule(methods, expected):
    assert counted(methods) == expected


@pytest.mark.parametrize(
    "name, inside",
    [
        ("occlusion", (2, 0)),
        ("score_cam", (2, 0)),
        ("ablation_cam", (0, 0)),
        ("smooth_full_grad", (2, 2)),
        ("integrated_gradients", (4, 2)),  # those of the baselines before the loop
    ],
)
def test_a_loop_does_not_repeat_the_first_passes(name, inside):
    assert counted(("saliency", name)) == (2 + inside[0], 2 + inside[1])


def test_the_targets_of_an_image_share_its_forward_pass():
    assert counted(ONE_PASS, top=3) == (2, 6)
    assert counted(("grad_cam",), top=5) == (2, 0)
    assert counted(RULES, top=2) == (2, 12)
    assert counted(("saliency", "occlusion"), top=2) == (4, 4)


def test_full_grad_leaves_convolutions_fused_with_their_biases():
    assert sum("FusedConv2D" in each for each in operations_run(["full_grad"])) == 2


INSIDE = {
    "nothing": lambda x: tf.nn.relu(x),
    "a condition": lambda x: tf.cond(tf.reduce_sum(x) < 1e9, lambda: tf.nn.relu(x), lambda: x),
    "a loop": lambda x: tf.while_loop(lambda i, x: i < 1, lambda i, x: (i + 1, tf.nn.relu(x)), (0, x))[1],
    "a compiled call": tf.function(tf.nn.relu, jit_compile=True),
}


@ZERO_MAPS
@pytest.mark.parametrize("place", by_day(INSIDE, list(INSIDE)[:1]))
def test_every_rule_and_target_gives_what_it_gives_alone(place):
    model = randomise(with_relu("hidden", lambda index: layers.Lambda(INSIDE[place], output_shape=lambda shape: shape)))
    images, names = IMAGES_OF_TWO_SIGNS, ("gradient", "guided_backprop", "deconvnet")
    together = tfviz.explain(model, images, methods=names, top=2)
    repeated = np.repeat(images, 2, axis=0)
    alone = {name: getattr(tfviz, name)(model, repeated, together.targets) for name in names}
    for name in names:
        assert distance(together.maps[name], alone[name]) < 1e-6
    assert distance(alone["gradient"], alone["guided_backprop"]) > 0.05
    assert distance(alone["deconvnet"], alone["guided_backprop"]) > 0.05


def test_rules_of_other_operations():
    """They cannot share a forward pass, and give what they give alone."""
    negated = Rule("negated", frozenset({"MaxPool"}), lambda upstream, local: -local(upstream))
    about = {"paper": "none", "needs": "nothing", "cost": "2 forward", "caution": "always"}
    try:

        @method(Gradient(rule=negated), Gradient(rule=GUIDED_BACKPROP), Gradient(), result="attribution", **about)
        def three(passes):
            """Return three gradients side by side."""
            found = [passes.gradient(IMAGES, rule) for rule in (negated, GUIDED_BACKPROP, None)]
            return tf.concat(found, axis=-1)

        model, images = model_of("functional"), IMAGES_OF_TWO_SIGNS
        first, second, third = np.split(three(model, images, 1), 3, axis=-1)
    finally:
        METHODS.pop("three", None)
    plain = tfviz.gradient(model, images, 1)
    assert distance(first, -plain) < 1e-6 and distance(third, plain) < 1e-6
    assert distance(second, tfviz.guided_backprop(model, images, 1)) < 1e-6


def best(model, images, top):
    return np.argsort(-tfviz.trace(model).logits(images), axis=1, kind="stable")[:, :top].ravel()


@ZERO_MAPS
@pytest.mark.parametrize("top, batch_size", by_day([(1, 32), (5, 4), (2, 1)], [(5, 4)]))
def test_the_best_classes_one_after_the_other(top, batch_size):
    model, images, names = model_of("functional"), IMAGES_OF_TWO_SIGNS, (*ONE_PASS, "guided_backprop", "eigen_cam")
    found = tfviz.explain(model, images, methods=names, top=top, batch_size=batch_size)
    targets = best(model, images, top)
    np.testing.assert_array_equal(found.targets, targets)
    repeated = np.repeat(images, top, axis=0)
    expected = tfviz.explain(model, repeated, targets, methods=names)
    for name in names:
        assert distance(found.maps[name], expected.maps[name]) < 1e-6
    np.testing.assert_array_equal(found.images, repeated)
    for field in ("scores", "logits", "probabilities"):
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), rtol=1e-5, atol=1e-6)


@ZERO_MAPS
@pytest.mark.slow
def test_methods_of_many_runs_take_each_target():
    model, images = model_of("functional"), IMAGES_OF_TWO_SIGNS
    found = tfviz.explain(model, images, methods=tuple(QUICK), options=QUICK, top=2, batch_size=4)
    repeated, targets = np.repeat(images, 2, axis=0), best(model, images, 2)
    for name, options in QUICK.items():
        assert distance(found.maps[name], getattr(tfviz, name)(model, repeated, targets, **options)) < 1e-5, name
    gap = "completeness_gap"
    alone = tfviz.explain(
        model,
        repeated,
        targets,
        methods="integrated_gradients",
        options={"integrated_gradients": QUICK["integrated_gradients"]},
    )
    np.testing.assert_allclose(
        found.diagnostics["integrated_gradients"][gap],
        alone.diagnostics["integrated_gradients"][gap],
        rtol=1e-3,
        atol=1e-6,
    )


def test_a_loop_may_read_all_that_its_first_passes_give():
    about = {"paper": "none", "needs": "nothing", "cost": "1 forward", "caution": "always"}
    try:

        @method(Gradient(LAYER), Gradient(), Gradient(BIASES), result="map", **about)
        def summed(passes, layer=None):
            """Return a map of everything, added up in two steps."""
            total = passes.scores + passes.probabilities + tf.reduce_sum(passes.gradient(), axis=(1, 2, 3))
            total += tf.reduce_sum(passes.gradient(layer) * passes.features(layer), axis=(1, 2, 3))
            for term in passes.biases:
                product = term.tensor * term.gradient
                total += tf.reduce_sum(tf.reshape(product, [tf.shape(passes.images)[0], -1]), axis=1)
            step = total[:, tf.newaxis, tf.newaxis] / 2
            return Loop(
                2,
                tf.zeros(tf.shape(passes.images)[:3]),
                lambda so_far, items: so_far + step * tf.cast(tf.size(items), tf.float32),
                lambda last: last,
            )

        model, images = model_of("residual"), random_images(3)
        found = tfviz.explain(model, images, methods="summed", top=3, batch_size=6).maps["summed"]
        alone = summed(model, np.repeat(images, 3, axis=0), best(model, images, 3))
    finally:
        METHODS.pop("summed", None)
    assert found.shape == (9, *SHAPE[:2]) and found.std() > 0.1
    np.testing.assert_allclose(found, alone, rtol=1e-5)


def test_more_targets_than_one_function_holds():
    """They are split into as many each, and what the last is filled up with is left out again."""
    image = keras.Input(SHAPE)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, activation="relu")(image))
    model = randomise(keras.Model(image, layers.Dense(2 * MOST + 3)(x)))
    count = 2 * MOST + 1
    found = tfviz.explain(model, IMAGES_OF_TWO_SIGNS, methods="saliency", top=count)
    np.testing.assert_array_equal(found.targets, best(model, IMAGES_OF_TWO_SIGNS, count))
    expected = tfviz.saliency(model, np.repeat(IMAGES_OF_TWO_SIGNS, count, axis=0), found.targets)
    assert distance(found.maps["saliency"], expected) < 1e-6
    assert same_for_all(range(count)).width == 6 and same_for_all(range(MOST)).width == MOST


@ZERO_MAPS
def test_given_targets_of_every_image():
    model = model_of("functional")
    chosen = {"gradient": {}, "rise": QUICK["rise"]}
    found = run_methods(tfviz.trace(model), chosen, IMAGES_OF_TWO_SIGNS, same_for_all([4, 1]), batch_size=2)
    assert found.targets.tolist() == [4, 1] * 3
    assert distance(found.maps["gradient"][1::2], tfviz.gradient(model, IMAGES_OF_TWO_SIGNS, 1)) < 1e-6
    assert distance(found.maps["rise"][::2], tfviz.rise(model, IMAGES_OF_TWO_SIGNS, 4, masks=4)) < 1e-5


def test_both_classes_of_a_single_logit():
    image = keras.Input(SHAPE)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(image))
    model = randomise(keras.Model(image, layers.Dense(1, activation="sigmoid")(x)))
    model.layers[-1].bias.assign([0.0])
    model.layers[-1].bias.assign([-float(np.sort(tfviz.trace(model).logits(IMAGES_OF_TWO_SIGNS).ravel())[:2].mean())])
    found = tfviz.explain(model, IMAGES_OF_TWO_SIGNS, methods="gradient", top=2)
    positive = tfviz.trace(model).logits(IMAGES_OF_TWO_SIGNS)[:, 0] > 0
    assert 0 < positive.sum() < 3
    assert found.targets.tolist() == [target for each in positive for target in (int(each), int(not each))]
    np.testing.assert_allclose(found.maps["gradient"][::2], -found.maps["gradient"][1::2], rtol=1e-6)
    assert (found.scores[::2] > found.scores[1::2]).all()


def test_inputs_beside_the_image_are_those_of_each_target():
    image, shift = keras.Input(SHAPE, name="picture"), keras.Input((3,), name="shift")
    x = layers.Add()([image, layers.Reshape((1, 1, 3))(shift)])
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(x))
    model = randomise(keras.Model([image, shift], layers.Dense(CLASSES, activation="softmax")(x)))
    shifts = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    chosen = {"saliency": {}, "rise": QUICK["rise"]}
    given = {"picture": IMAGES_OF_TWO_SIGNS, "shift": shifts}
    found = tfviz.explain(model, given, methods=tuple(chosen), options=chosen, top=2, batch_size=4)
    repeated = {name: np.repeat(each, 2, axis=0) for name, each in given.items()}
    expected = tfviz.explain(model, repeated, found.targets, methods=tuple(chosen), options=chosen)
    for name in chosen:
        assert distance(found.maps[name], expected.maps[name]) < 1e-6


def test_datasets_and_one_image():
    model = model_of("functional")
    expected = tfviz.explain(model, IMAGES_OF_TWO_SIGNS, methods="saliency", top=2)
    dataset = tf.data.Dataset.from_tensor_slices(IMAGES_OF_TWO_SIGNS).batch(2)
    found = tfviz.explain(model, dataset, methods="saliency", top=2)
    assert distance(found.maps["saliency"], expected.maps["saliency"]) < 1e-6
    (first, second) = tfviz.explain(model, IMAGES_OF_TWO_SIGNS[0], methods="saliency", top=2).maps["saliency"]
    assert distance(first, expected.maps["saliency"][0]) < 1e-5
    assert distance(second, expected.maps["saliency"][1]) < 1e-5


@pytest.mark.parametrize("top", [0, -1, 1.5, True, "2"])
def test_top_is_a_number_of_classes(top):
    with pytest.raises(InvalidTargetsError, match=r"top is .*, expected an integer of at least 1$"):
        tfviz.explain(model_of("functional"), IMAGES_OF_TWO_SIGNS, top=top)


def test_top_needs_so_many_classes():
    with pytest.raises(InvalidTargetsError, match=r"^top is 6, but the network has only 5 classes$"):
        tfviz.explain(model_of("functional"), IMAGES_OF_TWO_SIGNS, top=6)
    with pytest.raises(InvalidTargetsError, match=r"^targets and top both choose what to explain; give one of them$"):
        tfviz.explain(model_of("functional"), IMAGES_OF_TWO_SIGNS, 1, top=2)
    custom = tfviz.trace(model_of("functional"), score=lambda outputs: outputs[:, 0])
    image = keras.Input(SHAPE)
    one = keras.Model(image, layers.Dense(1)(layers.GlobalAveragePooling2D()(image)))
    for network in (custom, one):
        with pytest.raises(InvalidTargetsError, match=r"^top asks for the best classes, but .* score without classes$"):
            tfviz.explain(network, IMAGES_OF_TWO_SIGNS, top=1)


def test_what_is_said_names_the_image():
    """Not the row: an image has as many of these as targets."""
    layer = layers.Conv2D(1, 3, activation="relu")
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(layer(image))))
    layer.set_weights([np.ones((3, 3, 3, 1)), np.zeros(1)])
    images = np.stack([np.full((6, 6, 3), value, np.float32) for value in (1, -1, 2)])
    with pytest.warns(TfvizWarning, match=r"^saliency is zero everywhere for image 1: "):
        tfviz.explain(model, images, methods="saliency", top=3)
    model.layers[-1].kernel.assign([[np.inf, 1, 1]])
    with pytest.raises(TfvizError, match=r"image 0 has no score .* weights of the network are NaN or infinite: dense"):
        tfviz.explain(model, images[[0, 2]], methods="saliency", top=3)


def test_diagnostics_are_judged_by_the_image():
    image = keras.Input(SHAPE)
    squared = layers.Lambda(lambda x: x**8, output_shape=SHAPE)(image)
    model = randomise(keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(squared))))
    model.layers[-1].bias.assign(np.zeros(3))
    images = np.stack([np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32)])
    with pytest.warns(TfvizWarning) as said:
        tfviz.explain(
            model, images, methods="integrated_gradients", options={"integrated_gradients": {"steps": 2}}, top=2
        )
    misses = [str(each.message) for each in said if "misses completeness" in str(each.message)]
    assert len(misses) == 1 and "for image 1:" in misses[0]
    assert misses[0].endswith("; take more steps (the worst of its 2 targets)")


def test_the_tape_is_let_go_when_all_is_compiled(monkeypatch):
    """TensorFlow's tapes hold functions where the garbage collector does not see them."""
    made = []
    run = Forward.__init__

    def kept(self, *arguments, **options):
        run(self, *arguments, **options)
        made.append(weakref.ref(self))

    monkeypatch.setattr(Forward, "__init__", kept)
    network = tfviz.trace(build("functional"))
    methods = ("guided_grad_cam", "saliency", "score_cam", "smooth_grad")
    chosen = {name: QUICK[name] for name in methods if name in QUICK}
    tfviz.explain(network, IMAGES_OF_TWO_SIGNS, methods=methods, options=chosen, top=2)
    gc.collect()
    assert len(made) == 3 and all(each() is None for each in made)
