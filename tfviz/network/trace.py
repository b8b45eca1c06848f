"""`trace`: any model becomes a `TracedNetwork`."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tfviz.errors import TfvizError, emit_warnings
from tfviz.limits import MAXIMUM_MODEL_BYTES
from tfviz.network.diagnosis import check_custom_gradients, check_differentiable, check_head, check_randomness
from tfviz.network.heads import CustomScore
from tfviz.network.layers import Shape, TokensToMap
from tfviz.network.opening import Structure, TraceOptions, open_source
from tfviz.network.rewriting import in_own_order
from tfviz.network.traced import Reopening, TracedNetwork

_LOCK = threading.RLock()
# The traces of live models, with what each depends on. A model is referred to weakly, and its trace does not hold it.
_NETWORKS: weakref.WeakKeyDictionary[Any, tuple[Structure, TracedNetwork]] = weakref.WeakKeyDictionary()


def network_of(model: Any) -> TracedNetwork:
    """Return what `trace` does of a model alone, for as long as the caller holds the model.

    It is the way of every call of a method, hence short: what is kept of the model is looked at, and nothing copied.
    """
    if isinstance(model, TracedNetwork):
        return model
    if hasattr(model, "__weakref__"):
        with _LOCK:
            structure, network = _NETWORKS.get(model, (None, None))
            if structure is not None and network is not None and structure.still_holds(model):
                return network
    return trace(model)


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
) -> TracedNetwork:
    """Open any TensorFlow image model, in place.

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
        (height, width, channels), where the model itself does not say it.
    tokens_to_map
        How a layer's tokens (N, T, D) become a map (N, h, w, c), where that does not follow from the model: a function
        made of TensorFlow operations, such as `lambda tokens: tf.reshape(tokens[:, 1:], [-1, 7, 9, tokens.shape[2]])`.
        It is tried on every float sequence of known length; where it raises, or makes anything but one map an image,
        tokens are arranged as they are without it: as the map that they were reshaped from, the class, distillation
        and register tokens beside them left out. Windows and merged tokens are no layer unless it arranges them.
    signature
        The name of a SavedModel's signature. None is `serving_default` or, without one, the only one that takes images.
    input
        The name of the input that is explained, where several may be the image. All others are held fixed: `images` of
        a method are then a dictionary of all inputs by name. One whose first axis is open has an entry for each image.
    output
        The name or number of the output that is explained, where there are several. `score` is given that one alone.
    cut
        Where a signature takes encoded images (strings): the operation whose result is explained. All before it is run
        as it is. None is the first batch of decoded images that all else follows from, see `TracedNetwork.cut`.
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
        What a .keras or .h5 file may unpack to, or four times its own size where that is more; and, a twenty-fifth of
        it, how long its configuration may be. A file that asks for more is refused before it is read.
    fast
        Whether backward passes take shortcuts that are faster on a CPU. The forward pass has TensorFlow's own
        operations, gradients are equal to its up to rounding. None takes them where TensorFlow sees nothing but CPUs
        and no `jit_compile` is asked for; a reduced precision has none.
    random
        `off` removes what is random in the program (dropout, noise, augmentation) and the statistics of the batch that
        normalisations took in training, where it shows what it would be without; `keep` explains one draw, and warns.
    data_format
        Whether images come with `channels_last`, (N, H, W, C), or `channels_first`, (N, C, H, W); None finds it from
        what the model does with them. Images and attributions are given, and given back, in this format; maps are
        (N, H, W) and shapes of images (H, W, C) in both.

    Raises
    ------
    TfvizError
        `tokens_to_map` takes no sequence of the network, or returns something else than a map. There is no such
        `precision`, or `fast` is asked for beside one.
    UnsafeModelError
        The model's file does more than hold a network, see `safe_mode`.
    UnsupportedModelError
        The model cannot be opened, no input, or several, may be the image, there are no class scores and no `score`, or
        what is random cannot be removed; what ends in features is opened, and refused where a score is needed.
    """
    options = TraceOptions(
        score=score,
        # As a tuple, so that options can be compared: arrays have no truth value.
        image_shape=None if image_shape is None else tuple(image_shape),
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
    )
    network = open_network(model, options)
    if network is not model:
        emit_warnings(network.warnings)
    return network


def open_network(model: Any, options: TraceOptions | None = None) -> TracedNetwork:
    """Return what `trace` does, silently: what must be said is in the `warnings` of the network.

    There it is as often as `trace` says it: not if a trace is used again.
    """
    options = options or TraceOptions()
    if isinstance(model, TracedNetwork):
        if options != TraceOptions():
            raise TfvizError("this network is traced already; what trace takes must be given when its model is traced")
        return model
    with _LOCK:
        reusable = options == TraceOptions() and hasattr(model, "__weakref__")
        structure, network = _NETWORKS.get(model, (None, None)) if reusable else (None, None)
        if network is not None and structure is not None and structure.still_holds(model):
            return network.holding(model)
        network = _traced(model, options)
        if reusable:
            kept = network.without_model()
            kept.warnings = ()
            _NETWORKS[model] = (Structure(model), kept)
        return network


def _traced(model: Any, options: TraceOptions) -> TracedNetwork:
    """Return a model as a network that was checked, has its warnings, and knows how it is opened again."""
    shape = None if options.image_shape is None else in_own_order(options.image_shape, options.data_format)
    source = open_source(model, replace(options, image_shape=shape))
    network = TracedNetwork(source, options)
    path = Path(model).absolute() if isinstance(model, str | os.PathLike) else None
    network.reopening = Reopening(partial(trace, **vars(options)), path)
    full = network.in_full_precision()
    check_differentiable(full)
    warnings = [*source.warnings, *network.inputs.warnings, *check_custom_gradients(full), *check_head(network)]
    network.warnings = (*warnings, *check_randomness(network))
    return network
