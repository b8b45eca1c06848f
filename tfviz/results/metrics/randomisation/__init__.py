"""Randomisation: whether a map depends on what the network has learnt.

`random_weights` replaces the weights of a copy and `similarity` compares two maps; of these `cascading` makes a curve,
and `randomisation` the metrics. `random_logit` asks for another class instead of other weights, and `sanity` puts the
answer into words.
"""

from __future__ import annotations

from tfviz.results.metrics.randomisation.random_logit import random_logit
from tfviz.results.metrics.randomisation.random_weights import with_random_weights
from tfviz.results.metrics.randomisation.randomisation import (
    efficient_parameter_randomisation,
    parameter_randomisation,
    smooth_parameter_randomisation,
)
from tfviz.results.metrics.randomisation.sanity import SanityVerdict, sanity_verdicts
