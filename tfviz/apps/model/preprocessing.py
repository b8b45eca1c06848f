"""From pictures to what a network was trained on, and back.

A picture is uint8 RGB, 0..255, ``(H, W, 3)`` or ``(N, H, W, 3)``; an input is float32 in the network's own space, of
the same shape or with one grey channel.

A preprocessing is only a function. Its pixel range, the order of its channels and its inverse are found by trying it on
black, white and the primary colours, so that the functions of Keras need no table that could become wrong. That relies
on what they have in common: each channel is a rising straight line. One that mixes channels (other than to grey),
bends, or depends on the whole image has no such inverse, and cannot be given here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.arrays import Picture
from tfviz.data_format import MOST_CHANNELS
from tfviz.errors import InvalidImagesError, TfvizError, suggestion
from tfviz.results import LUMINANCE

Input = NDArray[np.float32]

_RANGES = {"0..1": (0.0, 255.0), "-1..1": (127.5, 127.5), "0..255": (0.0, 1.0)}
_ORDERS = {"rgb": slice(None), "bgr": slice(None, None, -1)}


@dataclass(frozen=True)
class Preprocessing:
    """One way to preprocess.

    Attributes:
        name: What `find_preprocessing` was asked for.
        function: From float32 RGB ``(..., 3)``, 0..255, to inputs ``(..., C)``: any order of the channels and, in each,
            any rising straight line. What the other members need is found by trying it out.
    """

    name: str
    function: Callable[[Input], Any]

    def __call__(self, pictures: Picture) -> Input:
        """Inputs of pictures. Raises InvalidImagesError for anything but uint8 with three channels."""
        if pictures.dtype != np.uint8 or pictures.ndim not in (3, 4) or pictures.shape[-1] != 3:
            shape = pictures.shape
            raise InvalidImagesError(f"expected uint8 RGB (H, W, 3) or (N, H, W, 3), got {pictures.dtype} {shape}")
        return self.of_numbers(pictures)

    def of_numbers(self, numbers: NDArray[Any]) -> Input:
        """Inputs of numbers of any range, RGB (H, W, 3) or (N, H, W, 3), as if they were 0..255.

        For images of 16 bits whose own numbers the network wants: nothing is checked, scaled or clipped.
        """
        return self._apply(numbers)

    @cached_property
    def pixel_range(self) -> tuple[Input, Input]:
        """The inputs of black and of white, each ``(C,)`` in the order of the network's channels."""
        low, high = self._apply(np.array([[[0, 0, 0], [255, 255, 255]]]))[0]
        return low, high

    @cached_property
    def order(self) -> str:
        """The order of the network's channels: ``rgb``, ``bgr`` or ``grey``."""
        black, red = self._apply(np.array([[[0, 0, 0], [255, 0, 0]]]))[0]
        return "grey" if len(red) == 1 else "rgb" if red[0] > black[0] else "bgr"

    def pictures(self, inputs: Input) -> Picture:
        """The pictures of inputs ``(..., C)``: the inverse, rounded; values outside of `pixel_range` are clipped."""
        low, high = self.pixel_range
        shares = (self._apply(np.diag([255, 255, 255])[np.newaxis])[0] - low) / (high - low)
        # A channel of the picture comes from the channel it went into; all three come from a grey one.
        brightness = (np.asarray(inputs, np.float32) - low) / (high - low) @ (shares.T > 0)
        pictures: Picture = np.rint(np.clip(brightness, 0, 1) * 255).astype(np.uint8)
        return pictures

    def _apply(self, pictures: NDArray[Any]) -> Input:
        # A copy, because Keras' own functions write over the array that they are given.
        return np.ascontiguousarray(self.function(pictures.astype(np.float32)), dtype=np.float32)


def find_preprocessing(name: str, *, channels: int = 3) -> Preprocessing:
    """The preprocessing that `name` stands for.

    Parameters
    ----------
    name
        One of

        - ``0..1``, ``-1..1``, ``0..255``: the range that black to white becomes;
        - a family or model of ``keras.applications``, such as ``resnet50``: its own ``preprocess_input``;
        - ``mean=104,117,123;std=1,1,1;order=bgr``: (pixel - mean) / std, both on the scale 0..255 and in the order
        of the network's channels (``rgb``, ``bgr`` or ``grey``). One number holds for all channels. What is left
        out is ``mean=0``, ``std=1`` and ``order=rgb`` (``grey`` if `channels` is 1).
    channels
        Channels of the network, 3 or 1; pictures become grey (luminance, rounded) first if it is 1.

    Raises
    ------
    TfvizError
        `name` is none of these, or does not suit `channels`.
    """
    if channels not in (1, 3):
        hint = "; if its channels come first, say --data-format channels_first" if channels > MOST_CHANNELS else ""
        raise TfvizError(f"pictures have three channels or, in grey, one, but the network takes {channels}{hint}")
    if name in _RANGES:
        return _linear(name, *_RANGES[name], order="rgb" if channels == 3 else "grey")
    if "=" in name:
        return _from_options(name, channels)
    family = families().get(plain_name(name))
    if family is None:
        kinds = f"{', '.join(_RANGES)}, a keras.applications family such as resnet50, or mean=...;std=...;order=..."
        hint = suggestion(name, [*_RANGES, *families()], f"expected {kinds}", always=True)
        raise TfvizError(f"there is no preprocessing {name!r}; {hint}")
    if channels != 3:
        raise TfvizError(
            f"preprocessing {name!r} is for three channels, but the network has {channels}; use 0..1 or mean=..."
        )
    return Preprocessing(name, lambda pixels: family.preprocess_input(pixels, data_format="channels_last"))


def families() -> dict[str, ModuleType]:
    """The modules of ``keras.applications`` that preprocess for a model, by the `plain_name` of module and model."""
    import keras

    named: dict[str, ModuleType] = {}
    for model_name, function in applications().items():
        # Where the function was defined: keras.applications.mobilenet_v3 does not list its own models.
        module_name = function.__module__.rpartition(".")[2]
        named[model_name] = named[plain_name(module_name)] = getattr(keras.applications, module_name)
    return named


def applications() -> dict[str, Callable[..., Any]]:
    """The functions of ``keras.applications`` that build a model, by `plain_name`."""
    import keras

    return {plain_name(name): function for name, function in inspect.getmembers(keras.applications, inspect.isfunction)}


def plain_name(name: str) -> str:
    """A name of Keras as it is looked up: "mobilenet_v2" and "MobileNetV2" are "mobilenetv2"."""
    return name.lower().replace("_", "").replace("-", "")


def _from_options(name: str, channels: int) -> Preprocessing:
    """Return the preprocessing of `mean=...;std=...;order=...`."""
    options = _read_options(name, {"mean": "0", "std": "1", "order": "rgb" if channels == 3 else "grey"})
    order, count = options["order"], 1 if options["order"] == "grey" else 3
    if order not in (*_ORDERS, "grey") or count != channels:
        raise TfvizError(
            f"preprocessing {name!r} has order={order}; a network of {channels} channels takes "
            f"{'rgb or bgr' if channels == 3 else 'grey'}"
        )
    mean, std = (_numbers(name, options[option], count) for option in ("mean", "std"))
    if not (np.all(std > 0) and np.all(np.isfinite([mean, std]))):
        raise TfvizError(f"preprocessing {name!r} needs finite numbers, and std above 0")
    found = _linear(name, mean, std, order=order)
    with np.errstate(over="ignore"):
        white = found.function(np.full((1, 3), 255, np.float32))
    if not np.isfinite(white).all():
        raise TfvizError(f"preprocessing {name!r} makes infinite numbers of white pixels; expected a larger std")
    return found


def _read_options(name: str, defaults: dict[str, str]) -> dict[str, str]:
    """Return the value of each option in `option=value;...`, those that are left out by default."""
    given: dict[str, str] = {}
    for part in name.split(";"):
        option, _, value = part.partition("=")
        if option.strip() in given:
            raise TfvizError(f"preprocessing {name!r} says {option.strip()} twice")
        if option.strip() not in defaults:
            raise TfvizError(
                f"no option {part.strip()!r} in preprocessing {name!r}; expected mean=..., std=... or order=..."
            )
        given[option.strip()] = value.strip().lower()
    return {**defaults, **given}


def _numbers(name: str, text: str, count: int) -> Input:
    """Return the numbers in a text, one for each of `count` channels or one for all, float32; raise `TfvizError`."""
    try:
        return np.broadcast_to(np.array(text.split(","), np.float32), (count,))
    except ValueError as error:
        raise TfvizError(
            f"preprocessing {name!r}: {text!r} is not one number or {count} separated by commas"
        ) from error


def affine_preprocessing(name: str, black: Input, white: Input, *, order: str) -> Preprocessing:
    """The preprocessing that takes black and white to those inputs ``(C,)``, in the network's order of channels."""
    std = np.float32(255) / (white - black)
    return _linear(name, -black * std, std, order=order)


def _linear(name: str, mean: float | Input, std: float | Input, *, order: str) -> Preprocessing:
    """Return the preprocessing (pixel − mean) / std; for `grey` of the rounded luminance, as Keras reads it."""

    def function(pixels: Input) -> Any:
        ordered = np.rint(pixels @ LUMINANCE)[..., np.newaxis] if order == "grey" else pixels[..., _ORDERS[order]]
        return (ordered - mean) / std

    return Preprocessing(name, function)
