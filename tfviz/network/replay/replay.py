"""Runs a program again, step by step, so that every value in it lies on the caller's tape.

Each operation is called by its raw name inside the caller's own function; conditions, loops and calls run their inner
programs the same way. So every intermediate tensor is known by its `Value`, may be watched or changed, and an operation
may be given another backward pass, in any model and without touching it. Measured on the usual backbones, an attention
network, a subclassed model and SavedModels: outputs are bit-equal to the direct call, gradients equal to its tape
(relative error 0 to 1e-6), and a replay runs as fast.

Inside conditions, loops and calls only rules reach: values there cannot be watched or changed, and take no shortcuts.
Control dependencies of the trace are not copied, since a `tf.function` orders operations with a state by itself, and an
assertion that gives no value is not among the steps. Gradients that a model defines for a group of its operations are
not followed; `diagnosis` compares them and warns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import tensorflow as tf

from tfviz.network.program import (
    CALLS,
    CASES,
    CONDITIONS,
    LOOPS,
    EachImage,
    Program,
    Step,
    Tensors,
    Value,
    run_operation,
)
from tfviz.network.replay.rules import Rule
from tfviz.network.replay.shortcuts import NONE, Shortcuts
from tfviz.network.replay.straight_through import EXACT, Straightened, StraightThrough

Change = Callable[[tf.Tensor], tf.Tensor]
NOTHING: Mapping[Value, Change] = {}


class Replayed(dict[Value, tf.Tensor]):
    """The tensor of every value; those that a shortcut skipped are computed when they are asked for.

    Such a value has the right numbers, but the outputs have no gradient with respect to it: they are made without it.
    """

    def __missing__(self, value: Value) -> tf.Tensor:
        """Compute a value by its operation; raise `KeyError` for an argument that was not given."""
        if value.step is None:
            raise KeyError(value)
        results = run_operation(value.step, [self[each] for each in value.step.inputs])
        self.update(zip(value.step.outputs, results, strict=True))
        return self[value]


def replay(
    program: Program,
    arguments: Mapping[Value, tf.Tensor],
    *,
    rule: Rule | None = None,
    tape: tf.GradientTape | None = None,
    watched: Collection[Value] = (),
    changed: Mapping[Value, Change] = NOTHING,
    shortcuts: Shortcuts = NONE,
    straight_through: StraightThrough = EXACT,
) -> Replayed:
    """Run `program` and return the tensor of every value.

    Operations that `rule` names get its backward pass. The `tape` watches each value of `watched` as it appears, so
    that what lies before it is not differentiated. A value in `changed` is replaced by its function's result, which all
    later steps read; it is watched after the replacement. `shortcuts` and `straight_through` are those of this program.

    arguments: a tensor for each input of the program, those captured (its weights) included; types may be others than
    in the trace. Raises what the operations raise; if shapes do not fit, that is when the caller is traced.
    """
    tensors = Replayed(arguments)
    straightened = Straightened(straight_through)
    actions = {**shortcuts.around({*watched, *changed}), **(rule.actions if rule is not None else {})}

    def watch(values: Sequence[Value]) -> None:
        for value in values:
            if value in changed:
                tensors[value] = changed[value](tensors[value])
            if tape is not None and value in watched:
                tape.watch(tensors[value])

    watch(program.inputs)
    for step in program.steps:
        if action := actions.get(step):
            tensors.update(action(tensors))
        else:
            inputs = step.taking([tensors[value] for value in step.inputs])
            passes = straight_through and not straight_through.isdisjoint(step.outputs)
            results = straightened.run(step, inputs) if passes else run_step(step, inputs, rule)
            for value, result in zip(step.outputs, results, strict=True):
                # A shape that the model's code set by `set_shape` does not follow from any operation.
                result.set_shape(value.shape)
                tensors[value] = result
        watch([value for value in step.outputs if value in tensors])
    return tensors


def run_step(step: Step, inputs: Tensors, rule: Rule | None) -> Tensors:
    """Run one step with the programs in it; operations that `rule` names get its backward pass.

    Returns a tensor for each of its outputs. A call that XLA must compile is compiled again, inside the caller's own
    function: without XLA the grouped gradient of a depthwise convolution in it has no kernel on CPUs. A rule is applied
    to the first input and the first result of an operation alone, which is all that ReLUs have.
    """
    if step.type in CONDITIONS:
        return _run_condition(step, inputs, rule)
    if step.type in CASES:
        index, *arguments = inputs
        cases = [lambda program=program: _outputs(program, arguments, rule) for program in step.programs]
        return list(tf.switch_case(index, cases))
    if step.type in LOOPS:
        return _run_loop(step, inputs, rule)
    if isinstance(step, EachImage):
        return _run_each(step, inputs, rule)
    if step.type in CALLS:
        # The only calls left in a program are those that XLA must compile.
        compiled = tf.function(
            lambda *tensors: _outputs(step.programs[0], tensors, rule), jit_compile=True, autograph=False
        )
        return list(compiled(*inputs))

    def operation(*tensors: tf.Tensor) -> Tensors:
        return run_operation(step, tensors)

    if rule is not None and step.type in rule.operations:
        return [rule.apply(lambda tensor: operation(tensor)[0], inputs[0])]
    return operation(*inputs)


def _outputs(program: Program, arguments: Sequence[tf.Tensor], rule: Rule | None) -> Tensors:
    """Run an inner program; return its outputs in the types of the trace, as conditions and loops require."""
    tensors = replay(program, dict(zip(program.inputs, arguments, strict=True)), rule=rule)
    return [value.as_traced(tensors[value]) for value in program.outputs]


def _run_condition(step: Step, inputs: Tensors, rule: Rule | None) -> Tensors:
    """Run a condition as a `tf.cond`, whose gradient is that of the branch that is taken.

    The condition itself may be a number, as `If` allows: true unless it is 0.
    """
    condition, *arguments = inputs
    branches = [lambda program=program: _outputs(program, arguments, rule) for program in step.programs]
    return list(tf.cond(tf.cast(condition, tf.bool), *branches))


def _run_loop(step: Step, inputs: Tensors, rule: Rule | None) -> Tensors:
    """Run a loop; its values may change their shapes as far as those of the traced loop do.

    TensorFlow makes the gradient of a loop when it is first asked for, and keeps it: see `passes.forward`, which gives
    each rule a replay of its own for that reason.
    """
    condition, body = step.programs
    return list(
        tf.while_loop(
            lambda *tensors: _outputs(condition, tensors, rule)[0],
            lambda *tensors: _outputs(body, tensors, rule),
            inputs,
            shape_invariants=[value.shape for value in step.outputs],
        )
    )


def _run_each(step: EachImage, inputs: Tensors, rule: Rule | None) -> Tensors:
    """Run the program of a step on each image: split the rows by image, and join the results again.

    A value with several rows for each image, such as its windows, keeps them together: (N · r, ...) is (N, r, ...) for
    `tf.map_fn`, whose loop over the images is slower than a batch. So this is done for those steps alone that do not do
    the same to a batch as to its images, see `rewriting.fixed_batch`.
    """
    images, *given = inputs
    count = tf.shape(images)[:1]

    def rows(tensor: tf.Tensor) -> tf.Tensor:
        """Return rows that belong to one image after the other with an axis of images in front."""
        shape = tf.shape(tensor)
        return tf.reshape(tensor, tf.concat([count, shape[:1] // count, shape[1:]], axis=0))

    def alone(own: Tensors) -> Tensors:
        remaining = iter(own)
        tensors = [next(remaining) if is_split else each for is_split, each in zip(step.split, given, strict=True)]
        return _outputs(step.programs[0], tensors, rule)

    split = [rows(each) for is_split, each in zip(step.split, given, strict=True) if is_split]
    found = tf.map_fn(alone, split, fn_output_signature=list(step.alone))
    return [tf.reshape(each, tf.concat([[-1], tf.shape(each)[2:]], axis=0)) for each in found]
