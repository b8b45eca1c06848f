"""Robustness: whether a map stays as it is while the image hardly changes.

`noisy` explains the images again under noise; `robustness` sums up in three ways how far the maps have moved.
"""

from __future__ import annotations

from tfviz.results.metrics.robustness.robustness import average_sensitivity, local_lipschitz, max_sensitivity
