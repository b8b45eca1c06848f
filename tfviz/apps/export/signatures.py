"""Traces methods as the signatures of an export, and describes them in its manifest.

A signature takes named arrays, images or encoded files, targets and the model's other inputs, and gives maps, targets
and scores. Options are fixed when it is traced; targets are integers, so that they travel through signatures. Methods
with a last step on the host (`on_host`) are refused before anything is traced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfviz.apps.explanation import MANIFEST_SCHEMA, versions
from tfviz.apps.export.encoded import Decoder
from tfviz.apps.export.saving import model_signatures, saved_root, with_shared_constants
from tfviz.errors import TfvizError
from tfviz.methods import plan_methods
from tfviz.methods.engine import ON_HOST, Run, Served, batch_specs, integer, serve
from tfviz.network.program import compile_function, is_batch
from tfviz.network.rewriting import channels_last, in_format, in_own_order
from tfviz.network.traced import TracedNetwork, explained_part, fingerprint

IMAGES_INPUT, ENCODED_INPUT, TARGETS_INPUT = "images", "encoded", "targets"


@dataclass(frozen=True)
class Exported:
    """The content of an export, traced but not written.

    root: an object that holds all that the functions read. own: the model's signatures, concrete functions by name.
    added: those of the methods. manifest: what tells where they come from; its `warnings` are not emitted yet. path:
    where the model was opened from, None for a live one.
    """

    root: Any
    own: dict[str, Any]
    added: dict[str, Any]
    manifest: dict[str, Any]
    path: Path | None


def prepare(
    network: TracedNetwork,
    chosen: Mapping[str, Mapping[str, Any]],
    decoder: Decoder | None,
    batch_size: int,
    path: Path | None,
) -> Exported:
    """Trace the `chosen` methods with their options; nothing is written.

    Parameters
    ----------
    network, chosen
        The methods are as `choose_methods` returns them, and traced for this network.
    decoder
        Makes images of encoded files inside of the methods' signatures; None if they take images.
    batch_size
        The number of images that methods of many runs compute at once.
    path
        Where the model was opened from, for the manifest and for what is kept of a SavedModel.

    Raises
    ------
    TfvizError
        The model already has a signature of that name, or an input beside the image that is called as one of the
        signatures' own; two layers would share a signature; a method cannot be exported; or the batch size is not an
        integer of at least 1.
    UnknownMethodError, UnknownLayerError, UnsupportedModelError, RuleError
        A method or option does not exist or does not suit the network, or the network cannot be saved.
    """
    at_once = integer("batch_size", batch_size)
    runs = _named_runs(network, chosen)
    own = model_signatures(network)
    for name in own.keys() & runs.keys():
        raise TfvizError(f"the model has a signature {name!r} already; it has: {', '.join(own)}")
    messages: list[str] = []
    shared = with_shared_constants(network)
    added = {name: _trace(shared, serve(shared, run, at_once, messages), decoder) for name, run in runs.items()}
    about = {
        **_about(network, path, decoder),
        "batch_size": at_once,
        "signatures": {name: {"method": run.method.name, **_described(network, run)} for name, run in runs.items()},
        "warnings": list(dict.fromkeys(messages)),
    }
    return Exported(saved_root(network, own, added), own, added, about, path)


def _named_runs(network: TracedNetwork, chosen: Mapping[str, Mapping[str, Any]]) -> dict[str, Run]:
    """Return the runs of methods by the names of their signatures; raise if an option does not fit the network."""
    shape = tuple(size for size in network.image_shape if size is not None)
    named: dict[str, Run] = {}
    for key, run in plan_methods(network, chosen).items():
        if run.method.on_host is not None:
            raise TfvizError(f"{key} cannot be exported: {ON_HOST}")
        if len(shape) == len(network.image_shape):
            run.check(shape)
        # The name must be fit for a file as well: `grad_cam@block/conv:0` becomes `grad_cam@block.conv.0`.
        name = re.sub(r"[^\w@.-]", ".", key)
        if name in named:
            raise TfvizError(f"two layers would have the signature {name!r}; export them one by one")
        named[name] = run
    return named


def _trace(network: TracedNetwork, served: Served, decoder: Decoder | None) -> Any:
    """Return a concrete function of images or encoded files, targets and extra inputs, all by name."""
    images, targets, extra_inputs = batch_specs(network)
    images = tf.TensorSpec([None, *in_own_order(network.image_shape, network.data_format)], images.dtype)
    taken = image_input(network, decoder)
    if taken != IMAGES_INPUT:
        images = tf.TensorSpec([None], tf.string)
    clash = {taken, TARGETS_INPUT} & extra_inputs.keys()
    if clash:
        raise TfvizError(f"the model has an input {min(clash)!r} beside the image, as the signatures of methods have")
    specs = {taken: images, TARGETS_INPUT: targets, **extra_inputs}

    def explain(**given: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return `maps`, `targets` and `scores` of images as the network takes them, or of encoded ones."""
        batch, held = given[taken], {name: given[name] for name in extra_inputs}
        if taken == IMAGES_INPUT:
            batch = channels_last(batch, network.data_format)
        if decoder is not None:
            batch = decoder(batch)
        elif taken == ENCODED_INPUT:
            batch = network.decoded(batch, held)
        found = served(batch, given[TARGETS_INPUT], held)
        if found["maps"].shape.rank == 4:
            found["maps"] = in_format(found["maps"], network.data_format)
        return found

    count = _batch_size(network)
    shapes = {name: [count, *spec.shape[1:]] if is_batch(spec) else spec.shape for name, spec in specs.items()}
    named = {name: tf.TensorSpec(shapes[name], spec.dtype, name) for name, spec in specs.items()}
    return compile_function(explain, **named)


def _batch_size(network: TracedNetwork) -> int | None:
    """Return how many images the model's own function takes at once, None for any number.

    A frozen graph may take only one image, and the methods' signatures must not promise more than it does.
    """
    taken = tf.nest.flatten(network.function.structured_input_signature)
    return next((spec.shape[0] for spec in taken if getattr(spec, "name", None) == network.inputs.name), None)


def image_input(network: TracedNetwork, decoder: Decoder | None) -> str:
    """Return the name of the image in the signatures of the methods."""
    return ENCODED_INPUT if decoder is not None or network.cut else IMAGES_INPUT


def _about(network: TracedNetwork, path: Path | None, decoder: Decoder | None) -> dict[str, Any]:
    """Return the manifest's description of a model."""
    how = decoder and {
        "name": decoder.preprocessing.name,
        "order": decoder.preprocessing.order,
        "size": decoder.size,
        "fit": decoder.fit,
        "interpolation": decoder.interpolation,
    }
    return {
        "schema": MANIFEST_SCHEMA,
        "versions": versions(),
        "model": {
            "name": network.name,
            "path": path and str(path),
            "fingerprint": fingerprint(network),
            **explained_part(network),
        },
        "score": {"head": network.head.kind, "meaning": network.head.scored_by},
        "preprocessing": how,
    }


def _described(network: TracedNetwork, run: Run) -> dict[str, Any]:
    """Return the manifest's description of a run."""
    layer = network.layer_index.name(network.find_layer(run.layer)) if run.layer else None
    return {"layer": layer, "options": run.named(network)}
