"""`export`: writes a SavedModel that explains itself, with one signature per method.

Everything is traced before anything is written, and the folder appears only when it is complete. What tells where the
signatures come from, the manifest, lies in `assets.extra`, which TensorFlow keeps and does not read. An export cannot
raise: where a call in Python would (NaN in an image, a score that is not finite), it gives a map of NaN.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfviz.apps.explanation import write_manifest
from tfviz.apps.export.encoded import Decoder
from tfviz.apps.export.signatures import Exported, prepare
from tfviz.apps.files import EXTRA, KERAS, carry_over, check_place, image_size, write_folder
from tfviz.apps.model import find_preprocessing
from tfviz.errors import TfvizError, UnsupportedModelError, emit_warnings
from tfviz.methods import choose_methods
from tfviz.methods.engine import LAYER
from tfviz.network import trace
from tfviz.network.diagnosis import objections_to
from tfviz.network.traced import TracedNetwork
from tfviz.paths import SAVED_MODEL


def export(
    model: Any,
    folder: str | Path,
    methods: str | Sequence[str] = ("grad_cam",),
    *,
    layer: str | Sequence[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    encoded: bool = False,
    preprocess: str | None = None,
    size: tuple[int, int] | None = None,
    fit: str | None = None,
    interpolation: str | None = None,
    batch_size: int = 32,
    overwrite: bool = False,
) -> Path:
    """Write a SavedModel with the model's own signatures and one for each method; return its folder.

    It is loaded without tfviz, by TensorFlow, TensorFlow Serving or `saved_model_cli`. A signature is called as its
    method, `grad_cam`, or, where that was given several layers, `grad_cam@conv1`. It takes `images`, float32 in the
    model's own input space and data format, and `targets`, int32 (N,) or one for all, where -1 is the predicted class.
    It returns `maps`, what the function of its name returns, and the `targets` (N,) and `scores` (N,) that they
    explain. Inputs of the model beside the image keep their names; a signature that takes encoded images is given them
    as `encoded`, strings (N,), and decodes them as it does. Where the model takes one image at once, so do its methods.

    The numbers are those of the network that is exported, to the last bit (on one machine and release of TensorFlow),
    where its weights are variables. Those of a frozen graph are constants, which TensorFlow folds anew: its scores and
    maps are equal up to rounding.

    The model's signatures give what they gave; a Keras model gets `serving_default`. Custom gradients of the model
    itself are not written. The weights are written once. What made it is in `assets.extra/manifest.json`, with the
    model's fingerprint. Of a SavedModel folder, `explanation_metadata.json` and all else in `assets.extra` is kept.

    Parameters
    ----------
    model, methods, layer, options
        As `tfviz.explain` takes them.
    folder
        Made when all of it is written; nothing is left of an export that fails or is interrupted. One that is killed
        (SIGTERM too) leaves what it wrote so far beside it, in `.FOLDER.` and 32 hexadecimal digits.
    encoded
        Whether the methods' signatures take `encoded`, strings (N,), in place of `images`: JPEG, PNG, BMP or GIF files
        (their first frame), which are decoded, fitted and preprocessed in the graph. The EXIF orientation of JPEG files
        is honoured, that of PNG files is not.
    preprocess
        What the model was trained on, as `tfviz explain --preprocess` names it (`0..1`, `vgg16` ...).
    size
        (height, width) that encoded files are fitted to, where the model leaves it open.
    fit
        How encoded files are fitted: `stretch`, `cover` or `crop`, see `tfviz explain --fit`; None is `stretch`.
    interpolation
        How they are interpolated: `keras`, `bilinear`, `area` or `nearest`, see `tfviz explain --interpolation`; None
        is `keras`.
    batch_size
        The number of images that methods of many runs compute at once.
    overwrite
        Whether a SavedModel in `folder` is replaced, once the new one is complete; a folder that holds anything else
        beside it is not.

    Raises
    ------
    TfvizError
        The folder exists, holds something else than a SavedModel, or cannot be written; or the model has a signature of
        that name.
    UnknownMethodError, UnknownLayerError, UnsupportedModelError, RuleError
    """
    folder = Path(folder)
    check_place(folder, overwrite=overwrite)
    network = trace(model)
    check_encoded(network, encoded=encoded)
    if not encoded and any(each is not None for each in (preprocess, size, fit, interpolation)):
        raise TfvizError("preprocess, size, fit and interpolation are about encoded files; they go with encoded=True")
    decoder = find_decoder(network, preprocess, size, fit, interpolation) if encoded else None
    chosen = choose_methods(methods, None if layer is None else {LAYER: layer}, options)
    path = Path(model).resolve() if isinstance(model, str | os.PathLike) else None
    exported = prepare(network, chosen, decoder, batch_size, path)
    if decoder is not None:
        exported.manifest["warnings"][:0] = objections_to(network, *decoder.preprocessing.pixel_range)
    emit_warnings(exported.manifest["warnings"])
    emit_warnings(write(exported, folder, overwrite=overwrite))
    return folder


def check_encoded(network: TracedNetwork, *, encoded: bool) -> None:
    """Raise `TfvizError` if encoded files would be decoded twice."""
    if encoded and network.cut:
        raise TfvizError(
            "the network decodes images itself, so that its methods take them encoded without encoded=True"
        )


def find_decoder(
    network: TracedNetwork,
    preprocess: str | None,
    size: tuple[int, int] | None,
    fit: str | None,
    interpolation: str | None,
) -> Decoder:
    """Return the decoder that makes the network's images from encoded files; the options are those of `export`."""
    if preprocess is None:
        raise TfvizError("say what encoded files become: preprocess='0..1', 'vgg16' or what the model was trained on")
    preprocessing = find_preprocessing(preprocess, channels=network.image_shape[2] or 3)
    return Decoder(preprocessing, image_size(network.image_shape, size), fit or "stretch", interpolation or KERAS)


def write(
    exported: Exported, folder: Path, extra: Mapping[str, bytes] | None = None, *, overwrite: bool = False
) -> list[str]:
    """Write a SavedModel, its manifest and `extra` files beside that; return what must be said of what was replaced.

    If that fails, raises `TfvizError` and leaves nothing behind.
    """
    signatures = {**exported.own, **exported.added}
    # The methods' gradients are in the graph; those of the graph itself could not be traced again.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)

    def fill(unfinished: Path) -> None:
        tf.saved_model.save(exported.root, str(unfinished), signatures=signatures, options=options)
        write_manifest(unfinished / EXTRA, exported.manifest)
        for name, content in (extra or {}).items():
            (unfinished / EXTRA / name).write_bytes(content)
        if exported.path is not None and (exported.path / SAVED_MODEL).is_file():
            carry_over(exported.path, unfinished)

    try:
        return write_folder(folder, fill, overwrite=overwrite)
    except tf.errors.OpError as error:
        # The reason stands behind the names of the operation and of the unfinished file.
        raise TfvizError(f"{folder} cannot be written: {error.message.rpartition(';')[2].strip()}") from error
    except AssertionError as error:
        raise UnsupportedModelError(
            "the model reads a variable or table that is no attribute of it or of a layer of it, and would not be "
            "saved: make it one"
        ) from error
