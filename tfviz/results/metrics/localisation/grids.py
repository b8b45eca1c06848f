"""Pointing games that need no marked places: the user's own pictures, side by side in a grid, are the places.

A map of a class should lie in the cell whose picture shows it. Of `grid_pointing_game`, the network sees the whole
grid, and may find something of the class in other cells, too: where a map strays, it can be the network. In
`disconnected_grid` no other cell can have a part in the score, so that only the map can be wrong: a gradient scores 1.
`grid_pictures` tells which pictures stand in a grid, `grid_network` how cells are kept apart, and `grid_game` what the
two have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tfviz.arrays import Doubles, Floats
from tfviz.errors import UnsupportedModelError
from tfviz.methods import find_method
from tfviz.network.traced import TracedNetwork
from tfviz.results.metrics.localisation.grid_game import Game, is_shrunk, layout_of
from tfviz.results.metrics.localisation.grid_network import ASSEMBLED, can_be_assembled, grid_network
from tfviz.results.metrics.measuring import Explain, Explaining, Measurement, Subject, metric, subject_of

GRIDS: Mapping[str, Any] = {
    "family": "localisation",
    "takes": "method",
    "better": "higher",
    "bounds": (0.0, 1.0),
    "of_classes": True,
}


@metric(
    paper="Böhle 2021, arXiv 2104.00032",
    cost="1 forward, and 1 run of the method on its grid",
    caution="a network may see its class in another cell, too, and is not used to grids; chance scores 1 / cells²",
    **GRIDS,
)
def grid_pointing_game(
    model: Any,
    images: Any,
    targets: Any,
    method: str | Explain,
    *,
    cells: int = 2,
    confidence: float = 0.5,
    shrink: bool | None = None,
    options: Mapping[str, Any] | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the share of a map's positive values that lies in the cell of its class, in a grid of pictures [1]_ [2]_.

    Each picture of which the network is confident stands in one grid for which its class is explained.
    `tfviz.results.metrics.localisation.grid_pictures` says how grids are made of the pictures, in which nothing is
    random.

    Parameters
    ----------
    cells
        The number of cells along each side of a grid. The papers have 3 on photographs, which takes nine classes.
    confidence
        The least probability of its target that a picture must have to stand in a grid.
    shrink
        Whether pictures are shrunk so that a grid is as large as one of them, by the mean of the pixels that become
        one. None does it if the network takes images of one size alone; else a grid is `cells` times as large.
    options
        Those of the method.

    Returns
    -------
    Measurement of (N,), 0..1, the higher the better; its options say whether pictures were shrunk. NaN for a picture
    that is on no grid, and for a map without positive values.

    Raises
    ------
    TfvizError
        If there are not two classes of which the network is confident.

    References
    ----------
    .. [1] Böhle, Fritz, Schiele, "Convolutional Dynamic Alignment Networks", 2021, arXiv 2104.00032.
    .. [2] Rao, Böhle, Schiele, "Towards Better Understanding Attribution Methods", 2022, arXiv 2205.10435.
    """
    subject = subject_of(model, images, targets, batch_size)
    subject.check_classes("grid_pointing_game")
    explaining = Explaining(subject, method, options or {}, collapse)
    shrunk = is_shrunk(subject.network.image_shape[:2], shrink)
    game = Game("grid_pointing_game", subject, layout_of(cells, subject.images.shape[1:3], shrunk), confidence)

    def explained(grids: Floats, rows: np.ndarray, numbers: np.ndarray) -> tuple[Doubles, str | None]:
        return replace(subject, images=grids).maps(explaining.found(grids, rows), explaining.how, len(rows))

    return game.play(explained, {"cells": cells, "confidence": confidence, "shrink": shrunk})


@metric(
    paper="Rao 2022, arXiv 2205.10435",
    cost="1 forward, and 1 run of the method on a network of cells² copies",
    caution="a map that keeps to a cell may mark anything in it; of a CAM it shows its layer and its resizing, too",
    **GRIDS,
)
def disconnected_grid(
    model: Any,
    images: Any,
    targets: Any,
    method: str | Explain,
    *,
    cells: int = 2,
    confidence: float = 0.5,
    options: Mapping[str, Any] | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the share of a map's positive values in the one cell that its score can depend on ("DiFull") [1]_.

    Grids are those of `grid_pointing_game`, never shrunk. Each cell is seen by a copy of the network of its own, and
    the score is the logit of the class in that cell's copy, so that what a map shows in another cell is wrong, whatever
    the network has learnt. A gradient scores 1; so does what is made of gradients at the image alone.

    A method that looks at a layer is given one that holds the maps of all cells, put together as the cells lie: of the
    layer that its options name, or of the default layer. Where a method weighs whole channels, as Grad-CAM does, it
    takes the features of the other cells in, and that is what this metric finds. When the map is resized to the image,
    its outermost cells bleed over the border, too, which costs a coarse layer some of its value. A layer of tokens
    cannot be put together, so methods that look at one are refused.

    Parameters
    ----------
    cells
        The number of cells along each side of a grid. The paper has 3.
    confidence
        The least probability of its target that a picture must have to stand in a grid.
    options
        Those of the method; a layer is named as in the user's network. A function of the user's own is given the
        network of the grid, whose layer is called `cells`, and targets among its classes, which are those of all cells.

    Returns
    -------
    Measurement of (N,), 0..1, the higher the better. NaN for a picture that is on no grid, and for a map without
    positive values.

    Raises
    ------
    TfvizError
        If there are not two classes of which the network is confident.
    UnsupportedModelError
        If the network takes other inputs beside the image, or the method looks at a layer of tokens.

    References
    ----------
    .. [1] Rao, Böhle, Schiele, "Towards Better Understanding Attribution Methods", 2022, arXiv 2205.10435.
    """
    subject = subject_of(model, images, targets, batch_size)
    subject.check_classes("disconnected_grid")
    given = Explaining(subject, method, options or {}, collapse)
    game = Game("disconnected_grid", subject, layout_of(cells, subject.images.shape[1:3], False), confidence)
    network = _network(subject, given, cells)

    def explained(grids: Floats, rows: np.ndarray, numbers: np.ndarray) -> tuple[Doubles, str | None]:
        targets = numbers * subject.network.num_classes + subject.targets[rows]
        on_grids = Subject(network, grids, targets.astype(np.int32), {}, batch_size)
        explaining = replace(given, subject=on_grids, options=_looking_at(given.options))
        return on_grids.maps(explaining.found(grids, np.arange(len(rows))), explaining.how)

    return game.play(explained, {"cells": cells, "confidence": confidence})


def _network(subject: Subject, explaining: Explaining, cells: int) -> TracedNetwork:
    """Return the network of a grid, with the maps of the layer that a method looks at, or may look at.

    Raises `UnsupportedModelError` if that is one of tokens, unless the method is not known to look at one.
    """
    network, named = subject.network, _layer_in(explaining.options)
    looks = named is not None or (
        isinstance(explaining.method, str) and "layer" in find_method(explaining.method).options
    )
    layer = network.find_layer(named) if looks or network.default_layer is not None else None
    if layer is not None and not can_be_assembled(network, layer):
        if looks:
            raise UnsupportedModelError(
                f"disconnected_grid puts the maps of a layer together, and {network.layer_index.name(layer)!r}, which "
                f"{explaining.name} looks at, holds tokens"
            )
        layer = None
    return grid_network(network, cells, subject.images.shape[1:], layer)


def _layer_in(options: Mapping[str, Any]) -> Any:
    """Return the layer that a method's options name, or those of the method inside of it; None for none."""
    inner = options.get("options")
    return options.get("layer") or (None if inner is None else _layer_in(inner))


def _looking_at(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the layer of all cells in place of the layer that they name."""
    changed = {"layer": ASSEMBLED} if options.get("layer") else {}
    inner = {"options": _looking_at(options["options"])} if options.get("options") else {}
    return {**options, **changed, **inner}
