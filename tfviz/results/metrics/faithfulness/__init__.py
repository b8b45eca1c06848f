"""Faithfulness: whether the pixels that a map points at decide the score.

Pixels go in the order of the map (`ordering`): `removal`, the plainest, then `flipping`, `road`, which fills in what it
removes (`imputation`), and `information`; the last two score images by `performance`. `masking` dims what a map leaves
out. Parts that no map chooses are removed by `subsets` and `infidelity`, which ask what the map says of them.
"""

from __future__ import annotations

from tfviz.results.metrics.faithfulness.flipping import pixel_flipping
from tfviz.results.metrics.faithfulness.infidelity import infidelity
from tfviz.results.metrics.faithfulness.information import performance_information
from tfviz.results.metrics.faithfulness.masking import average_drop, increase_in_confidence
from tfviz.results.metrics.faithfulness.removal import deletion, insertion
from tfviz.results.metrics.faithfulness.road import road
from tfviz.results.metrics.faithfulness.subsets import mu_fidelity, sensitivity_n
