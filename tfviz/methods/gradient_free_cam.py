"""Class activation maps that weight each channel by running the network with it, or without it.

Score-CAM follows its authors' code: weights are the probabilities of the masked images. Subtracting that of an empty
image, as the paper writes, leaves an empty map if it is high. Ablation-CAM divides by |s_c|, or a negative logit would
turn its sign; it runs only the part of the network behind the layer. Channels are items of a `Loop`, those that vary
most over the map first, so that `max_channels` may leave out the rest.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfviz.methods.cam import NEEDS_LAYER
from tfviz.methods.engine import (
    LAYER,
    PLACING,
    Convention,
    Loop,
    each_repeated,
    integer,
    joined,
    method,
    optional,
    placed,
    placed_if,
    split,
)
from tfviz.network.passes import Features, Passes


@method(
    Features(LAYER),
    result="map",
    sign="for",
    paper="Wang 2019, arXiv 1910.01279",
    needs=NEEDS_LAYER,
    arguments=dict(PLACING, max_channels=optional(integer)),
    cost="1 forward for each channel of the layer",
    caution="coarse and slow; masked images are unlike those that the network was trained on",
)
def score_cam(
    passes: Passes,
    layer: str | None = None,
    upsample: bool = True,
    max_channels: int | None = None,
    placement: Convention = "convention",
) -> Loop:
    """Return relu(Σ_k w_k A_k), (N, H, W), at least 0, with w_k = p_c(x ⊙ H_k) [1]_.

    p_c is the probability of the target (a custom score, or one raw output, itself), H_k the channel A_k at image size,
    scaled from its minimum (0) to its maximum (1); a channel that is constant over the map has the weight 0. As in the
    authors' code, the probability of an empty image is not subtracted: if it is high, that would leave an empty map.
    `layer`, `upsample` and `placement` are as those of `grad_cam`; the masks are laid on the image alike.

    Parameters
    ----------
    max_channels
        The number of channels that are looked at: those of the largest standard deviation over the map, for each image.
        None is all.

    References
    ----------
    .. [1] Wang et al., "Score-CAM", 2019, arXiv 1910.01279.
    """
    features = _chosen(passes.features(layer), max_channels)[0]
    lowest, highest = (reduce(features, axis=(1, 2), keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
    scaled = tf.math.divide_no_nan(features - lowest, highest - lowest)
    varies = tf.cast(highest > lowest, tf.float32)[:, 0, 0]

    def gather(cam: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
        masks = placed(passes, tf.gather(scaled, channels, axis=-1), layer, placement)
        masked = passes.images[:, tf.newaxis] * tf.transpose(masks, [0, 3, 1, 2])[..., tf.newaxis]
        found = passes.again(joined(masked), each_repeated(passes.targets, channels)).probabilities
        weights = split(found, channels) * tf.gather(varies, channels, axis=-1)
        return cam + tf.einsum("nk,nijk->nij", weights, tf.gather(features, channels, axis=-1))

    return _loop(gather, features, lambda cam: placed_if(upsample, passes, cam, layer, placement))


@method(
    Features(LAYER),
    result="map",
    sign="for",
    paper="Desai 2020, WACV",
    needs=NEEDS_LAYER,
    arguments=dict(PLACING, max_channels=optional(integer)),
    cost="1 forward, and 1 from the layer to the score for each of its channels",
    caution="coarse and slow; channels that stand in for each other get no weight",
)
def ablation_cam(
    passes: Passes,
    layer: str | None = None,
    upsample: bool = True,
    max_channels: int | None = None,
    placement: Convention = "convention",
) -> Loop:
    """Return relu(Σ_k w_k A_k), (N, H, W), at least 0, with `w_k = (s_c − s_c without A_k) / |s_c|` [1]_.

    The absolute value, which the paper leaves out, keeps the sign of the weights if the logit is negative. `layer`,
    `upsample`, `placement` and `max_channels` are as those of `score_cam`.

    References
    ----------
    .. [1] Desai, Ramaswamy, "Ablation-CAM", WACV 2020, doi 10.1109/WACV45572.2020.9093360.
    """
    whole_map = passes.features(layer)
    features, chosen = _chosen(whole_map, max_channels)
    scores = passes.scores[:, tf.newaxis]

    def gather(cam: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
        factors = 1 - tf.one_hot(tf.gather(chosen, channels, axis=1), tf.shape(whole_map)[-1])
        without = split(passes.with_channels(layer, factors).scores, channels)
        weights = tf.math.divide_no_nan(scores - without, tf.abs(scores))
        return cam + tf.einsum("nk,nijk->nij", weights, tf.gather(features, channels, axis=-1))

    return _loop(gather, features, lambda cam: placed_if(upsample, passes, cam, layer, placement))


def _chosen(features: tf.Tensor, max_channels: int | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the channels (N, h, w, k) that vary most over the map, and their indices (N, k)."""
    channels = features.shape[-1]
    count = channels if max_channels is None else tf.minimum(max_channels, channels)
    _, chosen = tf.math.top_k(tf.math.reduce_std(features, axis=(1, 2)), count)
    return tf.gather(features, chosen, axis=3, batch_dims=1), chosen


def _loop(
    gather: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], features: tf.Tensor, finish: Callable[[tf.Tensor], tf.Tensor]
) -> Loop:
    """Return the loop over the channels (N, h, w, k) that sums their weighted maps, clipped at zero before `finish`."""
    empty = tf.zeros(tf.shape(features)[:3])
    return Loop(tf.shape(features)[-1], empty, gather, lambda cam: finish(tf.nn.relu(cam)))
