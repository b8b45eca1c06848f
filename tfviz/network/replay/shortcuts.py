"""Faster backward passes of a replay on a CPU, with the same results up to rounding.

A shortcut is an action that replaces a step, found once from the program and the static shapes; it gives way if a value
that it would skip is needed. Only backward passes take shortcuts, so that the forward pass is TensorFlow's own bit for
bit: another rounding there tips ReLUs near zero over, and changed gradients by up to 5 % (see `folding`), which agree
with a tape to 1e-6 otherwise. A convolution of a concatenation gives each part its own gradient, which need not be cut
apart again.

They give weights no gradient, which training would need and explanations do not, and are taken only for kernels that
are the same for all images. All were measured on CPUs; on other devices TensorFlow's own gradients are kept unless the
user says otherwise. Programs inside conditions, loops and calls take none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import tensorflow as tf

from tfviz.network.program import Program, Step, TensorsByValue, Value, run_operation
from tfviz.network.replay.folding import DEPTHWISE, Fold, find_folds
from tfviz.network.replay.input_gradients import convolution_gradient, is_pointwise, own_gradient
from tfviz.network.replay.pool_gradients import is_faster_by_masks, max_pool_gradient
from tfviz.network.replay.rules import Backward

Action = Callable[[TensorsByValue], dict[Value, tf.Tensor]]


@dataclass(frozen=True)
class Shortcuts:
    """The steps of a program that have shortcuts.

    folds: convolutions that batch normalisations are folded into. convolutions: those whose kernel is the same for all
    images, with the parts that their input is concatenated from, or the input alone. pools: max poolings whose gradient
    is found by comparisons.
    """

    folds: tuple[Fold, ...] = ()
    convolutions: Mapping[Step, Sequence[Value]] = field(default_factory=dict)
    pools: Sequence[Step] = ()

    def around(self, needed: Collection[Value]) -> dict[Step, Action]:
        """Return the action that replaces each step, so that no value that is `needed` is skipped.

        needed: values that a replay watches or changes. A fold that hides one of them is not taken, and neither is the
        gradient by parts of a concatenation that is itself asked for. The steps inside of a fold do nothing; its last
        one runs them all.
        """
        parts = {
            step: [step.inputs[0]] if step.inputs[0] in needed else values for step, values in self.convolutions.items()
        }
        actions: dict[Step, Action] = {step: partial(_convolve, step, values) for step, values in parts.items()}
        actions.update({step: partial(_pool, step) for step in self.pools})
        for fold in self.folds:
            if fold.hidden.isdisjoint(needed):
                actions.update(dict.fromkeys((fold.convolution, *fold.chain), _nothing))
                actions[fold.chain[-1]] = partial(_fold, fold, parts.get(fold.convolution, fold.convolution.inputs[:1]))
        return actions


NONE = Shortcuts()


def only_cpus() -> bool:
    """Return whether TensorFlow sees nothing but CPUs, on which the shortcuts were measured."""
    return all(device.device_type == "CPU" for device in tf.config.list_logical_devices())


def find_shortcuts(program: Program, depending: Collection[Value]) -> Shortcuts:
    """Return the shortcuts on the way from the image, through the values `depending` on it.

    Whether a convolution's gradient is really faster by other means follows from its shapes, and is asked when it is
    run (`convolution_gradient`), since the size of the image may be open until then.
    """
    uses = program.uses()
    convolutions = {
        step: _parts(step, uses)
        for step in program.steps
        if step.type == "Conv2D" and step.inputs[0] in depending and step.inputs[1] not in depending
    }
    pools = [step for step in program.steps if step.type == "MaxPool" and is_faster_by_masks(step)]
    return Shortcuts(find_folds(program, depending, uses), convolutions, pools)


def _parts(step: Step, uses: Counter[Value]) -> list[Value]:
    """Return the parts that a convolution's input is concatenated from, if nothing else reads it; else the input."""
    image = step.inputs[0]
    if image.step is None or image.step.type != "ConcatV2" or uses[image] > 1 or not is_pointwise(step):
        return [image]
    if image.shape[-1] != step.inputs[1].shape[2]:
        return [image]  # groups of channels, which parts may cut through
    *parts, axis = image.step.inputs
    along = axis.constant()
    known = all(part.shape[-1] is not None for part in parts)
    return parts if known and along in (3, -1) else [image]


def _nothing(_: TensorsByValue) -> dict[Value, tf.Tensor]:
    return {}


def _fold(fold: Fold, parts: Sequence[Value], tensors: TensorsByValue) -> dict[Value, tf.Tensor]:
    """Run a convolution and its chain, with the gradient of a convolution whose kernel holds the scales.

    Forward, `Replayed` runs all of them as they are; the gradient given here takes the place of theirs. Offsets change
    no gradient.
    """
    step = fold.convolution
    image, kernel = (tensors[value] for value in step.inputs)
    scale = fold.scale(tensors)
    kernel *= tf.reshape(scale, kernel.shape[2:]) if step.type in DEPTHWISE else scale
    read = [tensors[value] for value in parts]
    gradients = _gradients(step, kernel, read)
    if gradients is None:
        read, gradients = [image], [own_gradient(step, tf.shape(image), kernel)]
    return {fold.value: _with_gradients(tensors[fold.value], read, gradients)}


def _convolve(step: Step, parts: Sequence[Value], tensors: TensorsByValue) -> dict[Value, tf.Tensor]:
    """Run a convolution of the concatenation of `parts`, with a faster gradient if there is one."""
    image, kernel = (tensors[value] for value in step.inputs)
    read = [tensors[value] for value in parts]
    gradients, result = _gradients(step, kernel, read), run_operation(step, [image, kernel])[0]
    return {step.outputs[0]: result if gradients is None else _with_gradients(result, read, gradients)}


def _pool(step: Step, tensors: TensorsByValue) -> dict[Value, tf.Tensor]:
    """Run a max pooling, with its gradient by comparisons."""
    images = tensors[step.inputs[0]]
    pooled = run_operation(step, [images])[0]
    return {step.outputs[0]: _with_gradients(pooled, [images], [max_pool_gradient(step, images, pooled)])}


def _gradients(step: Step, kernel: tf.Tensor, parts: Sequence[tf.Tensor]) -> list[Backward] | None:
    """Return the faster gradient of each of the `parts` of a convolution's input, None if one has none."""
    kernels = tf.split(kernel, [part.shape[3] for part in parts], axis=2) if len(parts) > 1 else [kernel]
    found = [convolution_gradient(step, part.shape, each) for part, each in zip(parts, kernels, strict=True)]
    gradients = [each for each in found if each is not None]
    return gradients if len(gradients) == len(parts) else None


def _with_gradients(result: tf.Tensor, operands: Sequence[tf.Tensor], gradients: Sequence[Backward]) -> tf.Tensor:
    """Return a result whose gradient with respect to each of the operands is the given one.

    The result is captured, not computed, in the custom gradient: whatever gradient it has already is not followed, and
    the operands are only what the tape hands gradients to.
    """

    @tf.custom_gradient
    def given(*_: tf.Tensor) -> tuple[tf.Tensor, Backward]:
        return tf.identity(result), lambda upstream: [gradient(upstream) for gradient in gradients]

    return given(*operands)
