"""Models opened by name: those of tfviz, ``keras.applications``, and files of the user's own.

A name of ``keras.applications`` comes with all that Keras knows about it: preprocessing, class names, size. The user's
own file is not opened here but by `trace`, which checks what is in it first.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfviz.apps.files import imagenet_labels, keras_cache
from tfviz.apps.model.preprocessing import Preprocessing, applications, find_preprocessing, plain_name
from tfviz.demo import CLASS_NAMES, IMAGENET_NETWORK, load_imagenet, load_network
from tfviz.errors import UnsupportedModelError, one_line, suggestion
from tfviz.limits import MAXIMUM_MODEL_BYTES
from tfviz.model_options import EMBEDDED
from tfviz.paths import ABSENT, trouble_with

WEIGHTS_FILES = (".h5", ".hdf5", ".keras")


@dataclass(frozen=True)
class OpenedModel:
    """A model and what is known about it without being told.

    Attributes:
        model: For `tfviz.trace`: a Keras model, or the path of the user's own.
        name: A short name for pictures and tables.
        preprocessing: From pictures to the model's inputs; None for the user's own model.
        class_names: In the order of the classes; None for the user's own model.
        image_size: Height and width in pixels; None for the user's own model.
    """

    model: Any
    name: str
    preprocessing: Preprocessing | None = None
    class_names: list[str] | None = None
    image_size: tuple[int, int] | None = None


def open_model(name: str, *, weights: str = "imagenet", maximum_bytes: int = MAXIMUM_MODEL_BYTES) -> OpenedModel:
    """Open a model by the value of ``--model``.

    Parameters
    ----------
    name
        ``demo`` (the network that tfviz ships), ``efficientnet-lite0`` (of the extra ``imagenet``), a
        ``keras.applications`` name such as ``vgg16`` or ``mobilenet_v2``, or the path of a .keras or .h5 file or
        SavedModel folder. A folder called like a model is meant by ``./vgg16``.
    weights
        For a ``keras.applications`` model: ``imagenet``, ``random``, or a .weights.h5, .h5 or .keras file.
    maximum_bytes
        What that file may unpack to, as `maximum_model_bytes` of `tfviz.trace`.

    Raises
    ------
    UnsupportedModelError
        There is no such model, its weights cannot be had or do not fit, or `weights` are given
        for a model that brings its own.
    UnsafeModelError
        The file of `weights` keeps them in other files.
    """
    application = applications().get(plain_name(name))
    if application is not None:
        return _open_application(application, weights, maximum_bytes)
    if weights != "imagenet":
        raise UnsupportedModelError(f"weights are for a keras.applications model; {name} brings its own")
    if name in OWN_MODELS:
        return OWN_MODELS[name](name)
    if trouble := trouble_with(Path(name)):
        raise UnsupportedModelError(_unknown(name, trouble))
    return OpenedModel(Path(name), Path(name).name)


def open_architecture(name: str) -> Any:
    """Return the model that `name` stands for as `open_model` does, for questions that its weights do not answer.

    The weights of a ``keras.applications`` model are not downloaded.
    """
    application = applications().get(plain_name(name))
    return application(weights=None) if application is not None else open_model(name).model


def _open_demo(name: str) -> OpenedModel:
    model = load_network()
    return OpenedModel(model, name, find_preprocessing("0..255"), list(CLASS_NAMES), model.input_shape[1:3])


def _open_imagenet(name: str) -> OpenedModel:
    model = load_imagenet()
    return OpenedModel(model, name, find_preprocessing("0..255"), imagenet_labels(), model.input_shape[1:3])


OWN_MODELS: dict[str, Callable[[str], OpenedModel]] = {EMBEDDED: _open_demo, IMAGENET_NETWORK: _open_imagenet}


def _open_application(application: Callable[..., Any], weights: str, maximum_bytes: int) -> OpenedModel:
    """Open a model of ``keras.applications`` with its preprocessing, class names and size; raises as `open_model`.

    A file of weights is checked before Keras opens it. Class names are those of ImageNet, also for random weights.
    """
    name = plain_name(application.__name__)
    if weights not in ("imagenet", "random"):
        # Shards, which a .weights.json names, may lie anywhere.
        if not Path(weights).is_file() or Path(weights).suffix not in WEIGHTS_FILES:
            raise UnsupportedModelError(
                f"no weights {weights!r} for {name}: expected imagenet, random or an existing .weights.h5, .h5 or "
                ".keras file"
            )
        from tfviz.network.opening import check_weights_file

        check_weights_file(Path(weights), maximum_bytes)
    try:
        model = application(weights=None if weights == "random" else weights)
    except Exception as error:  # Keras raises a plain Exception if a download fails.
        raise UnsupportedModelError(_why_not_built(name, weights, error)) from error
    # Keras leaves the size of MobileNetV3 open; its weights were trained at 224.
    height, width = (side or 224 for side in model.input_shape[1:3])
    return OpenedModel(model, name, find_preprocessing(name), imagenet_labels(), (height, width))


def _why_not_built(name: str, weights: str, error: Exception) -> str:
    """Return why Keras could not build a model, in one line with the way out.

    A download that failed is recognised by the frame of `get_file` in the traceback, whose arguments are the file and
    its address; all else is taken for weights that do not fit.
    """
    import keras

    for frame, _ in traceback.walk_tb(error.__traceback__):
        # From the call and not from the URL: Keras stores NASNet's file under another name than the server does.
        if frame.f_code is keras.utils.get_file.__code__:
            file, url = frame.f_locals["fname"], frame.f_locals["origin"]
            return (
                f"the weights of {name} could not be downloaded ({error.__context__}); "
                f"put {file} from {url} into {keras_cache()}, or use --weights random or --weights FILE"
            )
    reason = one_line(error)
    return f"the weights {weights} do not fit {name}: {reason}"


def _unknown(name: str, trouble: str) -> str:
    """Return the message about a name that is not a model, with what was expected or a name or file like it."""
    folder = Path(name).parent
    beside = [str(entry) for entry in folder.iterdir()] if not trouble_with(folder) and folder.is_dir() else []
    own = ", ".join(OWN_MODELS)
    kinds = f"{own}, a keras.applications name such as vgg16, or the path of a .keras or .h5 file or SavedModel folder"
    what = f"there is no model {name!r}" if trouble == ABSENT else f"{name!r} is not a model: it {trouble}"
    hint = suggestion(name, [*OWN_MODELS, *applications(), *beside], f"expected {kinds}", always=True)
    return f"{what}; {hint}"
