"""Backward passes with another gradient for ReLUs: guided backpropagation, deconvnet, guided Grad-CAM.

A rule replaces the gradient of every ReLU on the way back (`tfviz.network.replay.rules`); the forward pass, shared with
other methods, and the model stay as they are. Rules refuse: on SiLU, hard swish, PReLU or a thresholded ReLU the result
would be neither the method nor the gradient, so `RuleError` is raised. Other smooth gates beside ReLUs keep their plain
gradient, with a warning.
"""

from __future__ import annotations

import tensorflow as tf

from tfviz.methods.cam import cam_of_gradient
from tfviz.methods.engine import LAYER, PLACING, Convention, method, placed
from tfviz.methods.gradients import ONE_PASS
from tfviz.network.passes import IMAGES, Gradient, Passes
from tfviz.network.replay import DECONVNET, GUIDED_BACKPROP

NO_WAY_BACK = (
    "no positive signal finds its way back through the ReLUs, as in narrow layers, which is the method and not an "
    "error; unless saliency is zero, too"
)
NEEDS_RELU = "ReLUs (raises on SiLU, GELU, hard swish, PReLU)"


@method(
    Gradient(rule=GUIDED_BACKPROP),
    result="attribution",
    sign="direction",
    paper="Springenberg 2014, arXiv 1412.6806",
    needs=NEEDS_RELU,
    cost=ONE_PASS,
    caution="sharp, but hardly depends on the target: it recovers the image's edges (Adebayo 2018)",
    when_zero=NO_WAY_BACK,
)
def guided_backprop(passes: Passes) -> tf.Tensor:
    """Return the guided gradient at the image, signed, (N, H, W, C): a ReLU passes local_grad(relu(upstream)) [1]_.

    Raises `RuleError` on networks without ReLUs, or whose ReLUs are part of another nonlinearity.

    References
    ----------
    .. [1] Springenberg et al., "Striving for Simplicity", 2014, arXiv 1412.6806, section 3.4.
    """
    return passes.gradient(IMAGES, GUIDED_BACKPROP)


@method(
    Gradient(rule=DECONVNET),
    result="attribution",
    sign="direction",
    paper="Zeiler 2013, arXiv 1311.2901",
    needs=NEEDS_RELU,
    cost=ONE_PASS,
    caution="hardly depends on the target; zero on many images of networks with narrow layers",
    when_zero=NO_WAY_BACK,
)
def deconvnet(passes: Passes) -> tf.Tensor:
    """Return the deconvnet signal at the image, signed, (N, H, W, C): a ReLU passes relu(upstream) [1]_.

    Networks with narrow layers give exactly zero on many images: that is the method. Raises `RuleError` on networks
    without ReLUs, or whose ReLUs are part of another nonlinearity.

    References
    ----------
    .. [1] Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks", 2013, arXiv 1311.2901, section 2.1.
    """
    return passes.gradient(IMAGES, DECONVNET)


@method(
    Gradient(rule=GUIDED_BACKPROP),
    Gradient(LAYER),
    result="attribution",
    sign="direction",
    paper="Selvaraju 2016, arXiv 1610.02391",
    needs=f"{NEEDS_RELU} and a layer with a map",
    arguments=PLACING,
    cost="1 forward, 2 backward",
    caution="its fine structure is guided backprop's and depends little on the target",
    when_zero="grad_cam or guided_backprop is zero at every place: each alone says why",
)
def guided_grad_cam(passes: Passes, layer: str | None = None, placement: Convention = "convention") -> tf.Tensor:
    """Return guided_backprop · grad_cam at image size, signed, (N, H, W, C) [1]_.

    Parameters
    ----------
    layer
        The layer of the Grad-CAM; None is `TracedNetwork.default_layer`.
    placement
        How the cells of the Grad-CAM are laid on the image, as in `grad_cam`.

    References
    ----------
    .. [1] Selvaraju et al., "Grad-CAM", 2016, arXiv 1610.02391, section 3.2.
    """
    cam = placed(passes, cam_of_gradient(passes, layer)[..., tf.newaxis], layer, placement)
    return passes.gradient(IMAGES, GUIDED_BACKPROP) * cam
