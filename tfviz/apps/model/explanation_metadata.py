"""`explanation_metadata.json` beside a SavedModel, as Vertex AI and AI Platform read it for their explanations.

It says which tensors are the image and the class scores, what the baselines of integrated gradients are, and how
attributions are shown. Keys are `input_baselines` or `inputBaselines`, words in upper or lower case. Tensors are named
as in a graph; `trace` wants the keys of a signature, so each is looked up there: by its full name, by the number of a
call's output or, in a model that was exported again, by the key that it ends with.

Of several inputs only the image is read. Several outputs, or an encoding other than the identity, are refused unless
the user chooses the output or the input. How to show attributions is followed as far as `Highlight` can; each setting
that it lacks is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfviz.apps.files import METADATA, read_json
from tfviz.apps.model.saved_signatures import Signature
from tfviz.errors import TfvizError, UnsupportedModelError, one_line
from tfviz.paths import special_kind
from tfviz.results import Highlight

# Tensors of a SavedModel that TensorFlow 2 wrote: `serving_default_images:0` and `StatefulPartitionedCall:1`, the
# number being that of the output in the order of its signature's keys.
CALL = re.compile(r"(?:Stateful)?PartitionedCall(?:_\d+)?:(\d+)")
VISUALIZATION = {
    "type": "shape",
    "polarity": "polarity",
    "color_map": "colors",
    "clip_percent_lowerbound": "lower",
    "clip_percent_upperbound": "upper",
    "clip_below_percentile": "lower",
    "clip_above_percentile": "upper",
    "overlay_type": "background",
}
DEFAULTS = {"shape": "outlines", "background": "none"}  # where Vertex's differ from those of `Highlight`
BACKGROUNDS = {"mask_black": "mask"}


@dataclass(frozen=True)
class ExplanationMetadata:
    """What an explanation metadata file says of a model.

    input_tensor, output_tensor: the tensors of the image and the class scores, as they are written. baselines: for
    `integrated_gradients`; None if there are none. highlight: how to show attributions, None if the file does not say.
    class_names: those of the output, None if there are none. warnings: of settings that are not followed. given: which
    of the tensors of the `input` and the `output` the file names; one that it does not is called like its entry.
    """

    input_tensor: str
    output_tensor: str
    baselines: list[NDArray[np.float32]] | None
    highlight: Highlight | None
    class_names: list[str] | None
    warnings: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()

    def names(self, signatures: Mapping[str, Signature], name: str, typed: Container[str] = ()) -> dict[str, Any]:
        """Return `input` and `output` for `trace`, of the signature of that name, unless `typed` by the user.

        One that is alone is not named. Raises `UnsupportedModelError` if no key is the tensor's; one that is alone
        may be that of another signature, or not be given.
        """
        found = {}
        for place, (kind, tensor) in enumerate({"input": self.input_tensor, "output": self.output_tensor}.items()):
            keys = signatures[name][place]
            if kind in typed or (len(keys) == 1 and kind not in self.given):
                continue
            others = [each[place] for each in signatures.values()] if len(keys) == 1 else []
            key = _key(tensor, keys)
            if key is None and not any(_key(tensor, each) for each in others):
                raise UnsupportedModelError(
                    f"{METADATA} names the tensor {tensor!r}, but the model has {', '.join(keys)}"
                )
            if len(keys) > 1:
                found[kind] = key
        return found


def read_explanation_metadata(
    folder: Path, input: str | None = None, output: str | None = None
) -> ExplanationMetadata | None:
    """Return what the file in a SavedModel's folder says, None if there is none.

    input, output: what the user has chosen, of which the entries are read, whatever else the file names; where it has
    no such entry, it says nothing of that.

    Raises `TfvizError` if it does not follow the format.
    """
    path = folder / METADATA
    if kind := special_kind(path):
        raise TfvizError(f"{str(path)!r} {kind}")
    if not path.exists():
        return None
    try:
        content = _snake(read_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise TfvizError(f"{str(path)!r} cannot be read: {one_line(error)}") from error
    try:
        return _read(content, input, output)
    except TfvizError as error:
        raise TfvizError(f"{str(path)!r}: {error}") from error


def _read(content: Any, input: str | None, output: str | None) -> ExplanationMetadata:
    """Return what the content of a file says, keys in snake case; `input` and `output` as `read_explanation_metadata`.

    Raises `TfvizError` if it does not name one image and one output, or a setting has a wrong type.
    """
    name, image = _image_of(_entries(content, "inputs")) if input is None else _entry_of(content, "input", input)
    key, scores = _output_of(_entries(content, "outputs")) if output is None else _entry_of(content, "output", output)
    if input is None and str(image.get("encoding", "identity")).lower() not in ("identity", "encoding_unspecified"):
        raise TfvizError(f"the input {name!r} is encoded as {image['encoding']}, expected IDENTITY, as images are")
    names = scores.get("index_display_name_mapping") or scores.get("index_name_mapping")
    highlight, warnings = _highlight(image["visualization"]) if image.get("visualization") else (None, ())
    return ExplanationMetadata(
        _tensor(image, "input_tensor_name", name),
        _tensor(scores, "output_tensor_name", key),
        _baselines(image.get("input_baselines")),
        highlight,
        [str(each) for each in names] if isinstance(names, list) else None,
        warnings,
        frozenset(kind for kind, entry in (("input", image), ("output", scores)) if entry.get(f"{kind}_tensor_name")),
    )


def _entries(content: Any, kind: str) -> dict[str, dict[str, Any]]:
    """Return the entries of the inputs or outputs by their names; raise `TfvizError` if there is none."""
    found = content.get(kind) if isinstance(content, Mapping) else None
    if not isinstance(found, Mapping) or not found or not all(isinstance(each, Mapping) for each in found.values()):
        raise TfvizError(f"it has no {kind}, expected {{name: {{...}}}}")
    return {str(name): dict(entry) for name, entry in found.items()}


def _entry_of(content: Any, kind: str, chosen: str) -> tuple[str, dict[str, Any]]:
    """Return the entry of the input or output that the user has chosen, by its name or tensor."""
    try:
        entries = _entries(content, f"{kind}s")
    except TfvizError:
        entries = {}
    for name, entry in entries.items():
        if chosen in (
            name,
            _tensor(entry, f"{kind}_tensor_name", name).partition(":")[0].removeprefix("serving_default_"),
        ):
            return chosen, entry
    return chosen, {}


def _output_of(outputs: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return the name and entry of the only output; raise `TfvizError` if there are several."""
    if len(outputs) > 1:
        raise TfvizError(f"it has {len(outputs)} outputs ({', '.join(outputs)}), expected one, the class scores")
    return next(iter(outputs.items()))


def _image_of(inputs: dict[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return the one input that is an image: by its modality, or because it says how it is shown, or is alone."""
    by_modality = [name for name, entry in inputs.items() if str(entry.get("modality", "")).lower() == "image"]
    shown = [name for name, entry in inputs.items() if entry.get("visualization")]
    for names in (by_modality, shown, list(inputs)):
        if len(names) == 1:
            return names[0], inputs[names[0]]
    raise TfvizError(
        f'which of its inputs ({", ".join(inputs)}) is the image is not said; give one "modality": "image"'
    )


def _tensor(entry: Mapping[str, Any], key: str, name: str) -> str:
    """Return the tensor's name; an entry without one is called like its tensor."""
    return str(entry.get(key) or name)


def _baselines(values: Any) -> list[NDArray[np.float32]] | None:
    """Return arrays of a number, (), a colour, (C,), or an image, (H, W, C), without the axis of a batch of one."""
    if values is None or values == []:
        return None
    try:
        arrays = [np.asarray(each, np.float32) for each in (values if isinstance(values, list) else [values])]
    except (TypeError, ValueError, OverflowError) as error:
        raise TfvizError(f"input_baselines must be numbers or images of numbers: {error}") from error
    return [each[0] if each.ndim == 4 else each for each in arrays]


def _highlight(settings: Any) -> tuple[Highlight, tuple[str, ...]]:
    """Return how attributions are shown, and a warning for each setting that is not followed."""
    if not isinstance(settings, Mapping):
        raise TfvizError(f"visualization is {settings!r}, expected settings by their names")
    found: dict[str, Any] = dict(DEFAULTS)
    warnings = []
    for key, value in settings.items():
        if key not in VISUALIZATION:
            warnings.append(f"{METADATA}: the visualization's {key} is not followed")
        elif isinstance(value, str) and not value.lower().endswith("_unspecified"):
            found[VISUALIZATION[key]] = BACKGROUNDS.get(value.lower(), value.lower())
        elif not isinstance(value, str):
            found[VISUALIZATION[key]] = value
    for name, value in found.items():
        is_bound = name in ("lower", "upper")
        if isinstance(value, bool) or not isinstance(value, int | float if is_bound else str):
            what, expected = ("clip percentile", "a number") if is_bound else (name, "a word")
            raise TfvizError(f"a {what} of the visualization is {value!r}, expected {expected}")
    return Highlight(**found), tuple(warnings)


def _key(tensor: str, keys: Mapping[str, str]) -> str | None:
    """Return which of the `keys` of a signature's tensors is that of a tensor; None if it is none of them."""
    for key, name in keys.items():
        if tensor in (name, name.removesuffix(":0")):
            return key
    # The number of a call's output, in the order of the keys; and the name in a model that was exported again.
    call = CALL.fullmatch(tensor)
    if call and int(call.group(1)) < len(keys):
        return sorted(keys)[int(call.group(1))]
    plain = tensor.partition(":")[0]
    return next((key for key in sorted(keys, key=len, reverse=True) if plain == key or plain.endswith("_" + key)), None)


def _snake(value: Any) -> Any:
    """Return JSON with keys such as `inputBaselines` as `input_baselines`; names of inputs and outputs stay."""
    if isinstance(value, list):
        return [_snake(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        _snake_key(key): {name: _snake(each) for name, each in inner.items()}
        if key in ("inputs", "outputs") and isinstance(inner, dict)
        else _snake(inner)
        for key, inner in value.items()
    }


def _snake_key(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()
