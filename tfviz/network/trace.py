"""Opens any model as a `TracedNetwork`, checks it, and keeps the traces of live models.

The last stop on the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace: the network is
made here, and what is wrong with it becomes its `warnings`, which only `trace` emits. A trace without options is kept
as long as its model lives, and used again until layers, settings or constants of the model are replaced; weights are
read live. A kept trace must not keep its model alive, so it does not hold it; `trace` returns a copy that does. That
copy stays as it was traced, but for the weights.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tfviz.errors import TfvizError, emit_warnings
from tfviz.limits import MAXIMUM_MODEL_BYTES
from tfviz.network.diagnosis import (
    check_custom_gradients,
    check_differentiable,
    check_head,
    check_randomness,
    expected_range,
)
from tfviz.network.heads import CustomScore
from tfviz.network.layers import Shape, TokensToMap
from tfviz.network.opening import Structure, TraceOptions, open_source
from tfviz.network.rewriting import in_own_order
from tfviz.network.traced import Reopening, TracedNetwork

_LOCK = threading.RLock()
# The traces of live models, with the structure that each depends on. Nothing in here holds a model.
_NETWORKS: weakref.WeakKeyDictionary[Any, tuple[Structure, TracedNetwork]] = weakref.WeakKeyDictionary()


def network_of(model: Any) -> TracedNetwork:
    """Return the network of a model, as `trace` does without options, for as long as the caller holds the model.

    Every call of a method comes this way, so it is short: a kept trace is looked up and not copied.
    """
    if isinstance(model, TracedNetwork):
        return model
    with _LOCK:
        network = _kept(model)
    return trace(model) if network is None else network


def _kept(model: Any) -> TracedNetwork | None:
    """Return the trace of a live model that is kept, if nothing that it depends on was replaced."""
    found = _NETWORKS.get(model) if hasattr(model, "__weakref__") else None
    return found[1] if found is not None and found[0].still_holds(model) else None


def trace(
    model: Any,
    *,
    score: CustomScore | None = None,
    image_shape: Shape | None = None,
    tokens_to_map: TokensToMap | None = None,
    signature: str | None = None,
    input: str | None = None,
    output: str | int | None = None,
    cut: str | None = None,
    precision: str | None = None,
    jit_compile: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
    maximum_model_bytes: int = MAXIMUM_MODEL_BYTES,
    fast: bool | None = None,
    random: str = "keep",
    data_format: str | None = None,
    class_names: Sequence[str] | None = None,
) -> TracedNetwork:
    """Open any TensorFlow image model, in place.

    The model is traced at inference, read as a list of operations and checked, which takes from 0.3 s to a few seconds.
    Nothing of it is changed, then or later, and its weights are read live.

    Parameters
    ----------
    model
        A Keras model, a `.keras` or `.h5` file, a SavedModel folder, a loaded SavedModel, or a `TracedNetwork`, which
        is returned as it is. A Keras model or loaded SavedModel that is passed again reuses its trace.
    score
        What to explain instead of a class: a function of the model's outputs that returns a number for each image (N,).
        It must be made of TensorFlow operations. After a softmax it reads probabilities; those of `tfviz.scores` may
        read the logits behind it.
    image_shape
        (height, width, channels), if the model itself leaves it open.
    tokens_to_map
        How a layer's tokens (N, T, D) become a map (N, h, w, c), if that does not follow from the model: a function
        made of TensorFlow operations, such as `lambda tokens: tf.reshape(tokens[:, 1:], [-1, 7, 9, tokens.shape[2]])`.
        It is tried on every float sequence of known length; if it raises, or makes anything but one map an image,
        tokens are arranged as they are without it: as the map that they were reshaped from, without the class,
        distillation and register tokens beside them. Windows and merged tokens are not layers unless it arranges them.
    signature
        The name of a SavedModel's signature. None is `serving_default` or, without one, the only one that takes images.
    input
        The name of the input that is explained, if several may be the image. All others are held fixed: `images` of a
        method are then a dictionary of all inputs by name. One whose first axis is open has an entry for each image.
    output
        The name or number of the output that is explained, if there are several, or its path in nested outputs, such as
        `scores/0`. `score` is given that one alone.
    cut
        If a signature takes encoded images (strings): the operation whose result is explained. All before it is run as
        it is. None is the first batch of decoded images that all else follows from, see `TracedNetwork.cut`.
    precision
        `bfloat16` or `float16`: the type that the network runs in, forward and backward; None is `float32`, the network
        as it is. What depends on the image is computed in it as far as TensorFlow can on this machine, from weights
        that are cast once a pass; the rest stays as it is, as do types that the model chose itself. Images, scores and
        results are float32, and `explain` measures what was lost.
    jit_compile
        Whether XLA compiles every pass, forward and backward, of the methods, as `tf.function(jit_compile=True)` does:
        once for each number and size of images at once, which takes seconds. On CPUs it lost on every network measured.
    custom_objects
        Layers and functions of your own by name, for a .keras or .h5 file.
    safe_mode
        Whether to refuse a file that does more than hold a network: a Keras file with a `Lambda`, Python code, or a
        class or function that is neither Keras's nor yours (`custom_objects`, or registered with Keras); a SavedModel
        whose operations touch files other than its own, talk to other machines or call Python. False opens it with all
        your rights, and warns of what it holds.
    maximum_model_bytes
        How many bytes a .keras or .h5 file may unpack to, unless four times its own size is more; its configuration may
        have a twenty-fifth of them. A file that asks for more is refused before it is read.
    fast
        Whether less is computed on a CPU for the same numbers, up to rounding: backward passes take shortcuts,
        `occlusion` runs the network on what each patch changes, and `ablation_cam` in one pass where the score is
        linear in the layer. The forward pass itself runs TensorFlow's own operations. None does so if TensorFlow sees
        nothing but CPUs and `jit_compile` is not asked for; a reduced precision does not.
    random
        `off` removes what is random in the program (dropout, noise, augmentation) and the statistics of the batch that
        normalisations took in training, and refuses a program that does not show what it would be without; `keep`
        explains one draw, and warns.
    data_format
        Whether the model takes images with `channels_last`, (N, H, W, C), or `channels_first`, (N, C, H, W); None finds
        it from what the model does with them. Images and attributions are given, and given back, in this format; maps
        are (N, H, W) and shapes of images (H, W, C) in both.
    class_names
        The names of all classes in their order, for `targets`, objectives and titles. A name is found again in another
        spelling and, if it holds synonyms between commas, as ImageNet's do, by one of them. They may be given with a
        `TracedNetwork`, too: the names are those of the network that is returned.

    Returns
    -------
    TracedNetwork
        The network, which every method takes in place of the model. It keeps the model alive, and stays as it was
        traced except for the weights: a layer that is replaced later is seen only by a new trace.

    Raises
    ------
    TfvizError
        An option has a value that it does not take, or is given with a network that is traced already. `score` is not
        made of TensorFlow operations, or gives anything but one number for each image: it is tried on random outputs.
        `tokens_to_map` takes no sequence of the network, or does not return a map. There is no such `precision`, or
        `fast` is asked for together with one.
    InvalidTargetsError
        There are not as many `class_names` as the network has classes.
    UnsafeModelError
        The model's file does more than hold a network, see `safe_mode`.
    UnsupportedModelError
        The model cannot be opened, or an option has no meaning for it; no input, or several, may be the image; there
        are no class scores and no `score`; or what is random cannot be removed. A model that ends in features is
        opened, and refused when a score is needed.

    Warns
    -----
    TfvizWarning
        Something of the model makes maps mean less than they seem to: gradients of its own that are not followed,
        randomness, a softmax of probabilities, an unclear order of the axes, or what a file opened with
        `safe_mode=False` may do. A trace that is used again does not warn again.
    """
    options = TraceOptions(
        score=score,
        image_shape=image_shape,
        tokens_to_map=tokens_to_map,
        signature=signature,
        input=input,
        output=output,
        cut=cut,
        precision=precision,
        jit_compile=jit_compile,
        custom_objects=custom_objects,
        safe_mode=safe_mode,
        maximum_model_bytes=maximum_model_bytes,
        fast=fast,
        random=random,
        data_format=data_format,
        class_names=class_names,
    )
    network = open_network(model, options)
    if not isinstance(model, TracedNetwork):
        emit_warnings(network.warnings)
    return network


def open_network(model: Any, options: TraceOptions | None = None) -> TracedNetwork:
    """Return what `trace` does, without emitting warnings: these are the `warnings` of the network.

    A trace that is used again has none. One model is traced at a time, so that threads which ask for the same one at
    once share its trace. Class names are no part of it.
    """
    options = options or TraceOptions()
    if options.class_names is not None:
        return open_network(model, replace(options, class_names=None)).named(options.class_names)
    if isinstance(model, TracedNetwork):
        if options != TraceOptions():
            raise TfvizError("this network is traced already; options must be given when its model is traced")
        return model
    with _LOCK:
        reusable = options == TraceOptions() and hasattr(model, "__weakref__")
        network = _kept(model) if reusable else None
        if network is not None:
            return network.holding(model)
        network = _traced(model, options)
        if reusable:
            kept = network.without_model()
            kept.warnings = ()
            _NETWORKS[model] = (Structure(model), kept)
        return network


def _traced(model: Any, options: TraceOptions) -> TracedNetwork:
    """Return the network of a model, checked, with its warnings and how it is opened again.

    The gradients of a network with a reduced precision are checked in float32, where rounding does not look like a
    custom gradient.
    """
    shape = None if options.image_shape is None else in_own_order(options.image_shape, options.data_format)
    source = open_source(model, replace(options, image_shape=shape))
    network = TracedNetwork(source, options)
    path = Path(model).absolute() if isinstance(model, str | os.PathLike) else None
    network.reopening = Reopening(partial(trace, **vars(options)), path)
    network.options, network.about_range = options, expected_range
    full = network.in_full_precision()
    check_differentiable(full)
    warnings = [*source.warnings, *network.inputs.warnings, *check_custom_gradients(full), *check_head(network)]
    network.warnings = (*warnings, *check_randomness(network))
    return network
