"""Small models of every kind that people build, each with a seeded, nowhere zero set of weights.

`KINDS` are Keras models, `build` makes a new one and `model_of` the one that the tests of a session share. No test may
change a shared model: `test_contract` would notice.
"""

from __future__ import annotations

from functools import cache

import keras
import numpy as np
import tensorflow as tf
from keras import layers

SIZE = 16
CLASSES = 5
SHAPE = (SIZE, SIZE, 3)


def random_images(count=2, shape=SHAPE, seed=0):
    """Images between -1 and 1."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, *shape)).astype(np.float32)


def randomise(model, seed=0):
    """Give every weight a seeded value, biases and the statistics of batch normalisation too."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        if not str(variable.dtype).startswith(("float", "bfloat")):
            continue
        shape = tuple(variable.shape)
        if len(shape) >= 2:
            value = generator.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))
        elif "variance" in variable.name or "gamma" in variable.name:
            value = generator.uniform(0.5, 1.5, size=shape)
        else:
            value = generator.uniform(-0.2, 0.3, size=shape)
        variable.assign(value)
    return model


def head(x, classes=CLASSES):
    return layers.Dense(classes, activation="softmax", name="scores")(layers.GlobalAveragePooling2D(name="pool")(x))


def functional():
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", padding="same", name="conv1")(image)
    x = layers.MaxPooling2D(2, name="halve")(x)
    x = layers.Conv2D(6, 3, activation="relu", name="conv2")(x)
    return keras.Model(image, head(x), name="functional")


def body():
    return [
        layers.Conv2D(4, 3, activation="relu", name="conv1"),
        layers.Conv2D(6, 3, strides=2, activation="relu", name="conv2"),
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Dense(CLASSES, activation="softmax", name="scores"),
    ]


def sequential():
    return keras.Sequential([layers.Input(SHAPE), *body()], name="sequential_kind")


def lazily_built():
    model = keras.Sequential(body(), name="lazily_built")
    model(np.zeros((1, *SHAPE), np.float32))
    return model


def nested():
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", padding="same", name="conv1")(image)
    x = layers.BatchNormalization(name="norm")(x)
    backbone = keras.Model(image, layers.Conv2D(6, 3, activation="relu", name="conv2")(x), name="backbone")
    return keras.Sequential(
        [
            layers.Input(SHAPE),
            layers.Rescaling(2.0, offset=0.1, name="rescale"),
            backbone,
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(CLASSES, activation="softmax", name="scores"),
        ],
        name="nested",
    )


class Subclassed(keras.Model):
    """A call with an inner tf.function, and ReLUs that are no layer."""

    def __init__(self):
        super().__init__(name="subclassed")
        self.conv1 = layers.Conv2D(4, 3, padding="same", name="conv1")
        self.conv2 = layers.Conv2D(6, 3, name="conv2")
        self.pool = layers.GlobalAveragePooling2D(name="pool")
        self.scores = layers.Dense(CLASSES, name="scores")

    @tf.function
    def features(self, x):
        return tf.nn.relu(self.conv2(tf.nn.relu(self.conv1(x))))

    def call(self, x):
        return tf.nn.softmax(self.scores(self.pool(self.features(x))))


def subclassed():
    model = Subclassed()
    model(np.zeros((1, *SHAPE), np.float32))
    return model


def shared_layer():
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(image)
    shared = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")
    return keras.Model(image, head(shared(shared(x))), name="shared_layer")


def with_relu(name, make_relu):
    """A network of two convolutions, each followed by the ReLU that `make_relu(index)` gives."""
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, padding="same", name="conv1")(image)
    x = make_relu(1)(x)
    x = layers.Conv2D(6, 3, name="conv2")(x)
    x = make_relu(2)(x)
    return keras.Model(image, head(x), name=name)


def relu_argument():
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(image)
    x = layers.Conv2D(6, 3, activation="relu", name="conv2")(x)
    return keras.Model(image, head(x), name="relu_argument")


def relu_layer():
    return with_relu("relu_layer", lambda index: layers.ReLU(name=f"relu{index}"))


def relu_activation():
    return with_relu("relu_activation", lambda index: layers.Activation("relu", name=f"relu{index}"))


def relu_op():
    return with_relu("relu_op", lambda index: keras.ops.relu)


def relu6():
    return with_relu("relu6", lambda index: layers.ReLU(max_value=6.0, name=f"relu{index}"))


def relu5():
    return with_relu("relu5", lambda index: layers.ReLU(max_value=5.0, name=f"relu{index}"))


def with_lambda():
    image = layers.Input(SHAPE)
    x = layers.Lambda(lambda x: tf.concat([x, tf.abs(x)], -1), output_shape=(SIZE, SIZE, 6), name="mirror")(image)
    x = layers.Conv2D(6, 3, activation="relu", name="conv")(x)
    return keras.Model(image, head(x), name="with_lambda")


def condition():
    """Doubles bright batches, squares dark ones."""

    def choose(pair):
        return tf.cond(tf.reduce_mean(pair[0]) > 0, lambda: 2 * pair[1], lambda: tf.square(pair[1]))

    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="conv1")(image)
    x = layers.Lambda(choose, output_shape=lambda shapes: shapes[1], name="choose")([image, x])
    return keras.Model(image, head(x), name="condition")


def loop():
    """Doubles the features until their mean reaches 3: how often depends on the image."""

    def grow(x):
        return tf.while_loop(lambda x: tf.reduce_mean(x) < 3, lambda x: (tf.nn.relu(2 * x + 0.01),), (x,))[0]

    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="conv1")(image)
    x = layers.Lambda(grow, output_shape=lambda shape: shape, name="grow")(x)
    return keras.Model(image, head(x), name="loop")


def recurrent():
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, strides=2, activation="relu", name="conv")(image)
    x = layers.LSTM(6, name="lstm")(layers.Reshape((7, 28), name="rows")(x))
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="scores")(x), name="recurrent")


def open_size():
    image = layers.Input((None, None, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv1")(image)
    x = layers.Conv2D(6, 3, strides=2, activation="relu", name="conv2")(x)
    return keras.Model(image, head(x), name="open_size")


def mixed(policy):
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="conv1", dtype=policy)(image)
    x = layers.Conv2D(6, 3, activation="relu", name="conv2", dtype=policy)(x)
    x = layers.GlobalAveragePooling2D(name="pool", dtype=policy)(x)
    x = layers.Dense(CLASSES, name="scores", dtype=policy)(x)
    return keras.Model(image, layers.Activation("softmax", name="softmax", dtype="float32")(x), name=policy)


def float16():
    return mixed("mixed_float16")


def bfloat16():
    return mixed("mixed_bfloat16")


def depthwise():
    """A block of ConvNeXt. On CPU Keras runs its depthwise convolution in a function compiled by XLA."""
    image = layers.Input(SHAPE)
    x = stem = layers.Conv2D(4, 2, strides=2, name="stem")(image)
    x = layers.Conv2D(4, 7, padding="same", groups=4, name="depthwise")(x)
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    x = layers.Dense(8, activation="relu", name="expand")(x)
    x = layers.Dense(4, name="reduce")(x)
    return keras.Model(image, head(layers.Add(name="add")([stem, x])), name="depthwise")


def silu():
    return with_relu("silu", lambda index: layers.Activation("silu", name=f"silu{index}"))


def residual():
    """The end of a ResNet: convolution, normalisation, addition, ReLU."""
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(image)
    for block in (1, 2):
        y = layers.Conv2D(4, 3, padding="same", name=f"block{block}_conv")(x)
        y = layers.BatchNormalization(name=f"block{block}_bn")(y)
        x = layers.Add(name=f"block{block}_add")([x, y])
        x = layers.Activation("relu", name=f"block{block}_out")(x)
    return keras.Model(image, head(x), name="residual")


def vision_transformer():
    """A vision transformer of one block, its layers sequences of tokens."""
    image = layers.Input(SHAPE)
    x = layers.Reshape((16, 6), name="tokens")(layers.Conv2D(6, 4, strides=4, name="patches")(image))
    y = layers.LayerNormalization(name="before")(x)
    x = layers.Add(name="attended")([x, layers.MultiHeadAttention(2, 3, name="attend")(y, y)])
    y = layers.Dense(12, activation="relu", name="wide")(layers.LayerNormalization(name="between")(x))
    x = layers.Add(name="block")([x, layers.Dense(6, name="narrow")(y)])
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="scores")(x), name="vision_transformer")


KINDS = {
    build.__name__: build
    for build in (
        functional,
        sequential,
        lazily_built,
        nested,
        subclassed,
        shared_layer,
        relu_argument,
        relu_layer,
        relu_activation,
        relu_op,
        relu6,
        relu5,
        with_lambda,
        condition,
        loop,
        recurrent,
        open_size,
        float16,
        bfloat16,
        depthwise,
        silu,
        residual,
        vision_transformer,
    )
}


def build(kind):
    """A new model of that kind."""
    return randomise(KINDS[kind](), seed=sorted(KINDS).index(kind))


@cache
def model_of(kind):
    """The model of that kind that all tests share."""
    return build(kind)


def build_nested_vgg16():
    """The commonest model of all: a pretrained backbone in a Sequential (here with random weights)."""
    backbone = keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 64, 3))
    model = keras.Sequential(
        [
            layers.Input((64, 64, 3)),
            layers.Rescaling(1 / 0.5, name="rescale"),
            backbone,
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(CLASSES, activation="softmax", name="scores"),
        ],
        name="nested_vgg16",
    )
    return randomise(model)


@cache
def nested_vgg16():
    return build_nested_vgg16()


def linear():
    """A model whose gradient is its kernel."""
    image = layers.Input((4, 4, 3))
    x = layers.Dense(CLASSES, activation="softmax", name="scores")(layers.Flatten()(image))
    return randomise(keras.Model(image, x, name="linear"))


class WithSignature(tf.Module):
    """A TensorFlow model that never met Keras, saved with a signature."""

    def __init__(self):
        super().__init__(name="plain")
        generator = np.random.default_rng(7)
        self.kernel = tf.Variable(generator.normal(size=(3, 3, 3, 4)).astype(np.float32) * 0.4, name="kernel")
        self.bias = tf.Variable(generator.uniform(-0.1, 0.2, 4).astype(np.float32), name="bias")
        self.dense = tf.Variable(generator.normal(size=(4, CLASSES)).astype(np.float32), name="dense")

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32, name="pictures")])
    def predict(self, pictures):
        features = tf.nn.relu(tf.nn.conv2d(pictures, self.kernel, 1, "SAME") + self.bias)
        return {"probabilities": tf.nn.softmax(tf.reduce_mean(features, [1, 2]) @ self.dense)}


class WithCall(WithSignature):
    """The same, called and saved without a signature."""

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32)])
    def __call__(self, pictures):
        return self.predict(pictures)["probabilities"]


def with_gradient(function, images):
    """The outputs of a function and the gradient of a random, repeatable sum of them, from one compiled run."""

    @tf.function
    def run(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = tf.nest.flatten(function(images))
            weighted = [
                tf.reduce_sum(tf.cast(output, tf.float32) * tf.random.stateless_normal(tf.shape(output), (0, 1)))
                for output in outputs
            ]
            total = tf.add_n(weighted)
        return outputs, tape.gradient(total, images)

    outputs, gradient = run(tf.constant(images))
    return [output.numpy() for output in outputs], gradient.numpy()


def distance(ours, theirs):
    """The relative L2 distance of two arrays."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape and np.linalg.norm(theirs) > 0
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
