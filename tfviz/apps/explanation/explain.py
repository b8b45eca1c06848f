"""`explain`: runs several methods at once, for several targets of each image.

Methods announce the gradients that they read, so that all of them share one forward pass and one backward pass per
rule; several targets share the forward pass, too. An explanation does not keep its model alive: what identifies a model
that was opened here is remembered before it is gone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from tfviz.apps.explanation.explanation import Explanation
from tfviz.errors import InvalidTargetsError, emit_warnings
from tfviz.methods import choose_methods, run_methods
from tfviz.methods.engine import LAYER
from tfviz.network import trace
from tfviz.network.batches import best_classes


def explain(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    methods: str | Sequence[str] = ("grad_cam", "saliency"),
    layer: str | Sequence[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    top: int | None = None,
    batch_size: int = 32,
) -> Explanation:
    """Run several methods at once, which share their passes; see `tfviz.methods` for `model`, `images` and `targets`.

    Parameters
    ----------
    methods
        One or more names of `tfviz.METHODS`.
    layer
        The layer for every method that looks at one, or several; None is `TracedNetwork.default_layer`. The maps of
        several are kept as `grad_cam@conv1`.
    options
        The methods' own options by the method's name: `{"grad_cam": {"upsample": False}}`.
    top
        Explain this many of the best classes of each image instead of `targets`. They share its forward pass. The
        results have one row per class, image after image, the best class first: N · top rows.
    batch_size
        The number of images (times classes, if there are several) that are computed at once.

    Raises
    ------
    UnknownMethodError
        A method or option does not exist, `options` are for a method that is not run, or no method takes a `layer`.
    InvalidTargetsError
        There are fewer classes than `top`, the scores are not of classes, or `targets` are given as well.
    UnsupportedModelError, UnknownLayerError, InvalidImagesError, RuleError
    """
    network = trace(model)
    if top is not None:
        if targets is not None:
            raise InvalidTargetsError("targets and top both choose what to explain; give one of them")
        targets = best_classes(network.head, top)
    chosen = choose_methods(methods, None if layer is None else {LAYER: layer}, options)
    found = run_methods(network, chosen, images, targets, batch_size=batch_size, kind=Explanation)
    emit_warnings(found.warnings)
    if found.origin is not None and isinstance(model, str | os.PathLike):
        # A model that was opened here is gone after the call.
        found.origin.remember()
    return found
