"""The options about pictures: which words they take, for which networks they are, and the size that follows from them.

A network that decodes pictures itself is told nothing of them; what it does not follow is refused.
"""

from __future__ import annotations

from tfviz.apps.files import FULL_DEPTH, KERAS, WAYS_TO_FIT, check_depth, check_fit, check_interpolation, image_size
from tfviz.apps.model.models import OpenedModel
from tfviz.errors import UnsupportedModelError
from tfviz.model_options import ModelOptions
from tfviz.network.traced import TracedNetwork

ASSUMED_SIZE = 224


def check_picture_options(options: ModelOptions) -> None:
    """Raise `TfvizError` for a word that an option about pictures does not take."""
    check_fit(options.fit or WAYS_TO_FIT[0])
    check_interpolation(options.interpolation or KERAS)
    check_depth(options.depth)


def check_followed(options: ModelOptions, network: TracedNetwork) -> None:
    """Raise `UnsupportedModelError` for an option about pictures if the network decodes them itself."""
    given = {name: getattr(options, name) for name in ("fit", "interpolation", "depth")}
    for name, value in given.items():
        if network.cut is not None and value not in (None, FULL_DEPTH):
            raise UnsupportedModelError(
                f"--{name} {value} is for networks of numbers; this one decodes pictures itself"
            )


def network_size(options: ModelOptions, opened: OpenedModel, network: TracedNetwork) -> tuple[int, int]:
    """Return (height, width) of images: for sides left open `--size`, else Keras' or 224; raises as `image_size`."""
    wanted = None if options.size is None else (options.size, options.size)
    return image_size(network.image_shape, wanted, opened.image_size or (ASSUMED_SIZE, ASSUMED_SIZE))


def about_size(options: ModelOptions, opened: OpenedModel, network: TracedNetwork) -> tuple[str, ...]:
    """Return what to say of `network_size` where nobody knows it; nothing of a network that makes images itself."""
    is_known = options.size or opened.image_size or None not in network.image_shape[:2]
    if is_known or network.cut is not None:
        return ()
    height, width = network_size(options, opened, network)
    return (
        f"{opened.name} gets images of {height}x{width} pixels, as it leaves their size open and no --size says "
        "otherwise",
    )
