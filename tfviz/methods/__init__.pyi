# Written by scripts/signatures.py.

from collections.abc import Mapping
from typing import Any, overload

from tfviz.arrays import Floats
from tfviz.errors import no_attribute as no_attribute
from tfviz.methods.adversarial import (
    Adversarial as Adversarial,
    fgsm as fgsm,
    fooling_image as fooling_image,
    pgd as pgd,
)
from tfviz.methods.engine import (
    LAYER as LAYER,
    METHODS as METHODS,
    Convention,
    Diagnosed as Diagnosed,
    Explainer as Explainer,
    Loop as Loop,
    Method as Method,
    Results as Results,
    choose_methods as choose_methods,
    compile_methods as compile_methods,
    find_method as find_method,
    method as method,
    plan_methods as plan_methods,
    run_methods as run_methods,
)
from tfviz.methods.full_grad import Decomposition as Decomposition, full_grad_decomposition as full_grad_decomposition
from tfviz.methods.visualization import (
    Channel as Channel,
    Class as Class,
    ClassVisualization as ClassVisualization,
    ColorStatistics as ColorStatistics,
    Direction as Direction,
    FeatureVisualization as FeatureVisualization,
    Layer as Layer,
    Neuron as Neuron,
    Objective as Objective,
    Recipe as Recipe,
    class_visualization as class_visualization,
    color_statistics as color_statistics,
    feature_visualization as feature_visualization,
)
from tfviz.network.passes import Gradient as Gradient

@overload
def grad_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: str | None = None,
    upsample: bool = True,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> Floats: ...
@overload
def grad_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: list[str] | tuple[str, ...],
    upsample: bool = True,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> dict[str, Floats]: ...
@overload
def grad_cam_plus_plus(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: str | None = None,
    upsample: bool = True,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> Floats: ...
@overload
def grad_cam_plus_plus(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: list[str] | tuple[str, ...],
    upsample: bool = True,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> dict[str, Floats]: ...
@overload
def hires_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: str | None = None,
    upsample: bool = True,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> Floats: ...
@overload
def hires_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: list[str] | tuple[str, ...],
    upsample: bool = True,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> dict[str, Floats]: ...
@overload
def layer_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: str | None = None,
    upsample: bool = True,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> Floats: ...
@overload
def layer_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: list[str] | tuple[str, ...],
    upsample: bool = True,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> dict[str, Floats]: ...
@overload
def xgrad_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: str | None = None,
    upsample: bool = True,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> Floats: ...
@overload
def xgrad_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: list[str] | tuple[str, ...],
    upsample: bool = True,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> dict[str, Floats]: ...
@overload
def eigen_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: str | None = None,
    upsample: bool = True,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> Floats: ...
@overload
def eigen_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: list[str] | tuple[str, ...],
    upsample: bool = True,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> dict[str, Floats]: ...
def gradient(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    batch_size: int = 32,
) -> Floats: ...
def saliency(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    batch_size: int = 32,
) -> Floats: ...
def input_x_gradient(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    batch_size: int = 32,
) -> Floats: ...
def smooth_grad(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    of: str = "gradient",
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    tolerance: float | None = None,
    options: Mapping[str, Any] | None = None,
    batch_size: int = 32,
) -> Floats: ...
def var_grad(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    of: str = "gradient",
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    tolerance: float | None = None,
    options: Mapping[str, Any] | None = None,
    batch_size: int = 32,
) -> Floats: ...
def square_grad(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    of: str = "gradient",
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    tolerance: float | None = None,
    options: Mapping[str, Any] | None = None,
    batch_size: int = 32,
) -> Floats: ...
def full_grad(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    batch_size: int = 32,
) -> Floats: ...
def simple_full_grad(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    batch_size: int = 32,
) -> Floats: ...
def smooth_full_grad(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    tolerance: float | None = None,
    batch_size: int = 32,
) -> Floats: ...
@overload
def score_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: str | None = None,
    upsample: bool = True,
    max_channels: int | None = None,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> Floats: ...
@overload
def score_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: list[str] | tuple[str, ...],
    upsample: bool = True,
    max_channels: int | None = None,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> dict[str, Floats]: ...
@overload
def ablation_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: str | None = None,
    upsample: bool = True,
    max_channels: int | None = None,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> Floats: ...
@overload
def ablation_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: list[str] | tuple[str, ...],
    upsample: bool = True,
    max_channels: int | None = None,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> dict[str, Floats]: ...
def guided_backprop(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    batch_size: int = 32,
) -> Floats: ...
def deconvnet(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    batch_size: int = 32,
) -> Floats: ...
@overload
def guided_grad_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: str | None = None,
    placement: Convention = "convention",
    batch_size: int = 32,
) -> Floats: ...
@overload
def guided_grad_cam(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    layer: list[str] | tuple[str, ...],
    placement: Convention = "convention",
    batch_size: int = 32,
) -> dict[str, Floats]: ...
def integrated_gradients(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    baseline: Any = "zeros",
    steps: int = 50,
    seed: int = 0,
    quadrature: str = "midpoint",
    tolerance: float | None = None,
    max_steps: int = 400,
    batch_size: int = 32,
) -> Floats: ...
def occlusion(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    patch: int | None = None,
    stride: int | None = None,
    fill: float | str = "mean",
    batch_size: int = 32,
) -> Floats: ...
def rise(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    masks: int = 1000,
    cell_size: int | None = None,
    probability: float = 0.5,
    seed: int = 0,
    tolerance: float | None = None,
    batch_size: int = 32,
) -> Floats: ...
def xrai(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    baseline: Any = ("black", "white"),
    steps: int = 50,
    seed: int = 0,
    scales: Any = (50, 100, 150, 250, 500, 1200),
    smallest_segment: int = 20,
    smallest_addition: int = 50,
    dilation: float = 5,
    batch_size: int = 32,
) -> Floats: ...
