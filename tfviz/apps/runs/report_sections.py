"""Measures the methods of a report on its own pictures, if that is asked for: a comparison, curves, sanity verdicts.

Sanity is tried on the first pictures alone, since a few give the verdict of all, and the method named once: its first
layer, if it is given several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.apps.comparison import compare
from tfviz.apps.report import Sections, comparison_table, curves_of, untested, verdicts_of
from tfviz.errors import UnsupportedModelError
from tfviz.methods.engine import LAYER
from tfviz.network.traced import TracedNetwork
from tfviz.results.metrics import sanity_verdicts

TRIED_FOR_SANITY = 4


def measured_sections(
    network: TracedNetwork,
    methods: Mapping[str, Mapping[str, Any]],
    images: Sequence[NDArray[np.float32]],
    targets: Sequence[int],
    names: Sequence[str],
) -> Sections:
    """Return the measured parts of a report on images with their targets; names: of the pictures.

    Raises as `tfviz.compare`. Of a network without weights that could be replaced, the verdict says so.
    """
    given = np.stack(images)
    wanted = np.asarray(targets) if network.head.has_classes else None
    found = compare(network, given, wanted, methods)
    tried = None if wanted is None else wanted[:TRIED_FOR_SANITY]
    first = {name: _first_layer(options) for name, options in methods.items()}
    try:
        sanity = [
            *verdicts_of(sanity_verdicts(network, given[:TRIED_FOR_SANITY], tried, [*methods], options=first).values())
        ]
    except UnsupportedModelError as error:
        sanity = [untested(name, str(error)) for name in methods]
    return Sections(comparison_table(found), tuple(curves_of(found, names)), tuple(sanity))


def _first_layer(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with one layer in place of several."""
    several = isinstance(options.get(LAYER), list | tuple)
    return {**options, **({LAYER: options[LAYER][0]} if several else {})}
