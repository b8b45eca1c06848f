"""Measures how good maps are: one registry of metrics, `METRICS`, in six families, each with a folder or file here.

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

Each returns a `Measurement`, with a float64 for each image, and with what holds for its options: which way is better,
and within what. NaN is a value that is not defined, with a warning. All raise `InvalidImagesError` for maps or masks
that do not fit, `InvalidTargetsError`, `TfvizError` for an option, and `UnsupportedModelError` if the network has no
classes and the metric needs some.

`measuring` is the ground under the families, and to be read first; `complexity` is the shortest family, since it looks
at maps alone. `other_libraries` hands methods to the metrics of other software.
"""

from __future__ import annotations

from tfviz.results.metrics.axioms import completeness, input_invariance, non_sensitivity
from tfviz.results.metrics.complexity import complexity, effective_complexity, sparseness
from tfviz.results.metrics.faithfulness import (
    average_drop,
    deletion,
    increase_in_confidence,
    infidelity,
    insertion,
    mu_fidelity,
    performance_information,
    pixel_flipping,
    road,
    sensitivity_n,
)
from tfviz.results.metrics.localisation import (
    disconnected_grid,
    energy_in_mask,
    grid_pointing_game,
    localisation_auc,
    pointing_game,
    relevance_rank,
    top_k_intersection,
)
from tfviz.results.metrics.measuring import (
    FAMILIES,
    METRICS,
    Curves,
    Explain,
    Explaining,
    Measurement,
    Metric,
    SharedMaps,
    SharedPasses,
    Subject,
    collapse_of,
    find_metric,
    numbered,
    shared_passes,
    subject_of,
)
from tfviz.results.metrics.other_libraries import explain_func
from tfviz.results.metrics.randomisation import (
    SanityVerdict,
    efficient_parameter_randomisation,
    parameter_randomisation,
    random_logit,
    sanity_verdicts,
    smooth_parameter_randomisation,
    with_random_weights,
)
from tfviz.results.metrics.robustness import average_sensitivity, local_lipschitz, max_sensitivity

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
    "numbered",
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
