"""`trace`: any model becomes a `TracedNetwork`."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from tfviz.errors import TfvizError
from tfviz.network.custom_gradients import warn_about_custom_gradients
from tfviz.network.layers import Shape
from tfviz.network.patches import TokensToMap
from tfviz.network.scores import CustomScore
from tfviz.network.sources import open_source
from tfviz.network.structure import Structure
from tfviz.network.traced import TracedNetwork

_LOCK = threading.RLock()
# The traces of live models, with what each depends on. A model is referred to weakly, and its trace does not hold it.
_NETWORKS: weakref.WeakKeyDictionary[Any, tuple[Structure, TracedNetwork]] = weakref.WeakKeyDictionary()


def trace(
    model: Any,
    *,
    score: CustomScore | None = None,
    image_shape: Shape | None = None,
    tokens_to_map: TokensToMap | None = None,
) -> TracedNetwork:
    """Open any TensorFlow image model, in place.

    Parameters
    ----------
    model
        A Keras model, a `.keras` or `.h5` file, a SavedModel folder, a loaded SavedModel, or a `TracedNetwork`, which
        is returned as it is. A Keras model or loaded SavedModel that is passed again reuses its trace.
    score
        What to explain instead of a class: a function of the model's outputs that returns a number for each image (N,).
        It must be made of TensorFlow operations.
    image_shape
        (height, width, channels), where the model itself does not say it.
    tokens_to_map
        How a layer's tokens (N, T, D) become a map (N, h, w, c), where that does not follow from the model: a function
        made of TensorFlow operations, such as `lambda tokens: tf.reshape(tokens[:, 1:], [-1, 7, 9, tokens.shape[2]])`.
        It is tried on every float sequence of known length; where it raises, or makes anything but one map an image,
        tokens are arranged as they are without it: as the map that they were reshaped from, the class, distillation
        and register tokens beside them left out. Windows and merged tokens are no layer unless it arranges them.

    Raises
    ------
    TfvizError
        `tokens_to_map` takes no sequence of the network, or returns something else than a map.
    UnsupportedModelError
        The model cannot be opened, takes anything but one batch of images, or has no class scores and no `score`.
    """
    if isinstance(model, TracedNetwork):
        if any(option is not None for option in (score, image_shape, tokens_to_map)):
            raise TfvizError(
                "this network is traced already; give score, image_shape and tokens_to_map when you trace its model"
            )
        return model
    with _LOCK:
        is_plain = score is None and image_shape is None and tokens_to_map is None
        reusable = is_plain and hasattr(model, "__weakref__")
        structure, network = _NETWORKS.get(model, (None, None)) if reusable else (None, None)
        if network is not None and structure is not None and structure.still_holds(model):
            return network.holding(model)
        network = TracedNetwork(open_source(model, image_shape), score, tokens_to_map)
        warn_about_custom_gradients(network)
        if reusable:
            _NETWORKS[model] = (Structure(model), network.without_model())
        return network
