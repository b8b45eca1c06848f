"""tfviz shows what any TensorFlow image model looks at.

TensorFlow is imported at the first use of a name that needs it, not with the package.
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
)

if TYPE_CHECKING:
    from tfviz.apps.explanation.explain import explain
    from tfviz.apps.explanation.explanation import Explanation
    from tfviz.apps.export.export import export
    from tfviz.methods import (
        METHODS,
        Adversarial,
        Channel,
        Class,
        ClassVisualization,
        ColorStatistics,
        Decomposition,
        Direction,
        Explainer,
        FeatureVisualization,
        Layer,
        Neuron,
        Objective,
        Recipe,
        ablation_cam,
        class_visualization,
        color_statistics,
        deconvnet,
        eigen_cam,
        feature_visualization,
        fgsm,
        fooling_image,
        full_grad,
        full_grad_decomposition,
        grad_cam,
        grad_cam_plus_plus,
        gradient,
        guided_backprop,
        guided_grad_cam,
        hires_cam,
        input_x_gradient,
        integrated_gradients,
        layer_cam,
        occlusion,
        pgd,
        rise,
        saliency,
        score_cam,
        simple_full_grad,
        smooth_full_grad,
        smooth_grad,
        square_grad,
        var_grad,
        xgrad_cam,
        xrai,
    )
    from tfviz.network.trace import trace
    from tfviz.network.traced.traced import TracedNetwork

__version__ = "0.1.0"

_LAZY = {
    "Explanation": "tfviz.apps.explanation.explanation",
    "explain": "tfviz.apps.explanation.explain",
    "export": "tfviz.apps.export.export",
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
    "trace": "tfviz.network.trace",
    "TracedNetwork": "tfviz.network.traced.traced",
}

_FOLDERS = ("callbacks", "demo", "methods", "results", "scores")

__all__ = [  # noqa: PLE0604  # the names of the lazy part are said once, in the table
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


def __getattr__(name: str) -> Any:
    if name in _FOLDERS:
        return import_module(f"tfviz.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module 'tfviz' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
