"""The input gradients that a replay may take on a CPU, timed against TensorFlow's own, layer by layer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

import tfviz
from tfviz.network.program.operations import run_operation
from tfviz.network.program.program import Step
from tfviz.network.replay.input_gradients import convolution_gradient, own_gradient, paddings, phase_gradient
from tfviz.network.replay.pool_gradients import is_faster_by_masks, max_pool_gradient

Gradient = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def rows(network: tfviz.TracedNetwork, batch: int, rounds: int) -> Iterator[tuple[Any, ...]]:
    """Yield a row for each shape of a layer and each other way to its gradient."""
    seen = set()
    for step in network.program.steps:
        if step.type not in ("Conv2D", "MaxPool") or not step.inputs[0].shape[1:].is_fully_defined():
            continue
        get = step.operation.get_attr
        window = step.inputs[1].shape if step.type == "Conv2D" else tf.TensorShape(get("ksize")[1:3])
        key = (step.type, tuple(step.inputs[0].shape[1:]), tuple(window), tuple(get("strides")), get("padding"))
        if key in seen:
            continue
        seen.add(key)
        ways, taken = convolution_ways(step) if step.type == "Conv2D" else pool_ways(step)
        times = alternate(step, window, ways, batch, rounds)
        for way in [each for each in ways if each != "own"]:
            ratio = statistics.median(other / own for other, own in zip(times[way], times["own"], strict=True))
            shown = [f"{statistics.median(times[each]):.2f} ms" for each in ("own", way)]
            shape = "x".join(map(str, step.inputs[0].shape[1:]))
            yield (
                f"{step.type} {way}",
                shape,
                "x".join(map(str, window)),
                get("strides")[1],
                *shown,
                f"{ratio:.2f}",
                ("yes" if way == taken else ""),
            )


def convolution_ways(step: Step) -> tuple[dict[str, Gradient], str | None]:
    shape, kernel_shape, stride = step.inputs[0].shape, step.inputs[1].shape, step.operation.get_attr("strides")[1]

    def own(images: tf.Tensor, kernel: tf.Tensor) -> Any:
        return own_gradient(step, tf.shape(images), kernel)

    def phases(images: tf.Tensor, kernel: tf.Tensor) -> Any:
        return phase_gradient(shape, kernel, stride, paddings(step, shape, kernel.shape), max(2, stride))

    def rotated(images: tf.Tensor, kernel: tf.Tensor) -> Any:
        return phase_gradient(shape, kernel, 1, paddings(step, shape, kernel.shape), 1)

    def product(images: tf.Tensor, kernel: tf.Tensor) -> Any:
        return convolution_gradient(step, shape, kernel)

    if kernel_shape[:2] == (1, 1):
        return {"own": own, "matrix product": product}, "matrix product"
    ways = {"own": own, "phases": phases, **({"rotated": rotated} if stride == 1 else {})}
    is_taken = convolution_gradient(step, shape, tf.zeros(kernel_shape)) is not None
    return ways, "phases" if is_taken else None


def pool_ways(step: Step) -> tuple[dict[str, Gradient], str | None]:
    def own(images: tf.Tensor, pooled: tf.Tensor) -> Any:
        windows = {name: step.operation.get_attr(name) for name in ("ksize", "strides", "padding")}
        return lambda upstream: tf.raw_ops.MaxPoolGrad(orig_input=images, orig_output=pooled, grad=upstream, **windows)

    def masks(images: tf.Tensor, pooled: tf.Tensor) -> Any:
        return max_pool_gradient(step, images, pooled)

    def compiled(images: tf.Tensor, pooled: tf.Tensor) -> Any:
        return lambda upstream: tf.function(
            lambda *tensors: max_pool_gradient(step, *tensors[:2])(tensors[2]), jit_compile=True, autograph=False
        )(images, pooled, upstream)

    return {"own": own, "masks": masks, "masks by XLA": compiled}, "masks" if is_faster_by_masks(step) else None


def alternate(
    step: Step, window: tf.TensorShape, ways: dict[str, Gradient], batch: int, rounds: int
) -> dict[str, list[float]]:
    """Return the milliseconds of each way in each round, the layer's own forward pass in the same graph included."""
    images = tf.nn.relu(tf.random.stateless_normal([batch, *step.inputs[0].shape[1:]], [1, 2]))
    kernel = tf.random.stateless_normal(window, [3, 4])

    def compiled(way: Gradient) -> Any:
        @tf.function(autograph=False)
        def run(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
            result = run_operation(step, [images, kernel] if step.type == "Conv2D" else [images])[0]
            return way(images, kernel if step.type == "Conv2D" else result)(result)

        return run

    functions = {name: compiled(way) for name, way in ways.items()}
    for run in [*functions.values()] * 2:
        run(images, kernel)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in functions.items():
            started = time.perf_counter()
            run(images, kernel).numpy()
            times[name].append(1000 * (time.perf_counter() - started))
    return times
