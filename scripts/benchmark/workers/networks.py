"""The networks that are run: what `--model` may name, and the Keras model that it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SQUEEZENET = Path(__file__).resolve().parents[4] / "shared" / "models" / "squeezenet_imagenet.keras"
APPLICATIONS = {
    "vgg16": "VGG16",
    "resnet50": "ResNet50",
    "mobilenetv2": "MobileNetV2",
    "efficientnetb0": "EfficientNetB0",
    "inceptionv3": "InceptionV3",
}
NAMES = ("demo", "squeezenet", *APPLICATIONS)
SUFFIXES = (".keras", ".h5")


def file_of(name: str) -> Path | None:
    """Return the file that holds a network; None for one that is made."""
    if name in ("demo", *APPLICATIONS):
        return None
    return SQUEEZENET if name == "squeezenet" else Path(name)


def open_model(name: str) -> Any:
    """Return the Keras model of a name or a file; those of keras.applications with random weights, always the same."""
    import keras

    from tfviz import demo

    if file := file_of(name):
        return keras.saving.load_model(file, compile=False)
    if name == "demo":
        return demo.load_network()
    keras.utils.set_random_seed(0)
    return getattr(keras.applications, APPLICATIONS[name])(weights=None)
