"""What to say of images that are no numbers yet: names of files and folders, generators, data sets of other kinds.

A message tells how to load them as the network takes them, its size and channels in the call.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from tfviz.data_format import DataFormat
from tfviz.network.program import Inputs

LONGEST = 200  # characters of what a message quotes
# They give images one batch after the other. NumPy would read them all, and those without end for ever.
UNREAD = (Iterator, keras.utils.PyDataset)
COLOR_MODES = {1: "grayscale", 4: "rgba"}


def what_they_are(images: Any, dtype: np.dtype[Any], inputs: Inputs) -> str:
    """Return the error about images that NumPy makes an array of `dtype` of, which are no numbers."""
    images = images.tolist() if isinstance(images, np.ndarray) else images
    files = [images] if isinstance(images, str | os.PathLike) else images if isinstance(images, Sequence) else ()
    if files and all(isinstance(each, str | os.PathLike) for each in files):
        first = os.fspath(files[0])[:LONGEST]
        if files is images:
            return f"images are file names, such as {first!r}, expected {_read_all(inputs)}"
        if os.path.isdir(first):
            return f"images is a folder, {first!r}, expected {_read_folder(first, inputs)}"
        return f"images is a file name, {first!r}, expected {read_file(first, inputs)}"
    return f"images are of type {dtype}, expected numbers"


def how_to_read(images: Any) -> str:
    """Return the error about `UNREAD` images."""
    batch = "next(images)" if isinstance(images, Iterator) else "images[0]"
    return (
        f"images is a {type(images).__name__}, which must be read first: give the images of one batch, as from "
        f"{batch}, or a tf.data.Dataset"
    )


def read_file(file: str, inputs: Inputs) -> str:
    """Return what a network takes in place of the file of that name, and how to read it."""
    if inputs.decoding is not None:
        return f"the bytes of a file: pathlib.Path({file!r}).read_bytes()"
    command = f"tfviz explain {shlex.quote(file)} --model FILE"
    return f"numbers: {_loaded(repr(file), inputs)}, preprocessed as in training; or run {command}"


def _read_all(inputs: Inputs) -> str:
    if inputs.decoding is not None:
        return "the bytes of files: [pathlib.Path(file).read_bytes() for file in images]"
    return f"numbers: np.stack([{_loaded('file', inputs)} for file in images]), preprocessed as in training"


def _read_folder(folder: str, inputs: Inputs) -> str:
    if inputs.decoding is not None:
        return f"the bytes of files: [file.read_bytes() for file in pathlib.Path({folder!r}).iterdir()]"
    options = _options("image_size", inputs)
    if inputs.data_format == DataFormat.CHANNELS_FIRST:
        options += ", data_format='channels_first'"
    command = f"tfviz explain {shlex.quote(folder)} --model FILE"
    return (
        f"numbers: keras.utils.image_dataset_from_directory({folder!r}, labels=None{options}), preprocessed as in "
        f"training; or run {command}"
    )


def _loaded(file: str, inputs: Inputs) -> str:
    """Return the call that loads a file as the network takes it, but for the preprocessing."""
    order = ", data_format='channels_first'" if inputs.data_format == DataFormat.CHANNELS_FIRST else ""
    return f"keras.utils.img_to_array(keras.utils.load_img({file}{_options('target_size', inputs)}){order})"


def _options(size: str, inputs: Inputs) -> str:
    height, width, channels = inputs.image.shape[1:]
    sized = f", {size}=({height}, {width})" if height and width else ""
    return sized + (f", color_mode={COLOR_MODES[channels]!r}" if channels in COLOR_MODES else "")
