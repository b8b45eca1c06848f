"""Finds random numbers, and statistics of a whole batch, on the way to the results of a program.

Either makes what is shown of an image depend on chance or on the other images of its batch. They count if their
numbers, and not only their shapes, reach a result, through branches and loops, too. A random operation whose seed
follows from constants and that keeps no state gives the same in every run, and does not count. `removal` takes out what
it can; about the rest, users are warned.

An export made with `training=True`, or of a model whose augmentation has no such switch, is how they get there. The
operations are listed by name, since nothing in TensorFlow's definitions says that one is random: an operation with a
state may be a variable's, and stateless ones draw as well. Random numbers made in Python were drawn once, when the
model was traced, and are constants.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import tensorflow as tf

from tfviz.network.program import CASES, CONDITIONS, LOOPS, NORMALISATIONS, SHAPES, EachImage, Program, Step, Value

_DRAWS = """
RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal ParameterizedTruncatedNormal RandomGamma
RandomPoisson RandomPoissonV2 RandomShuffle RandomCrop Multinomial SampleDistortedBoundingBox
SampleDistortedBoundingBoxV2 StatefulUniform StatefulUniformInt StatefulUniformFullInt StatefulStandardNormal
StatefulStandardNormalV2 StatefulTruncatedNormal StatefulRandomBinomial StatelessRandomUniform
StatelessRandomUniformV2 StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformFullInt
StatelessRandomUniformFullIntV2 StatelessRandomNormal StatelessRandomNormalV2 StatelessTruncatedNormal
StatelessTruncatedNormalV2 StatelessParameterizedTruncatedNormal StatelessRandomGammaV2 StatelessRandomGammaV3
StatelessRandomPoisson StatelessRandomBinomial StatelessMultinomial StatelessShuffle RandomIndexShuffle
StatelessSampleDistortedBoundingBox FractionalMaxPool FractionalAvgPool AllCandidateSampler
FixedUnigramCandidateSampler LearnedUnigramCandidateSampler LogUniformCandidateSampler
ThreadUnsafeUnigramCandidateSampler UniformCandidateSampler KmeansPlusPlusInitialization XlaRngBitGenerator
"""
DRAWS = frozenset(_DRAWS.split())
# Operations that make moments.
REDUCTIONS = frozenset({"Mean", "Sum"})

# Layers that change nothing when nobody trains, by the names that Keras gives them.
_AT_REST = """
random_flip random_translation random_rotation random_zoom random_contrast random_brightness random_height random_width
random_shear random_hue random_saturation random_sharpness random_grayscale random_posterization random_invert
random_erasing random_elastic_transform random_color_jitter random_color_degeneration random_perspective
random_gaussian_blur rand_augment aug_mix cut_mix mix_up solarization dropout spatial_dropout1d spatial_dropout2d
spatial_dropout3d gaussian_dropout alpha_dropout gaussian_noise
"""
AT_REST = re.compile(rf"({'|'.join(_AT_REST.split())})(_\d+)?(:\d+)?")
# Functions of TensorFlow's that do so, too.
FLIPS = re.compile(r"(stateless_)?random_flip_(left_right|up_down)(_\d+)?")


class Occurrence(NamedTuple):
    """An operation, and the step of the network's own program that it runs in: itself, or a loop, condition or call."""

    operation: Step
    outer: Step


def find_draws(program: Program, results: Collection[Value]) -> list[Occurrence]:
    """Return the random operations whose numbers reach `results`, but for those that are the same in every run."""
    return list(_draws(program, results, None))


def find_batch_statistics(program: Program, image: Value, results: Collection[Value]) -> list[Occurrence]:
    """Return the operations that make one number of several images, and whose numbers reach `results`.

    They are batch normalisations in training, and sums and means over an open first axis. A loop may run over the
    images, so those inside of one are left out. Found is what lies on a way of floats from the image to a result.
    """
    return list(_statistics(program, {image}, results, None))


def _reaching(program: Program, results: Iterable[Value], *, only_floats: bool = False) -> set[Value]:
    """Return the values whose numbers, and not only their shapes, reach any of `results`, those included."""
    found = set(results)
    for step in reversed(program.steps):
        if step.type not in SHAPES and any(value in found for value in step.outputs):
            found.update(value for value in step.inputs if not only_floats or _is_float(value))
    return found


def _is_float(value: Value) -> bool:
    # Variants are the lists that a loop collects its results in.
    return bool(value.dtype.is_floating or value.dtype == tf.variant)


def _draws(program: Program, results: Collection[Value], outer: Step | None) -> Iterator[Occurrence]:
    """Yield the random operations in a program, and in those inside it, whose numbers reach `results`."""
    reaching = _reaching(program, results)
    for step in program.steps:
        if reaching.isdisjoint(step.outputs):
            continue
        if step.type in DRAWS and not _repeats(step):
            yield Occurrence(step, outer or step)
        for inner, wanted in _inside(step, reaching):
            yield from _draws(inner, wanted, outer or step)


def _repeats(step: Step | None) -> bool:
    """Return whether a step gives the same in every run: it follows from constants, and keeps no state."""
    if step is None or step.programs or step.operation.op_def.is_stateful:
        return False
    return all(_repeats(value.step) for value in step.inputs)


def _statistics(
    program: Program, sources: Collection[Value], results: Collection[Value], outer: Step | None
) -> Iterator[Occurrence]:
    """Yield the operations over several images between `sources` and `results`, in inner programs, too."""
    # A decision by them (a condition) is left alone: it is not a number that a score is made of.
    reached, reaching = program.reached_by(sources), _reaching(program, results, only_floats=True)
    for step in program.steps:
        if reached.isdisjoint(step.inputs) or reaching.isdisjoint(step.outputs) or step.type in LOOPS:
            continue
        if _is_over_images(step):
            yield Occurrence(step, outer or step)
        # A program that runs on each image by itself sees no other image.
        for inner, wanted in () if isinstance(step, EachImage) else _inside(step, reaching):
            # The first input of a condition chooses a branch, and is not given to it.
            given = step.inputs[len(step.inputs) - len(inner.inputs) :]
            inputs = [value for value, each in zip(inner.inputs, given, strict=True) if each in reached]
            yield from _statistics(inner, inputs, wanted, outer or step)


def _is_over_images(step: Step) -> bool:
    """Return whether a step takes moments over an open first axis, which has the images.

    tf_keras normalises a layer or a group by a batch normalisation in training of just one batch.
    """
    rank = step.inputs[0].shape.rank
    if not rank or step.inputs[0].shape[0] is not None:
        return False
    if step.type in NORMALISATIONS:
        return bool(step.operation.get_attr("is_training"))
    if step.type not in REDUCTIONS or step.inputs[1].step is None:
        return False
    axes = tf.get_static_value(step.inputs[1].step.operation.outputs[0])
    return axes is not None and any(axis % rank == 0 for axis in axes.ravel())


def _inside(step: Step, reaching: Collection[Value]) -> list[tuple[Program, list[Value]]]:
    """Return the programs in a step, each with those of its outputs that the values `reaching` the results need.

    Of a loop the condition counts whole, since how often it runs is in every result; of its body, what is needed in any
    iteration. Of a condition the branches that may run count.
    """
    places = {place for place, value in enumerate(step.outputs) if value in reaching}
    if step.type in LOOPS:
        condition, body = step.programs
        places |= _places(condition, condition.outputs)
        while more := _places(body, [body.outputs[place] for place in places]) - places:
            places |= more
        return [(condition, condition.outputs), (body, [body.outputs[place] for place in places])]
    programs: Iterable[Program] = step.programs
    if step.type in CONDITIONS or step.type in CASES:
        programs = _chosen(step)
    return [(program, [program.outputs[place] for place in places]) for program in programs]


def _places(program: Program, results: Collection[Value]) -> set[int]:
    """Return which inputs of a program reach its `results`."""
    reaching = _reaching(program, results)
    return {place for place, value in enumerate(program.inputs) if value in reaching}


def _chosen(step: Step) -> Iterable[Program]:
    """Return the branches of a condition that may run: only one if the program itself says which."""
    maker = step.inputs[0].step
    while maker is not None and maker.type in ("PlaceholderWithDefault", "Identity"):
        maker = maker.inputs[0].step
    which = None if maker is None else tf.get_static_value(maker.operation.outputs[0])
    return step.programs if which is None else [step.branch(which)]
