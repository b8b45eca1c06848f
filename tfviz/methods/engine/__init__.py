"""What every method shares: registration, compilation, batches, targets, options."""

from tfviz.methods.engine.blur import gaussian_blur
from tfviz.methods.engine.checks import name_images, number, optional, whole
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
    is_signed,
    method_of,
    sign_of,
)
from tfviz.methods.engine.results import Results
from tfviz.methods.engine.serving import Served, serve
from tfviz.methods.engine.targets import NO_COLUMNS, Columns, best_classes
