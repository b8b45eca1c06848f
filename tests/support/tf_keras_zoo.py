"""The kinds of `model_zoo` built by tf_keras: its own code, run with tf_keras in the place of Keras."""

from __future__ import annotations

import importlib.util
import sys
from unittest import mock

import pytest
import tensorflow as tf

from support import model_zoo

tf_keras = pytest.importorskip("tf_keras")


def _load():
    spec = importlib.util.spec_from_file_location("model_zoo_of_tf_keras", model_zoo.__file__)
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, keras=tf_keras):
        spec.loader.exec_module(module)
    module.KINDS["relu_op"] = lambda: module.with_relu("relu_op", lambda index: tf.nn.relu)  # it has no keras.ops
    return module


zoo = _load()


def twin(kind):
    """A model of tf_keras with the weights of the Keras 3 model of that kind."""
    model = zoo.KINDS[kind]()
    model.set_weights(model_zoo.model_of(kind).get_weights())
    return model
