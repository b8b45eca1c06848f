"""The page that a notebook shows of a network: what goes in, what comes out, its layers, and what is doubtful.

It reads what the network is made of and runs nothing but what finds the range of its images. That is in `diagnosis`,
which knows networks, so `trace` hands it over as it does with warnings and options.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tfviz.data_format import DataFormat
from tfviz.markup import SENTENCE, Html, changed_options, element, escaped, lines_of, page_of, table_of, warnings_of
from tfviz.network.heads import Head
from tfviz.network.layers import Layers, Shape
from tfviz.network.opening import TraceOptions
from tfviz.network.program import Inputs, Value
from tfviz.network.traced.reopening import Reopened

LAYERS_BYTES = 200_000
UNFOLDED = 12  # layers that are shown without a click


class Displayed(Reopened):
    """A network that a notebook shows.

    options: how it was opened. about_range: finds in words what numbers its images are made of, None if nothing tells.
    """

    name: str
    inputs: Inputs
    image: Value
    head: Head
    layer_index: Layers
    warnings: tuple[str, ...] = ()
    options: TraceOptions
    about_range: Callable[[Any], object | None]

    def _repr_html_(self) -> str:
        """Return the page that a notebook shows by this name: HTML without scripts."""
        facts = [
            (escaped(name), lines_of([escaped(each, SENTENCE) for each in lines])) for name, lines in self._facts()
        ]
        title = element("div", element("b", escaped("TracedNetwork ")), escaped(self.name))
        return page_of(title, table_of(facts), *warnings_of(self.warnings), _layers_part(self.layer_index))

    def _facts(self) -> Iterator[tuple[str, list[str]]]:
        """Yield what is to be known of the network, in a line or more each."""
        if self.reopening is not None and self.reopening.path is not None:
            yield "opened from", [str(self.reopening.path)]
        elif self._model is not None:
            yield "opened from", [f"a model in memory, {type(self._model).__name__}"]
        yield "image", [*self._about_image()]
        beside = [f"{name}: {_sizes(each.shape)}, {each.dtype.name}" for name, each in self.inputs.specs.items()]
        if beside:
            yield "other inputs", beside
        yield "head", [*_about_head(self.head)]
        if changed := [*changed_options(vars(self.options), vars(TraceOptions()))]:
            yield "options", changed

    def _about_image(self) -> Iterator[str]:
        """Yield what images are, in the model's own order of axes, and their range if something tells it."""
        height, width, channels = self.image.shape[1:]
        if self.data_format == DataFormat.CHANNELS_FIRST:
            yield f"{_sizes((channels, height, width))} (channels first), {self.image.dtype.name}"
        else:
            yield f"{_sizes((height, width, channels))}, {self.image.dtype.name}"
        if self.inputs.decoding is not None:
            yield f"decoded by the network itself, explained from {self.inputs.decoding.cut} on"
        if expected := self.about_range(self):
            yield str(expected)


def _about_head(head: Head) -> Iterator[str]:
    """Yield what a network ends in, its classes, and what the score is."""
    if head.is_binary:
        yield "sigmoid of one logit: classes 0 and 1"
    elif head.has_classes:
        ending = "raw outputs" if head.kind == "none" else head.kind.replace("_", " ")
        yield f"{ending} of {head.num_classes} classes"
    elif head.kind == "custom":
        yield "a score of your own"
    else:
        yield "no classifier" if head.lacking else "one number, not of a class"
    yield f"the score is {head.scored_by}"


def _layers_part(layers: Layers) -> Html:
    """Return the table of the layers that a method can look at, folded if it is long; the default is marked."""
    shapes = layers.shapes()
    default = layers.name(layers.default) if layers.default else None
    rows = [_layer_row(name, shape, name == default) for name, shape in shapes.items()]
    count = f"{len(shapes)} layer{'s' * (len(shapes) != 1)} with a spatial map"
    title = [escaped(f"{count}, by default "), element("b", escaped(default))] if default else [escaped(count)]
    if not rows:
        return element("div", *title)
    folding = {} if len(rows) > UNFOLDED else {"open": "open"}
    return element(
        "details", element("summary", *title, style="cursor:pointer"), table_of(rows, LAYERS_BYTES, "normal"), **folding
    )


def _layer_row(name: str, shape: Shape, is_default: bool) -> Sequence[Html]:
    return escaped(name), escaped(_sizes(shape)), element("b", escaped("default")) if is_default else escaped("")


def _sizes(shape: Any) -> str:
    """Return a shape, or TensorFlow's, in words: 227 × 227 × 3, with "any" for what is open."""
    if getattr(shape, "rank", 0) is None:
        return "any shape"
    return " × ".join("any" if size is None else str(size) for size in shape) or "one value"
