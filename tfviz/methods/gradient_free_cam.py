"""Class activation maps that weight each channel by running the network with it, or without it.

Score-CAM follows its authors' code: weights are the probabilities of the masked images. Subtracting that of an empty
image, as the paper writes, leaves an empty map if it is high. Ablation-CAM divides by |s_c|, or a negative logit would
turn its sign; it runs only the part of the network behind the layer, and none if the score is linear in the layer: then
the drop of every channel follows from one gradient. Channels are items of a `Loop`, those that vary most over the map
first, so that `max_channels` may leave out the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfviz.arrays import name_images
from tfviz.methods.cam import NEEDS_LAYER
from tfviz.methods.engine import (
    LAYER,
    PLACING,
    Convention,
    Diagnosed,
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

REACTION = "reaction"
LEAST_REACTION = 1e-3


def _warn_of_no_reaction(diagnostics: Mapping[str, np.ndarray]) -> list[str]:
    """Return a warning for images whose weights are all the same, so that the map is a sum of the layer's channels."""
    still = np.flatnonzero(diagnostics[REACTION] < LEAST_REACTION)
    if not still.size:
        return []
    return [
        f"score_cam of image {name_images(still)} is the sum of the layer's channels and says nothing of the target: "
        "no mask changes its probability by more than a thousandth"
    ]


@method(
    Features(LAYER),
    result="map",
    sign="for",
    paper="Wang 2019, arXiv 1910.01279",
    needs=NEEDS_LAYER,
    arguments=dict(PLACING, max_channels=optional(integer)),
    cost="1 forward for each channel of the layer",
    judge=_warn_of_no_reaction,
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
    `layer`, `upsample` and `placement` are as those of `grad_cam`; the masks are laid on the image alike. The largest
    change d of the probability p under any mask, as d / (p + d), is among the diagnostics of `explain` as `reaction`,
    and is warned about below 0.001; it is 1 if no channel varies, and there are no masks.

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
    before = passes.probabilities[:, tf.newaxis]
    varies = tf.cast(highest > lowest, tf.float32)[:, 0, 0]

    def gather(state: tuple[tf.Tensor, ...], channels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        masks = placed(passes, tf.gather(scaled, channels, axis=-1), layer, placement)
        masked = passes.images[:, tf.newaxis] * tf.transpose(masks, [0, 3, 1, 2])[..., tf.newaxis]
        found = split(passes.again(joined(masked), each_repeated(passes.targets, channels)).probabilities, channels)
        weights = found * tf.gather(varies, channels, axis=-1)
        cam = state[0] + tf.einsum("nk,nijk->nij", weights, tf.gather(features, channels, axis=-1))
        return cam, tf.maximum(state[1], tf.reduce_max(tf.abs(found - before), axis=1))

    def finish(state: tuple[tf.Tensor, ...]) -> Diagnosed:
        reaction = tf.math.divide_no_nan(state[1], tf.abs(before[:, 0]) + state[1])
        reaction = tf.where(tf.reduce_any(varies > 0, axis=1), reaction, 1.0)
        return Diagnosed(placed_if(upsample, passes, tf.nn.relu(state[0]), layer, placement), {REACTION: reaction})

    start = tf.zeros(tf.shape(features)[:3]), tf.zeros_like(passes.probabilities)
    return Loop(tf.shape(features)[-1], start, gather, finish)


@method(
    Features(LAYER),
    result="map",
    sign="for",
    paper="Desai 2020, WACV",
    needs=NEEDS_LAYER,
    arguments=dict(PLACING, max_channels=optional(integer)),
    cost="1 forward, and 1 from the layer to the score for each of its channels, or 1 backward if it is linear there",
    caution="coarse and slow; channels that stand in for each other get no weight",
)
def ablation_cam(
    passes: Passes,
    layer: str | None = None,
    upsample: bool = True,
    max_channels: int | None = None,
    placement: Convention = "convention",
) -> Loop | tf.Tensor:
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

    def weighted(cam: tf.Tensor, channels: tf.Tensor, drops: tf.Tensor) -> tf.Tensor:
        weights = tf.math.divide_no_nan(drops, tf.abs(scores))
        return cam + tf.einsum("nk,nijk->nij", weights, tf.gather(features, channels, axis=-1))

    def gather(cam: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
        factors = 1 - tf.one_hot(tf.gather(chosen, channels, axis=1), tf.shape(whole_map)[-1])
        without = split(passes.with_channels(layer, factors).scores, channels)
        return weighted(cam, channels, scores - without)

    def finish(cam: tf.Tensor) -> tf.Tensor:
        return placed_if(upsample, passes, tf.nn.relu(cam), layer, placement)

    nothing, count = tf.zeros(tf.shape(features)[:3]), tf.shape(features)[-1]
    if (drops := passes.drops(layer)) is not None:
        return finish(weighted(nothing, tf.range(count), tf.gather(drops, chosen, axis=1, batch_dims=1)))
    return Loop(count, nothing, gather, finish)


def _chosen(features: tf.Tensor, max_channels: int | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the channels (N, h, w, k) that vary most over the map, and their indices (N, k)."""
    channels = features.shape[-1]
    count = channels if max_channels is None else tf.minimum(max_channels, channels)
    _, chosen = tf.math.top_k(tf.math.reduce_std(features, axis=(1, 2)), count)
    return tf.gather(features, chosen, axis=3, batch_dims=1), chosen
