"""The demo's classifier: VGG16's topology and layer names at an eighth of its width.

It was taught to look at the shapes. Trained on classes alone it reached 98.7 % accuracy, but its evidence gathered
beside the shapes (the maximum of Grad-CAM lay in the right shape for 58 % of pictures); so `scripts/train_demo.py`
teaches the evidence of each cell of the last feature map, too. Good maps of this network show that a method reads it
right, not that networks localise well by nature.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .scene import CLASS_NAMES, IMAGE_SIZE

if TYPE_CHECKING:
    import keras

WEIGHTS_PATH = Path(__file__).with_name("demo.weights.h5")
SAMPLES_FOLDER = Path(__file__).with_name("samples")

_BLOCKS = ((8, 2), (16, 2), (32, 3), (64, 3), (64, 3))


def build_network() -> keras.Model:
    """Build the untrained classifier of RGB pictures (N, 128, 128, 3), 0..255, into (N, classes) probabilities.

    Five blocks of 3x3 convolutions, each followed by pooling that halves the map, end in 4x4 cells. One dense layer
    reads their mean, so that a logit is the mean of what each cell says for the class. The network rescales pictures
    itself: 0..255 is its input space.
    """
    import keras  # here, because `import tfviz.demo` must not load TensorFlow

    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="image")
    features = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(image)
    for block, (filters, depth) in enumerate(_BLOCKS, start=1):
        for step in range(1, depth + 1):
            features = keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                # Thirteen layers without normalisation: Keras' default would halve the signal's variance in each.
                kernel_initializer="he_normal",
                name=f"block{block}_conv{step}",
            )(features)
        features = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(features)
    features = keras.layers.GlobalAveragePooling2D(name="average")(features)
    classes = keras.layers.Dense(len(CLASS_NAMES), activation="softmax", name="predictions")(features)
    return keras.Model(image, classes, name="demo")


def load_network() -> keras.Model:
    """Build the classifier with the weights that tfviz ships; `CLASS_NAMES` names its outputs."""
    network = build_network()
    network.load_weights(WEIGHTS_PATH)
    return network


def sample_paths() -> tuple[Path, ...]:
    """Return the shipped sample pictures, PNG files of 128x128 pixels, each named after its class, sorted."""
    return tuple(sorted(SAMPLES_FOLDER.glob("*.png")))
