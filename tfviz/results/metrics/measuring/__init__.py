"""The ground that all metrics stand on: what one is, what it returns, and how it runs a network or a method.

Read `registry` (what a metric is) and `measurement` with `curves` (what it returns); `definitions` (the options that
`like` names) and `undefined` (a value that cannot be); `maps` (what is measured), `subject` (images run on a network),
`explaining` (a method run again), and how both are remembered (`remembering`, `shared_maps`); and last what several
families need: `blanks` and `parts` (what is removed of an image, and what the score loses by it) and `correlation`.
"""

from __future__ import annotations

from tfviz.results.metrics.measuring.blanks import blank, check_blank
from tfviz.results.metrics.measuring.correlation import correlation, mean_of_known, ranks_of
from tfviz.results.metrics.measuring.curves import Curves
from tfviz.results.metrics.measuring.definitions import Checks, Definitions, check_seed, choice_of, choose, is_number
from tfviz.results.metrics.measuring.explaining import Explain, Explaining, collapse_of
from tfviz.results.metrics.measuring.maps import is_constant, maps_of, norms, scaled_as_quantus
from tfviz.results.metrics.measuring.measurement import Better, Measurement
from tfviz.results.metrics.measuring.parts import (
    SAME_SCORE,
    cells_of,
    score_drops,
    sums_over,
)
from tfviz.results.metrics.measuring.registry import FAMILIES, METRICS, Metric, find_metric, metric
from tfviz.results.metrics.measuring.remembering import SharedPasses, made_of, shared_passes
from tfviz.results.metrics.measuring.shared_maps import SharedMaps
from tfviz.results.metrics.measuring.subject import Changed, Subject, subject_of
from tfviz.results.metrics.measuring.undefined import ZERO, numbered, set_undefined
