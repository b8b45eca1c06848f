"""What of a score is chance, or another image's, is said or refused."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable

from tfviz.errors import TfvizWarning, UnsupportedModelError
from tfviz.network.opening import OFF
from tfviz.network.program import Step
from tfviz.network.rewriting import AT_REST, FLIPS, Found, find_batch_statistics, find_draws
from tfviz.network.traced import TracedNetwork

RANDOM, SHARED = "random numbers, drawn in", "statistics of the whole batch, taken in"
WAY_OUT = "an ExportArchive endpoint that calls the model with training=False"


def check_randomness(network: TracedNetwork) -> None:
    """Warn, by layer and operation, where the score is that of a random draw or follows from the whole batch.

    Raises `UnsupportedModelError` where `trace` was told to remove that.
    """
    program, sources = network.program, network.head.sources
    drawn = _named(network, find_draws(program, sources))
    decoding = network.inputs.decoding
    decoded = _named(network, find_draws(decoding.program, decoding.program.outputs)) if decoding else ""
    shared = _named(network, find_batch_statistics(program, network.image, sources))
    if network.running.random == OFF and (drawn or decoded or shared):
        raise UnsupportedModelError(
            f"random is 'off', but the program does not show what it would be without "
            f"{RANDOM if drawn or decoded else SHARED} {drawn or decoded or shared}; without them is {WAY_OUT}"
        )
    if decoded:
        _warn(f"{RANDOM} {decoded}, while it decodes images: what is explained is one draw, and no other run sees it")
    if drawn:
        _warn(f"{RANDOM} {drawn}: a map is that of one draw, which may move the picture, and of a place in the batch")
    if shared:
        _warn(f"{SHARED} {shared}: an image's map changes with the images beside it")


def _warn(said: str) -> None:
    way_out = f"trace(model, random='off') (--random off) does without them where it can, and so does {WAY_OUT}"
    warnings.warn(f"the score depends on {said}; {way_out}", TfvizWarning, stacklevel=4)


def _named(network: TracedNetwork, found: Iterable[Found]) -> str:
    """Return the layers of operations and their types, each once: `random_flip (StatelessRandomUniformV2)`."""
    types: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for each in found:
        types[_layer_of(network, each.outer)][each.operation.type] = None
    return ", ".join(f"{name} ({', '.join(each)})" for name, each in types.items())


def _layer_of(network: TracedNetwork, step: Step) -> str:
    """Return the layer in which the numbers of a step first meet the image's, or the step's name where none is."""
    features, met = network.program.reached_by([network.image]), network.program.reached_by(step.outputs)
    places = [each for each in network.program.steps if not (features & met).isdisjoint(each.outputs)]
    path = network.layer_index.path_around(places[0]).split("/") if places else []
    layers = [name for name in path if not FLIPS.fullmatch(name)]
    # A layer's own scopes may have scopes of TensorFlow's functions inside.
    known = (name for name in layers if AT_REST.fullmatch(name))
    return next(known, "".join(layers[-1:])) or step.name
