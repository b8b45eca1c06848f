"""The pipeline of `tfviz batch`: files of pictures in, records of maps and dead letters out.

Read, explain by `RunInference`, write. A picture that cannot be read or explained becomes a dead letter with its reason
and stops no other; every input is counted, and so is what becomes of it, so that `tfviz batch` can tell if one was
lost. Records are not grouped, so memory stays flat. Pairs of paths and pictures carry their origin along as a key,
since Beam keeps no order.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.coders import BytesCoder
from apache_beam.io import WriteToText
from apache_beam.io.filebasedsink import FileBasedSink
from apache_beam.io.fileio import EmptyMatchTreatment, MatchAll
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.ml.inference.base import KeyedModelHandler, PredictionResult, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from tfviz.apps.beam.files import copy_file, create_file, is_local, is_text, join, local_copy, readable
from tfviz.apps.beam.handler import NAMESPACE, AttributionHandler
from tfviz.apps.files import encode_picture
from tfviz.apps.records import DEAD_LETTERS, ERROR, RESULTS, DeadLetter, Look, MapRecord, Origin, read_pictures
from tfviz.errors import TfvizError, emit_warnings

INPUTS = "inputs"

_OF_BEAM_ALONE = ("DirectRunner", "DataflowRunner")
"""The runners whose options are all in Beam's Python package; a job server may bring more."""
_LOCAL = "DirectRunner"
_DEFAULTS_OF_LOCAL = {
    # Since 2.65, Beam's DirectRunner first downloads another runner, which has no direct_num_workers, unless it is told
    # to be compatible with an older release.
    "--update_compatibility_version": beam.__version__,
    "--default_sdk_harness_log_level": "ERROR",
}


@dataclass(frozen=True)
class Job:
    """A run of `tfviz batch`, as far as its workers need to know.

    patterns: of the input files. folder: where the results go. run: the id of the run. with_labels: whether the target
    is the Example's label. look: how overlays are drawn, None for no overlays. picture: the feature of Examples that
    holds the picture. whole: whether the model is given the Examples as they are, and not their pictures.
    """

    patterns: Sequence[str]
    folder: str
    run: str
    with_labels: bool
    look: Look | None
    picture: str
    whole: bool


class _Read(beam.DoFn):  # type: ignore[misc]  # Beam is untyped
    """From the bytes of a path to ((key, source), (encoded picture or Example, target or None)), and dead letters."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, path: bytes) -> Iterator[Any]:
        """Yield each picture of a file with its target, keyed by its origin, or a dead letter if it has none."""
        for found in self._pictures(os.fsdecode(path)):
            Metrics.counter(NAMESPACE, INPUTS).inc()
            if isinstance(found, DeadLetter):
                yield beam.pvalue.TaggedOutput(DEAD_LETTERS, found)
            elif self._job.with_labels and found.label is None:
                letter = DeadLetter(found.origin, "there is no image/class/label to explain")
                yield beam.pvalue.TaggedOutput(DEAD_LETTERS, letter)
            else:
                content = found.record if self._job.whole and found.record is not None else found.encoded
                yield found.origin, (content, found.label if self._job.with_labels else None)

    def _pictures(self, path: str) -> Iterator[Any]:
        """Yield the pictures and dead letters in a file; a single dead letter if it cannot be read at all."""
        if not is_text(path):
            yield DeadLetter(Origin(readable(path), readable(path)), "the name of the file is not UTF-8")
            return
        try:
            with local_copy(path) as file:
                yield from read_pictures(file, path, self._job.picture)
        except (TfvizError, OSError) as error:
            yield DeadLetter(Origin(path, path), f"the file cannot be read: {error}")


class _Encode(beam.DoFn):  # type: ignore[misc]  # Beam is untyped
    """From ((key, source), PredictionResult) to a serialised record, and dead letters."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, element: tuple[Origin, PredictionResult]) -> Iterator[Any]:
        """Yield the record of a result, after its overlay is written, or a dead letter if there is no result."""
        origin, (example, found, _) = element
        if ERROR in found:
            yield beam.pvalue.TaggedOutput(DEAD_LETTERS, DeadLetter(origin, found[ERROR]))
            return
        overlay = ""
        if self._job.look:
            overlay = origin.overlay
            picture = self._job.look.overlay(example[0], found["map"])
            create_file(join(self._job.folder, overlay), encode_picture(picture))
        Metrics.counter(NAMESPACE, RESULTS).inc()
        yield MapRecord(origin, run=self._job.run, overlay=overlay, **found).encode()


class _TFRecordSink(FileBasedSink):  # type: ignore[misc]  # Beam is untyped
    """TFRecords by TensorFlow's writer: Beam's needs a package for checksums that it does not install."""

    def open(self, temp_path: str) -> _Shard:
        return _Shard(temp_path)

    def write_encoded_record(self, file_handle: _Shard, encoded_value: bytes) -> None:
        file_handle.write(encoded_value)


class _Shard:
    """A file of TFRecords. TensorFlow writes it in its place, or locally for Beam to copy to its file system."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._folder = contextlib.ExitStack()
        is_here = is_local(path)
        self._local = path if is_here else join(self._folder.enter_context(tempfile.TemporaryDirectory()), "shard")
        self._writer = tf.io.TFRecordWriter(self._local)

    def write(self, record: bytes) -> None:
        self._writer.write(record)

    def close(self) -> None:
        with self._folder:
            self._writer.close()
            if self._local != self._path:
                copy_file(self._local, self._path)


class _Letters(beam.DoFn):  # type: ignore[misc]  # Beam is untyped
    """From dead letters to their lines."""

    def process(self, letter: DeadLetter) -> Iterator[str]:
        Metrics.counter(NAMESPACE, DEAD_LETTERS).inc()
        yield letter.line()


def build(pipeline: beam.Pipeline, job: Job, handler: AttributionHandler) -> None:
    """Add to a pipeline all that `tfviz batch` does.

    Pictures are not grouped on their way from the file to the shard, so that no runner has to keep them: a file of
    records is the work of one worker.
    """
    pictures = (
        pipeline
        | "Patterns" >> beam.Create(list(job.patterns))
        | "Match" >> MatchAll(EmptyMatchTreatment.DISALLOW)
        | "Path" >> beam.Map(lambda metadata: os.fsencode(metadata.path))
        | "Once" >> beam.Distinct()
        | "Read" >> beam.ParDo(_Read(job)).with_outputs(DEAD_LETTERS, main=INPUTS)
    )
    results = (
        pictures[INPUTS]
        | "Explain" >> RunInference(KeyedModelHandler(handler))
        | "Encode" >> beam.ParDo(_Encode(job)).with_outputs(DEAD_LETTERS, main=RESULTS)
    )
    sink = _TFRecordSink(join(job.folder, RESULTS), BytesCoder(), ".tfrecord")
    _ = results[RESULTS] | "Write" >> beam.io.Write(sink)
    _ = (
        (pictures[DEAD_LETTERS], results[DEAD_LETTERS])
        | "All" >> beam.Flatten()
        | "Letters" >> beam.ParDo(_Letters())
        | "Keep" >> WriteToText(join(job.folder, DEAD_LETTERS), ".jsonl")
    )


def run_pipeline(pipeline: beam.Pipeline) -> dict[str, int]:
    """Run a pipeline to its end, and return its counters; raise `TfvizError` if it fails."""
    try:
        result = pipeline.run()
        state = result.wait_until_finish() or result.state
    # A runner raises whatever a worker raised, and errors of its own.
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        if _is_interrupt(error, lines):
            raise KeyboardInterrupt from error
        reason = f"{type(error).__name__}: {(lines or [''])[-1][:300]}"
        raise TfvizError(f"the pipeline failed, and the output is as it was: {reason}") from error
    if state != PipelineState.DONE:
        raise TfvizError(f"the pipeline ended in the state {state}, and the output is as it was")
    counters = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))["counters"]
    counts: dict[str, int] = {}
    for each in counters:
        counts[each.key.metric.name] = counts.get(each.key.metric.name, 0) + each.result
    return counts


def _is_interrupt(error: BaseException | None, lines: Sequence[str]) -> bool:
    """Return whether Ctrl-C met a worker, which Beam wraps in an error of its own or mentions only in its text."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return bool(lines) and re.match(r"(\w+: )?KeyboardInterrupt( \[while running|$)", lines[-1]) is not None


def open_pipeline(arguments: Sequence[str], runner: str) -> beam.Pipeline:
    """Return an empty pipeline with Beam's options; raise `TfvizError` for those that are unknown or wrong.

    Beam drops an option that it does not know and only logs that, so unknown ones are looked for here. That is an error
    if all options of the runner are in Beam's package, and otherwise a warning, since a job server may know more.
    """
    for before, argument in pairwise(["", *arguments]):
        # Beam would drop it, and with it all but the first file of a pattern that the shell has expanded.
        if not argument.startswith("-") and (not before.startswith("-") or "=" in before):
            raise TfvizError(f"unexpected argument {argument}; a pattern needs quotes, as in --input '*.png'")
    given = [f"--runner={runner}", *arguments]
    names = {argument.partition("=")[0] for argument in arguments}
    defaults = _DEFAULTS_OF_LOCAL if runner.casefold() == _LOCAL.casefold() else {}
    given += [f"{name}={value}" for name, value in defaults.items() if name not in names]
    usage = io.StringIO()
    try:
        with contextlib.redirect_stderr(usage):
            options = PipelineOptions(given)
            known = options.get_all_options()
            unknown = set(options.get_all_options(retain_unknown_options=True)) - set(known)
    except SystemExit as error:
        raise TfvizError(f"Beam's options: {usage.getvalue().strip().rpartition('error: ')[2]}") from error
    if unknown:
        message = f"neither tfviz nor Beam's Python package has an option --{sorted(unknown)[0]}"
        if runner in _OF_BEAM_ALONE:
            raise TfvizError(f"{message}; see tfviz batch --help")
        emit_warnings([f"{message}; it is handed on to {runner}"])
    try:
        return beam.Pipeline(options=options)
    except (ValueError, ImportError) as error:
        raise TfvizError(str(error)) from error
