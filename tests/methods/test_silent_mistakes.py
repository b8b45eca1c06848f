"""Models and calls that once went wrong in silence, each with what must come of it."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.python.framework import ops

import tfviz
from tfviz.network.program.compiling import compile_function

SHAPE = (12, 12, 3)


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(2)


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(0, 1, (2, *SHAPE)).astype(np.float32)


def sequential(*inner, classes=4):
    return keras.Sequential([keras.Input(SHAPE), *inner, layers.GlobalAveragePooling2D(), layers.Dense(classes)])


def gradient_of(function, images, target=1):
    images = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        score = function(images)[:, target]
    return tape.gradient(score, images).numpy()


@pytest.mark.filterwarnings("ignore:the score of class 1 ended at:tfviz.TfvizWarning")
def test_rules_leave_nothing_in_the_registry_of_tensorflow(images):
    """An entry there would keep the graph, and with it the weights, for ever."""
    model = sequential(layers.Conv2D(4, 3, activation="relu"))
    before = set(ops.gradient_registry.list())
    tfviz.guided_backprop(model, images)
    tfviz.guided_grad_cam(model, images)
    tfviz.smooth_grad(model, images, of="guided_backprop", samples=2)
    tfviz.class_visualization(model, 1, pixel_range=(-2, 2), iterations=2)
    tfviz.pgd(model, np.clip(images, -2, 2), pixel_range=(-2, 2), iterations=2, epsilon=200.0)
    gc.collect()
    assert set(ops.gradient_registry.list()) == before


@pytest.mark.filterwarnings("ignore:the score of channel 0 of conv ended at:tfviz.TfvizWarning")
def test_networks_of_any_size_leave_nothing_in_the_registry_of_tensorflow(images):
    """They are replayed to be measured, looked at and, where a score is not finite, to be searched."""
    inner = [layers.Conv2D(4, 3, activation="relu", name="conv"), layers.GlobalAveragePooling2D(), layers.Dense(4)]
    model = keras.Sequential([keras.Input((None, None, 3)), *inner])
    before = set(ops.gradient_registry.list())
    tfviz.saliency(model, images)
    tfviz.feature_visualization(model, tfviz.Channel("conv", 0), pixel_range=(-2, 2), iterations=2, image_shape=SHAPE)
    model.layers[0].set_weights([np.full((3, 3, 3, 4), 3e38, np.float32), np.zeros(4, np.float32)])
    with pytest.raises(tfviz.TfvizError, match="the network's own arithmetic is not"):
        tfviz.saliency(model, images)
    gc.collect()
    assert set(ops.gradient_registry.list()) == before


def vision_transformer():
    inputs = keras.Input((16, 16, 3))
    patches = layers.Conv2D(8, 4, strides=4, name="patches")(inputs)
    tokens = layers.Reshape((16, 8), name="tokens")(patches)
    tokens = layers.Add(name="sum")([tokens, layers.MultiHeadAttention(2, 4, name="attention")(tokens, tokens)])
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(tokens)))


def test_the_heads_of_an_attention_layer_are_no_map():
    network = tfviz.trace(vision_transformer())
    assert list(network.layers) == ["patches", "tokens", "attention_output", "sum"]
    assert network.default_layer == "sum"


def test_tokens_that_become_a_grid_again_are_a_map():
    inputs = keras.Input((16, 16, 3))
    features = layers.Conv2D(8, 4, strides=4, name="patches")(inputs)
    tokens = layers.Dense(8, name="dense")(layers.Reshape((16, 8), name="tokens")(features))
    grid = layers.Conv2D(5, 1, name="after")(layers.Reshape((4, 4, 8), name="grid")(tokens))
    network = tfviz.trace(keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(grid))))
    assert list(network.layers) == ["patches", "tokens", "dense", "grid", "after"]
    assert network.default_layer == "after"


def test_a_map_with_more_axes_on_its_way_stays_a_map():
    model = sequential(layers.Conv2D(8, 3), layers.GroupNormalization(2, name="normal"), layers.UpSampling2D(name="up"))
    network = tfviz.trace(model)
    assert network.find_layer("normal").shape == (10, 10, 8)
    assert network.find_layer("up").shape == (20, 20, 8)


class Block(layers.Layer):
    """A layer that keeps another in an attribute."""

    def __init__(self):
        super().__init__()
        self.inner = layers.Conv2D(3, 3, activation="relu")

    def call(self, inputs):
        return self.inner(inputs)


def adapt(model, brightest=9):
    model.layers[0].adapt(np.random.default_rng(5).uniform(0, brightest, (20, *SHAPE)))


def rescale(model):
    model.layers[1].scale = 5.0


def bend(model):
    model.layers[2].negative_slope = 0.5


def activate(model):
    model.layers[3].inner.activation = keras.activations.tanh


@pytest.mark.parametrize("change", [adapt, rescale, bend, activate])
def test_a_trace_follows_what_is_changed(change, images):
    model = sequential(layers.Normalization(), layers.Rescaling(2.0), layers.LeakyReLU(), Block())
    adapt(model, brightest=2)
    np.testing.assert_allclose(tfviz.trace(model).logits(images), model(images), rtol=1e-4, atol=1e-5)
    assert tfviz.trace(model).compiled is tfviz.trace(model).compiled
    before = model(images).numpy()
    change(model)
    assert np.abs(model(images) - before).max() > 1e-3
    np.testing.assert_allclose(tfviz.trace(model).logits(images), model(images), rtol=1e-4, atol=1e-5)


def two_heads():
    inputs = keras.Input(SHAPE)
    first = layers.Conv2D(4, 3, activation="silu", name="first")(inputs)
    second = layers.Conv2D(4, 3, activation="relu", name="second")(inputs)
    outputs = [layers.Dense(2)(layers.GlobalAveragePooling2D()(each)) for each in (first, second)]
    return keras.Model(inputs, {"a": outputs[0], "b": outputs[1]})


def test_a_custom_score_decides_which_branch_is_looked_at(images):
    model = two_heads()
    second = tfviz.trace(model, score=lambda outputs: outputs["b"][:, 0])
    assert second.default_layer == "second"
    assert tfviz.guided_backprop(second, images).any()
    first = tfviz.trace(model, score=lambda outputs: outputs["a"][:, 0])
    assert first.default_layer == "first"
    with pytest.raises(tfviz.RuleError, match="none between its image and its score"):
        tfviz.guided_backprop(first, images)


def test_a_custom_score_gets_the_outputs_as_the_model_gives_them(images):
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, {"p": layers.Dense(2)(layers.Flatten()(inputs))})
    network = tfviz.trace(model, score=lambda outputs: outputs["p"][:, 1])
    expected = gradient_of(lambda x: model(x)["p"], images)
    np.testing.assert_allclose(tfviz.gradient(network, images), expected, rtol=1e-5)


def test_class_visualization_takes_a_custom_score():
    model = sequential(layers.Conv2D(4, 3, activation="relu"))
    network = tfviz.trace(model, score=lambda outputs: outputs[:, 2])
    custom = tfviz.class_visualization(network, None, pixel_range=(0, 1), iterations=5)
    plain = tfviz.class_visualization(model, 2, pixel_range=(0, 1), iterations=5)
    np.testing.assert_allclose(custom.images, plain.images, atol=1e-5)
    np.testing.assert_allclose(custom.scores, plain.scores, rtol=1e-4)


def test_raw_probabilities_are_said_to_be_such(images):
    inputs = keras.Input(SHAPE)
    flat = layers.Flatten()(inputs)
    shares = layers.Lambda(lambda x: keras.ops.abs(x) / keras.ops.sum(keras.ops.abs(x), axis=-1, keepdims=True))
    model = keras.Model(inputs, shares(layers.Dense(3)(flat)))
    with pytest.warns(tfviz.TfvizWarning, match="looks like probabilities"):
        explanation = tfviz.explain(model, images, methods=("gradient",))
    assert explanation.head == "none"
    assert "looks like probabilities" in explanation.warnings[0]
    np.testing.assert_allclose(explanation.probabilities, model(images), rtol=1e-5)


@tf.custom_gradient
def straight_through(x):
    return tf.round(x), lambda upstream: upstream


@tf.custom_gradient
def own_silu(x):
    return x * tf.sigmoid(x), lambda upstream: upstream


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: straight_through(x), lambda: x),
        lambda x: tf.map_fn(straight_through, x),
        own_silu,
    ],
    ids=["condition", "loop", "own silu"],
)
def test_a_custom_gradient_is_found_wherever_it_hides(function):
    model = sequential(layers.Lambda(lambda x: function(3 * x)))
    with pytest.warns(tfviz.TfvizWarning, match="a gradient of its own"):
        tfviz.trace(model)


def test_a_relu_made_by_hand_is_said_to_keep_its_gradient(images):
    model = sequential(
        layers.Conv2D(4, 3), layers.Lambda(lambda x: keras.ops.maximum(x, 0.0)), layers.Conv2D(4, 3, activation="relu")
    )
    with pytest.warns(tfviz.TfvizWarning, match="plain gradient at 1 maximum with a number"):
        tfviz.guided_backprop(model, images)


def test_switches_are_replayed(images):
    def switch(x):
        branches = [lambda: x, lambda: tf.square(x), lambda: tf.tanh(x)]
        return tf.switch_case(tf.cast(tf.reduce_sum(x) > 0, tf.int32) + 1, branches)

    model = sequential(layers.Lambda(switch))
    for given in (images, -images):
        np.testing.assert_allclose(tfviz.gradient(model, given, 1), gradient_of(model, given), rtol=1e-5, atol=1e-8)


def test_layers_without_weights_have_their_own_names():
    model = keras.Sequential(
        [keras.Input(SHAPE), layers.MaxPool2D(name="pool_1"), layers.ReLU(name="re"), layers.Flatten()]
    )
    assert list(tfviz.trace(model).layers) == ["pool_1", "re"]


def test_a_signature_of_images_beside_one_of_bytes(tmp_path, images):
    module = tf.Module()
    weights = tf.Variable(tf.random.normal((3, 2)))
    module.weights = weights
    module.images = tf.function(
        lambda images: tf.reduce_mean(images, axis=(1, 2)) @ weights, input_signature=[tf.TensorSpec([None, *SHAPE])]
    )
    module.encoded = tf.function(
        lambda encoded: module.images(tf.zeros([tf.size(encoded), *SHAPE])),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    signatures = {"serving_default": module.encoded, "images": module.images}
    tf.saved_model.save(module, str(tmp_path), signatures=signatures)
    np.testing.assert_allclose(tfviz.trace(tmp_path).logits(images), module.images(images), rtol=1e-5)


def test_an_open_number_of_classes_is_refused(tmp_path):
    module = tf.Module()
    signature = [tf.TensorSpec([None, None, None, None])]
    module.call = tf.function(lambda images: tf.reduce_mean(images, axis=(1, 2)), input_signature=signature)
    tf.saved_model.save(module, str(tmp_path), signatures=module.call)
    with pytest.raises(tfviz.UnsupportedModelError, match="leaves the number of its classes open"):
        tfviz.trace(tmp_path)


def test_a_gradient_that_fails_is_not_blamed_on_the_shape():
    """As of dilated convolutions on a CPU without oneDNN, and here where a gradient is checked and infinite."""
    inputs = keras.Input((8, 8, 3))
    checked = layers.Lambda(lambda x: tf.sqrt(tf.debugging.check_numerics(x, "checked")), output_shape=(8, 8, 3))
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(checked(inputs))))
    expected = (
        r"^TensorFlow runs the network on images of the shape \(8, 8, 3\), but not what explains them: .*in gradient"
    )
    with pytest.raises(tfviz.UnsupportedModelError, match=expected) as caught:
        tfviz.saliency(model, np.zeros((1, 8, 8, 3)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("failing", ["while it is traced", "while it runs"])
def test_a_custom_gradient_that_fails_cannot_be_compared(failing):
    @tf.custom_gradient
    def forwards_alone(features):
        def backwards(upstream):
            if failing == "while it is traced":
                raise TypeError("no gradient\nof this")
            with tf.control_dependencies([tf.debugging.Assert(False, ["no gradient of this"])]):
                return tf.identity(upstream)

        return tf.identity(features), backwards

    inputs = keras.Input((8, 8, 3))
    features = layers.Lambda(forwards_alone, output_shape=(8, 8, 3), name="own")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(features)))
    with pytest.warns(
        tfviz.TfvizWarning, match=r"a gradient of its own in .*own.*, and cannot be compared: .*no gradient"
    ):
        network = tfviz.trace(model)
    assert np.abs(tfviz.gradient(network, np.ones((1, 8, 8, 3)), 0)).max() > 0


def test_images_that_the_network_itself_refuses():
    inputs = keras.Input((None, None, 3))
    features = layers.Conv2D(2, 7)(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(features)))
    with pytest.raises(tfviz.InvalidImagesError, match=r"cannot take images of the shape \(4, 5, 3\)") as caught:
        tfviz.saliency(model, np.ones((1, 4, 5, 3)))
    assert "\n" not in str(caught.value)
    batches = tf.data.Dataset.from_generator(
        lambda: (np.ones((2, size, 9, 3), np.float32) for size in (8, 9)),
        output_signature=tf.TensorSpec([None, None, None, 3]),
    )
    with pytest.raises(tfviz.InvalidImagesError, match=r"shapes \(8, 9, 3\) and \(9, 9, 3\), expected one"):
        tfviz.saliency(model, batches)


def as_its_own_values(x):
    """The same tensor by way of an operation that has no gradient."""
    values, places = tf.unique(tf.reshape(x, [-1]))
    return tf.ensure_shape(tf.reshape(tf.gather(values, places), tf.shape(x)), x.shape)


def in_a_loop(x):
    return tf.while_loop(lambda i, x: i < 1, lambda i, x: (i + 1, as_its_own_values(x)), [0, x])[1]


@pytest.mark.filterwarnings("ignore:.*raw outputs are taken for logits:tfviz.errors.TfvizWarning")
@pytest.mark.filterwarnings("ignore:maps are stretched over the whole image:tfviz.errors.TfvizWarning")
@pytest.mark.parametrize("function", [as_its_own_values, in_a_loop])
def test_an_operation_without_a_gradient_is_named(function, images):
    model = sequential(layers.Lambda(function, output_shape=SHAPE), layers.Conv2D(2, 3))
    said = r"^TensorFlow has no gradient through the operation Unique, .*such as occlusion, rise and eigen_cam"
    for call in (
        lambda: tfviz.saliency(model, images),
        lambda: tfviz.smooth_grad(model, images, samples=2),
        lambda: tfviz.pgd(model, images, pixel_range=(0, 1), iterations=1),
        lambda: tfviz.class_visualization(model, 1, pixel_range=(0, 1), iterations=1),
    ):
        with pytest.raises(tfviz.UnsupportedModelError, match=said):
            call()
    found = tfviz.explain(model, images, methods=["occlusion", "eigen_cam"])
    assert all(values.any() for values in found.maps.values())


def test_another_lookup_that_fails_is_no_matter_of_gradients():
    def fail(x):
        return {}["absent"]

    with pytest.raises(KeyError, match="absent"):
        compile_function(fail, tf.TensorSpec([]))


@tf.custom_gradient
def given_a_gradient(x):
    return as_its_own_values(x), lambda upstream: upstream


@pytest.mark.filterwarnings("ignore:.*raw outputs are taken for logits:tfviz.errors.TfvizWarning")
def test_a_custom_gradient_of_an_operation_that_has_none(images):
    model = sequential(layers.Lambda(given_a_gradient, output_shape=SHAPE), layers.Conv2D(2, 3))
    with pytest.warns(tfviz.TfvizWarning, match="a gradient of its own in .*, and TensorFlow has none of Unique$"):
        network = tfviz.trace(model)
    assert tfviz.occlusion(network, images).any()


@pytest.mark.filterwarnings("ignore:.*raw outputs are taken for logits:tfviz.errors.TfvizWarning")
def test_integers_and_an_operation_without_a_gradient(images):
    body = sequential(layers.Lambda(as_its_own_values, output_shape=SHAPE), layers.Conv2D(2, 3))
    inputs = keras.Input(SHAPE, dtype="uint8")
    model = keras.Model(inputs, body(layers.Lambda(lambda x: tf.cast(x, tf.float32) / 255, output_shape=SHAPE)(inputs)))
    assert tfviz.occlusion(model, (images * 255).astype(np.uint8)).any()


class Eager(keras.Model):
    """A model that cannot be traced."""

    def call(self, images):
        return images.numpy()


def test_what_cannot_be_opened_is_one_line(images):
    model = sequential(layers.Conv2D(4, 3))
    network = tfviz.trace(model)
    eager = Eager(name="eager")
    eager.built = True
    for run, message in (
        (lambda: tfviz.trace(network, image_shape=SHAPE), "traced already"),
        (lambda: tfviz.trace(keras.Model), "cannot open a type"),
        (
            lambda: tfviz.trace(model, image_shape=(12, 12, 1)),
            r"'sequential.*' cannot be traced on images \(12, 12, 1\)",
        ),
        (lambda: tfviz.trace(eager, image_shape=SHAPE), "'eager' cannot be traced"),
        (lambda: tfviz.saliency(model, images, [[1, 2], [3]]), "rows of different lengths"),
        (lambda: tf.function(lambda x: tfviz.saliency(model, x), autograph=False)(images), "inside a tf.function"),
        (lambda: tfviz.saliency(model, np.where(images > 0.5, np.inf, -np.inf)), "image 0 holds NaN or infinite"),
    ):
        with pytest.raises(tfviz.TfvizError, match=message) as caught:
            run()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": "ones"}, "start is 'ones', expected 'zeros' or 'noise'"),
        ({"iterations": 2.5}, "iterations is 2.5, expected an integer"),
        ({"jitter": -1}, "jitter is -1"),
        ({"blur": 0}, "blur is 0"),
        ({"rate": None}, "rate is None, expected a number"),
        ({"l2": float("inf")}, "l2 is inf"),
        ({"targets": []}, "targets are empty"),
    ],
)
def test_a_recipe_without_a_meaning(changes, message):
    arguments = {"targets": 1, "pixel_range": (0, 1), **changes}
    with pytest.raises(tfviz.TfvizError, match=message):
        tfviz.class_visualization(sequential(layers.Conv2D(4, 3)), **arguments)


@pytest.mark.parametrize(
    "along_the_batch",
    [
        lambda images: tf.gather(images, tf.range(tf.shape(images)[0])),
        lambda images: tf.vectorized_map(lambda image: 1 * image, images),
    ],
)
def test_images_that_are_gathered_along_the_batch(along_the_batch, tmp_path):
    """Their gradient is of slices, which are no tensor."""
    module = tf.Module()
    module.serve = tf.function(
        lambda images: tf.reduce_mean(along_the_batch(images), axis=(1, 2)),
        input_signature=[tf.TensorSpec([None, 4, 4, 3])],
    )
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.serve)
    found = tfviz.gradient(tmp_path / "model", np.ones((2, 4, 4, 3), np.float32), 0)
    np.testing.assert_allclose(found, np.broadcast_to([1 / 16, 0, 0], found.shape))
