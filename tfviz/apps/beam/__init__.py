"""Explanations in Apache Beam pipelines; the only folder that imports `apache_beam`.

A good order of reading: `files` (any file system that Beam knows), `handler` (the model handler that users put into
their own pipelines), `pipeline` (that of `tfviz batch`), `batch` (the command's work around it). A pipeline keeps
records on their way: nothing is grouped, so that memory stays flat.
"""

import contextlib
import os

from tfviz.errors import TfvizError
from tfviz.quiet import silent_stderr

try:
    import apache_beam  # imported so that its absence is an error in words
except ModuleNotFoundError as error:
    raise TfvizError("Apache Beam is not installed: pip install apache-beam") from error

# TensorFlow's start does not heed this variable, which the workers of `tfviz batch` inherit from it.
with silent_stderr() if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3" else contextlib.nullcontext():
    import tensorflow  # imported for its noise, which is made once

from tfviz.apps.beam.batch import BatchOptions, run_batch
from tfviz.apps.beam.handler import AttributionHandler

__all__ = ["AttributionHandler"]
