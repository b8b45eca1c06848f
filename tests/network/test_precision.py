"""A network in bfloat16 or float16: equal to a model that was built so, close to float32, and honest about the rest."""

from __future__ import annotations

import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, SHAPE, distance, mixed, model_of, random_images, randomise
from support.thinning import by_day

import tfviz
from tfviz.methods import METHODS
from tfviz.methods.engine.precision_error import precision_errors
from tfviz.network.replay.precision import PRECISIONS

# A few weights make a few maps zero, and a rounded score misses completeness.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning"),
    pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning"),
]
IMAGES = random_images(3)
TARGETS = [3, 0, 2]
EPSILON = {"bfloat16": 2.0**-8, "float16": 2.0**-11}
QUICK = {"samples": 3, "steps": 4, "masks": 6, "patch": 6, "stride": 5}
KINDS = [
    "functional",
    "nested",
    "subclassed",
    "shared_layer",
    "condition",
    "loop",
    "recurrent",
    "depthwise",
    "residual",
]
KINDS += ["silu", "vision_transformer", "open_size", "float16", "bfloat16"]
SAVED = by_day(["with_signature", "functional", "nested", "loop", "depthwise"], ["with_signature", "loop"])
# What every run tries; the rest waits for the nightly one.
MAINLY = {"guided_grad_cam", "rise"}
MAINLY |= {"functional", "subclassed", "depthwise", "bfloat16"}
SPEC = tf.TensorSpec([None, *SHAPE])


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(2)


def run(name, model, **options):
    quick = {option: value for option, value in QUICK.items() if option in METHODS[name].options}
    return getattr(tfviz, name)(model, IMAGES, TARGETS, **{**quick, **options})


def save(function, folder):
    """Save a function of images (N, 16, 16, 3), and return the path."""
    module = tf.Module()
    module.function = tf.function(function, input_signature=[SPEC])
    tf.saved_model.save(module, str(folder), signatures=module.function)
    return str(folder)


def mainly(names, *others):
    return [
        pytest.param(name, *other, marks=[] if MAINLY.issuperset([name, *other]) else pytest.mark.slow)
        for name, *other in itertools.product(names, *others)
    ]


def means(x):
    return tf.nn.softmax(3 * tf.reduce_mean(x, [1, 2]))


def steps_of(network, *types):
    return [step for step in network.running.program.all_steps() if step.type in types]


def reduced(network):
    return sum(bool(step.taken) for step in network.running.program.all_steps())


@pytest.fixture(scope="module")
def built():
    """A float32 model, and the models of the same weights whose layers are of each type."""
    models = {precision: mixed(precision) for precision in PRECISIONS}
    randomise(models["float32"], seed=4)
    for model in models.values():
        model.set_weights(models["float32"].get_weights())
    return models


@pytest.mark.parametrize("name, precision", mainly(METHODS, ["bfloat16", "float16"]))
def test_every_method_gives_what_it_gives_on_a_model_built_in_that_type(name, precision, built):
    plain, own = built["float32"], built[precision]
    found = run(name, tfviz.trace(plain, precision=precision))
    expected = run(name, own)
    assert found.dtype == np.float32 and found.shape == expected.shape
    # The terms of biases are not rounded here. The scores with and without a patch differ little.
    exact = precision == "bfloat16" and "full_grad" not in name
    assert distance(found, expected) < (1e-5 if exact else 0.03 if name == "occlusion" else 1e-3)
    assert not np.array_equal(found, run(name, plain))


@pytest.mark.parametrize("kind, precision", mainly(KINDS, PRECISIONS))
def test_the_logits_of_every_kind_are_as_far_as_their_rounding(kind, precision):
    """Each step that runs in the type rounds its results by half of its epsilon, and so do casts and weights.

    None of these networks has more than 64, and roundings seldom add up.
    """
    model = model_of(kind)
    plain, network = tfviz.trace(model), tfviz.trace(model, precision=precision)
    assert network.precision == precision
    # Keras has means in float32 where the rest is float16.
    if precision in ("float32", kind):
        np.testing.assert_array_equal(network.logits(IMAGES), plain.logits(IMAGES))
        np.testing.assert_array_equal(run("saliency", network), run("saliency", plain))
        return
    assert network.logits(IMAGES).dtype == np.float32
    far = distance(network.logits(IMAGES), plain.logits(IMAGES))
    assert EPSILON[precision] / 32 < far < 16 * EPSILON[precision]
    # Units that are near zero flip, so that gradients are farther from each other.
    assert distance(run("gradient", network), run("gradient", plain)) < 128 * EPSILON[precision]


@pytest.mark.parametrize("kind", SAVED)
def test_saved_models(kind, loaded):
    plain, network = tfviz.trace(loaded(kind)), tfviz.trace(loaded(kind), precision="bfloat16")
    assert reduced(network) > 3 and reduced(plain) == 0
    assert 0 < distance(network.logits(IMAGES), plain.logits(IMAGES)) < 0.05
    for name in ("grad_cam", "guided_backprop"):
        assert distance(run(name, network), run(name, plain)) < 0.35


def test_none_is_float32_bit_for_bit():
    model = model_of("residual")
    for name, precision in (("saliency", None), ("full_grad", "float32")):
        np.testing.assert_array_equal(run(name, tfviz.trace(model, precision=precision)), run(name, model))


def test_what_depends_on_the_image_runs_in_the_type_and_the_rest_does_not():
    network = tfviz.trace(model_of("residual"), precision="bfloat16")
    for step in steps_of(network, "Conv2D", "MatMul", "Relu", "Mean", "BiasAdd"):
        assert step.taken[0] == tf.bfloat16
    # The batch normalisation makes its factors of weights alone.
    assert steps_of(network, "Rsqrt") and not any(step.taken for step in steps_of(network, "Rsqrt", "ReadVariableOp"))
    assert not any(step.taken for step in network.program.all_steps())

    @tf.function
    def types(images):
        tensors = network.replay(images)
        made.update({step.type: tensors[step.outputs[0]].dtype for step in network.program.steps})
        return tensors[network.program.outputs[0]]

    made = {}
    types(tf.constant(IMAGES))
    assert made["Conv2D"] == made["MatMul"] == tf.bfloat16 and made["Rsqrt"] == tf.float32


def test_weights_are_read_live():
    model = randomise(mixed("float32"))
    network = tfviz.trace(model, precision="bfloat16")
    before = network.logits(IMAGES)
    model.get_layer("scores").bias.assign(model.get_layer("scores").bias + 1.0)
    assert np.allclose(network.logits(IMAGES), before + 1, atol=0.05)


def test_batch_normalisation_keeps_its_statistics_in_float32(tmp_path):
    mean, variance = np.array([1e3, -1e3, 0.0], np.float32), np.array([1e-4, 4.0, 1.0], np.float32)

    def normalise(x):
        statistics = {"scale": tf.ones(3), "offset": tf.zeros(3), "mean": mean, "variance": variance}
        return means(tf.raw_ops.FusedBatchNormV3(x=x + mean, **statistics, is_training=False)[0])

    path = save(normalise, tmp_path)
    for precision in ("bfloat16", "float16"):
        (step,) = steps_of(tfviz.trace(path, precision=precision), "FusedBatchNormV3")
        assert step.taken == (PRECISIONS[precision], *[tf.float32] * 4)


def test_operations_without_a_kernel_stay(tmp_path):
    """TensorFlow's local response normalisation knows no bfloat16 on CPUs, and a bit pattern is no number."""

    def function(x):
        x = tf.nn.local_response_normalization(x, depth_radius=1)
        bits = tf.bitcast(tf.bitcast(x, tf.int32), tf.float32)
        return means(tf.concat([tf.nn.relu(x), tf.stop_gradient(bits)], -1))

    path = save(function, tmp_path)
    network = tfviz.trace(path, precision="bfloat16")
    assert not any(step.taken for step in steps_of(network, "LRN", "Bitcast"))
    assert all(step.taken for step in steps_of(network, "Relu", "Mean"))
    assert distance(network.logits(IMAGES), tfviz.trace(path).logits(IMAGES)) < 0.02
    assert distance(run("gradient", network), run("gradient", path)) < 0.02
    assert steps_of(tfviz.trace(path, precision="float16"), "LRN")[0].taken


def test_a_function_of_somebody_elses_is_given_float32():
    seen = []

    def own(x):
        seen.append(x.dtype)
        return x * 2

    image = layers.Input(SHAPE)
    x = layers.Lambda(lambda x: tf.ensure_shape(tf.py_function(own, [x], tf.float32), x.shape), output_shape=SHAPE)(
        layers.Conv2D(3, 1)(image)
    )
    model = keras.Model(image, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))
    seen.clear()
    tfviz.trace(model, precision="bfloat16").logits(IMAGES)
    assert set(seen) == {tf.float32}


def test_a_loop_that_its_numbers_end_is_not_rounded(tmp_path):
    """In bfloat16, adding 1 to 256 is 256, for ever."""

    def function(x):
        def more(total, _):
            return tf.reduce_max(total) < 300

        total, _ = tf.while_loop(more, lambda total, i: (total + 1, i + 1), (tf.nn.relu(x) * 0 + 250, 0))
        return means(total / 300 * x)

    path = save(function, tmp_path)
    network = tfviz.trace(path, precision="bfloat16")
    assert distance(network.logits(IMAGES), tfviz.trace(path).logits(IMAGES)) < 0.02


def test_a_loop_that_is_counted_runs_in_the_type(tmp_path):
    """What a carried value becomes depends on the image after the first iteration; its own counter never does."""

    def function(x):
        def body(i, count, state):
            return i + 1, count + 1.0, tf.nn.relu(state) + 0.5 * x

        _, count, state = tf.while_loop(lambda i, *_: i < 300, body, (0, 0.0, tf.zeros_like(x)))
        return means(state * count / 300)

    path = save(function, tmp_path)
    network = tfviz.trace(path, precision="bfloat16")
    (relu,) = steps_of(network, "Relu")
    assert relu.taken == (tf.bfloat16,)
    adding = [step for step in steps_of(network, "AddV2") if step.inputs[0].shape.rank == 0]
    assert adding and not any(step.taken for step in adding)
    # Sums of many terms lose much, but a counter that stopped at 256 would lose 15 %.
    x = IMAGES.astype(np.float64)
    state = np.zeros_like(x)
    for _ in range(300):
        state = np.maximum(state, 0) + 0.5 * x
    assert distance(tfviz.trace(path).logits(IMAGES), 3 * state.mean((1, 2))) < 1e-4


def test_a_score_of_ones_own_is_given_float32():
    seen = []

    def score(outputs):
        seen.append(outputs.dtype)
        return outputs[:, 1] - tf.constant(0.5)

    # Without a softmax, the output is what the last operation made.
    model = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()])
    network = tfviz.trace(model, score=score, precision="bfloat16")
    assert network.logits(IMAGES).shape == (3, 1) and set(seen) == {tf.float32}
    assert np.isfinite(tfviz.saliency(network, IMAGES)).all()


def test_images_of_integers(tmp_path):
    module = tf.Module()
    module.model = model_of("functional")
    module.function = tf.function(
        lambda images: module.model(tf.cast(images, tf.float32) / 64), input_signature=[SPEC_OF_BYTES]
    )
    tf.saved_model.save(module, str(tmp_path), signatures=module.function)
    images = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), np.uint8)
    network, plain = tfviz.trace(str(tmp_path), precision="bfloat16"), tfviz.trace(str(tmp_path))
    assert reduced(network) > 5 and 0 < distance(network.logits(images), plain.logits(images)) < 0.05


SPEC_OF_BYTES = tf.TensorSpec([None, *SHAPE], tf.uint8)


@pytest.mark.filterwarnings("ignore:pgd did not reach:tfviz.errors.TfvizWarning")
def test_visualisation_and_attacks():
    network = tfviz.trace(model_of("functional"), precision="bfloat16")
    found = tfviz.class_visualization(network, 1, pixel_range=(-1, 1), iterations=2)
    assert found.images.dtype == np.float32 and np.isfinite(found.images).all()
    fooled = tfviz.pgd(network, IMAGES, [1, 1, 1], pixel_range=(-1, 1), iterations=3, epsilon=40.0)
    assert fooled.images.dtype == np.float32 and fooled.linf.max() <= 40.001


def test_an_exported_signature(tmp_path):
    network = tfviz.trace(model_of("nested"), precision="bfloat16")
    tfviz.export(network, tmp_path / "exported", ["saliency", "grad_cam"])
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    for name in ("saliency", "grad_cam"):
        found = loaded.signatures[name](images=tf.constant(IMAGES), targets=tf.constant(TARGETS))
        np.testing.assert_array_equal(found["maps"], run(name, network))
    said = json.loads((tmp_path / "exported" / "assets.extra" / "manifest.json").read_text())
    assert said["model"]["precision"] == "bfloat16"


def test_a_precision_that_is_no_name():
    with pytest.raises(tfviz.TfvizError, match="precision is 16, expected the name of a type, such as 'bfloat16'"):
        tfviz.trace(model_of("functional"), precision=16)


@pytest.mark.parametrize("name", ["bfloat61", "double"])
def test_an_unknown_precision(name):
    with pytest.raises(tfviz.TfvizError) as raised:
        tfviz.trace(model_of("functional"), precision=name)
    message = str(raised.value)
    assert message.startswith(f"no precision {name!r}; ") and "bfloat16" in message and "\n" not in message


def test_shortcuts_cannot_be_asked_for_beside_a_precision():
    model = model_of("functional")
    with pytest.raises(tfviz.TfvizError, match=r"^fast is True, .* the precision bfloat16"):
        tfviz.trace(model, precision="bfloat16", fast=True)
    assert tfviz.trace(model, precision="float32", fast=True).running.fast
    assert not tfviz.trace(model, precision="bfloat16", fast=False).running.full.fast


def test_an_overflow_is_named():
    image = layers.Input(SHAPE)
    x = layers.Lambda(tf.exp, output_shape=SHAPE)(image)
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(x))))
    images = np.stack([np.ones(SHAPE), np.full(SHAPE, 15)]).astype(np.float32)
    network = tfviz.trace(model, precision="float16")
    said = (
        r"is NaN or infinite: .* arithmetic is not in float16, first in .*Exp.*; trace the float32 model, without prec"
    )
    with pytest.raises(tfviz.TfvizError, match=f"image 1 has no score .*{said}"):
        tfviz.input_x_gradient(network, images, 0)
    with pytest.raises(tfviz.TfvizError, match=f"image 0 has no score .*{said}"):
        tfviz.explain(network, images[1:], 0, methods="gradient")
    assert np.isfinite(tfviz.input_x_gradient(tfviz.trace(model, precision="bfloat16"), images, 0)).all()


def test_numbers_that_vanish_are_said_to_be_small():
    image = layers.Input(SHAPE)
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(image)))
    model.layers[-1].kernel.assign(np.full((3, 2), 1e-9))
    assert tfviz.gradient(model, IMAGES, 0).all()
    said = "gradient is zero everywhere for image 0, 1, 2: .*, or its numbers are too small or too large for float16$"
    with pytest.warns(tfviz.TfvizWarning, match=said):
        assert not tfviz.gradient(tfviz.trace(model, precision="float16"), IMAGES, 0).any()


@pytest.mark.filterwarnings("ignore:.*differs from that of the network in float32:tfviz.errors.TfvizWarning")
def test_the_error_is_reported_for_the_first_image():
    model, few = model_of("residual"), {"integrated_gradients": {"steps": 4}, "grad_cam": {}}
    network = tfviz.trace(model, precision="bfloat16")
    found = tfviz.explain(network, IMAGES, methods=list(few), options=few, batch_size=2)
    for name, options in few.items():
        exact = getattr(tfviz, name)(model, IMAGES[:1], found.targets[:1], **options)
        errors = found.diagnostics[name]["precision_error"]
        assert errors.shape == (3,) and np.isnan(errors[1:]).all()
        assert errors[0] == pytest.approx(distance(found.maps[name][:1], exact), rel=1e-3) and errors[0] > 1e-3
    assert found.diagnostics["integrated_gradients"]["completeness_gap"].shape == (3,)
    assert set(tfviz.explain(model, IMAGES, methods="grad_cam").diagnostics) == set()


@pytest.mark.filterwarnings("ignore:.*differs from that of the network in float32:tfviz.errors.TfvizWarning")
def test_the_error_is_of_the_class_that_was_explained():
    """In bfloat16 two scores are equal, and the first is taken; in float32 it is the second."""
    weights = [np.array([[1.0, 1.001], [1.0, -1.0], [0.0, 0.0]], np.float32), np.zeros(2, np.float32)]
    model = keras.Sequential([layers.Input(SHAPE), layers.GlobalAveragePooling2D(), layers.Dense(2)])
    model.set_weights(weights)
    images = np.zeros((1, *SHAPE), np.float32)
    images[..., 0] = 1
    assert tfviz.trace(model).logits(images).argmax() == 1
    found = tfviz.explain(tfviz.trace(model, precision="bfloat16"), images, methods="gradient")
    assert found.targets[0] == 0 and found.diagnostics["gradient"]["precision_error"][0] < 1e-6


def test_the_error_of_a_map_of_several_layers_and_of_one_that_is_zero(tmp_path):
    network = tfviz.trace(model_of("functional"), precision="float16")
    found = tfviz.explain(network, IMAGES, TARGETS, methods="grad_cam", layer=["conv1", "conv2"])
    assert set(found.diagnostics) == {"grad_cam@conv1", "grad_cam@conv2"}
    # No target of a network with negative weights has a map.
    model = keras.Sequential(
        [layers.Input(SHAPE), layers.Conv2D(2, 3, activation="relu", kernel_initializer="ones", name="conv"),
         layers.GlobalAveragePooling2D(), layers.Dense(2, kernel_initializer=keras.initializers.Constant(-1))]
    )  # fmt: skip
    found = tfviz.explain(tfviz.trace(model, precision="float16"), IMAGES + 2, methods="grad_cam")
    assert found.diagnostics["grad_cam"]["precision_error"][0] == 0
    ones = {"grad_cam": np.ones((2, 4, 4), np.float32)}
    errors = precision_errors(ones, {"grad_cam": np.zeros((1, 4, 4), np.float32)})["grad_cam"]["precision_error"]
    assert errors[0] == np.inf and np.isnan(errors[1])


def test_a_large_error_is_warned_about():
    """A difference of two large numbers, of which bfloat16 keeps nothing."""
    image = layers.Input(SHAPE)
    x = layers.Lambda(lambda x: tf.square(x + 100) - tf.square(x * 1.001 + 100), output_shape=SHAPE)(image)
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    network = tfviz.trace(model, precision="bfloat16")
    with pytest.warns(tfviz.TfvizWarning, match=r"gradient of image 0 differs from that of the network in float32 by"):
        found = tfviz.explain(network, IMAGES, 0, methods="gradient")
    assert found.diagnostics["gradient"]["precision_error"][0] > 0.1
    assert any("differs from that of the network" in each for each in found.warnings)


def test_other_inputs_go_with_the_first_image():
    picture, factor = layers.Input(SHAPE, name="picture"), layers.Input((1,), name="factor")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(picture))
    model = keras.Model([picture, factor], layers.Dense(2)(layers.Multiply()([x, factor])))
    network = tfviz.trace(model, precision="float16")
    given = {"picture": IMAGES, "factor": np.array([[2.0], [30.0], [500.0]], np.float32)}
    found = tfviz.explain(network, given, 1, methods="gradient")
    assert 0 < found.diagnostics["gradient"]["precision_error"][0] < 0.1


@pytest.mark.filterwarnings("ignore:.*differs from that of the network in float32:tfviz.errors.TfvizWarning")
def test_the_manifest_and_parts_of_an_explanation(tmp_path):
    network = tfviz.trace(model_of("functional"), precision="bfloat16")
    found = tfviz.explain(network, IMAGES, methods="saliency")
    said = json.loads(found.save(tmp_path).read_text())
    assert said["model"]["precision"] == "bfloat16"
    errors = [entry["diagnostics"]["saliency"]["precision_error"] for entry in said["results"]]
    assert errors[0] > 0 and errors[1:] == [None, None]
    assert found.select([0]).diagnostics["saliency"]["precision_error"].shape == (1,)


def test_the_command(run, tmp_path):
    model_of("functional").save("own.keras")
    for name, image in zip(("one.png", "two.png"), IMAGES, strict=False):
        keras.utils.save_img(name, (127 * (image + 1)).astype(np.uint8))
    common = ["explain", "one.png", "two.png", "--model", "own.keras", "--preprocess", "-1..1", "--method", "saliency"]
    status, out, err = run(*common, "--precision", "bfloat16", "--save-maps", "--batch-size", 1)
    assert status == 0, err
    said = json.loads((tmp_path / "tfviz-output" / "manifest.json").read_text())
    assert said["model"]["precision"] == "bfloat16"
    errors = [entry["diagnostics"]["saliency"]["precision_error"] for entry in said["results"]]
    assert errors[1] != errors[0] > 0
    assert f"\nrun in bfloat16; difference from float32 (relative L2): saliency {max(errors):.1%}\n" in out
    assert "float32" not in run(*common)[1]
    status, _, err = run(*common, "--precision", "bfloat61")
    assert status != 0 and "no precision 'bfloat61'; did you mean 'bfloat16'" in err


def test_the_command_warns_of_a_large_error(run, tmp_path):
    image = layers.Input(SHAPE)
    x = layers.Rescaling(1.0, offset=100.0)(image)
    x = layers.Subtract()([layers.Multiply()([x, x]), layers.Multiply()([layers.Rescaling(1.001)(x), x])])
    keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x))).save("own.keras")
    keras.utils.save_img("one.png", (127 * (IMAGES[0] + 1)).astype(np.uint8))
    status, _, err = run(
        "explain", "one.png", "--model", "own.keras", "--preprocess", "-1..1", "--method", "gradient",
        "--precision", "bfloat16",
    )  # fmt: skip
    assert status == 0 and "one.png (class 0): gradient differs from that of the network in float32" in err


def test_a_pipeline():
    beam = pytest.importorskip("tfviz.apps.beam")
    handler = beam.AttributionHandler("demo", "grad_cam", precision="bfloat16")
    image = tfviz.demo.generate(1, seed=0).images[0]
    (result,) = handler.run_inference([image], handler.load_model())
    assert 0 < result.inference["diagnostics"]["precision_error"] < 1
