"""Explanations in Apache Beam pipelines. `apache_beam` is imported in this folder alone."""

import contextlib
import os

from tfviz.errors import TfvizError
from tfviz.quiet import silent_stderr

try:
    import apache_beam  # imported to be missed here, in words
except ModuleNotFoundError as error:
    raise TfvizError("Apache Beam is not installed: pip install apache-beam") from error

# TensorFlow's start does not heed this variable, which the workers of `tfviz batch` inherit from it.
with silent_stderr() if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3" else contextlib.nullcontext():
    import tensorflow  # imported for its noise, which is made once

from tfviz.apps.beam.batch import BatchOptions, run_batch
from tfviz.apps.beam.handler import AttributionHandler

__all__ = ["AttributionHandler"]
