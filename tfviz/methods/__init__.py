"""Explains what an image model looks at: the methods, all called alike.

Every method is a function `method(model, images, targets=None, *, batch_size=32, ...)` with its own options. `METHODS`
lists them by name, `run_methods` and `Explainer` run them, and `method` adds one. A module holds a method or a family
(read `gradients` and `cam` first); `engine` holds what all of them share.

model
    Anything that `tfviz.trace` opens; the same Keras model passed again reuses its trace. It is never changed.
images
    Numbers (N, H, W, C) in the model's own input space (already preprocessed) or, for a model that takes channels
    first, (N, C, H, W), see `TracedNetwork.data_format`: an array, a tensor, or a `tf.data.Dataset` of batches. One
    image is a batch of one. A network whose signature takes encoded images is given those, a sequence of N bytes, or
    what it decodes them to (`TracedNetwork.decode`). A network with several inputs is given a dictionary of all of them
    by name; those beside the image are held fixed.
targets
    Class indices (N,), one index for all, one-hot rows (N, K), or None for the class that the model predicts. A network
    with a single sigmoid logit takes 0 or 1, and the logit is negated for 0. A class may be given by its name, such as
    `"tabby"`, if `trace(model, class_names=...)` was given those of all.
batch_size
    The number of images that are computed at once. Methods that run the network many times for each image take that
    many runs at once, or fewer if they would need more than `tfviz.network.passes.memory.AFFORDED` bytes.

The result is NumPy float32, signed and unnormalised, at the images' size: attributions of the shape of the images, or
maps (N, H, W). Scores are logits, the values before the softmax or sigmoid, or the log odds of probabilities that are
made of several of these.

Raises `UnsupportedModelError`, `InvalidImagesError` (the shape, NaN), `InvalidTargetsError`, `UnknownLayerError`,
`UnknownMethodError` (an option), `TfvizError` (a result that is not finite, an invalid option). An all-zero map is
warned about, and so is the softmax that `occlusion`, `rise` and `score_cam` take of raw outputs.
"""

from typing import Any

from tfviz.errors import no_attribute
from tfviz.methods.adversarial import Adversarial, fgsm, fooling_image, pgd
from tfviz.methods.cam import eigen_cam, grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, xgrad_cam
from tfviz.methods.engine import (
    LAYER,
    METHODS,
    Diagnosed,
    Explainer,
    Loop,
    Method,
    Results,
    choose_methods,
    compile_methods,
    find_method,
    method,
    plan_methods,
    run_methods,
)
from tfviz.methods.full_grad import (
    Decomposition,
    full_grad,
    full_grad_decomposition,
    simple_full_grad,
    smooth_full_grad,
)
from tfviz.methods.gradient_free_cam import ablation_cam, score_cam
from tfviz.methods.gradients import gradient, input_x_gradient, saliency
from tfviz.methods.guided import deconvnet, guided_backprop, guided_grad_cam
from tfviz.methods.integrated_gradients import integrated_gradients
from tfviz.methods.noise import smooth_grad, square_grad, var_grad
from tfviz.methods.occlusion import occlusion
from tfviz.methods.rise import rise
from tfviz.methods.visualization import (
    Channel,
    Class,
    ClassVisualization,
    ColorStatistics,
    Direction,
    FeatureVisualization,
    Layer,
    Neuron,
    Objective,
    Recipe,
    class_visualization,
    color_statistics,
    feature_visualization,
)
from tfviz.methods.xrai import xrai
from tfviz.network.passes import Gradient

__all__ = [
    "LAYER",
    "METHODS",
    "Adversarial",
    "Channel",
    "Class",
    "ClassVisualization",
    "ColorStatistics",
    "Decomposition",
    "Diagnosed",
    "Direction",
    "Explainer",
    "FeatureVisualization",
    "Gradient",
    "Layer",
    "Loop",
    "Method",
    "Neuron",
    "Objective",
    "Recipe",
    "Results",
    "ablation_cam",
    "choose_methods",
    "class_visualization",
    "color_statistics",
    "compile_methods",
    "deconvnet",
    "eigen_cam",
    "feature_visualization",
    "fgsm",
    "find_method",
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
    "method",
    "occlusion",
    "pgd",
    "plan_methods",
    "rise",
    "run_methods",
    "saliency",
    "score_cam",
    "simple_full_grad",
    "smooth_full_grad",
    "smooth_grad",
    "square_grad",
    "var_grad",
    "xgrad_cam",
    "xrai",
]


def __getattr__(name: str) -> Any:
    raise no_attribute(__name__, name, __all__)
