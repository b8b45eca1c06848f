"""Registers, compiles and runs methods: what all of them share.

Read `registry` and `decorator` first (what a method is, and how a function becomes one), then follow a call:
`explainer` (where it comes in), `choosing` and `planning` (options and layers), `compiled` with `arguments` (one
function for all), `batching` with `replicas` and `image_ranges` (over the images), `results`. `loop` says
how a method runs the network many times, `serving` makes one graph of a method for an export. `checks`, `placing`,
`pixels`, `blur`, `regions` and `precision_error` are tools that several of these use.
"""

from tfviz.methods.engine.blur import gaussian_blur
from tfviz.methods.engine.checks import integer, number, optional
from tfviz.methods.engine.choosing import choose_methods
from tfviz.methods.engine.compiled import batch_specs, compile_methods
from tfviz.methods.engine.decorator import method
from tfviz.methods.engine.explainer import Explainer, run_methods
from tfviz.methods.engine.loop import Diagnosed, Loop, each_repeated, joined, split
from tfviz.methods.engine.pixels import about_narrow, check_pixel_range, narrow_images
from tfviz.methods.engine.placing import PLACING, Convention, at_image_size, placed, placed_if, placement_of
from tfviz.methods.engine.planning import Run, plan_methods
from tfviz.methods.engine.precision_error import PRECISION_ERROR
from tfviz.methods.engine.regions import SIDE, find_regions, grow, missing_package
from tfviz.methods.engine.registry import (
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
