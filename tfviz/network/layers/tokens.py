"""Sequences of tokens (N, T, D) that stand for the patches of a map, as vision transformers work on them.

Which token is which patch follows from the program: a map that is reshaped to a sequence numbers its tokens, and from
there the numbers are followed through every operation. So a class token is known not to be a patch, in front or behind,
and attention weights, transposed tokens and windows are not taken for maps. A head that pools all tokens acts on them
itself; one that reads a class token was told of the patches by the last attention, see `last_evidence`.

Counting tokens and subtracting one would be simpler, and wrong for models with registers, a distillation token, or the
class token at the end. Windows, and tokens of which several patches were merged to one, are not maps by themselves: a
user who wants to look at them says how they are arranged (`tokens_to_map`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from math import prod

from tfviz.network.geometry import Carried, Flow, carry, flows_of, rows_per_image
from tfviz.network.layers.arrangement import Arrangement, Grid, TokensToMap, UserFunction
from tfviz.network.program import Program, Step, Value


class Tokens:
    """The values of a program that are sequences of tokens, and how each becomes a map.

    `given` is the user's own function from tokens to a map; it is asked before the program is. arrangements: by value,
    of those sequences in which every patch stands exactly once, or that the user's function takes.
    """

    def __init__(self, program: Program, image: Value, maps: set[Value], given: TokensToMap | None) -> None:
        self.arrangements: dict[Value, Arrangement] = {}
        self._maps = {image, *maps}
        self._flows = flows_of(program)
        self._rows = rows_per_image(self._flows, image)
        self._given = UserFunction(given) if given is not None else None
        self._grids: defaultdict[Value, dict[int, Grid]] = defaultdict(dict)
        self._carried: list[tuple[Step, Value, int, list[Carried]]] = []
        self._reshaped_maps: set[Value] = set()
        for flow in self._flows:
            self._follow(flow)
            for value in flow.step.outputs:
                self._arrange(value)
        if self._given is not None:
            self._given.check()

    def may_be_tokens(self, value: Value) -> bool:
        """Return whether a value is a float sequence (N, T, D) of the image's whose T is known and may be tokens.

        What has tokens along another axis is transposed, and along two the weights of an attention.
        """
        shape = value.shape
        is_sequence = shape.rank == 3 and shape[1:].is_fully_defined() and value.dtype.is_floating
        return is_sequence and value in self._rows and {1}.issuperset(self._grids.get(value, ()))

    @property
    def unfollowed(self) -> set[Value]:
        """The tokens that the user's function arranges and that the program tells nothing about."""
        return {value for value in self.arrangements if not self._grids.get(value)}

    def last_evidence(self, scored: Collection[Value], needed: set[Value], listed: Collection[Value]) -> Value | None:
        """Return the last `listed` tokens that all evidence of the patches comes through, None if there are none.

        A head that pools all tokens acts on them itself. One that reads a class token was told of the patches by the
        last attention: then these are the tokens that its queries, keys and values are made of.
        """
        acting, last = self._acting_patches(scored, needed)
        order = {flow.step: number for number, flow in enumerate(self._flows)}
        sources = set(acting[last]) if last is not None else set()
        unfit = self._reshaped_maps | (self._cut_apart() if len(sources) > 1 else set())
        while last is not None and sources:
            latest = max(sources, key=lambda value: order[value.step] if value.step is not None else -1)
            if len(sources) == 1 and latest in listed and latest not in unfit:
                return latest
            sources.remove(latest)
            sources |= acting[latest.step] if latest.step is not None else set()
        return None

    def _cut_apart(self) -> set[Value]:
        """Return the values that are only rearranged, such as queries, keys and values that one product makes.

        An attention is made of all of these together and not of one, though each looks like a sequence of tokens.
        """
        used = {value for flow in self._flows if not flow.is_rearrangement for value in flow.sources}
        return {value for flow in self._flows if flow.is_rearrangement for value in flow.sources} - used

    def _acting_patches(
        self, scored: Collection[Value], needed: set[Value]
    ) -> tuple[defaultdict[Step, set[Value]], Step | None]:
        """Return the values whose patches act on the score through each step, and the last step that mixes patches.

        Steps are looked at from the score back: a patch acts if a step mixes it into what the score needs, or hands it
        on to a patch that acts. A step that carries an axis nowhere mixes its places.
        """
        acting: defaultdict[Step, set[Value]] = defaultdict(set)
        patches = {(value, axis) for value in scored for axis in self._grids.get(value, ())}
        last: Step | None = None
        for step, value, axis, carried in reversed(self._carried):
            if any(output in needed and output.dtype.is_floating for output in step.outputs) and (
                not carried or any((each.value, each.axis) in patches for each in carried)
            ):
                patches.add((value, axis))
                acting[step].add(value)
                if not carried:
                    last = last or step
        return acting, last

    def _follow(self, flow: Flow) -> None:
        """Note the grids along the axes of the results of a flow."""
        for index, value in enumerate(flow.sources):
            for axis, grid in self._grids.get(value, {}).items():
                carried = carry(flow, index, axis)
                self._carried.append((flow.step, value, axis, carried))
                for each in carried:
                    moved = grid.moved(each.places)
                    if each.axis is not None and moved.patches:
                        axes = self._grids[each.value]
                        axes[each.axis] = moved.joined(axes.get(each.axis))
        first = self._made_of_a_map(flow)
        if first is not None:
            self._grids[flow.step.outputs[0]] = {1: first}
            self._reshaped_maps.add(flow.step.outputs[0])

    def _made_of_a_map(self, flow: Flow) -> Grid | None:
        """Return the grid of tokens that a map (N, h, w, c), or its patches (N, h, w, p, q, c), are reshaped to."""
        if flow.step.type != "Reshape":
            return None
        source, output = flow.sources[0], flow.step.outputs[0]
        is_whole = self._rows.get(source) == 1 and source.shape[1:].is_fully_defined()
        if is_whole and (source in self._maps or _are_patches(source)):
            height, width, *rest = source.shape[1:]
            if output.shape.rank == 3 and tuple(output.shape[1:]) == (height * width, prod(rest)):
                return Grid(height, width, tuple(range(height * width)))
        return None

    def _arrange(self, value: Value) -> None:
        """Keep a value that is a sequence of tokens."""
        if not self.may_be_tokens(value):
            return
        rows, sizes, grid = self._rows[value], value.shape[1:], self._grids[value].get(1)
        arrangement = self._given.arrangement(rows, *sizes) if self._given is not None else None
        if arrangement is not None and self._given is not None and grid is None:
            known = self._given.grid(rows, *sizes)
            self._grids[value] = {} if known is None else {1: known}
        if arrangement is None and grid is not None:
            arrangement = grid.arrangement(sizes[1])
        if arrangement is not None:
            self.arrangements[value] = arrangement


def _are_patches(value: Value) -> bool:
    """Return whether a value is a map cut to (N, h, p, w, q, c) whose patches were put behind the grid."""
    if value.step is None or value.step.type != "Transpose" or value.shape.rank != 6:
        return False
    order = value.step.inputs[1].constant()
    return order is not None and list(order[:3]) == [0, 1, 3]
