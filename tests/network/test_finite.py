"""Scores that are no finite numbers: every method refuses them, and says what did it: weights, image or arithmetic."""

from __future__ import annotations

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.options import WAYS
from support.thinning import by_day

import tfviz
from tfviz.apps.export.export import export
from tfviz.methods import METHODS

IMAGES = np.random.default_rng(0).uniform(0.1, 1, (3, 16, 16, 3)).astype(np.float32)
IMAGES[1] = 0
FEW = {"rise": {"masks": 2}, "integrated_gradients": {"steps": 2}, "xrai": {"steps": 2}}
EXPORTED = [name for name, method in METHODS.items() if method.on_host is None]
FEW |= {name: {"samples": 2} for name in ("smooth_grad", "var_grad", "square_grad", "smooth_full_grad")}


def network(between=None, pooled=False):
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    features = keras.layers.Conv2D(4, 3, activation="relu", name="conv1")(image)
    features = keras.layers.MaxPooling2D()(features) if pooled else features
    features = keras.layers.Conv2D(4, 3, activation="relu", name="conv2")(features)
    features = between(features) if between else features
    features = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(image, keras.layers.Dense(3, activation="softmax", name="top")(features))


def with_weight(model, layer, value):
    kernel = model.get_layer(layer).kernel
    changed = kernel.numpy()
    changed[:] = np.where(np.arange(changed.size).reshape(changed.shape) % 7 == 0, value, changed)
    kernel.assign(changed)
    return model


@pytest.fixture(scope="module")
def broken():
    def total(features):
        return keras.ops.sum(features, axis=(1, 2, 3), keepdims=True)

    return {
        "a weight": with_weight(network(), "conv1", np.nan),
        "an infinite weight": with_weight(network(), "conv2", np.inf),
        "the last layer": with_weight(network(), "top", np.nan),
        "hidden by a maximum": with_weight(network(pooled=True), "conv1", np.nan),
        "a logarithm": network(lambda features: keras.ops.log(features - 100)),
        "one image": network(lambda features: features / total(features)),
        "too large": network(lambda features: keras.ops.exp(1000 + features)),
    }


REASONS = {
    "a weight": r"image 0 .*: weights of the network are NaN or infinite: conv1/kernel",
    "an infinite weight": r"image 0 .*: weights of the network are NaN or infinite: conv2/kernel",
    "the last layer": r"image 0 .*: weights of the network are NaN or infinite: top/kernel",
    "hidden by a maximum": r"image 0 .*: weights of the network are NaN or infinite: conv1/kernel",
    "a logarithm": r"image 0 .*: the weights and the image are finite, .* first in the operation '[^']*Log'",
    "one image": r"image 1 .*: the weights and the image are finite, .* first in the operation '[^']*truediv'",
    "too large": r"image 0 .*: the weights and the image are finite, .* first in the operation '[^']*Exp'",
}


@pytest.mark.parametrize(
    "name, kind",
    by_day(itertools.product(METHODS, ["one image", "the last layer"]), itertools.product(WAYS, ["one image"])),
)
def test_every_method_refuses(broken, name, kind):
    with pytest.raises(tfviz.TfvizError, match=REASONS[kind]):
        getattr(tfviz, name)(broken[kind], IMAGES, **FEW.get(name, {}))


@pytest.mark.parametrize("kind", REASONS)
@pytest.mark.parametrize("targets", [None, 0])
def test_the_reason_is_said(broken, kind, targets):
    with pytest.raises(tfviz.TfvizError, match=REASONS[kind]) as caught:
        tfviz.grad_cam(broken[kind], IMAGES, targets, layer="conv2")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
@pytest.mark.parametrize("name", ["xgrad_cam", "eigen_cam"])
def test_a_layer_that_is_not_finite_is_seen_where_the_score_is(name, layer):
    """What follows drops NaN, so that the score says nothing."""
    model = network(lambda features: keras.ops.where(keras.ops.isnan(features), 0.0, features))
    with_weight(model, "conv1", np.nan)
    assert np.isfinite(tfviz.trace(model).logits(IMAGES)).all()
    with pytest.raises(tfviz.TfvizError, match="weights of the network are NaN or infinite: conv1/kernel"):
        getattr(tfviz, name)(model, IMAGES, layer=layer)


def test_several_targets_name_the_image(broken):
    with pytest.raises(tfviz.TfvizError, match=REASONS["one image"]):
        tfviz.explain(broken["one image"], IMAGES, methods=("saliency",), top=2)


def test_later_batches_count_on(broken):
    with pytest.raises(tfviz.TfvizError, match=r"image 4 .*truediv"):
        tfviz.saliency(broken["one image"], IMAGES[[0, 2, 0, 2, 1]], batch_size=2)


def test_a_class_that_is_ruled_out_is_fine():
    mask = np.array([0, -np.inf, 0], np.float32)
    image = keras.Input((16, 16, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(image))
    masked = keras.Model(image, keras.layers.Softmax()(keras.layers.Dense(3)(features) + mask))
    assert np.isfinite(tfviz.saliency(masked, IMAGES)).all()
    assert tfviz.explain(masked, IMAGES, methods=("saliency",)).probabilities[:, 1].max() == 0
    with pytest.raises(tfviz.TfvizError, match="image 0 has no score"):
        tfviz.saliency(masked, IMAGES, 1)


@pytest.mark.parametrize("kind", ["a weight", "one image"])
def test_the_terms_of_a_decomposition(broken, kind):
    with pytest.raises(tfviz.TfvizError, match=REASONS[kind]):
        tfviz.full_grad_decomposition(broken[kind], IMAGES)


@pytest.mark.filterwarnings("ignore:less than 1% of pixel_range:tfviz.errors.TfvizWarning")
@pytest.mark.parametrize("kind", ["a weight", "one image"])
def test_attacks(broken, kind):
    with pytest.raises(tfviz.TfvizError, match=REASONS[kind]):
        tfviz.fgsm(broken[kind], IMAGES, pixel_range=(0, 1))


def test_visualization(broken):
    with pytest.raises(tfviz.TfvizError, match=r"the score of class 1 became NaN or infinite: weights .*conv1/kernel"):
        tfviz.class_visualization(broken["a weight"], targets=[1], pixel_range=(0, 1), iterations=2)


def test_reduced_precision_is_named(broken):
    large = tfviz.trace(network(lambda features: 4000 * features), precision="float16")
    with pytest.raises(tfviz.TfvizError, match=r"arithmetic is not in float16"):
        tfviz.saliency(large, 1000 * IMAGES[:1])


def test_an_exported_map_without_a_score_is_nan(broken, tmp_path):
    export(broken["one image"], tmp_path / "exported", "saliency")
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    maps = loaded.signatures["saliency"](images=tf.constant(IMAGES), targets=tf.constant([-1]))["maps"].numpy()
    assert np.isnan(maps[1]).all() and np.isfinite(maps[[0, 2]]).all()


def spoilt(value, shape=(3, 16, 16, 3)):
    """Images of which the second holds one such number."""
    images = np.random.default_rng(2).uniform(0, 1, shape).astype(np.float32)
    images[1, 4, 5, 0] = value
    return images


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Give the signature of a method on a network that swallows NaN, takes integers or has another input."""
    folder = tmp_path_factory.mktemp("exports")
    swallow = keras.layers.Lambda(lambda x: keras.ops.where(keras.ops.isnan(x), 0.0, x))
    model = keras.Sequential([keras.Input((16, 16, 3)), swallow, *network().layers[1:]])
    kept, networks = [], {"floats": model, "uint8": of_integers(), "beside": beside()}

    @functools.cache
    def signature(network, name):
        place = folder / f"{network} {name}"
        export(networks[network], place, name, options={name: FEW[name]} if name in FEW else {})
        kept.append(tf.saved_model.load(str(place)))  # signatures do not keep the model's variables alive
        return kept[-1].signatures[name]

    return signature


def of_integers():
    image = keras.Input((16, 16, 3), dtype="uint8")
    return keras.Model(image, network()(keras.layers.Rescaling(1 / 255)(image)))


def beside():
    image, number = keras.Input((16, 16, 3), name="image"), keras.Input((1,), name="number")
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(image))
    return keras.Model([image, number], keras.layers.Dense(3)(keras.ops.concatenate([features, number], axis=1)))


@pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", by_day(EXPORTED, WAYS))
def test_an_export_answers_an_image_of_no_numbers_with_nan(exports, name, value):
    """As a call refuses it; the others of its batch are as they are without it."""
    images = spoilt(value)
    call = exports("floats", name)
    found = {key: each.numpy() for key, each in call(images=images, targets=tf.constant([-1])).items()}
    alone = {key: each.numpy() for key, each in call(images=images[[0, 2]], targets=tf.constant([-1])).items()}
    assert np.isnan(found["maps"][1]).all() and np.isnan(found["scores"][1]) and found["targets"][1] == -1
    np.testing.assert_allclose(found["maps"][[0, 2]], alone["maps"], rtol=1e-4, atol=1e-6)
    assert np.isfinite(alone["maps"]).all() and (found["targets"][[0, 2]] == alone["targets"]).all()


def test_an_export_answers_numbers_that_the_type_cannot_hold_with_nan(exports):
    for value, is_answered in ((255.4, True), (256, False), (-0.4, True), (-1, False), (np.nan, False)):
        found = exports("uint8", "saliency")(images=spoilt(value), targets=tf.constant([1]))
        assert np.isfinite(found["maps"].numpy()).all(axis=(1, 2)).tolist() == [True, is_answered, True], value


def test_an_export_answers_what_is_beside_the_image_with_nan(exports):
    numbers = tf.constant([[1.0], [np.nan], [2.0]])
    found = exports("beside", "saliency")(images=spoilt(0.5), targets=tf.constant([1]), number=numbers)
    assert np.isnan(found["maps"].numpy()).all(axis=(1, 2)).tolist() == [False, True, False]
