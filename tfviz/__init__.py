"""tfviz shows what any TensorFlow image model looks at.

The code lies in folders in the order in which data flows, and imports go one way: `network` (any model becomes a traced
network), `methods` (formulas over its values and gradients), `results` (maps become numbers and pictures), `apps` (the
ways to run it); `demo` is the embedded network. Of the files beside this one, `images`, `scores` and `callbacks` are
public; the others are the ground floor, which every folder may import: errors, limits, paths, progress, the terminal.

TensorFlow is imported at the first use of a name that needs it, not with the package, so that `tfviz --help` comes at
once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfviz.errors import (
    InvalidImagesError,
    InvalidTargetsError,
    RuleError,
    TfvizError,
    TfvizWarning,
    UnknownLayerError,
    UnknownMethodError,
    UnsafeModelError,
    UnsupportedModelError,
    no_attribute,
)
from tfviz.version import __version__ as __version__

if TYPE_CHECKING:
    from tfviz import (
        callbacks as callbacks,
        demo as demo,
        images as images,
        methods as methods,
        results as results,
        scores as scores,
    )
    from tfviz.apps.comparison import (
        Comparison as Comparison,
        compare as compare,
    )
    from tfviz.apps.explanation import (
        Explanation as Explanation,
        explain as explain,
    )
    from tfviz.apps.export import (
        export as export,
    )
    from tfviz.methods import (
        METHODS as METHODS,
        Adversarial as Adversarial,
        Channel as Channel,
        Class as Class,
        ClassVisualization as ClassVisualization,
        ColorStatistics as ColorStatistics,
        Decomposition as Decomposition,
        Direction as Direction,
        Explainer as Explainer,
        FeatureVisualization as FeatureVisualization,
        Layer as Layer,
        Neuron as Neuron,
        Objective as Objective,
        Recipe as Recipe,
        ablation_cam as ablation_cam,
        class_visualization as class_visualization,
        color_statistics as color_statistics,
        deconvnet as deconvnet,
        eigen_cam as eigen_cam,
        feature_visualization as feature_visualization,
        fgsm as fgsm,
        fooling_image as fooling_image,
        full_grad as full_grad,
        full_grad_decomposition as full_grad_decomposition,
        grad_cam as grad_cam,
        grad_cam_plus_plus as grad_cam_plus_plus,
        gradient as gradient,
        guided_backprop as guided_backprop,
        guided_grad_cam as guided_grad_cam,
        hires_cam as hires_cam,
        input_x_gradient as input_x_gradient,
        integrated_gradients as integrated_gradients,
        layer_cam as layer_cam,
        occlusion as occlusion,
        pgd as pgd,
        rise as rise,
        saliency as saliency,
        score_cam as score_cam,
        simple_full_grad as simple_full_grad,
        smooth_full_grad as smooth_full_grad,
        smooth_grad as smooth_grad,
        square_grad as square_grad,
        var_grad as var_grad,
        xgrad_cam as xgrad_cam,
        xrai as xrai,
    )
    from tfviz.network import (
        trace as trace,
    )
    from tfviz.network.traced import (
        TracedNetwork as TracedNetwork,
    )

_LAZY = {
    "Comparison": "tfviz.apps.comparison",
    "compare": "tfviz.apps.comparison",
    "Explanation": "tfviz.apps.explanation",
    "explain": "tfviz.apps.explanation",
    "export": "tfviz.apps.export",
    **dict.fromkeys(
        (
            "METHODS",
            "Adversarial",
            "Channel",
            "Class",
            "ClassVisualization",
            "ColorStatistics",
            "Decomposition",
            "Direction",
            "Explainer",
            "FeatureVisualization",
            "Layer",
            "Neuron",
            "Objective",
            "Recipe",
            "ablation_cam",
            "class_visualization",
            "color_statistics",
            "deconvnet",
            "eigen_cam",
            "feature_visualization",
            "fgsm",
            "fooling_image",
            "full_grad",
            "full_grad_decomposition",
            "grad_cam",
            "grad_cam_plus_plus",
            "gradient",
            "guided_backprop",
            "guided_grad_cam",
            "hires_cam",
            "input_x_gradient",
            "integrated_gradients",
            "layer_cam",
            "occlusion",
            "pgd",
            "rise",
            "saliency",
            "score_cam",
            "simple_full_grad",
            "smooth_full_grad",
            "smooth_grad",
            "square_grad",
            "var_grad",
            "xgrad_cam",
            "xrai",
        ),
        "tfviz.methods",
    ),
    "trace": "tfviz.network",
    "TracedNetwork": "tfviz.network.traced",
}

# The backend numpy needs jax, too.
_NEEDED_BY_BACKENDS = ("jax", "torch", "openvino")

_FOLDERS = ("callbacks", "demo", "images", "methods", "results", "scores")

__all__ = [  # noqa: PLE0604  # the lazy names stand once, in the table
    "InvalidImagesError",
    "InvalidTargetsError",
    "RuleError",
    "TfvizError",
    "TfvizWarning",
    "UnknownLayerError",
    "UnknownMethodError",
    "UnsafeModelError",
    "UnsupportedModelError",
    *_LAZY,
]


def _look_up(name: str) -> Any:
    if name in _FOLDERS:
        return _load(f"tfviz.{name}")
    if name not in _LAZY:
        raise no_attribute(__name__, name, [*__all__, *_FOLDERS])
    # Once: the next use finds it here.
    return globals().setdefault(name, getattr(_load(_LAZY[name]), name))


def _load(module: str) -> Any:
    """Import a module; raise `UnsupportedModelError` if Keras is set to a backend that is not even there."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED_BY_BACKENDS:
            raise
        raise UnsupportedModelError(
            f"Keras is set to a backend that needs {error.name}, expected tensorflow: unset KERAS_BACKEND or set it to "
            "tensorflow"
        ) from error


if not TYPE_CHECKING:
    # A type checker that saw it would take any misspelt name for Any.
    __getattr__ = _look_up


def __dir__() -> list[str]:
    return [*globals(), *__all__]
