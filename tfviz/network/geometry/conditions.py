"""Replaces conditions that the size of an image decides by the branch that is taken.

A layer that crops or enlarges asks at run time which of the two it has to do. Places are not followed into conditions,
so that such a layer would end them; once the image's size is known, so is the branch. Its steps are put in the place of
the condition, under its name, and give the very values that the condition gave: nothing outside has to change.

A condition stays if it depends on the numbers of an image or on the batch. It stays, too, if its branch hands an input
straight on or gives one value twice, since then a step is missing that could make each of the condition's values.
"""

from __future__ import annotations

from tfviz.network.geometry.constants import Constants
from tfviz.network.program import CASES, CONDITIONS, Program, Step, Value


def decided(program: Program, image: Value) -> Program:
    """Return a program without the conditions that are the same for every image of its size.

    The values and steps of the given program are changed in place, so those that are held elsewhere stay valid. A
    program in which nothing can be decided is returned as it is.
    """
    steps: list[Step] = []
    constants = Constants(program, [image])
    for step in program.steps:
        branch = _taken(step, constants)
        steps += [step] if branch is None else _inlined(step, branch)
    if steps == program.steps:
        return program
    # A branch may hold conditions in turn.
    return decided(Program(program.inputs, steps, program.outputs, program.calls).giving(program.outputs), image)


def _taken(step: Step, constants: Constants) -> Program | None:
    """Return the branch of a condition that is always taken, None if there is none or it cannot be inlined."""
    if step.type not in CONDITIONS and step.type not in CASES:
        return None
    chosen = constants.find(step.inputs[0])
    if chosen is None or step.inputs[0] in constants.of_image:
        return None
    branch = step.branch(chosen)
    makes_all = all(value.step is not None for value in branch.outputs)
    return branch if makes_all and len(set(branch.outputs)) == len(branch.outputs) else None


def _inlined(step: Step, branch: Program) -> list[Step]:
    """Return the steps of a branch, between the values that the condition takes and gives.

    Those values stay the condition's own. The branch's steps now make them, and their shapes are what both know of
    them.
    """
    outer = dict(zip(branch.inputs, step.inputs[1:], strict=True))
    outer |= dict(zip(branch.outputs, step.outputs, strict=True))
    for inner in branch.steps:
        inner.name = f"{step.name}/{inner.name}"
        inner.inputs = [outer.get(value, value) for value in inner.inputs]
        inner.outputs = [outer.get(value, value) for value in inner.outputs]
    for before, value in zip(branch.outputs, step.outputs, strict=True):
        value.step, value.shape = before.step, value.shape.merge_with(before.shape)
    return branch.steps
