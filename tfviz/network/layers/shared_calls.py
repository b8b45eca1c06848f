"""The calls of a layer whose scope is the same in each of them, told apart by what repeats in it.

tf_keras runs every call of a shared layer under the same scope, `conv/Conv2D` and then `conv/Conv2D_1`. The operations
of a second call are those of the first once more, on the same variables.

The numbers at the ends of the names do not tell the calls apart: they count operations of a type, and one call may have
several. So a scope's operations, as a list of kinds, are cut into the shortest part that repeats throughout. It is a
call of its own if it reads a variable again, or if other operations ran in between: a layer that adds twice in a row
within one call is not called twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from tfviz.network.program import Program, Step, Value

Around = dict[str, tuple[str, ...]]
Placed = list[tuple[int, Step]]
Key = tuple[str, frozenset[Value], tuple[str, ...]]


def calls_in(
    program: Program,
    steps: Sequence[Step],
    around: Mapping[str, Sequence[str]],
    variables: Collection[Value],
    once: Collection[str],
) -> Around:
    """Return the scopes around every step with the numbers of their call and those around it: `shared/conv:0:1`.

    steps: those that depend on the image, in their order. around: their scopes by the name of the step, outermost
    first. once: scopes that hold one call each.
    """
    reads = _variables_read(program, steps, variables)
    keys = {step: (step.type, reads[step], tuple(around[step.name])) for step in steps}
    numbering = _Numbering(around, keys, once)
    numbering.add("", list(enumerate(steps)))
    return numbering.found


class _Numbering:
    """The scopes that were `found` so far around every step, filled from the outermost to the innermost.

    keys: what kind of operation each step is: its type, the variables that it reads, and the scopes around it.
    """

    def __init__(self, around: Mapping[str, Sequence[str]], keys: dict[Step, Key], once: Collection[str]) -> None:
        self._around = around
        self._keys = keys
        self._once = once
        self.found: Around = dict.fromkeys(around, ())

    def add(self, outer: str, steps: Placed) -> None:
        """Number the calls of the scopes right inside the call `outer`, which holds the steps, and in each of them.

        Each step comes with its place among all steps, from which it is told what ran in between.
        """
        inside: defaultdict[str, Placed] = defaultdict(list)
        for place, step in steps:
            depth = len(self.found[step.name])
            if depth < len(self._around[step.name]):
                inside[self._around[step.name][depth]].append((place, step))
        for scope, held in inside.items():
            length = len(held) if scope in self._once else self._length_of_a_call(held)
            for start in range(0, len(held), length):
                call, number = held[start : start + length], f"{outer}:{start // length}"
                for _, step in call:
                    self.found[step.name] += (scope + number,)
                self.add(number, call)

    def _length_of_a_call(self, held: Placed) -> int:
        """Return how many steps the first call has: all of them, or as many as the others repeat."""
        kinds = [self._keys[step] for _, step in held]
        places = [place for place, _ in held]
        count = len(kinds)
        for length in range(1, count // 2 + 1):
            if count % length or kinds[length:] != kinds[:-length]:
                continue
            # One call may do the same thing twice; what reads a variable again, or comes back later, is another call.
            reads = any(step_reads for _, step_reads, _ in kinds[:length])
            apart = all(places[start] > places[start - 1] + 1 for start in range(length, count, length))
            if reads or apart:
                return length
        return count


def _variables_read(
    program: Program, steps: Sequence[Step], variables: Collection[Value]
) -> dict[Step, frozenset[Value]]:
    """Return the variables that reach each step without passing a step that depends on the image."""
    depending = {value for step in steps for value in step.outputs}
    reaching = {value: frozenset([value]) for value in variables}
    reads: dict[Step, frozenset[Value]] = {}
    for step in program.steps:
        reads[step] = frozenset[Value]().union(*(reaching.get(value, ()) for value in step.inputs))
        reaching.update((value, reads[step]) for value in step.outputs if value not in depending)
    return reads
