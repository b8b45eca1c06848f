"""The order that a map puts the pixels of an image in, against a place.

Pixels of one value have no order among themselves: what is returned is the mean over all orders that they could have.
"""

from __future__ import annotations

import numpy as np

from tfviz.arrays import Doubles
from tfviz.results import Masks
from tfviz.results.metrics.measuring import ranks_of


def share_of_highest(maps: Doubles, places: Masks, counts: np.ndarray) -> Doubles:
    """Return the share (N,) of the highest pixels, so many of each map, that lies on the place.

    Of the pixels that share the lowest value that counts, as many as there is room for count, on the place and beside
    it in the same proportion: the mean over all orders.
    """
    shares = np.empty(len(maps))
    for row, (one_map, place, count) in enumerate(zip(maps, places, counts, strict=True)):
        lowest = np.sort(one_map, axis=None)[-count]
        above, equal = one_map > lowest, one_map == lowest
        inside = place[above].sum() + (count - above.sum()) * place[equal].mean()
        shares[row] = inside / count
    return shares


def roc_area(one_map: Doubles, place: Masks) -> float:
    """Return the area below the ROC curve, by the ranks of the pixels, those of one value the mean of theirs.

    NaN if there is nothing beside the place.
    """
    inside, outside = int(place.sum()), int((~place).sum())
    if not outside:
        return np.nan
    ranks = ranks_of(one_map.reshape(1, -1))[0]
    above = ranks[place.ravel()].sum() - inside * (inside - 1) / 2
    return float(above / (inside * outside))
