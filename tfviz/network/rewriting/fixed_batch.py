"""Opens the batch of a network that takes batches of one size, such as a frozen graph for one image.

An operation does the same to a batch of any size, unless a constant says how many images there are. Which constants do
is not asked: each operation is tried on two batches of the network's size, alone and together, and if that is not the
same it is run on each image by itself, with all that follows up to where the results can be joined. So N images give
what N runs give. A network for several images that mixes them is refused.

Reading the constants would not do: the same 1 may be a batch, a stride or a count of boxes. Trials take as long as a
few runs of the network, once, and only for such models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from tfviz.errors import UnsupportedModelError, one_line
from tfviz.network.program import COUNTING, HANDLES, EachImage, Inputs, Program, Step, TensorsByValue, Value
from tfviz.network.rewriting.trial import are_equal, forget_sizes, random_input, results_of

# Operations that may only give the same numbers, in the same order, another shape.
SHAPING = frozenset({"ExpandDims", "Reshape", "Squeeze", "StridedSlice"})
SIDES = (64, 224)  # pixels of the images that are tried, if the network leaves its size open


class _CountedError(Exception):
    """The number of images is needed in a part that runs on each image by itself."""


def open_batch(inputs: Inputs, outputs: Iterable[Value], captured: Mapping[Value, tf.Tensor]) -> Inputs:
    """Return the inputs of a network, with its program, for any number of images.

    Those of a fixed batch change the shapes of its values. Inputs beside the image with as many entries then have one
    for each image. Raises `UnsupportedModelError` if a batch is of several images that the network mixes, or it
    cannot be tried. captured: the tensors of the program's other arguments, its weights. At first, what follows from
    the number of images is computed for both batches together; if a part that runs on each image needs such a value, it
    is tried again without.
    """
    records = inputs.decoding.records if inputs.decoding else inputs.image
    gives_one = any(value.shape.rank and value.shape[0] == 1 for value in outputs)
    if not gives_one and inputs.image.shape[0] is None and records.shape[0] is None:
        return inputs
    size = inputs.image.shape[0] or 1
    sources = list(_sources(inputs, size))
    given = dict(captured) | {each: each.zeros() for each in inputs.extra_inputs.values() if each not in sources}
    reasons = []
    for side in SIDES:
        for counting in (True, False):
            try:
                program = _Opening(inputs.program, sources, given, size, side, counting=counting).opened()
                return replace(inputs, program=program)
            except _CountedError:
                continue
            except (tf.errors.OpError, ValueError, UnsupportedModelError) as error:
                reasons.append(one_line(error))
                break
    raise UnsupportedModelError(
        f"the model takes batches of exactly {size} images, expected any number: export it with an open batch size "
        f"(None); it cannot be opened because {reasons[0]}"
    )


def _sources(inputs: Inputs, size: int) -> Iterator[Value]:
    """Yield the inputs that hold something for each image of a batch of that size."""
    yield inputs.image
    yield from (each for each in inputs.extra_inputs.values() if each.shape.rank and each.shape[0] == size)
    if inputs.decoding is not None and inputs.decoding.counted:
        yield inputs.decoding.records


class _Opening:
    """A program on its way to any number of images.

    alone: what its values are for two batches, each by itself; together: for both at once. counted: the values that
    follow from how many images there are. With `counting`, these are taken as they are for both batches.
    """

    def __init__(
        self,
        program: Program,
        sources: Sequence[Value],
        given: TensorsByValue,
        size: int,
        side: int,
        *,
        counting: bool,
    ) -> None:
        self._program, self._image, self._size, self._counting = program, sources[0], size, counting
        self._depending = program.depending_on(sources)
        generator = np.random.default_rng(0)
        own = [{each: random_input(each, size, side, generator) for each in sources} for _ in range(2)]
        self._alone = [{**given, **each} for each in own]
        self._together = {**given, **{value: tf.concat([each[value] for each in own], 0) for value in sources}}
        self._counted: set[Value] = set()
        self._last_use = {value: place for place, step in enumerate(program.steps) for value in step.inputs}
        self._last_use |= dict.fromkeys(program.outputs, len(program.steps))
        self._steps: list[Step] = []

    def opened(self) -> Program:
        """Return the program, and change the shapes of its values."""
        place = 0
        while place < len(self._program.steps):
            place = self._take(place)
        for value in self._depending & self._together.keys():
            value.shape = self._open_shape(value)
        for step in self._steps:
            for value in step.outputs:
                value.step = step
        return replace(self._program, steps=self._steps)

    def _take(self, place: int) -> int:
        """Take the step at a place, or as many as must be taken together; return the place of the next."""
        step = self._program.steps[place]
        if self._depending.isdisjoint(step.outputs):
            self._steps.append(self._of_all(step))
            return place + 1
        self._run_alone(step)
        reached = self._depending.intersection(step.inputs)
        if self._counting and (step.type in COUNTING or reached <= self._counted):
            self._together.update(results_of(step, self._together))
            self._counted.update(step.outputs)
            self._steps.append(step)
        elif steps := self._same_together(step) or self._reshaping(step):
            self._join(step.outputs)
            self._steps += steps
        else:
            return self._take_on_each(place)
        return place + 1

    def _of_all(self, step: Step) -> Step:
        """Run a step that no image reaches."""
        found = results_of(step, self._together)
        for tensors in (self._together, *self._alone):
            tensors.update(found)
        return step

    def _run_alone(self, step: Step) -> None:
        for program in step.programs:
            forget_sizes(program, self._size)
        for tensors in self._alone:
            tensors.update(results_of(step, tensors))

    def _can_join(self, value: Value) -> bool:
        """Return whether what the batches have of a value can stand one after the other."""
        first, second = (tensors[value] for tensors in self._alone)
        return first.dtype not in HANDLES and first.shape.rank > 0 and first.shape == second.shape

    def _joined(self, value: Value) -> tf.Tensor:
        return tf.concat([tensors[value] for tensors in self._alone], axis=0)

    def _join(self, values: Iterable[Value]) -> None:
        self._together.update((value, self._joined(value)) for value in self._used(values))

    def _used(self, values: Iterable[Value]) -> list[Value]:
        return [value for value in values if value in self._last_use]

    def _same_together(self, step: Step) -> list[Step]:
        """Return the step if it makes of both batches together what it makes of each alone."""
        used = self._used(step.outputs)
        if not all(map(self._can_join, used)):
            return []
        try:
            found = results_of(step, self._together)
        except (tf.errors.OpError, ValueError, TypeError):
            return []
        return [step] if all(are_equal(found[value], self._joined(value)) for value in used) else []

    def _reshaping(self, step: Step) -> list[Step]:
        """Return the steps that do the same to any number of images, if it only gives them another shape."""
        if step.type not in SHAPING:
            return []
        source, result = step.inputs[0], step.outputs[0]
        if not self._can_join(result) or not result.shape[1:].is_fully_defined():
            return []
        before, after = (np.ravel(self._alone[0][value].numpy()) for value in (source, result))
        if not np.array_equal(before, after):
            return []
        with tf.Graph().as_default():
            placeholder = tf.raw_ops.Placeholder(dtype=source.dtype)
            operation = tf.reshape(placeholder, [-1, *result.shape[1:]]).op
        shape = Step(operation.inputs[1].op, f"{step.name}/shape", [])
        shape.outputs = [Value(operation.inputs[1].shape, operation.inputs[1].dtype, shape)]
        return [shape, replace(step, operation=operation, inputs=[source, *shape.outputs])]

    def _take_on_each(self, place: int) -> int:
        """Take the step at a place on each image by itself, with all up to the next whose results can be joined."""
        inside: list[Step] = []
        reach = place
        for step in self._program.steps[place:]:
            if self._depending.isdisjoint(step.outputs):
                self._steps.append(self._of_all(step))
            else:
                self._run_alone(step)
                inside.append(step)
                loose = [value for value in self._used(step.outputs) if not self._can_join(value)]
                reach = max([reach, *(self._last_use[value] for value in loose)])
            if place == reach:
                break
            place += 1
        if self._size != 1 or reach == len(self._program.steps):
            raise UnsupportedModelError(f"{inside[0].name} does not work on each image by itself")
        self._steps.append(self._as_one(inside, place))
        return place + 1

    def _as_one(self, inside: list[Step], place: int) -> EachImage:
        """Return steps, the last at a place, as one that runs them on each image."""
        made = [value for step in inside for value in step.outputs]
        inputs = list(dict.fromkeys(value for step in inside for value in step.inputs if value not in made))
        if not self._counted.isdisjoint(inputs):
            raise _CountedError
        outputs = [value for value in self._used(made) if self._last_use[value] > place]
        self._join(outputs)
        return EachImage(
            inside[-1].operation,
            inside[-1].name,
            [self._image, *inputs],
            outputs,
            (Program(inputs, inside, outputs),),
            alone=tuple(tf.TensorSpec(value.shape, value.dtype) for value in outputs),
            split=tuple(value in self._depending for value in inputs),
        )

    def _open_shape(self, value: Value) -> tf.TensorShape:
        """Return the shape of a value for any number of images, open where one batch and two differ in size."""
        one, two = self._alone[0][value].shape, self._together[value].shape
        if value.shape.rank is None or one.rank != two.rank:
            return tf.TensorShape(None)
        # A value with several rows of each image is not a map of it, even with the axes of one.
        if value.shape.rank > 2 and value not in self._counted and one[0] != self._size:
            return tf.TensorShape(None)
        sizes = zip(value.shape, one, two, strict=True)
        return tf.TensorShape([size if before == after else None for size, before, after in sizes])
