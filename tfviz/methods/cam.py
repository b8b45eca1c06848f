"""Class activation maps: the feature maps of one layer, weighted by what the score says of them.

In the formulas A is the map of the layer after its activation, (N, h, w, c), and g the gradient of the score at it;
k counts channels, ij places. The methods differ in their weights alone, so that all of them share one pass to the
layer; Eigen-CAM needs no gradient. Where a weight would divide by zero, it is 0.
"""

from __future__ import annotations

import tensorflow as tf

from tfviz.methods.engine import LAYER, PLACING, Convention, method, placed_if
from tfviz.network.passes import Features, Gradient, Passes

NEEDS_LAYER = "a layer with a map"
ONE_PASS_TO_LAYER = "1 forward, 1 backward from the score to the layer"


@method(
    Gradient(LAYER),
    result="map",
    sign="for",
    paper="Selvaraju 2016, arXiv 1610.02391",
    needs=NEEDS_LAYER,
    arguments=PLACING,
    cost=ONE_PASS_TO_LAYER,
    caution="coarse; on layers far from the head its averaged weights say little",
)
def grad_cam(
    passes: Passes, layer: str | None = None, upsample: bool = True, placement: Convention = "convention"
) -> tf.Tensor:
    """Return relu(Σ_k mean_ij(g_k) A_k), (N, H, W), at least 0, in units of the logit [1]_.

    Parameters
    ----------
    layer
        The layer whose map A, after its activation, is looked at; None is `TracedNetwork.default_layer`. For a list of
        layers, the maps of each are returned by its name.
    upsample
        Whether the map is resized (bilinear, half-pixel centres) to the image; else it is returned raw, (N, h, w).
    placement
        How its cells are laid on the image. `convention` stretches the map over the whole image, as the field does,
        unless a cell would lie more than one cell away from where the layer saw it (the model crops, pads, flips or
        transposes): then it is put there, and what the layer did not see is zero. `receptive_field` puts every cell
        at the centre of its receptive field.

    References
    ----------
    .. [1] Selvaraju et al., "Grad-CAM", 2016, arXiv 1610.02391, equations 1 and 2.
    """
    return placed_if(upsample, passes, cam_of_gradient(passes, layer), layer, placement)


@method(
    Gradient(LAYER),
    result="map",
    sign="for",
    paper="Chattopadhay 2017, arXiv 1710.11063",
    needs=NEEDS_LAYER,
    arguments=PLACING,
    cost=ONE_PASS_TO_LAYER,
    caution="coarse; its weights are never negative, so that evidence against the target is marked too",
)
def grad_cam_plus_plus(
    passes: Passes, layer: str | None = None, upsample: bool = True, placement: Convention = "convention"
) -> tf.Tensor:
    """Return relu(Σ_k w_k A_k), (N, H, W), at least 0, with w_k = Σ_ij α relu(g_k), of an exponential score [1]_.

    α = g_k² / (2 g_k² + Σ_ij A_k · g_k³), and 0 where the denominator is 0.
    `layer`, `upsample` and `placement` are as those of `grad_cam`.

    References
    ----------
    .. [1] Chattopadhay et al., "Grad-CAM++", 2017, arXiv 1710.11063.
    """
    gradient, features = passes.gradient(layer), passes.features(layer)
    total = tf.reduce_sum(features, axis=(1, 2), keepdims=True)
    # Divided by g², so that neither small gradients underflow nor large ones overflow when cubed.
    alpha = tf.math.divide_no_nan(tf.cast(gradient != 0, tf.float32), 2 + total * gradient)
    weights = tf.reduce_sum(alpha * tf.nn.relu(gradient), axis=(1, 2), keepdims=True)
    return placed_if(upsample, passes, weighted(weights, features), layer, placement)


@method(
    Gradient(LAYER),
    result="map",
    sign="for",
    paper="Draelos 2020, arXiv 2011.08891",
    needs=NEEDS_LAYER,
    arguments=PLACING,
    cost=ONE_PASS_TO_LAYER,
    caution="coarse; faithful where the layer is followed by pooling and a dense layer, spotty further away",
)
def hires_cam(
    passes: Passes, layer: str | None = None, upsample: bool = True, placement: Convention = "convention"
) -> tf.Tensor:
    """Return relu(Σ_k g_k ⊙ A_k), (N, H, W), at least 0, in units of the logit [1]_.

    `layer`, `upsample` and `placement` are as those of `grad_cam`.

    References
    ----------
    .. [1] Draelos, Carin, "Use HiResCAM instead of Grad-CAM", 2020, arXiv 2011.08891.
    """
    return placed_if(upsample, passes, weighted(passes.gradient(layer), passes.features(layer)), layer, placement)


@method(
    Gradient(LAYER),
    result="map",
    sign="for",
    paper="Jiang 2021, IEEE TIP",
    needs=NEEDS_LAYER,
    arguments=PLACING,
    cost=ONE_PASS_TO_LAYER,
    caution="fine on early layers, but there it marks edges of everything",
)
def layer_cam(
    passes: Passes, layer: str | None = None, upsample: bool = True, placement: Convention = "convention"
) -> tf.Tensor:
    """Return relu(Σ_k relu(g_k) ⊙ A_k), (N, H, W), at least 0, in units of the logit [1]_.

    `layer`, `upsample` and `placement` are as those of `grad_cam`; `tfviz.results.fuse` joins the maps of
    several layers.

    References
    ----------
    .. [1] Jiang et al., "LayerCAM", IEEE Transactions on Image Processing, 2021, doi 10.1109/TIP.2021.3089943.
    """
    return placed_if(
        upsample, passes, weighted(tf.nn.relu(passes.gradient(layer)), passes.features(layer)), layer, placement
    )


@method(
    Gradient(LAYER),
    result="map",
    sign="for",
    paper="Fu 2020, arXiv 2008.02312",
    needs=NEEDS_LAYER,
    arguments=PLACING,
    cost=ONE_PASS_TO_LAYER,
    caution="coarse; a channel whose sum is near 0 gets an arbitrary weight",
)
def xgrad_cam(
    passes: Passes, layer: str | None = None, upsample: bool = True, placement: Convention = "convention"
) -> tf.Tensor:
    """Return relu(Σ_k w_k A_k), (N, H, W), at least 0, with w_k = Σ_ij(g_k ⊙ A_k) / Σ_ij A_k, 0 for a sum of 0 [1]_.

    `layer`, `upsample` and `placement` are as those of `grad_cam`.

    References
    ----------
    .. [1] Fu et al., "Axiom-based Grad-CAM", 2020, arXiv 2008.02312.
    """
    features = passes.features(layer)
    share = tf.reduce_sum(passes.gradient(layer) * features, axis=(1, 2), keepdims=True)
    weights = tf.math.divide_no_nan(share, tf.reduce_sum(features, axis=(1, 2), keepdims=True))
    return placed_if(upsample, passes, weighted(weights, features), layer, placement)


@method(
    Features(LAYER),
    result="map",
    sign="magnitude",
    paper="Muhammad 2020, arXiv 2008.00299",
    needs=NEEDS_LAYER,
    arguments=PLACING,
    cost="1 forward, 1 singular value decomposition",
    caution="does not depend on the target: it marks what stands out to the layer",
    when_zero="the layer that it looks at is zero everywhere",
    of_target=False,
)
def eigen_cam(
    passes: Passes, layer: str | None = None, upsample: bool = True, placement: Convention = "convention"
) -> tf.Tensor:
    """Return the projection of A (h·w, c) on its first right singular vector, signed, (N, H, W) [1]_.

    The sign is fixed so that the sum over the map is positive. `layer`, `upsample` and `placement` are as those
    of `grad_cam`.

    References
    ----------
    .. [1] Muhammad, Yeasin, "Eigen-CAM", 2020, arXiv 2008.00299.
    """
    features = passes.features(layer)
    shape = tf.shape(features)
    values, left, _ = tf.linalg.svd(tf.reshape(features, [shape[0], shape[1] * shape[2], shape[3]]))
    cam = tf.reshape(values[:, :1] * left[:, :, 0], shape[:3])
    cam *= tf.where(tf.reduce_sum(cam, axis=(1, 2), keepdims=True) < 0, -1.0, 1.0)
    return placed_if(upsample, passes, cam, layer, placement)


def cam_of_gradient(passes: Passes, layer: str | None) -> tf.Tensor:
    """Return the raw Grad-CAM map (N, h, w) of a layer."""
    return weighted(tf.reduce_mean(passes.gradient(layer), axis=(1, 2), keepdims=True), passes.features(layer))


def weighted(weights: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
    """Return relu(Σ_k w_k ⊙ A_k), (N, h, w)."""
    return tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))
