"""Warns of scores that depend on random numbers, or on the other images of a batch.

`rewriting` finds such operations, and with `random="off"` removes those that it can; this module names what is left. An
operation is named by the layer in which its numbers first meet the image's, which is what a user can look up. Anything
left is refused with `random="off"`; with `keep`, a map is that of one draw, and a warning says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from tfviz.errors import UnsupportedModelError
from tfviz.network.opening import OFF
from tfviz.network.program import Step
from tfviz.network.rewriting import AT_REST, FLIPS, Occurrence, find_batch_statistics, find_draws
from tfviz.network.traced import TracedNetwork

RANDOM, SHARED = "random numbers, drawn in", "statistics of the whole batch, taken in"
IN_DECODING = "while it decodes images: what is explained is one draw, and no other run sees it"
IN_PROGRAM = "a map is that of one draw, which may move the picture, and of a place in the batch"
WAY_OUT = "an ExportArchive endpoint that calls the model with training=False"


def check_randomness(network: TracedNetwork) -> list[str]:
    """Return warnings, by layer and operation, if the score depends on random numbers or on the whole batch.

    Raises `UnsupportedModelError` if `trace` was told to remove that.
    """
    program, sources = network.program, network.head.sources
    drawn = _named(network, find_draws(program, sources))
    decoding = network.inputs.decoding
    decoded = _named(network, find_draws(decoding.program, decoding.program.outputs)) if decoding else ""
    shared = _named(network, find_batch_statistics(program, network.image, sources))
    if network.running.random == OFF and (drawn or decoded or shared):
        raise UnsupportedModelError(
            f"random is 'off', but the program does not show what it would be without "
            f"{RANDOM if drawn or decoded else SHARED} {drawn or decoded or shared}; {WAY_OUT} has none"
        )
    reasons = []
    if decoded:
        reasons.append(f"{RANDOM} {decoded}, {IN_DECODING}")
    if drawn:
        reasons.append(f"{RANDOM} {drawn}: {IN_PROGRAM}")
    if shared:
        reasons.append(f"{SHARED} {shared}: an image's map changes with the images beside it")
    way_out = f"trace(model, random='off') (--random off) removes them if it can, and {WAY_OUT} has none"
    return [f"the score depends on {each}; {way_out}" for each in reasons]


def _named(network: TracedNetwork, found: Iterable[Occurrence]) -> str:
    """Return the layers of operations and their types, each once: `random_flip (StatelessRandomUniformV2)`."""
    types: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for each in found:
        types[_layer_of(network, each.outer)][each.operation.type] = None
    return ", ".join(f"{name} ({', '.join(each)})" for name, each in types.items())


def _layer_of(network: TracedNetwork, step: Step) -> str:
    """Return the layer in which the numbers of a step first meet the image's, or its own name if there is none.

    A random number is often drawn outside of the layer that uses it, or in a scope that no layer is named after. Of
    nested layers it is the one known to act in training alone, else the innermost.
    """
    features, met = network.program.reached_by([network.image]), network.program.reached_by(step.outputs)
    places = [each for each in network.program.steps if not (features & met).isdisjoint(each.outputs)]
    path = network.layer_index.path_around(places[0]).split("/") if places else []
    layers = [name for name in path if not FLIPS.fullmatch(name)]
    # Inside of a layer's scope may be scopes of TensorFlow's functions.
    known = (name for name in layers if AT_REST.fullmatch(name))
    return next(known, "".join(layers[-1:])) or step.name
