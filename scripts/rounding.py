"""How far gradients in float32 are from float64: with shortcuts, without, and by a tape of one's own.

    python scripts/rounding.py [--network residual] [--pictures 500] [--output notebooks]

Which kernels TensorFlow fuses depends on what the backward pass reads: a convolution becomes one with a FusedBatchNorm
and its ReLU (`fused`) unless TensorFlow's own gradient of that reads what lies between. That rounds otherwise, and a
ReLU near zero tips over. For each network the relative L2 distance of the gradient of the predicted class from that of
the same network in float64 is printed, over pictures: the median, the 90th and the 99th percentile and the largest, and
the difference of the scores from `network.logits`. The embedded network has its weights; the others have random ones,
and batch normalisations that are calibrated on the pictures. `--output` puts the table into the benchmark's page there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from benchmark import arguments, report
from benchmark.beside import SHARES
from benchmark.table import table

from tfviz.quiet import start_tensorflow

HEAD = "\n".join(table(("network", "gradient", *SHARES, "score"), []))
BATCH, SIZE, CLASSES = 50, 32, 10


def main() -> None:
    given = read_arguments()
    start_tensorflow()
    found = []
    print(HEAD)
    for name in given.network or NETWORKS:
        for row in rows(NETWORKS[name](), given.pictures):
            found.append({"network": name, **row})
            print(f"| {' | '.join(shown(each) for each in found[-1].values())} |", flush=True)
    if given.output:
        report.put("rounding", {"pictures": given.pictures, "rows": found}, given.output)


def shown(value: str | float) -> str:
    """Return a name or a distance as text."""
    return value if isinstance(value, str) else f"{value:.1e}"


def rows(model: Any, pictures: int) -> list[dict[str, Any]]:
    """Return a row for each way to a gradient."""
    import numpy as np

    import tfviz
    from tfviz import demo

    if model is None:
        model, images = demo.load_network(), demo.generate(pictures, seed=0).images.astype(np.float32)
    else:
        images = np.random.default_rng(0).normal(size=(pictures, SIZE, SIZE, 3)).astype(np.float32)
        calibrate(model, images[:100])
    exact, taped = (compiled(each) for each in (in_double(model), model))
    fast, plain = (tfviz.trace(model, fast=each) for each in (True, False))
    ways: dict[str, Callable[..., Any]] = {
        "fast": lambda x, targets: explained(fast, x, targets),
        "not fast": lambda x, targets: explained(plain, x, targets),
        "own tape": lambda x, targets: [each.numpy() for each in taped(x, targets)],
    }
    found = []
    for name, gradient in ways.items():
        distances, moved = [], 0.0
        for x in np.split(images, range(BATCH, len(images), BATCH)):
            logits = plain.logits(x)
            targets = logits.argmax(-1)
            expected = exact(x.astype(np.float64), targets)[0].numpy()
            gradients, scores = gradient(x, targets)
            distances.extend(relative(gradients, expected))
            moved = max(moved, float(abs(scores - logits.max(-1)).max()))
        shares = zip(SHARES, np.quantile(distances, (0.5, 0.9, 0.99, 1)).tolist(), strict=True)
        found.append({"gradient": name, **dict(shares), "score": moved})
    return found


def explained(network: Any, x: Any, targets: Any) -> tuple[Any, Any]:
    """Return the gradients and the scores that they are of."""
    import tfviz

    explanation = tfviz.explain(network, x, targets, methods=("gradient",), batch_size=BATCH)
    return explanation.maps["gradient"], explanation.scores


def compiled(model: Any) -> Any:
    """Return what gives the gradients and scores of a model as most people write it."""
    import tensorflow as tf

    @tf.function
    def by_tape(x: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            scores = tf.gather(logits(model, x), targets, axis=1, batch_dims=1)
        return tape.gradient(scores, x), scores

    return lambda x, targets: by_tape(tf.constant(x), tf.constant(targets))


def logits(model: Any, x: Any) -> Any:
    """Return what a model gives before its softmax."""
    import keras
    import tensorflow as tf

    last = model.layers[-1]
    if not isinstance(last, keras.layers.Dense) or last.activation is keras.activations.linear:
        return model(x, training=False)
    features = keras.Model(model.inputs, last.input)(x, training=False)
    return tf.matmul(features, last.kernel) + last.bias


def relative(found: Any, expected: Any) -> list[float]:
    """Return the relative L2 distance of each image's gradient."""
    import numpy as np

    axes = (1, 2, 3)
    return list(np.sqrt(((found - expected) ** 2).sum(axes) / np.maximum((expected**2).sum(axes), 1e-60)))


def in_double(model: Any) -> Any:
    """Return the same network in float64."""

    def widened(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: widened(value) for key, value in part.items()}
        if isinstance(part, list | tuple):
            return type(part)(map(widened, part))
        return "float64" if part == "float32" else part

    exact = type(model).from_config(widened(model.get_config()))
    exact.set_weights(model.get_weights())
    return exact


def calibrate(model: Any, images: Any) -> None:
    """Let batch normalisations know the statistics of what they normalise, one after the other."""
    import keras
    import numpy as np

    generator = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            seen = keras.Model(model.inputs, layer.input).predict(images, verbose=0)
            count = seen.shape[-1]
            scale, offset = generator.uniform(0.5, 1.5, count), generator.normal(0, 0.3, count)
            layer.set_weights([scale, offset, seen.mean((0, 1, 2)), seen.var((0, 1, 2))])


def network_of(block: Callable[[Any, int, int], Any]) -> Any:
    """Return a network of blocks with the given one, for its filters and stride."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((SIZE, SIZE, 3))
    x = normalised(layers.Conv2D(16, 3, padding="same", use_bias=False)(image), "relu")
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        x = block(x, filters, stride)
    return keras.Model(image, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))


def normalised(x: Any, activation: str | None = None) -> Any:
    import keras

    x = keras.layers.BatchNormalization()(x)
    return keras.layers.Activation(activation)(x) if activation else x


def convolved(x: Any, filters: int, stride: int, activation: str | None = "relu") -> Any:
    import keras

    layer = keras.layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)
    return normalised(layer(x), activation)


def fused_block(x: Any, filters: int, stride: int) -> Any:
    """Return what a batch normalisation gives that is one operation, as in tf_keras."""
    import keras
    import tensorflow as tf

    @keras.saving.register_keras_serializable("rounding")
    class Fused(keras.layers.BatchNormalization):
        def call(self, x: Any, training: bool | None = None) -> Any:
            if self.compute_dtype == "float64":  # which the operation does not take
                return super().call(x, training=training)
            statistics = (self.gamma, self.beta, self.moving_mean, self.moving_variance)
            scale, offset, mean, variance = map(tf.convert_to_tensor, statistics)
            found = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, mean, variance, self.epsilon, is_training=False)
            return found[0]

    for each in (stride, 1):
        x = Fused()(keras.layers.Conv2D(filters, 3, each, padding="same", use_bias=False)(x))
        x = keras.layers.Activation("relu")(x)
    return x


def residual_block(x: Any, filters: int, stride: int) -> Any:
    import keras

    layers = keras.layers
    shortcut = normalised(layers.Conv2D(filters, 1, stride, use_bias=False)(x))
    inner = convolved(convolved(x, filters, stride), filters, 1, None)
    return layers.Activation("relu")(layers.Add()([shortcut, inner]))


def separable_block(x: Any, filters: int, stride: int) -> Any:
    import keras

    layers = keras.layers
    x = normalised(layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x), "relu6")
    return normalised(layers.Conv2D(filters, 1, use_bias=False)(x), "relu6")


def dense_block(x: Any, filters: int, stride: int) -> Any:
    import keras

    layers = keras.layers
    for _ in range(2):
        x = layers.Concatenate()([x, convolved(x, filters // 2, 1)])
    return layers.AveragePooling2D(stride)(x) if stride > 1 else x


NETWORKS: dict[str, Callable[[], Any]] = {
    "embedded": lambda: None,
    "fused": lambda: network_of(fused_block),
    "residual": lambda: network_of(residual_block),
    "separable": lambda: network_of(separable_block),
    "dense": lambda: network_of(dense_block),
}


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", action="append", choices=NETWORKS, help="several times (default all)")
    parser.add_argument("--pictures", type=arguments.count, default=500, help="of each (default %(default)s)")
    parser.add_argument("--output", type=arguments.folder, help="folder of the benchmark's page (default none)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
