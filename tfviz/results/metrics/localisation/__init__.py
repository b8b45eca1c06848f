"""Localisation: whether a map points at the true place.

`masks` compares maps with the places that people marked, by the `map_order` of their pixels among others. `grids` needs
no masks: the user's own pictures side by side are the places. `grid_pictures` lays them, `grid_network` keeps the cells
of such a grid apart, and `grid_game` is what both games have in common.
"""

from __future__ import annotations

from tfviz.results.metrics.localisation.grids import disconnected_grid, grid_pointing_game
from tfviz.results.metrics.localisation.masks import (
    energy_in_mask,
    localisation_auc,
    pointing_game,
    relevance_rank,
    top_k_intersection,
)
