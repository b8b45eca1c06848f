"""A model as tfviz sees it: a program with an image, a head and layers, that can be run again under a tape.

Outputs are chosen, the image is found, the program is rewritten (channels last, randomness removed, batch opened,
conditions settled), and a head, layers and a way of running are found for it. Many threads may use one network, as
functions are compiled under its lock. Weights are read live, so those assigned in the middle of a call count for the
rest of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.arrays import Floats
from tfviz.errors import InvalidImagesError, UnsupportedModelError
from tfviz.network.batches import Batch, Expected, batches
from tfviz.network.geometry import settled
from tfviz.network.heads import Outputs
from tfviz.network.layers import FeatureMap, Layers, Shape
from tfviz.network.opening import OFF, Source, TraceOptions, own_tensor
from tfviz.network.program import CompiledFunctions, Value, compile_function, find_inputs, program_of
from tfviz.network.replay import NOTHING, Change, Rule
from tfviz.network.rewriting import at_rest, decoded, in_format, open_batch, with_channels_last
from tfviz.network.traced.html import Displayed
from tfviz.network.traced.running import find_running
from tfviz.printable import printable


class TracedNetwork(Displayed):
    """A model as tfviz sees it: a program that can be run again under a tape. Made by `tfviz.trace`.

    name: the model's own name. signature: of a SavedModel, the one that is explained. image_shape: (H, W, C), None for
    what the model leaves open. data_format: how the model takes its images, and how images and attributions are
    given back, `channels_last`, (N, H, W, C), or `channels_first`, (N, C, H, W). head: what the scores come from, see
    `Head.kind`. inputs, outputs: what it takes and gives. running: how it is run, see `trace`. compiled: the functions
    used last; lock: held while one is compiled. needed_bytes: what an image takes in memory, by the shapes that were
    measured. warnings: what `trace` warns of; none if its trace is used again.
    """

    def __init__(self, source: Source, options: TraceOptions) -> None:
        self.name = printable(source.name)
        self.signature, self.function = source.signature, source.function
        whole = program_of(source.function.graph)
        captured = [own_tensor(each) for each in source.function.captured_inputs]
        given = len(whole.inputs) - len(captured)
        self._captured: dict[Value, tf.Tensor] = dict(zip(whole.inputs[given:], captured, strict=True))
        outputs = Outputs(whole.outputs, source.outputs, source.structure)
        self.outputs = outputs if options.output is None else outputs.only(options.output)
        whole = whole.giving(self.outputs.values)
        self._explained = [outputs.values.index(value) for value in self.outputs.values]
        self._arguments: dict[str, Value] = dict(zip(source.arguments, whole.inputs[:given], strict=True))
        inputs = find_inputs(whole, self._arguments, options.input, options.cut, source.alias)
        inputs = with_channels_last(inputs, options.data_format)
        inputs, self.outputs = at_rest(inputs, self.outputs) if options.random == OFF else (inputs, self.outputs)
        self.inputs = settled(open_batch(inputs, self.outputs.values, self._captured))
        self.data_format = self.inputs.data_format
        self.program, self.image = self.inputs.program, self.inputs.image
        self.head = self.outputs.find_head(options.score, self.program, self.image)
        scored, variables = self.head.sources, self._variable_names()
        self.layer_index = Layers(self.program, self.image, scored, variables, options.tokens_to_map)
        self.running = find_running(self.program, self.image, self.head, options)
        self.compiled = CompiledFunctions()
        self.needed_bytes: dict[tuple[int, ...], int] = {}
        self.lock = threading.RLock()
        self._model = source.model

    def __repr__(self) -> str:
        """Return the name, shape, classes, head and default layer, and all that is not as usual."""
        cut = f", cut={self.cut!r}" if self.cut else ""
        signature = f", signature={self.signature!r}" if self.signature else ""
        extra_inputs = f", extra_inputs={list(self.extra_inputs)}" if self.extra_inputs else ""
        precision = f", precision={self.precision!r}" if self.running.full else ""
        return (
            f"TracedNetwork({self.name!r}, image_shape={self.image_shape}, num_classes={self.num_classes}, "
            f"head={self.head.kind!r}, default_layer={self.default_layer!r}{signature}{cut}{extra_inputs}{precision})"
        )

    @property
    def model(self) -> Any:
        """The object whose variables the network reads; None if the network must not keep it alive."""
        return self._model

    @property
    def precision(self) -> str:
        """The type that the network is run in; `float32` is the model as it is."""
        return self.running.precision

    @property
    def image_shape(self) -> Shape:
        """(H, W, C) in either data format; None for what the model leaves open."""
        return tuple(self.image.shape[1:])

    @property
    def extra_inputs(self) -> dict[str, tf.TensorSpec]:
        """The types and shapes of the inputs beside the image, by name: those that are held fixed."""
        return self.inputs.specs

    @property
    def cut(self) -> str | None:
        """The operation that gives the explained images, if the network takes encoded ones; else None."""
        return self.inputs.decoding.cut if self.inputs.decoding else None

    @property
    def num_classes(self) -> int | None:
        """The number of classes; 2 for a single sigmoid logit, None for a custom score and without a classifier."""
        return self.head.num_classes

    @property
    def layers(self) -> dict[str, Shape]:
        """The shape (h, w, c) of every layer with a spatial feature map by its name, in the order in which they run.

        Tokens that stand for the patches of a map count as that map.
        """
        return self.layer_index.shapes()

    @property
    def default_layer(self) -> str | None:
        """The layer that a method looks at when none is named; None if there is none.

        It is the deepest feature map that every path from the image to the score leads through, before pooling, dropout
        and padding. In a vision transformer it is the last layer of tokens or, if the head reads a class token alone,
        the last before an attention tells that token of the others.
        """
        default = self.layer_index.default
        return self.layer_index.name(default) if default else None

    def logits(self, images: Any, *, batch_size: int = 32) -> Floats:
        """Return the scores of images before softmax or sigmoid, float32 (N, K)."""
        compiled = self.remember("logits", _compile_logits)
        parts = self.batches(images, None, batch_size)
        return np.concatenate([compiled(tf.constant(batch.images), batch.extra_inputs).numpy() for batch in parts])

    def batches(self, images: Any, targets: Any, batch_size: int) -> Iterator[Batch]:
        """Yield checked batches of at most `batch_size` images and their targets; `batches` says what these may be.

        Raises `InvalidImagesError` and `InvalidTargetsError`.
        """
        expected = Expected(self.inputs, self.data_format, self._decode)
        return batches(expected, self.head, images, targets, batch_size)

    def decode(self, records: Any) -> Floats:
        """Return the images, float32, that the network makes of encoded ones: a sequence of N bytes.

        They are what is explained, in the model's data format; images that are decoded already stay as they are. Raises
        `InvalidImagesError` for one that cannot be decoded, or if the network does not take encoded images.
        """
        if self.inputs.decoding is None:
            raise InvalidImagesError(f"the network takes {self.image.dtype.name} images, not encoded ones")
        images = np.concatenate([batch.images for batch in self.batches(records, None, 32)])
        return self.data_format.from_last(images)

    def remember(self, key: Hashable, compile_for: Callable[[TracedNetwork], Any]) -> Any:
        """Return what `compile_for` makes of this network (without its model), made once for a `key` and kept."""
        with self.lock:
            return self.compiled.find(key, lambda: compile_for(self.without_model()))

    def find_layer(self, name: str | None) -> FeatureMap:
        """Return the layer of that name or path, or the default one; raise `UnknownLayerError` if there is none."""
        return self.layer_index.find(name)

    def replay(
        self,
        images: tf.Tensor,
        extra_inputs: Mapping[str, tf.Tensor] | None = None,
        *,
        rule: Rule | None = None,
        tape: tf.GradientTape | None = None,
        watched: Collection[Value] = (),
        changed: Mapping[Value, Change] = NOTHING,
    ) -> dict[Value, tf.Tensor]:
        """Run the network on float32 images (N, H, W, C) and return the tensor of every value; see `replay`.

        `extra_inputs` are the inputs beside the image, by name.
        """
        if extra_inputs is None:
            self.check_image_alone()
        arguments = {**self._captured, **self.inputs.arguments(images, extra_inputs or {})}
        return self.running.replay(arguments, rule=rule, tape=tape, watched=watched, changed=changed)

    def check_image_alone(self) -> None:
        """Raise `UnsupportedModelError` if the network takes other inputs beside the image."""
        if self.extra_inputs:
            raise UnsupportedModelError(
                f"the network takes {', '.join(map(repr, self.extra_inputs))} beside the image, which only methods "
                "that explain given images can hold fixed"
            )

    def decoded(self, records: tf.Tensor, extra_inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return the images, float32 (N, H, W, C), of encoded ones: strings (N,)."""
        decoding = self.inputs.decoding
        if decoding is None:
            raise InvalidImagesError(f"the network takes {self.image.dtype.name} images, not encoded ones")
        beside = {value: extra_inputs[name] for name, value in self.inputs.extra_inputs.items()}
        return decoded(decoding, self.image, records, {**self._captured, **beside})

    def read_logits(self, tensors: dict[Value, tf.Tensor]) -> tf.Tensor:
        """Return the logits (N, K), or a custom score (N, 1), from the tensors of a replay."""
        return self.head.read(tensors, self.outputs.pack(tensors))

    def trial_extra_inputs(self) -> dict[str, tf.Tensor]:
        """Return zeros, or empty texts, for the inputs beside one image."""
        return {name: value.zeros() for name, value in self.inputs.extra_inputs.items()}

    def call_original(self, images: tf.Tensor) -> Any:
        """Return the outputs of the model's own function for images (N, H, W, C); other inputs are zeros."""
        images = in_format(images, self.inputs.data_format)
        given = {name: value.zeros() for name, value in self._arguments.items()} | {self.inputs.name: images}
        _, named = self.function.structured_input_signature
        structured = self.function(**given) if named else self.function(*given.values())
        return [tf.nest.flatten(structured)[index] for index in self._explained]

    def in_full_precision(self) -> TracedNetwork:
        """Return this network as it runs without a reduced precision."""
        if self.running.full is None:
            return self
        full: TracedNetwork = self.remember("float32", _in_full_precision)
        return full

    def _decode(self, records: tf.Tensor, extra_inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        decoded: tf.Tensor = self.remember("decode", _compile_decoding)(records, extra_inputs)
        return decoded

    def _variable_names(self) -> dict[Value, str]:
        variables = [getattr(variable, "values", (variable,))[0] for variable in self.function.variables]
        names = {id(variable.handle): str(variable.name) for variable in variables}
        return {value: names[id(tensor)] for value, tensor in self._captured.items() if id(tensor) in names}


def _in_full_precision(network: TracedNetwork) -> TracedNetwork:
    network.running, network.reopening = network.running.full or network.running, None
    network.compiled, network.needed_bytes = CompiledFunctions(), {}
    return network


def _compile_logits(network: TracedNetwork) -> Any:
    def logits(images: tf.Tensor, extra_inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return network.read_logits(network.replay(images, extra_inputs))

    images = tf.TensorSpec([None, *network.image_shape], tf.float32)
    return compile_function(logits, images, network.extra_inputs)


def _compile_decoding(network: TracedNetwork) -> Any:
    return compile_function(network.decoded, tf.TensorSpec([None], tf.string), network.extra_inputs)
