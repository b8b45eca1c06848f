"""Registers, compiles and runs methods: what all of them share.

Read `registry` and `decorator` first (what a method is, and how a function becomes one), then follow a call:
`explainer` (where it comes in), `choosing` and `planning` (options and layers), `compiled` with `arguments` (one
function for all), `batching` with `replicas` and `judging` (over the images), `results`. `loop` says how a method runs
the network many times, `stopping` when that is often enough, `serving` makes one graph of a method for an export.
`checks`, `placing`, `moments`, `pixels`, `blur`, `regions` and `precision_error` are tools that several of these use.
"""

from tfviz.methods.engine.blur import gaussian_blur
from tfviz.methods.engine.checks import integer, number, one_of, optional
from tfviz.methods.engine.choosing import choose_methods
from tfviz.methods.engine.compiled import batch_specs, compile_methods
from tfviz.methods.engine.decorator import method
from tfviz.methods.engine.explainer import Explainer, run_methods
from tfviz.methods.engine.loop import Diagnosed, Loop, Until, each_repeated, joined, per_row, split
from tfviz.methods.engine.moments import (
    SAMPLE_MEAN,
    SAMPLE_MEAN_SQUARE,
    SAMPLE_VARIANCE,
    Moments,
    Statistic,
    moments_of,
    taken_together,
)
from tfviz.methods.engine.pixels import about_narrow, check_pixel_range, narrow_images
from tfviz.methods.engine.placing import PLACING, Convention, at_image_size, placed, placed_if, placement_of
from tfviz.methods.engine.planning import Run, plan_methods
from tfviz.methods.engine.precision_error import PRECISION_ERROR
from tfviz.methods.engine.regions import SIDE, find_regions, grow, missing_package
from tfviz.methods.engine.registry import (
    ENDS_AT,
    INNER,
    INNER_OPTIONS,
    LAYER,
    METHODS,
    OF_INNER,
    ON_HOST,
    SIGNS,
    Convert,
    Judge,
    Method,
    find_method,
    is_attribution,
    is_direction,
    is_signed,
    method_of,
    sign_of,
)
from tfviz.methods.engine.results import Results
from tfviz.methods.engine.serving import Served, serve
from tfviz.methods.engine.stopping import (
    MISSED,
    STANDARD_ERROR,
    judge_tolerance,
    kept_where,
    relative_error,
    until_precise,
)
