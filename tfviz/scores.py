"""Scores other than the logit of a class: functions for `tfviz.trace(model, score=...)`.

Each function here returns a function of the model's outputs that gives one number per image, (N,), made of TensorFlow
operations. `output` tells which of several outputs it reads, by a name or number that `tfviz.trace(output=...)` takes;
None if there is only one. If a network ends in a softmax or sigmoid, `contrast_score`, `logit_score`, `label_score` and
`region_score` read the logits before it, the others its probabilities, as a function of your own does;
`explanation.scored_by` tells which. Called by itself, outside of a trace, a score sees only the outputs.

Errors come when the model is traced: a `TfvizError` if the outputs are not what the score reads.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.arrays import Floats
from tfviz.errors import TfvizError
from tfviz.network.heads import LOG_ODDS, NamedOutputs, NamedScore

Output = str | int | None
Score = Callable[[Any], tf.Tensor]
# The smallest probability whose log odds float32 still tells apart from none.
SATURATED = 1e-7


def logit_score(index: int, *, output: Output = None) -> Score:
    """Score the logit of a class of an output (N, K), which is also what is explained without a score, for `targets`.

    It is taken from before a softmax or sigmoid; a raw output counts as logits, and for a mean or product of
    probabilities the log odds are taken. A single sigmoid has the classes 0 and 1.
    """

    @NamedScore
    def score(outputs: NamedOutputs) -> tf.Tensor:
        return _entry(outputs.class_logits(output), index)

    return score


def contrast_score(index: int, other: int, *, output: Output = None) -> Score:
    """Score what speaks for one class rather than another: the difference of their logits, see `logit_score`.

    Before a softmax it is log(p_index / p_other). Its gradient is that of the one class minus that of the other.
    """

    @NamedScore
    def score(outputs: NamedOutputs) -> tf.Tensor:
        logits = outputs.class_logits(output)
        return _entry(logits, index) - _entry(logits, other)

    return score


def class_score(index: int, *, output: Output = None) -> Score:
    """Score one entry of an output (N, K) as the model gives it: a probability, or one of several regression values.

    An output (N,) is one value, with the index 0. See `logit_score` for the logits before a softmax.
    """

    @NamedScore
    def score(outputs: NamedOutputs) -> tf.Tensor:
        values = outputs.read(output, "(N, K)", 1, 2)
        return _entry(values if values.shape.rank == 2 else values[:, tf.newaxis], index)

    return score


def value_score(*, output: Output = None) -> Score:
    """Score the one value of a regression, (N,) or (N, 1)."""

    @NamedScore
    def score(outputs: NamedOutputs) -> tf.Tensor:
        values = outputs.read(output, "one value per image, (N,) or (N, 1)", 1, 2)
        if values.shape.rank == 2 and values.shape[1] != 1:
            raise TfvizError(f"the output has {values.shape[1]} values per image, expected one; see class_score")
        return tf.reshape(values, [-1])

    return score


def label_score(index: int, *, output: Output = None) -> Score:
    """Score one label of several that do not exclude each other: the log odds of its probability (N, K), 0 to 1.

    They are the logit before a sigmoid. If neither a sigmoid is found nor the probabilities that were averaged or
    multiplied, they are computed from the probability, and end at ±16, which is 1 in 10 million.
    """

    @NamedScore
    def score(outputs: NamedOutputs) -> tf.Tensor:
        probability = _entry(outputs.read(output, "probabilities (N, K)", 2), index)
        if outputs.kind(output) in LOG_ODDS:
            return _entry(outputs.logits(output), index)
        return tf.math.log(tf.maximum(probability, SATURATED)) - tf.math.log(tf.maximum(1 - probability, SATURATED))

    return score


def region_score(
    index: int, mask: Any = None, *, threshold: float = 0.5, probabilities: bool = False, output: Output = None
) -> Score:
    """Score a class in a region of a segmentation (N, h, w, K): its mean logit there (Seg-Grad-CAM, arXiv 2002.11434).

    Parameters
    ----------
    index
        The class, or channel. Channels may come first, (N, K, h, w), if the program shows that they do.
    mask
        The region, booleans or weights (H, W), the same for all images. If its size is not that of the output, each
        place of the output takes the share of it that the mask covers. None is wherever the network predicts the class;
        the score is 0 if it does so nowhere.
    threshold
        A network with a single channel predicts its class where the output is higher than this: 0.5 for probabilities,
        0 for logits.
    probabilities
        Whether to average the output as the model gives it instead of the logits before its softmax or sigmoid.
    """
    weights = None if mask is None else _mask(mask)

    @NamedScore
    def score(outputs: NamedOutputs) -> tf.Tensor:
        maps, logits = outputs.maps(output)
        chosen = _entry(maps if probabilities else logits, index)
        if weights is not None:
            shares = tf.image.resize(weights, tf.shape(maps)[1:3], method="area")[..., 0]
        elif maps.shape[-1] == 1:
            shares = tf.cast(_entry(maps, index) > threshold, tf.float32)
        else:
            shares = tf.cast(tf.argmax(maps, axis=-1) == index, tf.float32)
        total = tf.reduce_sum(shares * tf.ones_like(chosen), axis=[1, 2])
        return tf.math.divide_no_nan(tf.reduce_sum(shares * chosen, axis=[1, 2]), total)

    return score


def box_score(index: int, box: Any, *, boxes: Output, scores: Output) -> Score:
    """Score a class in the detection whose box overlaps `box` the most: the usual score for gradients of detectors.

    The score is 0 if no box overlaps.

    Parameters
    ----------
    index
        The class.
    box
        Two corners (4,), in the order and units of the model's boxes.
    boxes, scores
        The outputs that hold the boxes (N, M, 4), as two corners each, and the scores of the classes (N, M, K).
    """
    wanted = _box(box)

    @NamedScore
    def score(outputs: NamedOutputs) -> tf.Tensor:
        found, classes = _detections(outputs, boxes, scores)
        overlap = _intersection_over_union(found, wanted)
        best = tf.argmax(overlap, axis=1)
        chosen = tf.gather(_entry(classes, index), best, batch_dims=1)
        return tf.where(tf.reduce_max(overlap, axis=1) > 0, chosen, 0.0)

    return score


def detection_similarity(index: int, box: Any, *, boxes: Output, scores: Output) -> Score:
    """Score how well any detection matches a box and a class: max IoU · cos (D-RISE, Petsiuk 2020, arXiv 2006.03204).

    The cosine is between a detection's class scores, which should be probabilities, and a one-hot vector of the class.
    For `rise`, whose masks move boxes too; parameters as for `box_score`.
    """
    wanted = _box(box)

    @NamedScore
    def score(outputs: NamedOutputs) -> tf.Tensor:
        found, classes = _detections(outputs, boxes, scores)
        cosine = _entry(tf.math.l2_normalize(classes, axis=-1), index)
        return tf.reduce_max(_intersection_over_union(found, wanted) * cosine, axis=1)

    return score


def similarity_score(reference: Any, *, output: Output = None) -> Score:
    """Score the cosine, -1 to 1, of an embedding (N, D) with a reference (D,), such as that of another image."""
    target = _numbers(reference, "a reference embedding (D,)")
    if target.ndim != 1 or not target.any():
        raise TfvizError(f"the reference embedding has the shape {target.shape}, expected (D,) and not all zero")

    @NamedScore
    def score(outputs: NamedOutputs) -> tf.Tensor:
        embeddings = outputs.read(output, "embeddings (N, D)", 2)
        if not embeddings.shape[1:].is_compatible_with(target.shape):
            raise TfvizError(f"the embeddings have {embeddings.shape[1]} values, the reference has {target.shape[0]}")
        return tf.linalg.matvec(tf.math.l2_normalize(embeddings, axis=-1), target / np.linalg.norm(target))

    return score


def _entry(values: tf.Tensor, index: int) -> tf.Tensor:
    """Return one entry of the last axis."""
    try:
        operator.index(index)
    except TypeError as error:
        raise TfvizError(f"the index of a class is {index!r}, expected an integer") from error
    count = values.shape[-1]
    if isinstance(index, bool) or not 0 <= index < (count or index + 1):
        raise TfvizError(f"there is no class {index!r}: the output has {count} classes, 0 to {(count or 1) - 1}")
    return values[..., index]


def _numbers(values: Any, what: str) -> Floats:
    # Not a tensor, which could not be read in the graph of another function.
    try:
        return np.asarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise TfvizError(f"{what} must be numbers: {error}") from error


def _mask(mask: Any) -> Floats:
    weights = _numbers(mask, "a mask (H, W)")
    if weights.ndim != 2 or not weights.any() or weights.min() < 0:
        raise TfvizError(
            f"the mask has the shape {weights.shape}, expected (H, W), without negative values and not all zero"
        )
    return weights[np.newaxis, ..., np.newaxis]


def _box(box: Any) -> Floats:
    wanted = _numbers(box, "a box (4,)")
    if wanted.shape != (4,) or not (wanted[2:] > wanted[:2]).all():
        raise TfvizError(f"the box is {box!r}, expected two corners (4,), the second beyond the first")
    return wanted


def _detections(outputs: NamedOutputs, boxes: Output, scores: Output) -> tuple[tf.Tensor, tf.Tensor]:
    found = outputs.read(boxes, "boxes (N, M, 4)", 3)
    if found.shape[-1] not in (4, None):
        raise TfvizError(f"the output {boxes!r} has the shape {tuple(found.shape)}, the score reads boxes (N, M, 4)")
    return found, outputs.read(scores, "the scores of classes (N, M, K)", 3)


def _intersection_over_union(boxes: tf.Tensor, box: Floats) -> tf.Tensor:
    """Return the overlap (N, M) of boxes (N, M, 4) with one (4,)."""
    low, high = tf.maximum(boxes[..., :2], box[:2]), tf.minimum(boxes[..., 2:], box[2:])
    shared = tf.reduce_prod(tf.maximum(high - low, 0), axis=-1)
    areas = tf.reduce_prod(tf.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1)
    return tf.math.divide_no_nan(shared, areas + np.prod(box[2:] - box[:2]) - shared)
