"""The shortcuts of a replay on a CPU: equal to TensorFlow's own gradients, over whatever shapes there are."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import given, settings, strategies as st
from support.thinning import by_day, spread

import tfviz
from tfviz.network.program.program import program_of
from tfviz.network.replay.input_gradients import convolution_gradient, own_gradient, paddings, phase_gradient
from tfviz.network.replay.pool_gradients import max_pool_gradient
from tfviz.network.replay.shortcuts import only_cpus
from tfviz.network.traced import last_layer

TOLERANCE = {"float32": 1e-6, "float64": 1e-14, "bfloat16": 2e-2}
SIDES = st.tuples(st.integers(1, 13), st.integers(1, 13))
DTYPES = st.sampled_from(list(TOLERANCE))
SEEDS = st.integers(0, 2**31)
FEW = settings(max_examples=25, deadline=None, derandomize=True)


def step_of(kind, function, *tensors):
    """Return the operation of that type in a function of tensors as a step of a program."""
    specs = [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in tensors]
    concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
    return next(step for step in program_of(concrete.graph).steps if step.type == kind)


def assert_close(found, expected, dtype="float32"):
    found, expected = (tf.cast(each, tf.float64).numpy() for each in (found, expected))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= TOLERANCE[dtype] * np.abs(expected).max() + 1e-30


@FEW
@given(
    size=SIDES,
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    channels=st.tuples(st.integers(1, 5), st.integers(1, 6)),
    stride=st.integers(1, 4),
    blocks=st.integers(1, 3),
    padding=st.one_of(st.sampled_from(["SAME", "VALID"]), st.tuples(*[st.integers(0, 3)] * 4)),
    dtype=DTYPES,
    seed=SEEDS,
)
def test_phases_are_the_input_gradient(size, kernel, channels, stride, blocks, padding, dtype, seed):
    around = [[0, 0], padding[:2], padding[2:], [0, 0]] if isinstance(padding, tuple) else padding
    if padding != "SAME":
        size = [max(pair) for pair in zip(size, kernel, strict=True)]
    rng = np.random.default_rng(seed)
    images = tf.cast(rng.normal(size=(2, *size, channels[0])), dtype)
    weights = tf.cast(rng.normal(size=(*kernel, *channels)), dtype)
    step = step_of("Conv2D", lambda images: tf.nn.conv2d(images, weights, stride, around), images)
    upstream = tf.cast(rng.normal(size=tf.nn.conv2d(images, weights, stride, around).shape), dtype)
    before = paddings(step, images.shape, weights.shape)
    found = phase_gradient(images.shape, weights, stride, before, stride * blocks)(upstream)
    assert_close(found, own_gradient(step, tf.shape(images), weights)(upstream), dtype)


@FEW
@given(
    size=SIDES,
    channels=SIDES,
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=SEEDS,
)
def test_a_matrix_product_is_the_input_gradient_of_a_kernel_of_one_pixel(size, channels, strides, dtype, seed):
    rng = np.random.default_rng(seed)
    images, weights = (tf.cast(rng.normal(size=shape), dtype) for shape in ((2, *size, channels[0]), (1, 1, *channels)))
    step = step_of("Conv2D", lambda images: tf.nn.conv2d(images, weights, strides, "VALID"), images)
    upstream = tf.cast(rng.normal(size=tf.nn.conv2d(images, weights, strides, "VALID").shape), dtype)
    found = convolution_gradient(step, images.shape, weights)(upstream)
    assert_close(found, own_gradient(step, tf.shape(images), weights)(upstream), dtype)


@FEW
@given(
    size=SIDES,
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.sampled_from(["SAME", "VALID"]),
    dtype=DTYPES,
    levels=st.integers(1, 4),
    seed=SEEDS,
)
def test_comparisons_are_the_gradient_of_a_max_pooling(size, window, strides, padding, dtype, levels, seed):
    if padding == "VALID":
        size = [max(pair) for pair in zip(size, window, strict=True)]
    rng = np.random.default_rng(seed)
    # A few integers, so that many windows hold their maximum more than once.
    images = tf.cast(rng.integers(-1, levels, (2, *size, 3)), dtype)
    step = step_of("MaxPool", lambda images: tf.nn.max_pool2d(images, window, strides, padding), images)
    pooled = tf.nn.max_pool2d(images, window, strides, padding)
    upstream = tf.cast(rng.normal(size=pooled.shape), dtype)
    found = max_pool_gradient(step, images, pooled)(upstream)
    windows = {"ksize": [1, *window, 1], "strides": [1, *strides, 1], "padding": padding}
    expected = tf.raw_ops.MaxPoolGrad(orig_input=images, orig_output=pooled, grad=upstream, **windows)
    assert_close(found, expected, dtype)


def network(kind):
    """Return a model whose layers have the shortcuts of that kind, with weights as those of a trained one."""
    library = tf_keras if kind == "fused" else keras
    layers = library.layers
    images = library.Input((19, 18, 3))
    features = layers.Conv2D(16, 5, 2, padding="same", use_bias=kind != "no bias")(images)
    features = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(features))
    features = layers.DepthwiseConv2D(3, padding="same")(features)
    features = layers.ReLU(6.0)(layers.BatchNormalization(scale=False)(features))
    narrow = layers.Conv2D(8, 1, activation="relu")(features)
    wide = layers.Conv2D(12, 3, padding="same", activation="relu", name="wide")(features)
    joined = layers.Concatenate(name="joined")([narrow, wide])
    features = layers.MaxPooling2D(3, 1)(layers.Conv2D(40, 1, activation="relu", name="mixed")(joined))
    if kind == "convolution":
        features = layers.ReLU()(layers.Conv2D(3000, 1, name="last")(features))
        outputs = layers.Activation("softmax")(layers.GlobalAveragePooling2D()(features))
    else:
        outputs = layers.Dense(3000, activation="softmax")(layers.GlobalAveragePooling2D()(features))
    model = library.Model(images, outputs)
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(0.2 if each.ndim > 1 else 1, 0.2, each.shape) for each in model.get_weights()])
    return model


# What a network has that has only one of them; the plain one has most.
PARTS = ["plain", "no bias", "fused", "convolution"]


@functools.cache
def traced(kind):
    """Return a network, traced with its shortcuts and without."""
    model = network(kind)
    return model, tfviz.trace(model), tfviz.trace(model, fast=False)


@pytest.fixture
def both(kind):
    return traced(kind)


# In one process, so that each is traced once.
of_both = pytest.mark.xdist_group("shortcuts")
of_every_network = pytest.mark.parametrize("kind", PARTS)
METHODS = {
    "gradient": {},
    "guided_backprop": {},
    "full_grad": {},
    "grad_cam": {"layer": ["joined", "wide", "mixed", "norm", "relu"]},
}


def images(count=3):
    return np.random.default_rng(0).normal(size=(count, 19, 18, 3)).astype(np.float32)


@of_both
@pytest.mark.parametrize(
    "kind, method",
    by_day(itertools.product(PARTS, METHODS), {*itertools.product(PARTS[:1], METHODS), *spread(PARTS[1:], METHODS)}),
)
def test_results_are_the_same_without_shortcuts(both, method):
    _, fast, slow = both
    targets = [7, 2999, 0]
    found, expected = (getattr(tfviz, method)(each, images(), targets, **METHODS[method]) for each in (fast, slow))
    for layer in expected if isinstance(expected, dict) else ():
        np.testing.assert_allclose(found[layer], expected[layer], rtol=0, atol=2e-6 * expected[layer].max())
    if not isinstance(expected, dict):
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@of_both
@of_every_network
def test_the_forward_pass_is_the_same_bit_for_bit(both):
    _, fast, slow = both
    np.testing.assert_array_equal(fast.logits(images()), slow.logits(images()))


@of_both
@pytest.mark.parametrize("kind", by_day(PARTS, ["plain"]))
def test_where_all_targets_are_known_the_scores_of_no_other_class_are_computed(both):
    _, fast, _ = both
    targets = [7, 2999, 0]
    found = tfviz.saliency(fast, images(), targets)
    assert_close(found, tfviz.explain(fast, images(), targets, methods="saliency").maps["saliency"])
    kept = {
        key[2]: set(compiled.function.structured_outputs) for key, compiled in fast.compiled.items() if len(key) == 3
    }
    assert kept[True] == {"found", "loops", "finite"} < kept[False]


@of_both
@of_every_network
def test_what_has_a_shortcut_is_found(both):
    _, fast, slow = both
    shortcuts = fast.running.shortcuts
    assert [fold.convolution.type for fold in shortcuts.folds] == ["Conv2D", "DepthwiseConv2dNative"]
    assert [len(parts) for parts in shortcuts.convolutions.values()][:4] == [1, 1, 1, 2]
    assert len(shortcuts.pools) == 1
    assert fast.running.last_layer.layer.type in ("MatMul", "Conv2D")
    assert (slow.running.shortcuts.folds, dict(slow.running.shortcuts.convolutions), slow.running.last_layer) == (
        (),
        {},
        None,
    )


def test_a_kernel_with_more_weights_than_its_map_has_numbers_is_not_scaled():
    model = keras.Sequential(
        [keras.Input((9, 9, 64)), keras.layers.Conv2D(16, 3), keras.layers.BatchNormalization(), keras.layers.Flatten()]
    )
    assert tfviz.trace(model).running.shortcuts.folds == ()


@pytest.mark.filterwarnings("ignore:the score depends on statistics of the whole batch:tfviz.errors.TfvizWarning")
def test_a_kernel_that_follows_from_the_image_keeps_its_gradient():
    class OfItself(keras.layers.Layer):
        def call(self, images):
            kernel = tf.reshape(tf.reduce_mean(images, axis=(0, 1, 2)), [1, 1, 3, 1])
            return tf.reduce_sum(tf.nn.conv2d(images, kernel * tf.ones([1, 1, 1, 2]), 1, "VALID"), axis=(1, 2))

    model = keras.Sequential([keras.Input((5, 5, 3)), OfItself()])
    image = images(1)[:, :5, :5]
    with tf.GradientTape() as tape:
        tensor = tf.constant(image)
        tape.watch(tensor)
        score = model(tensor)[:, 1]
    np.testing.assert_allclose(tfviz.gradient(model, image, 1), tape.gradient(score, tensor), rtol=1e-5)


def explained_alike(model):
    """The gradient of a model on images of 3 channels with its shortcuts, which must be that without."""
    found, expected = (tfviz.gradient(tfviz.trace(model, fast=fast), images(), 1) for fast in (True, False))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    return tfviz.trace(model, fast=True).running


def of_function(function):
    """Return a model of images (N, 19, 18, 3) that a function is."""

    class Layer(keras.layers.Layer):
        def call(self, images):
            return function(images)

    return keras.Sequential([keras.Input((19, 18, 3)), Layer()])


def weights(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def convolutions_without_gradient():
    """Return which convolutions have no gradient on this CPU: without oneDNN TensorFlow lacks some."""
    image, found = tf.ones([1, 5, 5, 6]), set()
    for kind, channels, dilations in (("grouped", 3, 1), ("dilated", 6, 2)):
        with tf.GradientTape() as tape:
            tape.watch(image)
            result = tf.nn.conv2d(image, tf.ones([3, 3, channels, 4]), 1, "SAME", dilations=dilations)
        try:
            tape.gradient(result, image)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            found.add(kind)
    return found


LACKING = convolutions_without_gradient()


def test_a_kernel_of_groups_reads_no_part_of_a_concatenation_alone(monkeypatch):
    if "grouped" in LACKING:
        pytest.skip("TensorFlow has no gradient of grouped convolutions on this CPU")
    monkeypatch.setattr(last_layer, "WORTH", 1)

    def grouped(images):
        features = tf.nn.relu(tf.concat([images, -images], axis=3))
        return tf.reduce_mean(tf.nn.conv2d(features, weights(1, 1, 3, 4), 1, "VALID"), axis=(1, 2))

    def grouped_after_concatenation(images):
        features = tf.nn.conv2d(tf.concat([images, -images], axis=3), weights(1, 1, 3, 4), 1, "VALID")
        return tf.reduce_mean(tf.nn.relu(features), axis=(1, 2))

    assert explained_alike(of_function(grouped)).last_layer is None
    running = explained_alike(of_function(grouped_after_concatenation))
    assert [len(parts) for parts in running.shortcuts.convolutions.values()] == [1]


def lookalikes(images):
    """What a convolution may be in and is no shortcut, or not a plain one, by its name: each becomes a class."""

    def convolved(inputs, *shape, strides=1, padding="SAME", dilations=1):
        return tf.nn.conv2d(inputs, weights(*shape), strides, padding, dilations=dilations)

    scale, mean = weights(8), tf.reduce_mean(images, axis=(0, 1, 2))
    features, own_kernel = convolved(images, 3, 3, 3, 8), tf.reshape(mean, [1, 1, 3, 1]) * weights(1, 1, 3, 8)
    normalised, *_ = tf.compat.v1.nn.fused_batch_norm(convolved(images, 3, 3, 3, 4), weights(4), weights(4))
    return {
        "a scale that follows from the image": convolved(images, 3, 3, 3, 3) * mean,
        "subtracted from a number": (0.5 - convolved(images, 3, 3, 3, 8)) * scale,
        "normalised by the statistics of the batch": normalised,
        "a scale for each pixel": convolved(images, 3, 3, 3, 8) * weights(19, 18, 8),
        "one channel that becomes eight": convolved(images, 3, 3, 3, 1) * scale,
        "features that are read twice": features * scale + tf.square(features),
        "a scaled kernel that follows from the image": tf.nn.conv2d(images, own_kernel, 1, "SAME") * scale,
        "images below one another": convolved(tf.concat([images, images[:, ::-1]], axis=1), 1, 1, 3, 8),
        "another stride along rows": convolved(images, 3, 3, 3, 8, strides=(1, 2)),
        **({} if "dilated" in LACKING else {"dilated": convolved(images, 3, 3, 3, 8, dilations=2)}),
        "one pixel, padded": convolved(images, 1, 1, 3, 8, padding=[[0, 0], [1, 1], [2, 1], [0, 0]]),
    }


@pytest.mark.filterwarnings("ignore:the score depends on statistics of the whole batch:tfviz.errors.TfvizWarning")
def test_what_looks_like_a_shortcut():
    found = list(lookalikes(tf.zeros([1, 19, 18, 3])))

    def scores(images):
        return [tf.reduce_mean(tf.nn.relu(each), axis=(1, 2, 3)) for each in lookalikes(images).values()]

    model, given = of_function(lambda images: tf.stack(scores(images), axis=1)), images(len(found))
    fast, plain = (tfviz.gradient(tfviz.trace(model, fast=each), given, range(len(found))) for each in (True, False))
    for name, gradient, expected in zip(found, fast, plain, strict=True):
        assert np.abs(expected).max() > 0, name
        assert np.abs(gradient - expected).max() < 2e-6 * np.abs(expected).max(), name


@pytest.mark.filterwarnings("ignore:the score depends on statistics of the whole batch:tfviz.errors.TfvizWarning")
@pytest.mark.parametrize(
    "logits",
    [
        lambda x: tf.reduce_mean(x, axis=(1, 2)) @ weights(3, 4) + weights(1),
        lambda x: tf.reduce_mean(tf.nn.conv2d(x[:, :4, :4], weights(1, 1, 3, 4), 1, "VALID"), axis=(2, 3)),
        lambda x: tf.reduce_mean(tf.reshape(tf.reshape(x, [-1, 3]) @ weights(3, 4), [-1, 19 * 18, 4]), axis=1),
        lambda x: tf.matmul(tf.reduce_mean(x, axis=(1, 2)), weights(3, 3), transpose_b=True),
        lambda x: tf.reduce_mean(x, axis=(1, 2)) @ (weights(3, 4) * tf.reduce_mean(x)),
        lambda x: tf.reduce_mean(x, axis=(1, 2)) @ weights(3, 4) + tf.reduce_max(x, axis=(1, 2)) @ weights(3, 4),
    ],
    ids=["one bias for all", "rows as classes", "a layer for each pixel", "transposed", "of the image", "two layers"],
)
def test_what_looks_like_a_last_layer(logits, monkeypatch):
    monkeypatch.setattr(last_layer, "WORTH", 1)
    assert explained_alike(of_function(logits)).last_layer is None


def test_a_pooling_with_its_own_padding_is_left_to_tensorflow():
    padding = [[0, 0], [1, 0], [0, 2], [0, 0]]
    model = of_function(lambda images: tf.reduce_mean(tf.nn.max_pool2d(images, 3, 1, padding), axis=(1, 2)))
    assert not explained_alike(model).shortcuts.pools


def test_features_of_a_length_that_shows_when_they_are_made(monkeypatch):
    monkeypatch.setattr(last_layer, "WORTH", 1)
    matrix = weights(19 * 18 * 3, 4)
    model = of_function(lambda images: tf.nn.relu(tf.reshape(images, [tf.shape(images)[0], -1])) @ matrix)
    assert explained_alike(model).last_layer is not None


def test_shapes_that_the_code_of_a_model_said_and_no_operation_knows(tmp_path):
    module = tf.Module()
    module.size = tf.Variable([19, 18, 3])

    def shaped(images):
        tensor = tf.reshape(images, tf.concat([tf.shape(images)[:1], module.size], axis=0))
        tensor.set_shape([None, 19, 18, 3])
        return tensor

    def function(images):
        joined = tf.concat([shaped(images), shaped(-images)], axis=3)
        features = tf.nn.conv2d(joined, weights(1, 1, 6, 5), 1, "VALID")
        return tf.reduce_mean(features, axis=(1, 2)) + tf.reduce_mean(
            tf.nn.max_pool2d(shaped(images), 3, 1, "SAME"), axis=(1, 2)
        ) @ weights(3, 5)

    module.function = tf.function(function, input_signature=[tf.TensorSpec([None, 19, 18, 3])], autograph=False)
    tf.saved_model.save(module, str(tmp_path), signatures=module.function)
    shortcuts = explained_alike(tf.saved_model.load(str(tmp_path))).shortcuts
    assert [len(parts) for parts in shortcuts.convolutions.values()] == [2] and len(shortcuts.pools) == 1


def test_half_precision_keeps_the_order_of_its_sums():
    layers = [keras.layers.Conv2D(8, 3, dtype="float16"), keras.layers.BatchNormalization(dtype="float16")]
    network = tfviz.trace(keras.Sequential([keras.Input((9, 9, 3)), *layers, keras.layers.Flatten()]))
    (step,) = network.running.shortcuts.convolutions
    assert convolution_gradient(step, step.inputs[0].shape, tf.zeros([3, 3, 3, 8], tf.float16)) is None
    assert network.running.shortcuts.folds == ()


def test_shortcuts_are_for_cpus(monkeypatch):
    assert only_cpus()
    devices = [*tf.config.list_logical_devices("CPU"), tf.config.LogicalDevice("/device:GPU:0", "GPU")]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda: devices)
    assert not only_cpus()
    assert not tfviz.trace(keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])).running.fast


def test_the_last_layer_is_run_again_for_one_class_only_where_classes_keep_apart(monkeypatch):
    monkeypatch.setattr(last_layer, "WORTH", 1)

    def found(*layers):
        return tfviz.trace(keras.Sequential([keras.Input((6, 6, 4)), *layers])).running.last_layer

    dense, pool = keras.layers.Dense, keras.layers.GlobalMaxPooling2D
    assert found(pool(), dense(5, activation="relu")).layer.type == "MatMul"
    assert found(keras.layers.Conv2D(5, 1), pool()).layer.type == "Conv2D"
    # The second product mixes what the first made; a single logit has no class of its own.
    assert found(pool(), dense(9), dense(5)).layer.inputs[1].shape == (9, 5)
    assert found(pool(), dense(1, activation="sigmoid")) is None
    assert found(keras.layers.Conv2D(5, 3), pool()) is None
    assert found(keras.layers.Conv2D(5, 1, strides=2), pool()) is None
    assert found(pool(), dense(5), keras.layers.LayerNormalization()) is None
    assert found(keras.layers.Conv2D(1, 1), keras.layers.Flatten()) is None


@pytest.mark.parametrize("value", [1, "yes"])
def test_fast_is_true_false_or_none(value):
    with pytest.raises(tfviz.TfvizError, match=f"^fast is {value!r}, expected True, False or None$"):
        tfviz.trace(keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()]), fast=value)
