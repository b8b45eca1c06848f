"""Times tfviz against the network itself, everything as ratios measured alternately in one run.

    python scripts/benchmark.py [--model demo] [--model FILE] [--rounds 15] [--output FOLDER]

Each ratio is the median over rounds of (time of A) / (time of B), where A and B run one after the other in each round
on the same images and give the same numbers. Writes `benchmark.json` and `benchmark.md` and prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import tfviz
from tfviz.demo import load_network
from tfviz.methods import compile_methods

Run = Callable[[], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help="demo, or a .keras file; several times")
    parser.add_argument("--batch", action="append", type=int, help="batch size, several times (default 1 and 8)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, default=Path("benchmark"))
    arguments = parser.parse_args()
    rows = []
    for name in arguments.model or ["demo"]:
        model = load_network() if name == "demo" else keras.saving.load_model(name, compile=False)
        for batch in arguments.batch or [1, 8]:
            rows += measure(Path(name).stem, model, batch, arguments.rounds)
    report = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "rounds": arguments.rounds, "rows": rows}
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "benchmark.json").write_text(json.dumps(report, indent=1) + "\n")
    (arguments.output / "benchmark.md").write_text(markdown(report))
    print(markdown(report))


def measure(name: str, model: Any, batch: int, rounds: int) -> list[dict[str, Any]]:
    """Return the rows of one network at one batch size."""
    network = tfviz.trace(model)
    images = np.random.default_rng(0).uniform(0, 255, (batch, *network.image_shape)).astype(np.float32)
    tensors, targets = tf.constant(images), tf.zeros(batch, tf.int32)
    forward, tape = compiled_forward(model, batch), compiled_tape(network, model)
    saliency, grad_cam = tfviz.Explainer(network, "saliency"), tfviz.Explainer(network, "grad_cam")
    bare = {name: compile_methods(network, {name: {}}).function for name in ("saliency", "grad_cam")}
    np.testing.assert_allclose(
        saliency(images, 0), tape(tensors).numpy(), rtol=1e-3, atol=1e-4 * tape(tensors).numpy().max()
    )
    pairs: list[tuple[str, str, Run, Run]] = [
        ("grad_cam", "compiled forward pass", lambda: grad_cam(images, 0), lambda: forward(tensors).numpy()),
        ("saliency", "hand-written compiled tape", lambda: saliency(images, 0), lambda: tape(tensors).numpy()),
        (
            "saliency's compiled function",
            "hand-written compiled tape",
            lambda: bare["saliency"](tensors, targets)["found"]["saliency"][0].numpy(),
            lambda: tape(tensors).numpy(),
        ),
        (
            "grad_cam by name",
            "its compiled function",
            lambda: tfviz.grad_cam(model, images, 0),
            lambda: bare["grad_cam"](tensors, targets)["found"]["grad_cam"][0].numpy(),
        ),
    ]
    rows = []
    for what, against, ours, theirs in pairs:
        row = alternate(ours, theirs, rounds)
        rows.append({"network": name, "batch": batch, "what": what, "against": against, **row})
        # One for each method, however many batch sizes came before: nothing is traced again.
        rows[-1]["functions"] = len(network.compiled)
    return rows


def compiled_forward(model: Any, batch: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the network's forward pass compiled for this batch size: a signature of one size is the faster one."""
    shape = [batch, *model.inputs[0].shape[1:]]
    return tf.function(lambda images: model(images, training=False), input_signature=[tf.TensorSpec(shape)])


def compiled_tape(network: tfviz.TracedNetwork, model: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return vanilla saliency as one writes it by hand, the softmax (if any) taken off the last layer."""
    logits = model
    if network.head.kind != "none":
        head = model.layers[-1]
        features = keras.Model(model.inputs, head.input)

        def logits(images: tf.Tensor, training: bool) -> tf.Tensor:
            return tf.matmul(features(images, training=training), head.kernel) + head.bias

    @tf.function
    def saliency(images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            score = logits(images, training=False)[:, 0]
        return tf.reduce_max(tf.abs(tape.gradient(score, images)), axis=-1)

    return saliency


def alternate(ours: Run, theirs: Run, rounds: int) -> dict[str, float]:
    """Return the medians of both times (milliseconds), of their difference, and of their ratio, round by round."""
    for run in (ours, theirs, ours, theirs):
        run()
    times = [(timed(ours), timed(theirs)) if index % 2 else timed_reversed(ours, theirs) for index in range(rounds)]
    return {
        "ours_ms": statistics.median(first for first, _ in times),
        "theirs_ms": statistics.median(second for _, second in times),
        "difference_ms": statistics.median(first - second for first, second in times),
        "ratio": statistics.median(first / second for first, second in times),
    }


def timed_reversed(ours: Run, theirs: Run) -> tuple[float, float]:
    second = timed(theirs)
    return timed(ours), second


def timed(run: Run) -> float:
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, TensorFlow {tf.__version__}, Keras {keras.__version__}"


def markdown(report: dict[str, Any]) -> str:
    lines = [
        f"{report['date']}, {report['machine']}, medians of {report['rounds']} alternating rounds",
        "",
        "| network | batch | what | against | ratio | ours | theirs | difference | compiled functions |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['network']} | {row['batch']} | {row['what']} | {row['against']} | {row['ratio']:.2f} "
        f"| {row['ours_ms']:.1f} ms | {row['theirs_ms']:.1f} ms | {row['difference_ms']:.1f} ms | {row['functions']} |"
        for row in report["rows"]
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
