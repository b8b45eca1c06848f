"""Class activation maps: the feature maps of one layer, weighted by what the score says of them."""

from __future__ import annotations

import tensorflow as tf

from tfviz.methods.decorator import method
from tfviz.methods.registry import LAYER
from tfviz.network.passes import Gradient, Passes


@method(
    Gradient(LAYER),
    result="map",
    paper="Selvaraju 2016, arXiv 1610.02391",
    needs="a layer with a map",
    cost="1 forward, 1 backward from the score to the layer",
    caution="coarse; on layers far from the head its averaged weights say little",
)
def grad_cam(passes: Passes, layer: str | None = None, upsample: bool = True) -> tf.Tensor:
    """Return relu(Σ_k mean_ij(g_k) A_k), (N, H, W), at least 0, in units of the logit [1]_.

    Parameters
    ----------
    layer
        The layer whose map A, after its activation, is looked at; None is `TracedNetwork.default_layer`.
    upsample
        Whether the map is resized (bilinear, half-pixel centres) to the image; else it is returned raw, (N, h, w).

    .. [1] Selvaraju et al., "Grad-CAM", 2016, arXiv 1610.02391, equations 1 and 2.
    """
    cam = cam_of_gradient(passes, layer)
    return resize_to(passes.images, cam) if upsample else cam


def cam_of_gradient(passes: Passes, layer: str | None) -> tf.Tensor:
    """Return the raw Grad-CAM map (N, h, w) of a layer."""
    weights = tf.reduce_mean(passes.gradient(layer), axis=(1, 2), keepdims=True)
    return tf.nn.relu(tf.reduce_sum(weights * passes.features(layer), axis=-1))


def resize_to(images: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Return maps (N, h, w) at the size of the images, bilinear with half-pixel centres."""
    return tf.image.resize(maps[..., tf.newaxis], tf.shape(images)[1:3])[..., 0]
