"""Explains pictures one by one as `tf.train.Example` records: pictures in, maps out, without files or a command line.

A good order of reading: `records` (how pictures are read from files and maps are kept as records), then
`example_explainer` (which explains them). The pipelines in `tfviz.apps.beam` are built on both.
"""

from tfviz.apps.records.example_explainer import ERROR, Example, ExampleExplainer, Look, MethodChoice
from tfviz.apps.records.records import (
    DEAD_LETTERS,
    ENCODED,
    OVERLAYS,
    RESULTS,
    DeadLetter,
    MapRecord,
    Origin,
    PictureRecord,
    read_picture,
    read_pictures,
    read_results,
    read_tfrecords,
)

__all__ = [
    "DeadLetter",
    "ExampleExplainer",
    "MapRecord",
    "MethodChoice",
    "Origin",
    "PictureRecord",
    "read_picture",
    "read_pictures",
    "read_results",
    "read_tfrecords",
]
