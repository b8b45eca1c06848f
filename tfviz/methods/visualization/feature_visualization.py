"""Feature visualisation: images of what a network looks for, made by gradient ascent on any objective.

The public function checks everything before it compiles: objectives, recipe, shape and colours. An ascent that gains
nothing is a warning with the reason, not an image without a word; one whose score becomes NaN is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.arrays import Floats
from tfviz.errors import InvalidImagesError, InvalidTargetsError, TfvizError, UnsupportedModelError, emit_warnings
from tfviz.methods.engine import about_narrow, check_pixel_range, integer, narrow_images
from tfviz.methods.visualization.ascent import (
    AscentState,
    Plan,
    Setting,
    compile_ascent,
    compile_values,
    decode_state,
    start_ascent,
)
from tfviz.methods.visualization.colors import ColorStatistics, find_colors
from tfviz.methods.visualization.objectives import Objective
from tfviz.methods.visualization.readout import lay_out
from tfviz.methods.visualization.recipe import MOVEMENTS, find_recipe
from tfviz.network import trace
from tfviz.network.diagnosis import broken_weights, objections_to, why_not_finite
from tfviz.network.layers import Shape
from tfviz.network.traced import TracedNetwork
from tfviz.progress import stretches

NOTHING_ANSWERS = (
    "never changed: nothing in the network answers to the image that the ascent starts from (common with the zero "
    "image)"
)


@dataclass(frozen=True, repr=False)
class FeatureVisualization:
    """Images of objectives, in the network's own input space and data format.

    images: float32 (N, H, W, C) or (N, C, H, W). objectives: N. history: float32 (iterations, N), the objective of the
    moved image before each step. scores: float32 (N,), the objective of the image itself at the end. snapshots: images,
    as `images`, by the number of steps after which they were kept.
    """

    images: Floats
    objectives: tuple[Objective, ...]
    history: Floats
    scores: Floats
    snapshots: dict[int, Floats]

    def __repr__(self) -> str:
        """Return what was found, without the images."""
        found = ", ".join(f"{name}: {score:.3g}" for name, score in zip(self.objectives, self.scores, strict=True))
        return f"{type(self).__name__} of {self.images.shape}, {len(self.history)} steps, scores {{{found}}}"


def feature_visualization(
    model: Any,
    objectives: Objective | Sequence[Objective],
    *,
    pixel_range: tuple[Any, Any],
    preset: str = "fourier",
    seed: int = 0,
    snapshots: Sequence[int] = (),
    image_shape: Shape | None = None,
    images: Any = None,
    color_statistics: ColorStatistics | None = None,
    **changes: Any,
) -> FeatureVisualization:
    """Return an image for each objective that makes it large [1]_.

    Repeatable for a seed, and an image does not depend on the others of its batch.

    Parameters
    ----------
    model
        Anything that `tfviz.trace` opens.
    objectives
        One or more of `Class`, `Channel`, `Neuron`, `Direction` and `Layer`, or what they add up to:
        `2 * Channel("conv3", 12) + Class(281)`.
    pixel_range
        What black and white are in the model's input space: two numbers, or two arrays (C,). Distances are measured in
        units of this range, so that a recipe means the same under any preprocessing.
    preset
        `fourier`: the spectrum of decorrelated colours is changed by Adam, and the image is turned, scaled and moved
        before each step [1]_. `deep-dream`: the same with fewer and shorter steps, for a start from `images` [4]_.
        `jitter-blur`: from seeded noise, a random jitter that is undone after each step,
        normalised steps along the gradient, L2, clamped to `pixel_range`, a Gaussian blur every 10 steps [2]_.
        `simonyan`: from the zero image, momentum SGD, L2 only [3]_.
    seed
        Of the noise and of how the image is moved.
    snapshots
        Numbers of steps after which the images are kept.
    image_shape
        (H, W, C), if the model leaves it open and no `images` are given.
    images
        Where the ascent starts, in the model's input space: one image for all objectives, or one for each. With the
        objective `Layer` this is deep dream [4]_.
    color_statistics
        How colours go together in the pictures that the network knows, see `tfviz.color_statistics`; without, its
        channels are independent.
    **changes
        Other values for the fields of the preset's `Recipe`, such as `iterations=500`.

    Returns
    -------
    FeatureVisualization
        One image for each objective, in their order.

    Raises
    ------
    UnknownMethodError
        The preset, or a field of its recipe, does not exist.
    UnknownLayerError, InvalidTargetsError
        An objective names a layer, channel, place or class that the network does not have.
    InvalidImagesError, UnsupportedModelError
        The start images, the image shape, the pixel range or the colours do not fit the network.
    TfvizError
        A number is out of range, or a score became NaN or infinite.

    References
    ----------
    .. [1] Olah, Mordvintsev, Schubert, "Feature Visualization", Distill 2017, doi 10.23915/distill.00007.
    .. [2] Yosinski et al., "Understanding Neural Networks Through Deep Visualization", 2015, arXiv 1506.06579.
    .. [3] Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks", 2013, arXiv 1312.6034, section 2.
    .. [4] Mordvintsev, Olah, Tyka, "Inceptionism", 2015.
    """
    network, seed = trace(model), integer("seed", seed, 0)
    recipe = find_recipe(preset, changes)
    wanted = _check_objectives(objectives)
    given = None if images is None else np.concatenate([batch.images for batch in network.batches(images, None, 32)])
    shape = _complete_shape(network, image_shape if given is None else given.shape[1:])
    steps = _check_snapshots(snapshots, recipe.iterations)
    colors = find_colors(pixel_range, shape[2], color_statistics)
    emit_warnings(objections_to(network, colors.low.numpy(), colors.high.numpy()))
    if given is not None:
        emit_warnings(about_narrow(narrow_images(given, *check_pixel_range(pixel_range, shape[2])), pixel_range))
        wanted, given = _paired(wanted, given)
    places, shares = lay_out(network, wanted, shape)
    plan = Plan(recipe, shape, places, follows=not MOVEMENTS.isdisjoint(changes))
    setting = Setting(shares, colors, tf.constant(seed, tf.int32))
    first = tf.broadcast_to(colors.middle, (len(wanted), *shape)) if given is None else tf.constant(given)
    state = start_ascent(plan, setting, first, given=given is not None)
    made, history, kept = _ascend(network, plan, setting, state, steps)
    scores = compile_values(network, plan, setting)(made, shares).numpy()
    _check_scores(network, [*history, scores], first, wanted)
    emit_warnings(_about_gains(network, history, scores, wanted))
    own = network.data_format.from_last
    kept = {step: own(each) for step, each in kept.items()}
    return FeatureVisualization(own(made.numpy()), wanted, history, scores, kept)


def _ascend(
    network: TracedNetwork, plan: Plan, setting: Setting, state: AscentState, snapshots: set[int]
) -> tuple[tf.Tensor, np.ndarray, dict[int, np.ndarray]]:
    """Run the compiled loop and return the images, the history and the snapshots."""
    ascend = compile_ascent(network, plan, state, setting)
    kept = {0: decode_state(plan, state, setting.colors).numpy()} if 0 in snapshots else {}
    history = [np.empty((0, len(state.parameters)), np.float32)]
    for first, last in stretches(plan.recipe.iterations, "visualisation", snapshots):
        state, values = ascend(state, setting, first, last)
        history.append(values.numpy())
        if last in snapshots:
            kept[last] = decode_state(plan, state, setting.colors).numpy()
    return decode_state(plan, state, setting.colors), np.concatenate(history), kept


def _check_scores(
    network: TracedNetwork, values: Sequence[np.ndarray], first: tf.Tensor, objectives: Sequence[Objective]
) -> None:
    """Raise `TfvizError` if the score of an objective was not finite."""
    finite = np.isfinite(values).all(axis=0)
    if not finite.all():
        row = int(np.argmin(finite))
        raise TfvizError(
            f"the score of {objectives[row]} became NaN or infinite: "
            + why_not_finite(network, first[row : row + 1].numpy())
        )


def _about_gains(
    network: TracedNetwork, history: np.ndarray, scores: np.ndarray, objectives: Sequence[Objective]
) -> Iterator[str]:
    """Yield what to say of objectives whose value did not rise; raise `TfvizError` if broken weights are the reason."""
    if not len(history):
        return
    unchanged = (history == scores).all(axis=0)
    for row in map(int, np.flatnonzero(scores <= history[0])):
        # The kernels of some processors make 0 of the ReLU of NaN.
        if weights := broken_weights(network):
            raise TfvizError(f"the score of {objectives[row]} became NaN or infinite: {weights}")
        begun = f"ended at {scores[row]:.3g}, not above the {history[0, row]:.3g} that it began with"
        happened, help_is = (NOTHING_ANSWERS, "the preset fourier") if unchanged[row] else (begun, "a smaller rate")
        yield f"the score of {objectives[row]} {happened}; try more steps, {help_is} or another seed"


def _check_objectives(objectives: Any) -> tuple[Objective, ...]:
    """Return the objectives as a tuple, also a single one; raise `InvalidTargetsError` for none or anything else."""
    several = [objectives] if isinstance(objectives, Objective) else objectives
    if not isinstance(several, Sequence) or not several or not all(isinstance(each, Objective) for each in several):
        raise InvalidTargetsError(f"objectives are {objectives!r}, expected one or more, such as Class(281)")
    return tuple(several)


def _paired(objectives: tuple[Objective, ...], images: np.ndarray) -> tuple[tuple[Objective, ...], np.ndarray]:
    """Return as many objectives as images, after repeating whichever is only one."""
    count = max(len(objectives), len(images))
    if {len(objectives), len(images)} - {1, count}:
        raise InvalidImagesError(
            f"there are {len(images)} images to start from for {len(objectives)} objectives; expected one, or as many"
        )
    return objectives * (count // len(objectives)), np.repeat(images, count // len(images), axis=0)


def _check_snapshots(snapshots: Sequence[int], iterations: int) -> set[int]:
    """Return the steps after which images are kept; raise `TfvizError` for what is not a step of so many."""
    if not isinstance(snapshots, Iterable):
        raise TfvizError(f"snapshots is {snapshots!r}, expected numbers of steps, such as [0, {iterations}]")
    steps = list(snapshots)
    wrong = [step for step in steps if not (isinstance(step, int | np.integer) and 0 <= step <= iterations)]
    if wrong:
        raise TfvizError(f"snapshot {wrong[0]} is out of range: expected steps from 0 to {iterations}")
    return set(steps)


def _complete_shape(network: TracedNetwork, image_shape: Shape | None) -> tuple[int, ...]:
    """Return the shape (H, W, C) of images; raise `UnsupportedModelError` if it is open, or not that of the network."""
    shape = network.image_shape if image_shape is None else image_shape
    sizes = tuple(shape) if isinstance(shape, Iterable) else ()
    fits = len(sizes) == 3 and all(
        isinstance(size, int | np.integer) and size > 0 and own in (None, size)
        for own, size in zip(network.image_shape, sizes, strict=True)
    )
    if not fits:
        raise UnsupportedModelError(
            f"the network takes images {network.image_shape}; give image_shape=(height, width, channels) that fits"
        )
    return tuple(size for size in sizes if size is not None)
