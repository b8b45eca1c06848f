"""FullGrad: the score as the sum of what the image and every bias of the network give to it.

A bias is what an operation adds to what the image gives it: the operation run with zeros in place of what the image
reaches, see `tfviz.network.passes.biases`. So batch normalisation in either form, preprocessing, paddings and
concatenations need no list of layers. The bound of a saturated ReLU6 is one too; without it the terms of a MobileNetV2
miss the score by 14 to 24 %.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.arrays import Doubles, Indices
from tfviz.errors import TfvizError, emit_warnings
from tfviz.methods.engine import SAMPLE_MEAN, Loop, at_image_size, batch_specs, judge_tolerance, method, placement_of
from tfviz.methods.gradients import ONE_PASS
from tfviz.methods.noise import SAMPLING, Sampling, over_noise
from tfviz.network import trace
from tfviz.network.diagnosis import OVERFLOW, check_scores, check_weights
from tfviz.network.geometry import Placement
from tfviz.network.passes import BIASES, Gradient, Passes, passes_of
from tfviz.network.program import Value, compile_function
from tfviz.network.traced import TracedNetwork

SRINIVAS = "Srinivas 2019, arXiv 1905.00780"
NEEDS_PIECEWISE_LINEAR = "any differentiable network; complete for piecewise linear ones"
TOLERANCE = 1e-3  # of the score: float32 reached 8e-5, float16 9e-4; what is not piecewise linear 4e-2 at least
ROUNDING = 1e-5  # of the sum of the absolute terms: what float32 loses in a network (up to 5e-6)


@dataclass(frozen=True, repr=False)
class Decomposition:
    """The scores of N images as sums of one term for the image and one for each bias, float64.

    input_term: (N,), the sum of x · ∂s_c/∂x. bias_terms: (N,), the sum of b · ∂s_c/∂b, by the name of the bias, in the
    order in which they are added. scores: (N,), the logit of each target. targets: (N,).
    """

    input_term: Doubles
    bias_terms: dict[str, Doubles]
    scores: Doubles
    targets: Indices

    @property
    def completeness_error(self) -> Doubles:
        """`|s_c − sum of all terms| / |s_c|`, (N,)."""
        gap = np.abs(self.scores - self._terms.sum(axis=0))
        with np.errstate(divide="ignore", invalid="ignore"):
            errors: Doubles = np.where(gap == 0, 0.0, gap / np.abs(self.scores))
        return errors

    @property
    def _terms(self) -> np.ndarray:
        """All terms, (1 + biases, N)."""
        return np.array([self.input_term, *self.bias_terms.values()])

    def __repr__(self) -> str:
        """Return a summary, without the terms."""
        return (
            f"Decomposition of {len(self.scores)} scores into the input and {len(self.bias_terms)} biases, "
            f"completeness error up to {self.completeness_error.max():.1e}"
        )


def full_grad_decomposition(model: Any, images: Any, targets: Any = None, *, batch_size: int = 32) -> Decomposition:
    """Return the score of each image as x · ∂s_c/∂x + Σ_biases b · ∂s_c/∂b, which is exact for ReLU networks [1]_.

    The biases are found by dependence on the image: additions, batch normalisation in either form, constants of the
    preprocessing, and the bounds of clips such as ReLU6 if they hold. A smooth nonlinearity (SiLU, GELU, attention,
    squeeze-and-excite) belongs to no term, nor does what is added inside loops, conditions and calls compiled by XLA:
    if the terms miss the score by more than 0.1 %, that is warned about.

    For model, images, targets and batch_size see `help(tfviz.methods)`.

    References
    ----------
    .. [1] Srinivas, Fleuret, "Full-Gradient Representation for Neural Network Visualization", 2019, arXiv 1905.00780.
    """
    network = trace(model)
    network.head.check()
    decompose = network.remember("full_grad_decomposition", _compile)
    found: list[Any] = []
    done = 0
    for batch in network.batches(images, targets, batch_size):
        terms = decompose(tf.constant(batch.images), tf.constant(batch.targets.flat), batch.extra_inputs)
        found.append(tf.nest.map_structure(lambda tensor: tensor.numpy(), terms))
        check_scores(network, batch, np.isfinite(found[-1]["scores"]), done)
        done += len(batch.images)
    decomposition = Decomposition(**tf.nest.map_structure(lambda *parts: np.concatenate(parts), *found))
    emit_warnings(_check(network, decomposition))
    return decomposition


@method(
    Gradient(),
    Gradient(BIASES),
    result="map",
    sign="magnitude",
    paper=SRINIVAS,
    needs=NEEDS_PIECEWISE_LINEAR,
    cost=ONE_PASS,
    caution="unsigned, and every layer counts the same however little it gives to the score",
)
def full_grad(passes: Passes) -> tf.Tensor:
    """Return ψ(x · ∂s_c/∂x) + Σ_biases ψ(b · ∂s_c/∂b), (N, H, W), at least 0, without unit [1]_.

    ψ takes the absolute value, scales it to 0..1 over the places and channels of an image, sums over channels and
    resizes to the image, bilinear. Biases without a map (Dense) have no place in it; `full_grad_decomposition` has all.

    References
    ----------
    .. [1] Srinivas, Fleuret, "Full-Gradient Representation for Neural Network Visualization", 2019, arXiv 1905.00780.
    """
    # If a bias is infinite, as a padding with −∞ before a maximum, its gradient is zero.
    terms = [
        (term.bias.value, tf.math.multiply_no_nan(term.tensor, term.gradient))
        for term in passes.biases
        if term.bias.is_map
    ]
    return _sum_of_maps(passes, passes.images * passes.gradient(), terms)


@method(
    Gradient(),
    Gradient(BIASES),
    result="map",
    sign="magnitude",
    paper=SRINIVAS,
    needs="any differentiable network",
    cost=ONE_PASS,
    caution="unsigned, and every layer counts the same; its parts do not add up to the score",
)
def simple_full_grad(passes: Passes) -> tf.Tensor:
    """Return ψ(x · ∂s_c/∂x) + Σ_biases ψ(∂s_c/∂b), (N, H, W), at least 0, without unit [1]_.

    The authors' SimpleFullGrad: `full_grad` without the factor b, and without the bounds of clips.

    References
    ----------
    .. [1] Srinivas, Fleuret, "Full-Gradient Representation", 2019, arXiv 1905.00780, and its authors' code.
    """
    terms = [(term.bias.value, term.gradient) for term in passes.biases if term.bias.is_map and not term.bias.is_clip]
    return _sum_of_maps(passes, passes.images * passes.gradient(), terms)


@method(
    result="map",
    sign="magnitude",
    paper=SRINIVAS,
    needs=NEEDS_PIECEWISE_LINEAR,
    cost="1 forward, 1 backward for each sample",
    caution="as full_grad, smoother; the noise decides what is left",
    arguments=SAMPLING,
    judge=judge_tolerance("smooth_full_grad"),
)
def smooth_full_grad(
    passes: Passes, samples: int = 25, noise: float = 0.15, seed: int = 0, tolerance: float | None = None
) -> Loop:
    """Return the mean of `full_grad` over noisy copies of the image, (N, H, W), at least 0, without unit [1]_.

    The authors' SmoothFullGrad; the options are those of `smooth_grad`.

    References
    ----------
    .. [1] Srinivas, Fleuret, "Full-Gradient Representation", 2019, arXiv 1905.00780, and its authors' code.
    """
    return over_noise(passes, "full_grad", Sampling(samples, noise, seed, tolerance), None, SAMPLE_MEAN)


def _sum_of_maps(passes: Passes, of_image: tf.Tensor, of_biases: Iterable[tuple[Value, tf.Tensor]]) -> tf.Tensor:
    """Return Σ ψ(attribution), (N, H, W): of the image's (N, H, W, C), and of those of biases where each is added."""
    maps: defaultdict[tuple[Hashable, Placement | None], list[tf.Tensor]] = defaultdict(list)
    biases = [(passes.layers.map_of(*each), placement_of(passes, each[0])) for each in of_biases]
    found = [(of_image, None), *biases]
    for number, (each, placement) in enumerate(found):
        shape = each.shape[1:3]
        # Maps that lie alike are resized together: SqueezeNet has 26, and each takes 1.3 ms for 8 images of 227 pixels.
        size = tuple(shape) if shape.is_fully_defined() else number
        is_stretched = placement is None or placement.is_stretched
        maps[size, None if is_stretched else placement].append(_scaled_sum(each))
    return tf.add_n(
        [
            at_image_size(passes, tf.add_n(group)[..., tf.newaxis], placement)[..., 0]
            for (_, placement), group in maps.items()
        ]
    )


def _scaled_sum(attributions: tf.Tensor) -> tf.Tensor:
    """Return the sum over channels of absolute values that are scaled to 0..1 for each image; zero where all are equal.

    Of attributions (N, h, w, c), (N, h, w).
    """
    sizes = tf.abs(attributions)
    lowest, highest = (reduce(sizes, axis=(1, 2, 3), keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
    # Divided after the sum, which is one pass less over all channels.
    return tf.math.divide_no_nan(tf.reduce_sum(sizes - lowest, axis=-1), (highest - lowest)[..., 0])


def _compile(network: TracedNetwork) -> Any:
    """Return the compiled function of a batch that gives all terms, scores and targets by name."""

    def decompose(images: tf.Tensor, targets: tf.Tensor, extra_inputs: dict[str, tf.Tensor]) -> dict[str, Any]:
        announced = [Gradient(), Gradient(BIASES)]
        passes = passes_of(network, images, targets, announced, extra_inputs=extra_inputs)
        return {
            "input_term": _sum_of_products(images, images, passes.gradient()),
            "bias_terms": {
                term.bias.name: _sum_of_products(images, term.tensor, term.gradient) for term in passes.biases
            },
            "scores": tf.cast(passes.scores, tf.float64),
            "targets": passes.targets,
        }

    return compile_function(decompose, *batch_specs(network))


def _sum_of_products(images: tf.Tensor, tensor: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """Return the sum (N,) of b · ∂s/∂b over each image, in float64: float32 would lose what the sum is checked to."""
    products = tf.math.multiply_no_nan(tf.cast(tensor, tf.float64), tf.cast(gradient, tf.float64))
    return tf.reduce_sum(tf.reshape(products, [tf.shape(images)[0], -1]), axis=1)


def _check(network: TracedNetwork, decomposition: Decomposition) -> list[str]:
    """Raise if a term is not finite; return a warning if the terms do not add up to the score, with the reason."""
    terms, errors = decomposition._terms, decomposition.completeness_error
    finite = np.isfinite(terms).all(axis=0)
    if not finite.all():
        check_weights(network, int(np.argmin(finite)))
        raise TfvizError(f"the terms of image {int(np.argmin(finite))} are NaN or infinite: {OVERFLOW}")
    if errors.max() <= TOLERANCE:
        return []
    worst = int(np.argmax(errors))
    size, score = np.abs(terms[:, worst]).sum(), decomposition.scores[worst]
    reason = (
        "the network is not piecewise linear (SiLU, GELU, attention, products of features), adds numbers inside loops "
        "or compiled calls, or computes in half precision, and that part of the score belongs to no term"
    )
    if abs(score - terms[:, worst].sum()) <= ROUNDING * size:
        reason = f"their sizes add up to {size:.3g} but the score is {score:.3g}, which float32 cannot resolve"
    return [
        f"the terms of {(errors > TOLERANCE).sum()} of {errors.size} scores do not add up, those of image {worst} "
        f"miss it by {errors[worst]:.2%}: {reason}"
    ]
