"""Every class activation map against its formula, written out slowly in NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import CLASSES, SHAPE, distance, model_of, random_images, randomise
from support.thinning import by_day

import tfviz
from tfviz.errors import TfvizError, UnknownLayerError
from tfviz.methods import gradient_free_cam
from tfviz.methods.engine import Loop

IMAGES = random_images(3)
TARGETS = np.array([3, 0, 4])


def behind_a_flatten():
    """A network whose gradient at `conv` differs from place to place, with features of both signs."""
    layers = keras.layers
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, strides=2, activation="tanh", name="conv")(image)
    x = layers.Conv2D(6, 3, activation="relu", name="last")(x)
    return randomise(
        keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="scores")(layers.Flatten()(x)))
    )


@pytest.fixture(scope="module")
def model():
    return behind_a_flatten()


def after(model, features):
    """The logits (N, K) of features at `conv`."""
    x = model.get_layer("last")(features)
    x = tf.reshape(x, [len(x), -1])
    return x @ model.get_layer("scores").kernel + model.get_layer("scores").bias


@pytest.fixture(scope="module")
def parts(model):
    """Features and gradients (N, h, w, c) at `conv`, from a tape by hand."""
    features = tf.constant(model.get_layer("conv")(IMAGES))
    with tf.GradientTape() as tape:
        tape.watch(features)
        scores = tf.gather(after(model, features), TARGETS, batch_dims=1)
    return features.numpy().astype(np.float64), tape.gradient(scores, features).numpy().astype(np.float64)


def by_loops(parts, weigh):
    """relu(Σ_k weigh(A_k, g_k) A_k), channel by channel."""
    cams = []
    for features, gradients in zip(*parts, strict=True):
        total = np.zeros(features.shape[:2])
        for channel in range(features.shape[2]):
            total += weigh(features[..., channel], gradients[..., channel]) * features[..., channel]
        cams.append(np.maximum(total, 0))
    return np.array(cams)


def plus_plus_weight(a, g):
    """Equation 19 of the paper, place by place."""
    weight = 0.0
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            denominator = 2 * g[i, j] ** 2 + a.sum() * g[i, j] ** 3
            alpha = g[i, j] ** 2 / denominator if denominator else 0.0
            weight += alpha * max(g[i, j], 0)
    return weight


FORMULAS = {
    "grad_cam": lambda a, g: g.mean(),
    "grad_cam_plus_plus": plus_plus_weight,
    "hires_cam": lambda a, g: g,
    "layer_cam": lambda a, g: np.maximum(g, 0),
    "xgrad_cam": lambda a, g: (g * a).sum() / a.sum(),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_the_formula(name, model, parts):
    ours = getattr(tfviz, name)(model, IMAGES, TARGETS, layer="conv", upsample=False)
    expected = by_loops(parts, FORMULAS[name])
    assert distance(ours, expected) < 1e-4
    assert not any(
        distance(by_loops(parts, weigh), expected) < 1e-2 for other, weigh in FORMULAS.items() if other != name
    )


@pytest.mark.parametrize("name", ["grad_cam_plus_plus", "xgrad_cam"])
def test_a_denominator_of_zero_gives_a_weight_of_zero(name):
    """The features of the second channel are zero everywhere, and the gradient of the third."""
    layers = keras.layers
    model = randomise(
        keras.Sequential(
            [
                layers.Input(SHAPE),
                layers.Conv2D(3, 3, activation="relu", name="conv"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(2, name="scores"),
            ]
        )
    )
    conv, scores = model.get_layer("conv"), model.get_layer("scores")
    conv.kernel.assign(conv.kernel * np.float32([1, 0, 1]))
    conv.bias.assign([1, -1, 1])
    scores.kernel.assign([[1, 0], [1, 0], [0, 0]])
    cam = getattr(tfviz, name)(model, IMAGES, 0, upsample=False)
    first = conv(IMAGES).numpy()[..., 0]
    scale = cam.sum(axis=(1, 2), keepdims=True) / first.sum(axis=(1, 2), keepdims=True)
    assert (scale > 0).all() and np.isfinite(cam).all()
    np.testing.assert_allclose(cam, scale * first, rtol=1e-4, atol=1e-6)


def test_eigen_cam_is_the_projection_on_the_first_principal_component(model, parts):
    ours = tfviz.eigen_cam(model, IMAGES, layer="conv", upsample=False)
    for cam, features in zip(ours, parts[0], strict=True):
        flat = features.reshape(-1, features.shape[2])
        values, vectors = np.linalg.eigh(flat.T @ flat)
        expected = (flat @ vectors[:, values.argmax()]).reshape(cam.shape)
        expected *= np.sign(expected.sum())
        np.testing.assert_allclose(cam, expected, rtol=1e-3, atol=1e-4)
        assert cam.sum() > 0


def probabilities(model, images, targets):
    return model(np.asarray(images, np.float32)).numpy()[np.arange(len(targets)), targets]


def score_cam_by_hand(model, features, channels_of):
    cams = []
    for image, target, maps in zip(IMAGES, TARGETS, features, strict=True):
        total = np.zeros(maps.shape[:2])
        for channel in channels_of(maps):
            one = maps[..., channel]
            mask = tf.image.resize(one[..., np.newaxis], SHAPE[:2]).numpy()
            mask = (mask - one.min()) / (one.max() - one.min())
            total += probabilities(model, (image * mask)[np.newaxis], [target])[0] * one
        cams.append(np.maximum(total, 0))
    return np.array(cams)


def every_channel(maps):
    return range(maps.shape[2])


def two_that_vary_most(maps):
    return np.argsort(-maps.std(axis=(0, 1)))[:2]


@pytest.mark.parametrize("channels, options", [(every_channel, {}), (two_that_vary_most, {"max_channels": 2})])
def test_score_cam(model, parts, channels, options):
    ours = tfviz.score_cam(model, IMAGES, TARGETS, layer="conv", upsample=False, **options)
    assert distance(ours, score_cam_by_hand(model, parts[0], channels)) < 1e-4


def test_the_reaction_of_the_network_to_the_masks_of_score_cam(model):
    """With one mask the cam is that channel times its probability, from which the change of that follows."""
    options = {"score_cam": {"layer": "conv", "upsample": False, "max_channels": 1}}
    found = tfviz.explain(model, IMAGES, TARGETS, methods="score_cam", options=options)
    features = keras.Model(model.input, model.get_layer("conv").output)(IMAGES).numpy()
    largest = np.stack([maps[..., maps.std(axis=(0, 1)).argmax()] for maps in features])
    under_mask = found.maps["score_cam"].sum(axis=(1, 2)) / np.maximum(largest, 0).sum(axis=(1, 2))
    before = probabilities(model, IMAGES, TARGETS)
    change = np.abs(under_mask - before)
    np.testing.assert_allclose(found.diagnostics["score_cam"]["reaction"], change / (before + change), rtol=1e-2)


def test_a_score_cam_of_a_network_that_does_not_look_says_so(model):
    """The sum of the channels lies on whatever the layer sees, also where the score is the same for every image."""
    blind = tfviz.trace(model, score=lambda outputs: 0 * outputs[:, 0] + 0.7)
    with pytest.warns(tfviz.TfvizWarning, match="score_cam of image 0, 1, 2 is the sum of the layer's channels"):
        assert tfviz.score_cam(blind, IMAGES, layer="conv").any()


@pytest.mark.parametrize("channels, options", [(every_channel, {}), (two_that_vary_most, {"max_channels": 2})])
def test_ablation_cam(model, parts, channels, options):
    cams = []
    for target, maps in zip(TARGETS, parts[0], strict=True):
        score = after(model, maps[np.newaxis].astype(np.float32)).numpy()[0, target]
        total = np.zeros(maps.shape[:2])
        for channel in channels(maps):
            ablated = maps.copy()
            ablated[..., channel] = 0
            without = after(model, ablated[np.newaxis].astype(np.float32)).numpy()[0, target]
            total += (score - without) / abs(score) * maps[..., channel]
        cams.append(np.maximum(total, 0))
    ours = tfviz.ablation_cam(model, IMAGES, TARGETS, layer="conv", upsample=False, **options)
    assert distance(ours, cams) < 1e-4


LINEAR = {
    "pooling": lambda x, image: keras.layers.GlobalAveragePooling2D()(x),
    "flatten": lambda x, image: keras.layers.Flatten()(x),
    "convolution": lambda x, image: keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(7, 1)(x)),
    "normalisation": lambda x, image: keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization()(x)),
    "two dense": lambda x, image: keras.layers.Dense(9)(keras.layers.Flatten()(keras.layers.AveragePooling2D(2)(x))),
    "depthwise": lambda x, image: keras.layers.Flatten()(keras.layers.DepthwiseConv2D(2)(x * 0.5 - 1)),
    "gate": lambda x, image: keras.layers.Flatten()(x * keras.ops.mean(image, axis=(1, 2, 3), keepdims=True)),
    "parts": lambda x, image: keras.layers.concatenate([keras.ops.mean(x, axis=(1, 2)), -x[:, 1, 2]]),
}
NOT_LINEAR = {
    "relu": lambda x, image: keras.ops.mean(keras.ops.relu(x - 0.2), axis=(1, 2)),
    "maximum": lambda x, image: keras.layers.GlobalMaxPooling2D()(x),
    "square": lambda x, image: keras.ops.mean(x * x, axis=(1, 2)),
    "attention": lambda x, image: keras.ops.sum(x * keras.ops.softmax(x, axis=-1), axis=(1, 2)),
    "division": lambda x, image: keras.ops.mean(1 / (1.5 + x), axis=(1, 2)),
}


@pytest.mark.parametrize(
    "head", by_day([*LINEAR, *NOT_LINEAR], ["flatten", "normalisation", "gate", "relu", "attention"])
)
@pytest.mark.parametrize("kind", by_day(["live", "saved"], ["live"]))
def test_ablation_cam_needs_one_pass_where_the_score_is_linear(head, kind, tmp_path, monkeypatch):
    """The same as channel by channel, which is how it is done with fast=False."""
    image = keras.Input(SHAPE)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="tanh", name="conv")(image)
    x = (LINEAR | NOT_LINEAR)[head](x, image)
    model = randomise(keras.Model(image, keras.layers.Dense(CLASSES, activation="softmax")(x)))
    if kind == "saved":
        model.export(tmp_path / "saved", verbose=False)
        model = tmp_path / "saved"
    loops = []
    monkeypatch.setattr(gradient_free_cam, "Loop", lambda *given: loops.append(given) or Loop(*given))
    found = tfviz.ablation_cam(model, IMAGES, TARGETS, layer="conv", upsample=False, max_channels=3)
    assert len(loops) == (head in NOT_LINEAR)
    slowly = tfviz.trace(model, fast=False)
    assert (
        distance(found, tfviz.ablation_cam(slowly, IMAGES, TARGETS, layer="conv", upsample=False, max_channels=3))
        < 1e-5
    )
    assert len(loops) == 1 + (head in NOT_LINEAR) and found.any()


def test_ablation_cam_where_the_layer_is_passed_by():
    """The end of a residual block: what goes around the layer must not be ablated, nor repeated wrongly."""
    model = model_of("residual")
    rest = keras.Model(model.input, [model.get_layer("block2_bn").output, model.get_layer("block1_out").output])
    branch, around = (each.numpy() for each in rest(IMAGES))
    scores = model.get_layer("scores")

    def score(branch):
        pooled = np.maximum(branch + around, 0).mean(axis=(1, 2))
        return (pooled @ scores.kernel.numpy() + scores.bias.numpy())[np.arange(3), TARGETS]

    total = np.zeros(branch.shape[:3])
    for channel in range(branch.shape[3]):
        ablated = branch.copy()
        ablated[..., channel] = 0
        weight = (score(branch) - score(ablated)) / np.abs(score(branch))
        total += weight[:, np.newaxis, np.newaxis] * branch[..., channel]
    ours = tfviz.ablation_cam(model, IMAGES, TARGETS, layer="block2_bn", upsample=False)
    assert distance(ours, np.maximum(total, 0)) < 1e-4


def test_a_constant_channel_has_no_weight_in_score_cam(model):
    """The bound of a saturated channel would count with the probability of a black image."""
    layers = keras.layers
    model = randomise(
        keras.Sequential(
            [
                layers.Input(SHAPE),
                layers.Conv2D(2, 3, activation="relu", name="conv"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(2, activation="softmax", name="scores"),
            ]
        )
    )
    conv = model.get_layer("conv")
    conv.kernel.assign(conv.kernel * np.float32([1, 0]))
    conv.bias.assign([0, 1])
    cam = tfviz.score_cam(model, IMAGES, 0, upsample=False)
    assert (cam[conv(IMAGES).numpy()[..., 0] == 0] == 0).all() and cam.any()


@pytest.mark.parametrize(
    "name", by_day([*FORMULAS, "eigen_cam", "score_cam", "ablation_cam"], ["grad_cam", "eigen_cam", "score_cam"])
)
def test_several_layers_give_a_map_each(name, model):
    method = getattr(tfviz, name)
    found = method(model, IMAGES, TARGETS, layer=["last", "conv"], upsample=False)
    assert list(found) == ["last", "conv"]
    for layer, cam in found.items():
        np.testing.assert_allclose(
            cam, method(model, IMAGES, TARGETS, layer=layer, upsample=False), rtol=1e-4, atol=1e-6
        )


def test_several_layers_share_one_backward_pass(model, monkeypatch):
    from tfviz.network.passes.passes import Passes

    made = []
    original = Passes.__init__
    monkeypatch.setattr(
        Passes, "__init__", lambda self, *args, **kwargs: (made.append(1), original(self, *args, **kwargs))[1]
    )
    tfviz.hires_cam(tfviz.trace(behind_a_flatten()), IMAGES, layer=["last", "conv"])
    assert len(made) == 1


def test_explain_keeps_each_layer_by_its_name(model, tmp_path):
    explanation = tfviz.explain(model, IMAGES, methods=["layer_cam", "saliency"], layer=["last", "conv"])
    assert list(explanation.maps) == ["layer_cam@last", "layer_cam@conv", "saliency"]
    assert explanation.layers == {"layer_cam@last": "last", "layer_cam@conv": "conv"}
    explanation.save(tmp_path)
    assert (tmp_path / "image_0.layer_cam@conv.npy").exists()


@pytest.mark.parametrize("count", [0, -1, 1.5, True])
@pytest.mark.parametrize("name", ["score_cam", "ablation_cam"])
def test_no_such_number_of_channels(name, count, model):
    with pytest.raises(TfvizError, match=f"max_channels is {count}, expected an integer of at least 1"):
        getattr(tfviz, name)(model, IMAGES, max_channels=count)


def test_no_layers(model):
    with pytest.raises(UnknownLayerError, match="layer is an empty list"):
        tfviz.grad_cam(model, IMAGES, layer=[])
