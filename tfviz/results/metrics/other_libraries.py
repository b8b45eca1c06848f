"""Methods as other evaluation libraries call them: Quantus and those that follow its convention.

There an explanation is a function of `(model, inputs, targets, **kwargs)` that returns an array. Images may come with
channels first, as PyTorch has them, and maps be wanted with an axis of channels. Quantus wants them first even for a
Keras model, to which it hands images with channels last at one time and first at another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tfviz.data_format import DataFormat
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.methods import Explainer, find_method
from tfviz.network import network_of
from tfviz.network.traced import TracedNetwork
from tfviz.results import check_attributions, collapse as collapsed, pick
from tfviz.results.metrics.measuring import collapse_of

CHANNELS = {"first": DataFormat.CHANNELS_FIRST, "last": DataFormat.CHANNELS_LAST}
"""Where images and attributions have their channels, by the option of `explain_func`."""
IGNORED = frozenset({"device"})
"""What Quantus hands over beside the options: TensorFlow chooses the device itself."""

ExplainFunc = Callable[..., np.ndarray]


def explain_func(
    method: str, *, channels: str | None = None, collapse: str | None = None, batch_size: int = 32, **options: Any
) -> ExplainFunc:
    """Return a method as a function `(model, inputs, targets, **kwargs)`, the convention of evaluation libraries.

    Parameters
    ----------
    method
        Its name, one of `tfviz.METHODS`.
    channels
        ``"first"``: maps are returned as (N, 1, H, W), attributions as (N, C, H, W). ``"last"``: as (N, H, W, 1) and
        (N, H, W, C). None: maps as (N, H, W), attributions as the images came. Images are taken in either order, told
        by the sizes that the network takes; if both fit, in this one, or else the network's.
    collapse
        How attributions become maps, see `tfviz.results.collapse`; ``"default"`` as metrics do. None keeps them.
    batch_size
        How many images are run at once.
    options
        Those of the method. Those in `kwargs` of a call come before them.

    Returns
    -------
    A function of a model, images and targets (N,) that returns a float32 array. It raises what the method raises, and
    `InvalidImagesError` for images in another order, and warns as the method does.

    Raises
    ------
    UnknownMethodError, TfvizError
        There is no such method, option, order of channels, or way to collapse.
    """
    if channels is not None:
        pick("order of channels (channels)", channels, CHANNELS)
    if collapse not in (None, "default"):
        collapsed(np.zeros((1, 1, 1, 1)), str(collapse))
    find_method(method).complete(options)

    def explain(model: Any, inputs: Any, targets: Any, **kwargs: Any) -> np.ndarray:
        chosen = {**options, **{name: value for name, value in kwargs.items() if name not in IGNORED}}
        network = network_of(model)
        came = _order(network, np.shape(inputs), channels)
        own = network.data_format.from_last(came.to_last(np.asarray(inputs)))
        values: Any = Explainer(network, method, **chosen)(own, targets, batch_size=batch_size)
        if isinstance(values, dict):
            raise TfvizError(f"explain_func returns one map an image, but {method} was given {len(values)} layers")
        if values.ndim == 4 and collapse is not None:
            how = collapse_of(method, find_method(method).complete(chosen)) if collapse == "default" else collapse
            values = collapsed(network.data_format.to_last(check_attributions(values)), how)
        order = came if channels is None else CHANNELS[channels]
        if values.ndim == 4:
            return np.asarray(order.from_last(network.data_format.to_last(values)), np.float32)
        return np.asarray(values if channels is None else order.from_last(values[..., np.newaxis]), np.float32)

    explain.__name__ = method
    return explain


def _order(network: TracedNetwork, shape: tuple[int, ...], channels: str | None) -> DataFormat:
    """Return the order of images of a shape that fits the network: the one of `channels`, if both do."""
    preferred = network.data_format if channels is None else CHANNELS[channels]
    fitting = [each for each in (preferred, network.data_format, *CHANNELS.values()) if _fits(network, shape, each)]
    if not fitting:
        raise InvalidImagesError(
            f"expected images of the shape (N, *{network.image_shape}), or with channels first, got {shape}"
        )
    return fitting[0]


def _fits(network: TracedNetwork, shape: tuple[int, ...], order: DataFormat) -> bool:
    if len(shape) != 4:
        return False
    sizes = shape[1:] if order == DataFormat.CHANNELS_LAST else (*shape[2:], shape[1])
    return all(wanted in (None, size) for wanted, size in zip(network.image_shape, sizes, strict=True))
