"""Copies refer to the network itself; a pickle is opened again from the path, or from the model that Keras pickles."""

from __future__ import annotations

import copy
import pickle

import keras
import numpy as np
import pytest
from apache_beam.internal.cloudpickle import cloudpickle
from support.model_zoo import SHAPE, build, model_of, random_images
from support.thinning import by_day

import tfviz
from tfviz.errors import UnsupportedModelError

IMAGES = random_images()


def margin(outputs):
    return outputs[:, 0] - outputs[:, 1]


def travelled(thing, by=pickle):
    return by.loads(by.dumps(thing))


@pytest.mark.parametrize("kind", ["functional", "subclassed"])
def test_copies_are_of_the_same_network(kind):
    explainer = tfviz.Explainer(model_of(kind), "smooth_grad", of="grad_cam", samples=2)
    for copied in (copy.copy(explainer), copy.deepcopy(explainer)):
        assert copied.network is explainer.network and copied.network.model is model_of(kind)
        np.testing.assert_array_equal(copied(IMAGES), explainer(IMAGES))
    assert copied._options is not explainer._options
    assert copy.copy(explainer.network) is not explainer.network


@pytest.mark.parametrize("by", [pickle, cloudpickle], ids=["pickle", "cloudpickle"])
@pytest.mark.parametrize("kind", by_day(["functional", "nested", "vision_transformer"], ["nested"]))
def test_a_keras_model_pickles_with_its_weights(kind, by):
    explainer = tfviz.Explainer(model_of(kind), "grad_cam")
    arrived = travelled(explainer, by)
    assert arrived.network.model is not model_of(kind) and arrived.layer == explainer.layer
    np.testing.assert_array_equal(arrived(IMAGES), explainer(IMAGES))


def test_a_model_and_its_explainer_stay_together():
    """The weights of the one are those of the other, and are live where they arrive, too."""
    model, explainer = travelled((model_of("functional"), tfviz.Explainer(model_of("functional"), "gradient")))
    before = explainer(IMAGES, 0)
    assert explainer.network.model is model
    model.weights[0].assign(2 * model.weights[0])
    assert not np.allclose(explainer(IMAGES, 0), before)


def test_a_path_is_opened_again(tmp_path, monkeypatch):
    """With all that trace was told of it, from wherever the process is."""
    model_of("functional").save(tmp_path / "model.keras")
    monkeypatch.chdir(tmp_path)
    network = tfviz.trace("model.keras", score=margin, precision="bfloat16", maximum_model_bytes=10**8)
    monkeypatch.chdir("/")
    data = pickle.dumps(network)
    assert len(data) < 1000
    arrived = pickle.loads(data)
    assert arrived.head.kind == "custom" and arrived.precision == "bfloat16"
    np.testing.assert_array_equal(tfviz.gradient(arrived, IMAGES), tfviz.gradient(network, IMAGES))
    by_lambda = tfviz.trace(tmp_path / "model.keras", score=lambda outputs: outputs[:, 0] - outputs[:, 1])
    np.testing.assert_array_equal(
        tfviz.gradient(travelled(by_lambda, cloudpickle), IMAGES), tfviz.gradient(by_lambda, IMAGES)
    )


def test_a_saved_model_is_opened_again(saved_folder):
    explainer = tfviz.Explainer(saved_folder("with_signature"), "saliency")
    arrived = travelled(explainer)
    assert arrived.network.signature == "classify"
    np.testing.assert_array_equal(arrived(IMAGES), explainer(IMAGES))


def test_a_model_of_tf_keras():
    zoo = pytest.importorskip("support.tf_keras_zoo")
    explainer = tfviz.Explainer(zoo.twin("functional"), "gradient")
    np.testing.assert_array_equal(travelled(explainer)(IMAGES, 1), explainer(IMAGES, 1))


@keras.saving.register_keras_serializable("tests")
class Scaled(keras.layers.Layer):
    """Forgets its scale where it is saved."""

    def __init__(self, scale=1.0, **options):
        super().__init__(**options)
        self.scale = scale

    def call(self, x):
        return self.scale * x

    def get_config(self):
        return super().get_config()


def forgetful():
    return keras.Sequential([keras.Input(SHAPE), Scaled(3.0), keras.layers.Flatten(), keras.layers.Dense(3)])


@pytest.mark.parametrize(
    "make, reason",
    [
        (lambda loaded: loaded("functional"), "its model is a _UserObject; export the model and trace the path"),
        (lambda loaded: build("subclassed"), "as Keras cannot open what it saves of the model: Could not locate class"),
        (lambda loaded: build("with_lambda"), "as Keras cannot open .*name 'tf' is not defined; export the model"),
        (lambda loaded: forgetful(), "what Keras opens of the saved model computes something else; export"),
    ],
    ids=["loaded", "unregistered", "lambda", "forgetful"],
)
def test_the_rest_is_refused_in_one_line(loaded, make, reason):
    with pytest.raises(UnsupportedModelError, match=f"^this network cannot be pickled.*{reason}") as raised:
        pickle.dumps(tfviz.Explainer(make(loaded), "gradient"))
    assert "\n" not in str(raised.value)


def test_parts_of_a_network_are_refused(tmp_path):
    """A pickle of them would be opened as the whole."""
    model_of("functional").save(tmp_path / "model.keras")
    exact = tfviz.trace(tmp_path / "model.keras", precision="bfloat16").in_full_precision()
    for part in (exact, tfviz.trace(model_of("functional")).without_model()):
        with pytest.raises(UnsupportedModelError, match="cannot be pickled: it is only a part of another"):
            pickle.dumps(part)
