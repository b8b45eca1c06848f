"""Runs `tfviz export`: opens a model, traces it with its methods, writes it, and prints what it takes and returns.

In the model's `assets.extra` lies an example of each of its inputs, as an array; that of the image is a sample picture
in the form that the network takes. The last line that is printed is a `saved_model_cli` command that runs a signature
on them. The user's preprocessing matters only for encoded files; other signatures take images as the network does. A
metadata file beside the model gives its input, output and baselines; `tfviz.export` in Python does not read it.
"""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfviz.apps.export import ENCODED_INPUT, Decoder, Exported, check_encoded, image_input, prepare, write
from tfviz.apps.files import EXTRA, fit_image, read_image
from tfviz.apps.model import (
    ASSUMED_PREPROCESSING,
    OpenedModel,
    find_example_format,
    find_preprocessing,
    network_size,
    open_chosen,
    set_up_opened,
    trial_record,
    with_baselines,
)
from tfviz.apps.runs.explain import find_methods
from tfviz.apps.runs.tables import print_rows
from tfviz.demo import sample_paths
from tfviz.errors import emit_warnings
from tfviz.model_options import ModelOptions
from tfviz.network.traced import TracedNetwork
from tfviz.terminal import tell


def export(
    options: ModelOptions,
    methods: Sequence[str],
    method_options: dict[str, Any],
    batch_size: int,
    output: Path,
    *,
    encoded: bool,
    overwrite: bool,
) -> None:
    """Write the SavedModel of a model and methods, with an example of what it takes, and print how it is used.

    methods: names, or `all` that suit the network and an export; method_options are for each that has them. encoded:
    whether the signatures take files. overwrite: whether a SavedModel in `output` is replaced. Raises as `open_model`,
    `trace`, `prepare` and `write`.
    """
    opened, network, metadata = open_chosen(options)
    emit_warnings(network.warnings)
    check_encoded(network, encoded=encoded)
    setup = set_up_opened(options, opened, network, metadata) if encoded else None
    emit_warnings(setup.warnings if setup else ())
    decoder = Decoder(setup.preprocessing, setup.size, setup.fit, setup.interpolation) if setup else None
    chosen, left_out = find_methods(network, methods, method_options, exported=True)
    path = opened.model.resolve() if isinstance(opened.model, Path) else None
    exported = prepare(network, with_baselines(metadata, chosen), decoder, batch_size, path)
    emit_warnings([*left_out, *exported.manifest["warnings"]])
    if setup:
        # Emitted when they were found.
        exported.manifest["warnings"][:0] = setup.warnings
    name = image_input(network, decoder)
    takes_files = name == ENCODED_INPUT
    example = np.array([_record(network)]) if takes_files else _example(options, opened, network)
    examples = {name: example, **{each: value.numpy() for each, value in network.trial_extra_inputs().items()}}
    extra = {f"{each}.npy": _as_file(value) for each, value in examples.items()}
    emit_warnings(write(exported, output, extra, overwrite=overwrite))
    _print(exported, output, list(examples))


def _record(network: TracedNetwork) -> bytes:
    """Return a sample picture in the form that a network of encoded pictures takes."""
    encoded, examples = sample_paths()[0].read_bytes(), find_example_format(network)
    return trial_record(encoded, examples) if examples and len(examples.pictures) == 1 else encoded


def _as_file(array: NDArray[Any]) -> bytes:
    """Return an array as the content of an .npy file; strings, which are objects, become bytes of one length."""
    content = io.BytesIO()
    # An array of objects would be a pickle.
    np.save(content, array.astype(bytes) if array.dtype == object else array)
    return content.getvalue()


def _example(options: ModelOptions, opened: OpenedModel, network: TracedNetwork) -> NDArray[np.float32]:
    """Return a batch of one image that the network takes: a sample picture, or zeros if it does not take pictures."""
    size, channels = network_size(options, opened, network), network.image_shape[2] or 3
    if channels not in (1, 3):
        return np.zeros((1, *size, channels), np.float32)
    preprocessing = opened.preprocessing or find_preprocessing(ASSUMED_PREPROCESSING, channels=channels)
    return preprocessing(fit_image(read_image(sample_paths()[0]), size, "stretch"))[np.newaxis]


def _print(exported: Exported, output: Path, names: Sequence[str]) -> None:
    """Print the signatures, what they take and return, and a command that runs one."""
    signatures = {**exported.own, **exported.added}
    print_rows(["signature", "takes → returns"], [(key, _described(each)) for key, each in signatures.items()])
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    tell(f"{output}: {size / 1e6:.1f} MB; a target of -1 is the predicted class", "")
    command = ["saved_model_cli", "run", "--dir", str(output), "--tag_set", "serve"]
    command += [
        "--signature_def",
        next(iter(exported.added)),
        "--inputs",
        ";".join(f"{name}={output / EXTRA / name}.npy" for name in names),
    ]
    tell(shlex.join([*command, "--input_exprs", "targets=[-1]"]))


def _described(function: Any) -> str:
    """Return the inputs and outputs of a concrete function in words, each with its name, type and shape."""
    takes = [(spec.name, spec) for spec in tf.nest.flatten(function.structured_input_signature)]
    found = function.structured_outputs
    returns = found.items() if isinstance(found, dict) else _numbered(tf.nest.flatten(found))
    return " → ".join(", ".join(f"{name} {_shape(spec)}" for name, spec in each) for each in (takes, returns))


def _numbered(tensors: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield tensors with the names that TensorFlow gives them in a signature."""
    yield from ((f"output_{number}", tensor) for number, tensor in enumerate(tensors))


def _shape(tensor: Any) -> str:
    """Return type and shape of a tensor in words, such as `float32 (N, 224, 224, 3)`; a `?` is a size that is open."""
    shape = ["N" if not place and size is None else str(size or "?") for place, size in enumerate(tensor.shape)]
    return f"{tensor.dtype.name} ({', '.join(shape)})"
