"""The layers of a network: its feature maps, and tokens as maps, found by name.

A map is listed once, under the innermost layer whose result it is. A name may be a path, or the end of one that no
other layer shares (`block5_conv3`, `vgg16/block5_conv3`), with or without the numbers of calls; an unknown one raises
with the close ones. What Keras 2 named after an operation, `tf.reshape_11`, stands behind the path of the nearest layer
that someone named. Where a map lies on the image is looked up when it is asked for, and kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

import tensorflow as tf

from tfviz.errors import UnknownLayerError, suggestion
from tfviz.network.geometry import CHANNELS_LAST, OPEN_SIZE, Maps, Placement
from tfviz.network.layers.arrangement import Arrangement, TokensToMap, transposition
from tfviz.network.layers.default_layer import Evidence, find_default
from tfviz.network.layers.feature_map import SAME_MAP, FeatureMap, Shape
from tfviz.network.layers.scopes import Scopes
from tfviz.network.layers.tokens import Tokens
from tfviz.network.program import Boundary, Program, Step, Value

UNLESS = "unless trace(model, tokens_to_map=...) says how its tokens become one"
# The start of the name that Keras 2 gives an operation between layers.
OF_AN_OPERATION = re.compile(r"tf\.")


class Layers:
    """The layers of a program in the order in which they run.

    `listed` has one layer a map. Containers, and operations inside a layer (`block1_conv1/BiasAdd`), are found by name
    too but not listed. evidence: what flows from the image through them to the score. maps: the values that are maps.

    scored: the values that the score is made of. variables: the names of the variables that the program reads, from
    which the scopes of layers are told. tokens_to_map: the user's function, if there is one; raises `TfvizError` if it
    takes no sequence of the program.
    """

    def __init__(
        self,
        program: Program,
        image: Value,
        scored: Collection[Value],
        variables: dict[Value, str],
        tokens_to_map: TokensToMap | None = None,
    ) -> None:
        self._features = program.depending_on([image])
        self._scopes = Scopes(program, self._features, variables)
        self.evidence = Evidence(program, image, scored)
        self._containers = {path.rpartition("/")[0] for path in self._scopes.paths.values()}
        self.listed: list[FeatureMap] = []
        self._unlisted: list[FeatureMap] = []
        self._without_map: list[FeatureMap] = []
        self._placements: dict[Value, Placement | None] = {}
        self.maps = Maps(program, image)
        self._tokens = Tokens(program, image, self.maps.values, tokens_to_map)
        for step in program.steps:
            for value in step.outputs:
                if value in self._features and not isinstance(step, Boundary):
                    self._add(step, value)
        self._names = short_names([layer.path for layer in self.listed])
        self._default = find_default(
            self.evidence, {layer.value: layer for layer in self.listed}, self.maps, self._tokens
        )

    @property
    def default(self) -> FeatureMap | None:
        """The layer that is looked at when none is named, None if there is none."""
        return self._default.layer

    @property
    def about_default(self) -> list[str]:
        """Warnings about the default layer, for when it is looked at because none was named."""
        default, messages = self._default, list[str]()
        if default.layer is None:
            return []
        name = f"the default layer is {self.name(default.layer)!r}"
        if default.other_ends:
            ends = ", ".join(repr(self.name(each)) for each in default.other_ends)
            all_flows = "the deepest that all evidence flows through; some of it"
            part = all_flows if default.has_all else "which has only part of the evidence; some of the rest"
            messages.append(f"{name}, {part} ends in {ends}")
        elif not default.has_all:
            messages.append(f"{name}, which has only part of the evidence; the rest bypasses every layer")
        if default.passed is not None:
            size = " x ".join(map(str, self.maps.size(default.passed)))
            messages.append(f"{name}, since the map after it has only {size} places")
        if default.is_before_attention:
            messages.append(f"{name}, before an attention whose tokens are not a layer, {UNLESS}")
        return [f"{each}; choose another with layer= (--layer)" for each in messages]

    def shapes(self) -> dict[str, Shape]:
        """Return the shape (h, w, c) of every listed layer by its name."""
        return {self.name(layer): layer.shape for layer in self.listed}

    def name(self, layer: FeatureMap) -> str:
        """Return the shortest end of the layer's path that no other layer shares."""
        return self._names.get(layer.path, layer.path)

    def find(self, name: str | None) -> FeatureMap:
        """Return the layer with that name, path or end of a path; the default layer for None.

        Listed layers come before others. Raises `UnknownLayerError` if there is none, if several have the name, or if
        what has it is not a map.
        """
        if name is None:
            if self._default.layer is None:
                raise UnknownLayerError(f"this network has no layer with a map before its head; {self._existing('')}")
            return self._default.layer
        if not isinstance(name, str):
            raise UnknownLayerError(f"layer is {name!r}, expected the name of one layer; {self._existing('')}")
        for layers in (self.listed, self._unlisted):
            found = _matching(layers, name)
            if len(found) > 1:
                names = ", ".join(repr(self.name(layer)) for layer in found)
                raise UnknownLayerError(f"{name!r} names {len(found)} layers; say which: {names}")
            if found:
                return found[0]
        if flat := _matching(self._without_map, name):
            raise UnknownLayerError(
                f"{name!r} has no spatial map{self._reason(flat[-1].value)}; {self._existing(name)}"
            )
        raise UnknownLayerError(f"no layer {name!r} with a spatial map; {self._existing(name)}")

    def arrangement_of(self, value: Value) -> Arrangement | None:
        """Return how a value becomes a map (N, h, w, c), None if it is one already or cannot become one."""
        if value in self.maps and self.maps.axes(value) != CHANNELS_LAST:
            return transposition(self.maps.axes(value), value.shape)
        return self._tokens.arrangements.get(value)

    def map_of(self, value: Value, tensor: tf.Tensor) -> tf.Tensor:
        """Return a tensor with the axes of a map of the program, such as its gradient, as a map (N, h, w, c)."""
        arrangement = self.arrangement_of(value)
        return tensor if arrangement is None else arrangement.to_map(tensor)

    def placement_of(self, value: Value) -> Placement | None:
        """Return where on the image the cells of a map, or of tokens, lie; None if that could not be followed."""
        if value not in self._placements:
            tokens = self._tokens.arrangements.get(value)
            self._placements[value] = self.maps.placement(value, tokens.to_map if tokens is not None else None)
        return self._placements[value]

    def unplaced_because(self, value: Value) -> str:
        """Return in words why a map has no placement."""
        lost = self.maps.lost_at(value)
        if lost is None:
            return OPEN_SIZE if self.maps.is_open else "their cells do not lie at equal distances"
        inside = self.path_around(lost) or lost.name
        return f"the image's geometry cannot be followed through {inside!r} ({lost.type})"

    def is_scored(self, layer: FeatureMap) -> bool:
        """Return whether the score depends on a layer."""
        return self.evidence.has(layer.value)

    def path_around(self, step: Step) -> str:
        """Return the path of the innermost layer that a step of features stands in, empty for none."""
        return "".join(self._scopes.around(step)[-1:])

    def _add(self, step: Step, value: Value) -> None:
        """Note a value under the names of all layers that give it, of which the innermost is listed if it is a map."""
        inside = self._scopes.around(step)
        arrangement = self.arrangement_of(value)
        layers = [
            FeatureMap(self._telling(path, step), value, arrangement) for path in reversed(self._scopes.giving(value))
        ]
        operation = FeatureMap("/".join([*inside[-1:], step.name.rpartition("/")[2]]), value, arrangement)
        if value not in self.maps and arrangement is None:
            self._without_map += [*layers, operation]
            return
        # An operation directly in a container, such as the ReLU of a residual block, is a layer of its own.
        own = not inside or inside[-1] in self._containers
        candidates = [*layers, operation]
        count = 1 if layers or (own and step.type not in SAME_MAP) else 0
        self.listed += candidates[:count]
        self._unlisted += candidates[count:]

    def _telling(self, path: str, step: Step) -> str:
        """Return the path of a layer whose result a step makes: of one that Keras named after an operation, such as
        `tf.reshape_11`, behind that of the nearest layer that it is made of and that someone named.
        """
        last = path.rpartition("/")[2]
        if not OF_AN_OPERATION.match(last):
            return path
        origin: Step | None = step
        while origin is not None:
            made_of = [value for value in origin.inputs if value in self._features and value.step is not None]
            origin = max(made_of, key=self.evidence.order.__getitem__).step if made_of else None
            around = self.path_around(origin) if origin is not None else ""
            if around and not OF_AN_OPERATION.match(around.rpartition("/")[2]):
                return f"{around}/{last}"
        return path

    def _existing(self, name: str) -> str:
        """Return a hint for an error: the layers with names like this one, or else the last of all."""
        names = list(self.shapes())
        if question := suggestion(name, names, otherwise=""):
            return f"{question} It has {len(names)} layers"
        last = ", ".join(map(repr, names[-5:])) or "none"
        return f"its last layers of {len(names)} are {last}" if len(names) > 5 else f"its layers are {last}"

    def _reason(self, value: Value) -> str:
        """Return the shape of a value that is not a map, and how tokens could become one."""
        shape = f" (its shape is {tuple(value.shape[1:])})" if value.shape.rank is not None else ""
        return shape + f", {UNLESS}" * self._tokens.may_be_tokens(value)


def _matching(layers: list[FeatureMap], name: str) -> list[FeatureMap]:
    """Return the layers of that path; else those whose path ends so; else the same without the numbers of calls."""
    named = [(layer, layer.path) for layer in layers]
    unnumbered = [(layer, re.sub(r":\d+", "", layer.path)) for layer in layers]
    tries = (
        [layer for layer, path in paths if (path == name if exact else path.endswith("/" + name))]
        for paths in (named, unnumbered)
        for exact in (True, False)
    )
    return next(filter(None, tries), [])


def short_names(paths: list[str]) -> dict[str, str]:
    """Return for each path its shortest end that no other path has, and that tells more than an operation.

    Of `left/conv`, `right/conv` and `right/relu` these are `left/conv`, `right/conv` and `relu`.
    """
    ends = Counter(end for path in set(paths) for end in _ends(path))
    return {
        path: next((end for end in _ends(path) if ends[end] == 1 and not OF_AN_OPERATION.match(end)), path)
        for path in paths
    }


def _ends(path: str) -> list[str]:
    """Return the ends of a path, the shortest first."""
    parts = path.split("/")
    return ["/".join(parts[-length:]) for length in range(1, len(parts) + 1)]
