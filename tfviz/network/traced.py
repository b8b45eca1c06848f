"""A model as tfviz sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.errors import UnsupportedModelError
from tfviz.network.batches import batches
from tfviz.network.internals import forget_gradients
from tfviz.network.layers import Layer, Layers, Shape
from tfviz.network.patches import TokensToMap
from tfviz.network.program import Program, Value, program_of
from tfviz.network.replay import NOTHING, Change, replay
from tfviz.network.rules import Rule
from tfviz.network.scores import CustomScore, Head, find_head, read_outputs
from tfviz.network.sources import Source

AFFORDED = 1_600_000_000
"""The bytes of all values of the images that a loop runs at once, most of which are freed on the way: 9 images on VGG16
peak at 0.2 GB, 14 on MobileNetV2 at 0.5 GB, and twice as many are 4 % faster."""


class TracedNetwork:
    """A model as tfviz sees it: a program that can be run again under a tape. Made by `tfviz.trace`.

    name: the model's own name. image_shape: (H, W, C), None where the model leaves it open. head: what the scores come
    from, see `Head.kind`. compiled: the functions compiled for this network so far, by what they compute; lock: held
    while one is compiled.
    """

    def __init__(
        self, source: Source, score: CustomScore | None = None, tokens_to_map: TokensToMap | None = None
    ) -> None:
        self.name = source.name
        self.function = source.function
        self.program: Program = program_of(source.function.graph)
        self.image: Value = self.program.inputs[source.image_index]
        captured = source.function.captured_inputs
        values = self.program.inputs[len(self.program.inputs) - len(captured) :]
        self._captured: dict[Value, tf.Tensor] = dict(zip(values, captured, strict=True))
        self._structure = source.structure
        self.head: Head = self._find_head(score)
        self.layer_index = Layers(self.program, self.image, self.head.sources, self._variable_names(), tokens_to_map)
        self.compiled: dict[Any, Any] = {}
        self.lock = threading.RLock()
        self._model = source.model

    def __repr__(self) -> str:
        """Return what a reader wants to know of the network."""
        return (
            f"TracedNetwork({self.name!r}, image_shape={self.image_shape}, num_classes={self.num_classes}, "
            f"head={self.head.kind!r}, default_layer={self.default_layer!r})"
        )

    @property
    def image_shape(self) -> Shape:
        """(H, W, C), None where the model leaves it open."""
        return tuple(self.image.shape[1:])

    @property
    def num_classes(self) -> int | None:
        """The number of classes; 2 for a single sigmoid logit, None for a custom score."""
        return self.head.num_classes

    @property
    def layers(self) -> dict[str, Shape]:
        """The shape (h, w, c) of every layer with a spatial feature map by its name, in the order in which they run.

        Tokens that stand for the patches of a map count as that map.
        """
        return self.layer_index.shapes()

    @property
    def default_layer(self) -> str | None:
        """The layer that a method looks at when none is named, None where there is none.

        It is found by walking back from the last flattening or global pooling over pooling, dropout and padding. In a
        vision transformer it is the last layer of tokens, or, where the head reads a class token alone, the last before
        an attention told that token of the others.
        """
        default = self.layer_index.default
        return self.layer_index.name(default) if default else None

    def logits(self, images: Any, *, batch_size: int = 32) -> np.ndarray:
        """Return the scores of images (N, H, W, C) before softmax or sigmoid, float32 (N, K)."""
        compiled = self.remember("logits", _compile_logits)
        return np.concatenate(
            [compiled(tf.constant(chunk)).numpy() for chunk, _ in batches(self, images, None, batch_size)]
        )

    def remember(self, key: Hashable, compile_for: Callable[[TracedNetwork], Any]) -> Any:
        """Return what `compile_for` made of this network (without its model) when it was first asked for by `key`."""
        with self.lock:
            if key not in self.compiled:
                self.compiled[key] = compile_for(self.without_model())
            return self.compiled[key]

    def find_layer(self, name: str | None) -> Layer:
        """Return the layer of that name or path, or the default one; raise `UnknownLayerError` where there is none."""
        return self.layer_index.find(name)

    def replay(
        self,
        images: tf.Tensor,
        *,
        rule: Rule | None = None,
        tape: tf.GradientTape | None = None,
        watched: Collection[Value] = (),
        changed: Mapping[Value, Change] = NOTHING,
    ) -> dict[Value, tf.Tensor]:
        """Run the network on float32 images (N, H, W, C) and return the tensor of every value; see `replay`."""
        arguments = {**self._captured, self.image: tf.cast(images, self.image.dtype)}
        return replay(self.program, arguments, rule=rule, tape=tape, watched=watched, changed=changed)

    def read_logits(self, tensors: dict[Value, tf.Tensor]) -> tf.Tensor:
        """Return the logits (N, K), or a custom score (N, 1), from the tensors of a replay."""
        outputs = [tensors[value] for value in self.program.outputs]
        if self._structure is None:
            return self.head.read(tensors, outputs[0])
        return self.head.read(tensors, tf.nest.pack_sequence_as(self._structure, outputs))

    def affordable(self, shape: Sequence[int]) -> int:
        """Return how many images (H, W, C) of a shape can be run at once, forward and backward, in `AFFORDED` bytes."""
        needed: int = self.remember(("bytes", *shape), lambda network: network._bytes(tuple(shape)))
        return max(1, AFFORDED // max(1, needed))

    def _bytes(self, shape: tuple[int, ...]) -> int:
        """Return the size of all values of one image (H, W, C)."""
        depending = self.program.depending_on([self.image])
        shapes = {value: value.shape for value in depending}
        if None in self.image_shape:
            # What the model leaves open shows when it is traced for this size.
            spec = tf.TensorSpec([1, *shape], tf.float32)
            measure = tf.function(
                lambda images: shapes.update({value: each.shape for value, each in self.replay(images).items()}),
                autograph=False,
            )
            measure.get_concrete_function(spec)
        return sum(value.dtype.size * (shapes[value][1:].num_elements() or 0) for value in depending)

    def call_original(self, images: tf.Tensor) -> Any:
        """Return the outputs of the model's own traced function, which is not replayed."""
        _, named = self.function.structured_input_signature
        return self.function(**dict.fromkeys(named, images)) if named else self.function(images)

    def without_model(self) -> TracedNetwork:
        """Return this network without its hold on the model, for caches that must not keep the model alive."""
        network = copy(self)
        network._model = None
        return network

    def holding(self, model: Any) -> TracedNetwork:
        """Return this network with a hold on the model whose variables it reads."""
        network = copy(self)
        network._model = model
        return network

    def _find_head(self, score: CustomScore | None) -> Head:
        outputs = self.program.outputs
        if score is not None:
            return Head("custom", outputs[0], None, read_outputs(score, outputs, self._structure), score)
        if len(outputs) > 1:
            names = self.function.structured_outputs
            found = ", ".join(map(repr, names)) if isinstance(names, dict) else str(len(outputs))
            raise UnsupportedModelError(
                f"the model has several outputs ({found}), expected one of class scores (N, classes); "
                "say what to explain with trace(model, score=lambda outputs: ...)"
            )
        return find_head(outputs[0])

    def _variable_names(self) -> dict[Value, str]:
        names = {id(variable.handle): str(variable.name) for variable in self.function.variables}
        return {value: names[id(tensor)] for value, tensor in self._captured.items() if id(tensor) in names}


def _compile_logits(network: TracedNetwork) -> Any:
    return concrete(
        tf.function(
            lambda images: network.read_logits(network.replay(images)),
            input_signature=[tf.TensorSpec([None, *network.image_shape], tf.float32)],
            autograph=False,
        )
    )


def concrete(function: Any) -> Any:
    """Return the one concrete function of a tf.function with an input signature."""
    # A concrete function cannot be traced again, and is called 0.1 ms faster than a tf.function.
    found = function.get_concrete_function()
    forget_gradients(found.graph)
    return found
