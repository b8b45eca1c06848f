"""Runs `tfviz batch`: checks, a pipeline, and results that take the place of the last ones.

The model is opened and the method compiled here first, so that mistakes are found before workers start, and before a
result of hours is replaced. Workers get a handler made of the same options, and write to a folder of their own; it is
moved to the output once every input is counted as a result or a dead letter.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfviz.apps.beam import files
from tfviz.apps.beam.handler import DOUBTFUL, ZERO_MAPS, AttributionHandler
from tfviz.apps.beam.handler_options import MODEL_OPTIONS
from tfviz.apps.beam.pipeline import INPUTS, Job, build, open_pipeline, run_pipeline
from tfviz.apps.explanation import Explanation, manifest_of, write_manifest
from tfviz.apps.files import MANIFEST_NAME, WAYS_TO_FIT
from tfviz.apps.model import Setup, set_up, with_baselines
from tfviz.apps.records import DEAD_LETTERS, ENCODED, OVERLAYS, RESULTS, Look, MethodChoice
from tfviz.errors import TfvizError, emit_warnings
from tfviz.methods import compile_methods
from tfviz.methods.engine import is_attribution
from tfviz.model_options import ModelOptions
from tfviz.network.rewriting import in_own_order
from tfviz.network.traced import NetworkOrigin

LABEL = "label"
"""The target that stands for the one in each record."""


@dataclass(frozen=True)
class BatchOptions:
    """The options of `tfviz batch` that are not about the model. arguments: those for Beam."""

    patterns: Sequence[str]
    output: str
    method: str
    options: Mapping[str, Any]
    target: str | None
    overlays: bool
    batch_size: int
    runner: str
    arguments: Sequence[str]


def run_batch(model: ModelOptions, request: BatchOptions) -> dict[str, int]:
    """Run the pipeline, and return its counts: inputs, results, dead letters, zero maps, doubtful results.

    The results are written to a folder beside the output, which takes its place when all is done, so that a run that
    fails or is killed leaves the output as it was; what is killed leaves that folder, `.OUTPUT.unfinished-…`, behind.
    """
    # A link keeps pointing where it does: what it points to is replaced.
    output = str(Path(_absolute(request.output)).resolve()) if files.is_local(request.output) else request.output
    pipeline = open_pipeline(request.arguments, request.runner)
    patterns = [_absolute(pattern) for pattern in request.patterns]
    files.check_inputs(patterns)
    files.check_output(output)
    with files.local_copy(model.model) as path:
        setup = set_up(replace(model, model=path))
        emit_warnings(setup.all_warnings)
        explanation = _explanation(setup, MethodChoice(request.method, request.options))
        emit_warnings(explanation.warnings)
        content = _content(setup, model, request, explanation)
    name = uuid.uuid4().hex
    unfinished = _beside(output, f"unfinished-{name[:8]}")
    reading = (setup.examples.picture, True) if setup.examples else (ENCODED, False)
    job = Job(patterns, unfinished, name, request.target == LABEL, _look(setup, request), *reading)
    build(pipeline, job, _handler(setup, model, request))
    found = _run_into(unfinished, pipeline, request)
    return _publish(unfinished, output, {**content, "run": name}, found)


def _publish(unfinished: str, output: str, content: Mapping[str, Any], found: Mapping[str, int]) -> dict[str, int]:
    """Add the manifest to the results of a run, put them in the place of the output, and return the counts."""
    try:
        counts = _checked(found)
        _keep_manifest(unfinished, {**content, "counts": counts})
        emit_warnings(files.publish(unfinished, output))
    except (TfvizError, OSError) as error:
        # Hours of work, perhaps.
        raise TfvizError(f"{error}; what the pipeline wrote lies in {unfinished}") from error
    return counts


def _absolute(path: str) -> str:
    """Return a path that means the same to every process."""
    return str(Path(path).expanduser().absolute()) if files.is_local(path) else path


def _beside(output: str, name: str) -> str:
    """Return a hidden folder beside another, on its file system."""
    folder, _, last = output.rstrip("/").rpartition("/")
    return f"{folder}/.{last}.{name}"


def _run_into(unfinished: str, pipeline: Any, request: BatchOptions) -> dict[str, int]:
    """Make the folder that a pipeline writes to, and run it; discard the folder if it fails or is interrupted."""
    try:
        files.make_folder(files.join(unfinished, OVERLAYS) if request.overlays else unfinished)
        return run_pipeline(pipeline)
    except BaseException:
        files.discard(unfinished)
        raise


def _handler(setup: Setup, model: ModelOptions, request: BatchOptions) -> AttributionHandler:
    """Return the handler that the workers run, which opens the model as it was opened here."""
    target = None
    if request.target not in (None, LABEL):
        (target,) = setup.targets([str(request.target)])
    about_model = replace(model, fit=model.fit if setup.network.cut else setup.fit)
    return AttributionHandler(
        _absolute(model.model) if setup.path else model.model,
        request.method,
        target=target,
        class_names=setup.class_names,
        min_batch_size=request.batch_size,
        max_batch_size=request.batch_size,
        **{each.name: getattr(about_model, each.name) for each in MODEL_OPTIONS},
        **request.options,
    )


def _look(setup: Setup, request: BatchOptions) -> Look | None:
    """Return how overlays are drawn, None if they are not wanted.

    Raises `TfvizError` if a picture that we fit ourselves would not be the one that the network saw.
    """
    if request.overlays and setup.fit not in WAYS_TO_FIT:
        raise TfvizError("the network brings images to its size in a way of its own, so that --overlays would not fit")
    if request.overlays and setup.examples and setup.examples.beside:
        names = ", ".join(map(repr, setup.examples.beside))
        raise TfvizError(f"the network's images depend on {names} of an Example, too, so that --overlays would not fit")
    return Look.of(setup, MethodChoice(request.method, request.options)) if request.overlays else None


def _content(setup: Setup, model: ModelOptions, request: BatchOptions, explanation: Explanation) -> dict[str, Any]:
    """Return what the manifest says before the pipeline has run."""
    return manifest_of(
        explanation,
        [],
        warnings=[*setup.warnings, *explanation.warnings],
        model_path=_absolute(model.model) if setup.path else None,
        preprocessing=setup.described_preprocessing,
    ) | {"inputs": list(request.patterns), "target": request.target, "runner": request.runner}


def _explanation(setup: Setup, choice: MethodChoice) -> Explanation:
    """Return the explanation of no images: what the method and the network are; raise if they do not suit each other.

    A manifest describes an `Explanation`, but the maps of a run do not come back from the workers.
    """
    network = setup.network
    compiled = compile_methods(network, with_baselines(setup.metadata, choice.chosen))
    shape = in_own_order(setup.image_shape, network.data_format)
    has_channels = is_attribution(choice.method, compiled.options[choice.method])
    maps = np.empty((0, *(shape if has_channels else setup.size)), np.float32)
    scores = np.empty((0, network.num_classes or 0), np.float32)
    return Explanation(
        images=np.empty((0, *shape), np.float32),
        maps={choice.method: maps},
        targets=np.empty(0, np.int32),
        scores=np.empty(0, np.float32),
        logits=scores,
        probabilities=scores,
        options=compiled.options,
        layers=compiled.layers,
        diagnostics={},
        warnings=compiled.warnings,
        zero_maps={},
        targets_per_image=1,
        model=network.name,
        head=network.head.kind,
        scored_by=network.head.scored_by,
        origin=NetworkOrigin(network),
        data_format=network.data_format,
    )


def _checked(found: Mapping[str, int]) -> dict[str, int]:
    """Return the counts, zero if nothing was counted; raise `TfvizError` if an input is lost."""
    counts = {name: found.get(name, 0) for name in (INPUTS, RESULTS, DEAD_LETTERS, ZERO_MAPS, DOUBTFUL)}
    if counts[INPUTS] != counts[RESULTS] + counts[DEAD_LETTERS]:
        raise TfvizError(
            f"{counts[INPUTS]} inputs became {counts[RESULTS]} results and {counts[DEAD_LETTERS]} dead letters, which "
            "is not as many: the counters of this runner are incomplete, or records are lost"
        )
    return counts


def _keep_manifest(folder: str, content: Mapping[str, Any]) -> None:
    """Write the manifest of a run into its folder, on any file system; it is made as a local file first."""
    with tempfile.TemporaryDirectory() as place:
        files.copy_file(str(write_manifest(Path(place), content)), files.join(folder, MANIFEST_NAME))
