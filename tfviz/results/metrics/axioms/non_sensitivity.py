"""Non-sensitivity: whether a map is zero just where the network does not look.

A network whose score is the same for every image, as one whose first ReLU never fires, is found by it: no part of the
image is of any effect, so every cell that a map marks is wrong. A CAM marks all of them there, since it shows biases.

tfviz's own choice: it is asked of the cells of a 16×16 grid, because a pass for each pixel is out of reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tfviz.arrays import Doubles, Floats, name_images
from tfviz.methods.engine import integer, number
from tfviz.results.metrics.measuring import (
    Checks,
    Definitions,
    Measurement,
    Subject,
    blank,
    cells_of,
    check_blank,
    choose,
    metric,
    scaled_as_quantus,
    score_drops,
    subject_of,
)

LIKE: Definitions = {
    "tfviz": {"grid": 16, "fill": "mean", "tolerance": 1e-5},
    "quantus": {"fill": "lowest", "tolerance": 1e-5},
}
CHECKS: Checks = {"grid": integer, "fill": check_blank, "tolerance": partial(number, least=0)}


@metric(
    family="axioms",
    takes="network",
    better="lower",
    bounds=(0.0, 1.0),
    paper="Nguyen 2020, arXiv 2007.07584, section 3.1",
    cost="257 forwards by default",
    caution="nearly all of an image is of some effect to a deep network, so sparse maps have high values; a cell of "
    "the colour that fills it seems to be of none",
)
def non_sensitivity(
    model: Any,
    images: Any,
    targets: Any,
    maps: ArrayLike,
    *,
    like: str = "tfviz",
    grid: int | None = None,
    fill: float | str | None = None,
    tolerance: float | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the share of an image's cells that the map marks and the score does not depend on, or the reverse [1]_.

    A cell is marked if any of its pixels is not zero in the map. If the score depends on no cell at all, no map of that
    image is evidence, and there is a warning: the value is then the share of the cells that the map marks.

    Parameters
    ----------
    like
        ``"tfviz"``: as above. ``"quantus"``: every channel of every pixel by itself, of the probability; the value is
        their number, and attributions are not collapsed.
    grid
        The cells in a row and in a column. For ``"tfviz"`` alone.
    fill
        What takes the place of a cell: as in `deletion`. The lowest value of the image for ``"quantus"``.
    tolerance
        What is not above it counts as zero, as a share: of the largest absolute value of the map and, for the change of
        the logit, of the logit or of its largest change. For ``"quantus"`` what is below it: of the largest value of
        all maps, and of the probability by itself.

    Returns
    -------
    Measurement of (N,), 0..1, the lower the better; for ``"quantus"`` 0 to the number of the image's values.

    References
    ----------
    .. [1] Nguyen, Rodríguez Martínez, "On quantitative aspects of model interpretability", 2020, arXiv 2007.07584,
       section 3.1.
    """
    own: dict[str, Any] = {"grid": grid, "fill": fill, "tolerance": tolerance}
    chosen = choose(LIKE, like, CHECKS, **own)
    subject = subject_of(model, images, targets, batch_size)
    if like == "quantus":
        return _of_values(subject, subject.with_channels(maps), chosen)
    found, how = subject.maps(maps, collapse)
    cells = cells_of(found.shape[1:], chosen["grid"])
    parts = cells == np.unique(cells)[:, np.newaxis, np.newaxis]
    depends, warnings = _depends(subject, parts, chosen)
    values = np.abs(found)
    is_marked = values > chosen["tolerance"] * values.max(axis=(1, 2), keepdims=True)
    marked = np.stack([is_marked[:, part].any(axis=1) for part in parts], axis=1)
    return Measurement("non_sensitivity", (marked != depends).mean(axis=1), how, chosen, warnings=warnings)


def _depends(subject: Subject, parts: np.ndarray, options: Mapping[str, Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return whether the score depends on each part, bool (N, P), and a warning of images where it does on none."""
    before = subject.scores(enumerate(subject.images), len(subject), "non_sensitivity")
    drops = np.abs(score_drops(subject, parts, options["fill"], "non_sensitivity"))
    largest = np.maximum(np.abs(before), drops.max(axis=1))
    depends = drops > options["tolerance"] * largest[:, np.newaxis]
    which = name_images(np.flatnonzero(~depends.any(axis=1)))
    text = f"the score of image {which} is the same whatever is removed: a map of it shows no evidence"
    warnings = (text,) if which else ()
    return depends, warnings


def _of_values(subject: Subject, attributions: Doubles, options: Mapping[str, Any]) -> Measurement:
    """Return non-sensitivity as Quantus has it, of attributions (N, H, W, C) or maps (N, H, W, 1)."""

    def changed() -> Iterator[tuple[int, Floats]]:
        for row, image in enumerate(subject.images):
            other = blank(image, options["fill"])
            for place in np.ndindex(image.shape):
                one = image.copy()
                one[place] = other[place]
                yield row, one

    count = len(subject)
    before = subject.probabilities(enumerate(subject.images), count, "non_sensitivity")
    after = subject.probabilities(changed(), subject.images.size, "non_sensitivity").reshape(subject.images.shape)
    is_same = np.abs(after - before.reshape(-1, 1, 1, 1)) < options["tolerance"]
    is_zero = np.abs(scaled_as_quantus(attributions)) < options["tolerance"]
    values = (is_same != is_zero).sum(axis=(1, 2, 3)).astype(np.float64)
    about, bounds = subject.about_probabilities, (0.0, float(subject.images[0].size))
    return Measurement("non_sensitivity", values, None, options, warnings=about, bounds=bounds)
