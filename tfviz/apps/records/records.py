"""Records of `tf.train.Example`: reads pictures from files, and keeps maps as records.

A picture that cannot be read becomes a dead letter with the reason, and does not end a run. Maps are kept as bytes: a
list of floats takes 80 times as long to make. Damage of a TFRecord file is found even between two records, which
TensorFlow's own reader would take for the end of the file.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfviz.apps.files import PICTURE_SUFFIX, SUFFIXES
from tfviz.apps.model import find_picture, read_features, serialise
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.printable import printable

ENCODED, LABEL = "image/encoded", "image/class/label"
NAMES = ("image/filename", "image/key")
RESULTS, DEAD_LETTERS, OVERLAYS = "results", "dead_letters", "overlays"
"""The names of a run's files, and of the folder of its overlays."""
DIAGNOSTICS = "diagnostics"
FRAME = 16
"""Bytes of a TFRecord beside its content: its length and two checksums."""
_GZIP = b"\x1f\x8b"


class Origin(NamedTuple):
    """Where a picture comes from.

    key: its name, which need not be unique: that of its file without the folder, or the one in its record. source: its
    file or, in a file of records, `FILE#NUMBER` from 0, which is unique.
    """

    key: str
    source: str

    @property
    def overlay(self) -> str:
        """The file of the picture's overlay in a run's folder; keys are not unique, and sources are not file names."""
        stem = re.sub(r"[^\w-]+", "_", Path(self.key).stem)[-80:]
        digest = hashlib.blake2b(self.source.encode(), digest_size=6).hexdigest()
        return f"{OVERLAYS}/{stem}-{digest}{PICTURE_SUFFIX}"


class DeadLetter(NamedTuple):
    """A picture that could not be explained, and why."""

    origin: Origin
    reason: str

    def line(self) -> str:
        """Return it as a line of JSON."""
        return json.dumps(
            {name: printable(text) for name, text in {**self.origin._asdict(), "reason": self.reason}.items()},
            ensure_ascii=False,
        )


class PictureRecord(NamedTuple):
    """A picture as it is read.

    encoded: the bytes of a PNG, JPEG or other image file. label: its class, if known. record: the serialised Example
    that it was in.
    """

    origin: Origin
    encoded: bytes
    label: int | None = None
    record: bytes | None = None


def read_picture(record: bytes, source: str, picture: str = ENCODED) -> PictureRecord:
    """Return the picture in a feature of a serialised Example; raise `InvalidImagesError` if there is none.

    Its key is `image/filename`, else `image/key`, else `source`; its label is `image/class/label`, an integer.
    """
    features = read_features(record)
    encoded = find_picture(features, picture)
    names = [values[0] for name in NAMES if (values := features.get(name)) and isinstance(values[0], bytes)]
    key = names[0].decode("utf-8", "replace") if names else source
    labels = features.get(LABEL) or [None]
    return PictureRecord(Origin(key, source), encoded, labels[0] if isinstance(labels[0], int) else None, record)


def read_pictures(path: str | Path, name: str, picture: str = ENCODED) -> Iterator[PictureRecord | DeadLetter]:
    """Yield the picture in a file called `name` or, if it holds TFRecords, the picture in every record.

    `picture` is the feature of their Examples that holds it. Files without one of `SUFFIXES` hold TFRecords if `name`
    has "tfrecord" in it or their first record is one. What follows a damaged record cannot be read, and is one dead
    letter.
    """
    number = 0
    if not name.lower().endswith(SUFFIXES):
        try:
            for record in read_tfrecords(path):
                yield _read_record(record, f"{name}#{number}", picture)
                number += 1
            if not number:
                yield DeadLetter(Origin(Path(name).name, name), "the file is empty")
            return
        except InvalidImagesError as error:
            if number or "tfrecord" in Path(name).name.lower():
                yield DeadLetter(Origin(f"{name}#{number}", f"{name}#{number}"), str(error))
                return
    yield PictureRecord(Origin(Path(name).name, name), Path(path).read_bytes())


def _read_record(record: bytes, source: str, picture: str) -> PictureRecord | DeadLetter:
    try:
        return read_picture(record, source, picture)
    except InvalidImagesError as error:
        return DeadLetter(Origin(source, source), str(error))


def read_tfrecords(path: str | Path) -> Iterator[bytes]:
    """Yield the records of a TFRecord file, compressed by gzip or not.

    Raises `InvalidImagesError` after the last complete record if the file is damaged or cut off.
    """
    number = consumed = 0
    with _uncompressed(Path(path)) as (plain, is_whole):
        try:
            for record in tf.data.TFRecordDataset(str(plain)):
                content: bytes = record.numpy()
                yield content
                number += 1
                consumed += len(content) + FRAME
        except tf.errors.DataLossError as error:
            raise InvalidImagesError(f"the file is damaged: only its first {number} records can be read") from error
        # TensorFlow takes a file that ends within the frame of a record for one that ends before it.
        if not is_whole or consumed != os.path.getsize(plain):
            raise InvalidImagesError(f"the file is cut off after its first {number} records")


@contextmanager
def _uncompressed(path: Path) -> Iterator[tuple[Path, bool]]:
    """Yield a file with the uncompressed content of another, and whether that is complete."""
    with path.open("rb") as file:
        if file.read(len(_GZIP)) != _GZIP:
            yield path, True
            return
    with tempfile.NamedTemporaryFile() as plain:
        is_whole = True
        try:
            # TensorFlow's own reader does not notice if a file was cut off between two records.
            with gzip.open(path) as compressed:
                # read1() returns what can be read before the missing end; read() would lose it.
                while chunk := compressed.read1():
                    plain.write(chunk)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            is_whole = False
        plain.flush()
        yield Path(plain.name), is_whole


@dataclass(frozen=True, eq=False)
class MapRecord:
    """A method's result for one picture.

    map: float32 (H, W), or (H, W, C) for an attribution. target: the class that was explained. score: its logit. run:
    the id in the run's manifest. overlay: the picture of the map, a path in the folder of the run; empty without one.
    diagnostics: how far the map can be trusted, by name, from methods that know. prediction, name, probability: the
    class that the network predicts, its name if known, and its probability; None for scores that are not of classes.
    """

    origin: Origin
    map: NDArray[np.float32]
    target: int
    score: float
    run: str
    overlay: str = ""
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    prediction: int | None = None
    name: str | None = None
    probability: float | None = None

    def encode(self) -> bytes:
        """Return a serialised Example; notebook 03 lists its features."""
        features: dict[str, list[Any]] = {
            "key": [self.origin.key.encode()],
            "source": [self.origin.source.encode()],
            # Bytes, because a list of floats takes 80 times as long to make, and as long again to read.
            "map": [np.ascontiguousarray(self.map, "<f4").tobytes()],
            "shape": list(self.map.shape),
            "target": [self.target],
            "score": [self.score],
            "run": [self.run.encode()],
            "overlay": [self.overlay.encode()],
            **{f"{DIAGNOSTICS}/{name}": [number] for name, number in self.diagnostics.items()},
        }
        predicted = {
            "prediction": self.prediction,
            "name": None if self.name is None else self.name.encode(),
            "probability": self.probability,
        }
        return serialise(features | {name: [value] for name, value in predicted.items() if value is not None})

    @classmethod
    def decode(cls, record: bytes) -> MapRecord:
        """Return the record from what `encode` returned; raise `TfvizError` for any other Example."""
        features = read_features(record)
        try:
            (key,), (source,), (map_,), shape = (features[name] for name in ("key", "source", "map", "shape"))
            (target,), (score,), (run,), (overlay,) = (features[name] for name in ("target", "score", "run", "overlay"))
            values = np.frombuffer(map_, "<f4").reshape(shape)
            origin = Origin(key.decode(), source.decode())
            prefix = f"{DIAGNOSTICS}/"
            numbers = {name.removeprefix(prefix): features[name][0] for name in features if name.startswith(prefix)}
            prediction, name, probability = (
                features.get(each, [None])[0] for each in ("prediction", "name", "probability")
            )
            named = None if name is None else name.decode()
            return cls(
                origin, values, target, score, run.decode(), overlay.decode(), numbers, prediction, named, probability
            )
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise TfvizError(f"the record is not a map that tfviz batch wrote: {error!r}") from error


def read_results(folder: str | Path) -> Iterator[MapRecord]:
    """Yield the results that `tfviz batch` wrote, in no order; notebook 03 lists the features of their files.

    Raises
    ------
    TfvizError
        The folder holds no results, or one of their files or records is damaged.
    """
    paths = sorted(Path(folder).glob(f"{RESULTS}-*.tfrecord"))
    if not paths:
        raise TfvizError(f"{folder} holds no {RESULTS}-*.tfrecord as tfviz batch writes them")
    for path in paths:
        try:
            yield from map(MapRecord.decode, read_tfrecords(path))
        except InvalidImagesError as error:
            raise TfvizError(f"{path}: {error}") from error
