"""The passes of one batch of images, as methods read them: each made once however many methods ask for it.

A method announces the gradients that it reads; `SharedForward` makes them of all rows before the method runs. `Passes`
never change: other images or other channels are other passes, made by `again` and `with_channels`. These share the list
of warnings, and run as many images at once as whoever runs the loop around them allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import tensorflow as tf

from tfviz.network.heads import SOFTMAX_OF_RAW
from tfviz.network.passes.biases import BiasTerm
from tfviz.network.passes.linearity import is_linear
from tfviz.network.passes.shared_forward import BIASES, IMAGES, Gradient, Rows, SharedForward
from tfviz.network.program import NO_EXTRA_INPUTS, TensorsByValue, Value, is_batch
from tfviz.network.replay import NOTHING, Change, Rule
from tfviz.network.traced import TracedNetwork

# Not a part of `Passes`, since it says what the machine can do: a compiled loop is given it anew in every call.
_AT_ONCE: ContextVar[tf.Tensor | int] = ContextVar("images at once", default=1)


@contextmanager
def running(at_once: tf.Tensor | int) -> Iterator[None]:
    """Let methods run the network on that many images at once within the context, see `Passes.at_once`."""
    token = _AT_ONCE.set(at_once)
    try:
        yield
    finally:
        _AT_ONCE.reset(token)


class Passes:
    """What a method works with, inside the compiled function.

    images: float32 (N, H, W, C). extra_inputs: the inputs beside them, by name. logits: (N, K). targets: int32 (N,).
    scores: (N,), the logit of each target, NaN without a classifier. biases: every bias with its gradient, if
    `Gradient(BIASES)` was announced. layers: those of the network. finite: whether each image's score and the maps of
    the layers hold no NaN and nothing infinite, bool (N,). asleep: the number in `Evidence.order` of
    the first ReLU that lets nothing of each image through, int32 (N,), `AWAKE` if there is none. warnings: those about
    the result.
    """

    def __init__(
        self,
        network: TracedNetwork,
        images: tf.Tensor,
        forward: SharedForward,
        rows: Rows,
        *,
        extra_inputs: Mapping[str, tf.Tensor],
        warnings: list[str],
    ) -> None:
        self.images, self.extra_inputs, self.warnings = images, extra_inputs, warnings
        self.logits, self.targets, self.scores, self.finite = rows.logits, rows.targets, rows.scores, rows.finite
        self.asleep = rows.asleep
        self.network, self.layers = network, network.layer_index
        self._forward, self._rows = forward, rows
        self._gradients = dict(zip(forward.gradients, rows.gradients, strict=True))

    @property
    def tensors(self) -> TensorsByValue | None:
        """The tensors of all values of the network for these images; None if XLA keeps them to itself."""
        return self._forward.tensors

    @property
    def at_once(self) -> tf.Tensor | int:
        """The number of images that a method may run the network on at once."""
        return _AT_ONCE.get()

    def again(self, images: tf.Tensor, targets: tf.Tensor, gradients: Iterable[Gradient] = ()) -> Passes:
        """Return the passes of other images (M, H, W, C), made of these, and of targets (M,).

        There are as many for each image, and those of an image stand together, so M is a multiple of N. The inputs
        beside an image go with each that is made of it.
        """
        extra_inputs = repeated(self.network, self.extra_inputs, tf.shape(images)[0] // tf.shape(self.images)[0])
        return passes_of(
            self.network, images, targets, gradients, extra_inputs=extra_inputs, ranks=0, warnings=self.warnings
        )

    def say(self, message: str) -> None:
        """Add a warning about the result, once."""
        note(self.warnings, message)

    def with_channels(self, layer: str | None, factors: tf.Tensor) -> Passes:
        """Return the passes of every image with the channels of a layer multiplied by each of `factors` (N, k, c).

        The k passes of an image follow each other. The layer was announced, and what lies before it is not run again.
        """
        found, count = self.network.find_layer(layer), tf.shape(factors)[1]
        before = self._rows.layers[found.path]
        shape = [1] * len(before.shape)
        shape[0], shape[found.channel_axis] = tf.shape(before)[0] * count, tf.shape(factors)[2]
        scaled = tf.repeat(before, count, axis=0) * tf.cast(tf.reshape(factors, shape), before.dtype)
        return passes_of(
            self.network,
            tf.repeat(self.images, count, axis=0),
            tf.repeat(self.targets, count),
            extra_inputs=repeated(self.network, self.extra_inputs, count),
            ranks=0,
            changed={found.value: lambda _: scaled},
            warnings=self.warnings,
        )

    def drops(self, layer: str | None) -> tf.Tensor | None:
        """Return by how much each score falls without each channel of a layer, (N, c), if it is linear in the layer.

        Then that is the sum over the map of the channel times its gradient, of one pass from the layer on. None if the
        score is not linear, and if the network is to take no shortcuts. The layer was announced.
        """
        network, found = self.network, self.network.find_layer(layer)
        logits = network.head.logits
        if logits is None or not network.running.fast or not is_linear(network.program, found.value, logits):
            return None
        value, announced = self._rows.layers[found.path], Gradient(found.path)
        behind = passes_of(
            network,
            self.images,
            self.targets,
            [announced],
            extra_inputs=self.extra_inputs,
            ranks=0,
            changed={found.value: lambda _: value},
            warnings=self.warnings,
        )
        return tf.einsum("nijc,nijc->nc", self.features(layer), behind.gradient(layer))

    @property
    def probabilities(self) -> tf.Tensor:
        """The probability (N,) of each target; a custom score, or one raw output, has none and stands for itself."""
        return self.probability(self.logits, self.targets)

    def probability(self, logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Return the probability (M,) of targets (M,), given logits (M, K) of the network; see `probabilities`."""
        head = self.network.head
        if not head.has_classes:
            return head.scores(logits, targets)
        if head.kind == "none":
            self.say(SOFTMAX_OF_RAW)
        return tf.gather(head.probabilities(logits), targets, axis=1, batch_dims=1)

    @property
    def biases(self) -> list[BiasTerm]:
        """Every bias with its gradient, if `Gradient(BIASES)` was announced."""
        found = self._gradients.get(Gradient(BIASES), [])
        return [BiasTerm(*each) for each in zip(self._forward.biases, self._rows.biases, found, strict=True)]

    def gradient(self, at: str | None = IMAGES, rule: Rule | None = None) -> tf.Tensor:
        """Return ∂scores/∂(the images, or a layer; None is the default layer) in float32, if it was announced."""
        if at == IMAGES:
            return self._gradients[Gradient(IMAGES, rule)][0]
        layer = self.network.find_layer(at)
        return layer.to_map(self._gradients[Gradient(layer.path, rule)][0])

    def features(self, layer: str | None) -> tf.Tensor:
        """Return the feature map (N, h, w, c) in float32 of a layer that was announced, by its gradient or alone."""
        found = self.network.find_layer(layer)
        return found.to_map(tf.cast(self._rows.layers[found.path], tf.float32))


def passes_of(
    network: TracedNetwork,
    images: tf.Tensor,
    targets: tf.Tensor,
    gradients: Iterable[Gradient] = (),
    *,
    extra_inputs: Mapping[str, tf.Tensor] = NO_EXTRA_INPUTS,
    ranks: int = 1,
    changed: Mapping[Value, Change] = NOTHING,
    warnings: list[str] | None = None,
) -> Passes:
    """Run the network on images (N, H, W, C), forward and backward from the scores of targets (N,).

    Targets down to -`ranks` stand for the best classes: -1 for the predicted one, -2 for the second best. Warnings are
    added to `warnings`. gradients: those that the passes will be asked for. changed: values that are replaced in the
    forward pass, each by a function of what it would be. Raises `RuleError` and `UnknownLayerError`.
    """
    _, whole = columns_of(
        network,
        images,
        [targets],
        gradients,
        extra_inputs=extra_inputs,
        ranks=ranks,
        changed=changed,
        warnings=warnings,
    )
    return whole


def columns_of(
    network: TracedNetwork,
    images: tf.Tensor,
    columns: Iterable[tf.Tensor],
    gradients: Iterable[Gradient] = (),
    *,
    extra_inputs: Mapping[str, tf.Tensor] = NO_EXTRA_INPUTS,
    ranks: int = 1,
    changed: Mapping[Value, Change] = NOTHING,
    warnings: list[str] | None = None,
) -> tuple[list[Passes], Passes]:
    """Return the passes towards each of several columns of targets (N,), and those of all of their rows as one batch.

    That batch has a row for each image and target, those of an image in turn. See `passes_of` for the rest.
    """
    messages: list[str] = [] if warnings is None else warnings
    forward = SharedForward(network, images, gradients, extra_inputs=extra_inputs, changed=changed)
    for message in forward.messages:
        note(messages, message)
    rows = [forward.towards(targets, ranks) for targets in columns]
    each = [Passes(network, images, forward, one, extra_inputs=extra_inputs, warnings=messages) for one in rows]
    if len(rows) == 1:
        return each, each[0]
    whole = forward.side_by_side(rows)
    images, extra_inputs = tf.repeat(images, len(rows), axis=0), repeated(network, extra_inputs, len(rows))
    return each, Passes(network, images, forward, whole, extra_inputs=extra_inputs, warnings=messages)


def repeated(
    network: TracedNetwork, extra_inputs: Mapping[str, tf.Tensor], count: tf.Tensor | int
) -> Mapping[str, tf.Tensor]:
    """Return the inputs beside the images if each image is repeated `count` times in a row."""
    specs = network.extra_inputs
    return {
        name: tf.repeat(each, count, axis=0) if is_batch(specs[name]) else each for name, each in extra_inputs.items()
    }


def note(messages: list[str], message: str) -> None:
    """Add a message to a list unless it is there already."""
    if message not in messages:
        messages.append(message)
