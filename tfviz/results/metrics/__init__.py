"""Measures how good maps are: one registry of metrics, `METRICS`, in six families.

No single number says which map to believe, and rankings change with the metric and its settings. So there are several
families: faithfulness (do the pixels that a map points at decide the score?), localisation (does it point at the true
place?), robustness, complexity, axioms, and randomisation (does it depend on the weights?).

A metric is a function. What it takes besides its own options is in `Metric.takes`:

==========  ========================================================
`maps`      `(maps)`
`masks`     `(maps, masks)`: the true places
`network`   `(model, images, targets, maps)`
`method`    `(model, images, targets, method)`: it is run again
==========  ========================================================

model, images, targets, batch_size
    As methods take them, see `help(tfviz.methods)`; one target an image. None is the class that the model predicts.
maps
    Maps (N, H, W), or attributions of the images' shape, which `collapse` reduces to maps.
masks
    bool (N, H, W): the true places. `tfviz.results.box_mask` makes masks of boxes.
method
    The name of a method, with its `options`, or a function `(model, images, targets) -> maps or attributions`.
collapse
    How attributions become maps, see `tfviz.results.collapse`; None is `max_abs`, or `sum` for the method's name whose
    sign means evidence. It is named in the result.

Each returns a `Measurement`, with a float64 for each image. NaN is a value that is not defined, with a warning. All
raise `InvalidImagesError` for maps or masks that do not fit, `InvalidTargetsError`, `TfvizError` for an option, and
`UnsupportedModelError` if the network has no classes and the metric needs some.
"""

from __future__ import annotations

from tfviz.results.metrics.axioms import completeness, non_sensitivity
from tfviz.results.metrics.complexity import complexity, effective_complexity, sparseness
from tfviz.results.metrics.curves import Curves
from tfviz.results.metrics.explaining import Explain, Explaining, collapse_of
from tfviz.results.metrics.flipping import pixel_flipping
from tfviz.results.metrics.grids import disconnected_grid, grid_pointing_game
from tfviz.results.metrics.infidelity import infidelity
from tfviz.results.metrics.information import performance_information
from tfviz.results.metrics.invariance import input_invariance
from tfviz.results.metrics.localisation import (
    energy_in_mask,
    localisation_auc,
    pointing_game,
    relevance_rank,
    top_k_intersection,
)
from tfviz.results.metrics.masking import average_drop, increase_in_confidence
from tfviz.results.metrics.measurement import Measurement
from tfviz.results.metrics.other_libraries import explain_func
from tfviz.results.metrics.random_logit import random_logit
from tfviz.results.metrics.random_weights import with_random_weights
from tfviz.results.metrics.randomisation import (
    efficient_parameter_randomisation,
    parameter_randomisation,
    smooth_parameter_randomisation,
)
from tfviz.results.metrics.registry import FAMILIES, METRICS, Metric, find_metric
from tfviz.results.metrics.remembering import SharedPasses, shared_passes
from tfviz.results.metrics.removal import deletion, insertion
from tfviz.results.metrics.road import road
from tfviz.results.metrics.robustness import average_sensitivity, local_lipschitz, max_sensitivity
from tfviz.results.metrics.sanity import SanityVerdict, sanity_verdicts
from tfviz.results.metrics.shared_maps import SharedMaps
from tfviz.results.metrics.subject import Subject, subject_of
from tfviz.results.metrics.subsets import mu_fidelity, sensitivity_n

__all__ = [
    "FAMILIES",
    "METRICS",
    "Curves",
    "Explain",
    "Explaining",
    "Measurement",
    "Metric",
    "SanityVerdict",
    "SharedMaps",
    "SharedPasses",
    "Subject",
    "average_drop",
    "average_sensitivity",
    "collapse_of",
    "completeness",
    "complexity",
    "deletion",
    "disconnected_grid",
    "effective_complexity",
    "efficient_parameter_randomisation",
    "energy_in_mask",
    "explain_func",
    "find_metric",
    "grid_pointing_game",
    "increase_in_confidence",
    "infidelity",
    "input_invariance",
    "insertion",
    "local_lipschitz",
    "localisation_auc",
    "max_sensitivity",
    "mu_fidelity",
    "non_sensitivity",
    "parameter_randomisation",
    "performance_information",
    "pixel_flipping",
    "pointing_game",
    "random_logit",
    "relevance_rank",
    "road",
    "sanity_verdicts",
    "sensitivity_n",
    "shared_passes",
    "smooth_parameter_randomisation",
    "sparseness",
    "subject_of",
    "top_k_intersection",
    "with_random_weights",
]
