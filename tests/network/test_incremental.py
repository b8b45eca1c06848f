"""Windows against whole images: every value of random networks, with patches at borders, corners and in between."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.thinning import by_day

import tfviz
from tfviz.network.incremental import Incremental, plan, plan_windows

IMAGES = 2


class Networks:
    """Draws small networks of what may stand in a convolutional one; each kind of layer is a method of that name."""

    KINDS = (
        *("convolution", "convolution", "depthwise", "max_pooling", "average_pooling", "padding", "cropping"),
        *("normalisation", "residual", "branches", "channel_means", "shuffle", "gate", "channels", "upsampling"),
    )

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def network(self) -> keras.Model:
        image = layers.Input((*(int(each) for each in self.random.integers(13, 34, 2)), 3))
        value = layers.Conv2D(6, 3, strides=int(self.random.integers(1, 3)), padding=self.side())(image)
        for kind in self.random.choice(self.KINDS, int(self.random.integers(3, 8))):
            if min(value.shape[1:3]) > 7:
                value = getattr(self, kind)(value)
        value = (layers.GlobalAveragePooling2D if self.random.random() < 0.5 else layers.Flatten)()(value)
        model = keras.Model(image, layers.Dense(4, activation="softmax")(value))
        model.set_weights(
            [self.random.normal(0.1, 0.5, each.shape) ** (2 if "var" in each.path else 1) for each in model.weights]
        )
        return model

    def side(self) -> str:
        return str(self.random.choice(["same", "valid"]))

    def kernel(self) -> tuple[int, int]:
        return tuple(int(each) for each in self.random.integers(1, 8, 2))

    def convolution(self, value):
        stride, dilation = (int(self.random.integers(1, 4)), 1) if self.random.random() < 0.6 else (1, 2)
        kernel = self.kernel() if dilation == 1 else (3, 2)
        about = {"strides": stride, "dilation_rate": dilation, "padding": self.side() if dilation == 1 else "same"}
        return layers.Conv2D(6, kernel, activation=str(self.random.choice(["relu", "silu", "relu6"])), **about)(value)

    def depthwise(self, value):
        return layers.DepthwiseConv2D(self.kernel(), strides=int(self.random.integers(1, 3)), padding=self.side())(
            value
        )

    def max_pooling(self, value):
        return layers.MaxPooling2D(self.kernel(), strides=int(self.random.integers(1, 4)), padding=self.side())(value)

    def average_pooling(self, value):
        size = tuple(int(each) for each in self.random.integers(1, 5, 2))
        return layers.AveragePooling2D(size, strides=int(self.random.integers(1, 4)), padding=self.side())(value)

    def padding(self, value):
        top, bottom, left, right = (int(each) for each in self.random.integers(0, 4, 4))
        return layers.ZeroPadding2D(((top, bottom), (left, right)))(value)

    def cropping(self, value):
        return layers.Cropping2D(((1, 0), (0, 2)))(value)

    def normalisation(self, value):
        return layers.BatchNormalization()(value)

    def residual(self, value):
        inner = layers.ReLU()(layers.Conv2D(value.shape[-1], self.kernel(), padding="same")(value))
        return layers.add([inner, value]) if self.random.random() < 0.5 else layers.multiply([value, inner])

    def branches(self, value):
        stride = int(self.random.integers(1, 3))
        parts = [layers.Conv2D(3, self.kernel(), strides=stride, padding="same")(value) for _ in range(3)]
        return layers.concatenate([*parts, layers.MaxPooling2D(3, strides=stride, padding="same")(value)])

    def channel_means(self, value):
        return value - keras.ops.mean(value, axis=-1, keepdims=True)

    def shuffle(self, value):
        _, height, width, channels = value.shape
        if channels % 3:
            return value[..., ::-1]
        parts = layers.Reshape((height, width, 3, channels // 3))(value)
        return layers.Reshape((height, width, channels))(layers.Permute((1, 2, 4, 3))(parts))

    def gate(self, value):
        return value * layers.Dense(value.shape[-1], activation="sigmoid")(
            keras.ops.mean(value, axis=(1, 2), keepdims=True)
        )

    def channels(self, value):
        first, second = keras.ops.split(value, [2], axis=-1)
        return layers.concatenate([second, keras.ops.exp(-first)])

    def upsampling(self, value):
        return layers.Conv2D(4, 3, strides=2)(layers.UpSampling2D(2, interpolation="bilinear")(value))


def differences(model, patch, seed: int) -> tuple[dict[str, float], set[str]]:
    """Return how far each step's result is from that on whole images, and the types of steps that ran on windows."""
    random = np.random.default_rng(seed)
    network = tfviz.trace(model)
    images = random.normal(0, 1, (IMAGES, *network.image_shape)).astype(np.float32)
    places = [
        np.unique([0, size - side, *random.integers(0, size - side + 1, 2)])
        for size, side in zip(images.shape[1:3], patch, strict=True)
    ]
    found = plan_windows(network.program, [network.image], network.outputs.values, patch, places)
    rows, columns = (each.ravel() for each in np.meshgrid(*map(np.arange, map(len, places)), indexing="ij"))
    shown = random.normal(0, 1, (IMAGES * len(rows), *patch, images.shape[3])).astype(np.float32)
    hidden = np.repeat(images, len(rows), axis=0)
    for number, pixels in enumerate(shown):
        y, x = places[0][rows[number % len(rows)]], places[1][columns[number % len(rows)]]
        hidden[number, y : y + patch[0], x : x + patch[1]] = pixels
    values = {step.name: step.outputs[0] for step in found.steps if step.type not in ("Const", "Shape")}

    @tf.function(autograph=False)
    def both():
        whole = network.replay(hidden)
        incremental = Incremental(found, network.replay(images), tf.constant(IMAGES))
        patched = incremental.run({network.image: tf.constant(shown)}, tf.constant(rows), tf.constant(columns))
        return [(patched[value], whole[value]) for value in values.values()]

    worst = {}
    for name, (own, wanted) in zip(values, both(), strict=True):
        assert own.shape == wanted.shape, name
        worst[name] = (
            float(np.abs(own - wanted).max() / max(1e-6, np.abs(wanted).max())) if own.dtype.is_floating else 0
        )
    return worst, {step.type for step in found.rules}


@pytest.fixture
def always(monkeypatch):
    """Run windows however large they are."""
    monkeypatch.setattr(plan, "LARGEST_SHARE", 1.0)
    monkeypatch.setattr(plan, "WORTHWHILE", np.inf)


def check_seed(seed: int) -> set[str]:
    model = Networks(seed).network()
    patch = tuple(int(each) for each in np.random.default_rng(seed).integers(1, 12, 2))
    worst, types = differences(model, patch, seed)
    assert max(worst.values()) < 5e-6, max(worst.items(), key=lambda each: each[1])
    return types


@pytest.mark.parametrize("seed", by_day([*range(80)], [*range(6)]))
def test_every_value_is_that_of_whole_images(seed, always):
    assert {"Conv2D"} <= check_seed(seed)
