"""Keras' `slice_update`: XLA's operation, which TensorFlow has no gradient of, runs wherever none is asked for."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from support.model_zoo import distance

import tfviz

SIZE = 8
WEIGHTS = np.array([0.5, -2.0, 1.0], np.float32)
IMAGES = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 3)).astype(np.float32)
REFUSED = "TensorFlow has no gradient through the operation XlaDynamicUpdateSlice, .* occlusion, rise and eigen_cam"

pytestmark = pytest.mark.filterwarnings("ignore:.*raw outputs are taken for logits:tfviz.errors.TfvizWarning")


class Masked(layers.Layer):
    """Multiply by a constant mask, which updates make: one in the corner, two below, zero elsewhere."""

    def call(self, x):
        mask = keras.ops.zeros((1, SIZE, SIZE, 1))
        for place, value in (((0, 0, 0, 0), 1.0), ((0, 3, 0, 0), 2.0)):
            mask = keras.ops.slice_update(mask, place, value * keras.ops.ones((1, 3, 3, 1)))
        return x * mask


class Moved(layers.Layer):
    """Put all but the first row and column of what is given into zeros, where they were."""

    def call(self, x):
        return keras.ops.slice_update(keras.ops.zeros_like(x), (0, 1, 1, 0), x[:, 1:, 1:])


def sum_of(layer):
    """A network whose logit of class 1 is a weighted sum of what the layer makes of the image."""
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(3, 1, use_bias=False, name="colours")(image)
    scores = layers.Dense(2, use_bias=False)(layers.GlobalAveragePooling2D()(layer(x)))
    model = keras.Model(image, scores)
    model.set_weights([np.diag(WEIGHTS)[None, None], np.stack([np.zeros(3), np.ones(3)], 1) * SIZE**2])
    return model


def opened(model, form, folder):
    if form == "live":
        return tfviz.trace(model)
    model.export(folder, verbose=False)
    return tfviz.trace(folder)


@pytest.fixture(scope="module", params=["live", "saved"])
def masked(request, tmp_path_factory):
    return opened(sum_of(Masked()), request.param, str(tmp_path_factory.mktemp("masked")))


@pytest.fixture(scope="module", params=["live", "saved"])
def moved(request, tmp_path_factory):
    return opened(sum_of(Moved()), request.param, str(tmp_path_factory.mktemp("moved")))


def test_a_constant_mask_is_no_obstacle_to_gradients(masked):
    mask = np.zeros((SIZE, SIZE, 1), np.float32)
    mask[:3, :3], mask[3:6, :3] = 1, 2
    expected = np.broadcast_to(mask * WEIGHTS, IMAGES.shape)
    assert distance(tfviz.gradient(masked, IMAGES, 1), expected) < 1e-6
    assert distance(masked.logits(IMAGES)[:, 1], (expected * IMAGES).sum((1, 2, 3))) < 1e-5
    cam = np.maximum((IMAGES * WEIGHTS * mask).sum(-1), 0)
    assert distance(tfviz.hires_cam(masked, IMAGES, 1, layer="colours"), cam) < 1e-5


def test_on_the_way_of_the_image_what_takes_no_gradient_runs(moved):
    inside = IMAGES * WEIGHTS
    inside[:, 0], inside[:, :, 0] = 0, 0
    assert distance(moved.logits(IMAGES)[:, 1], inside.sum((1, 2, 3))) < 1e-5
    # Of two raw outputs, the other being 0, the softmax is a sigmoid.
    score = inside.sum((1, 2, 3))[:, np.newaxis, np.newaxis]
    drop = 1 / (1 + np.exp(-score)) - 1 / (1 + np.exp(inside.sum(-1) - score))
    found = tfviz.occlusion(moved, IMAGES, 1, patch=1, stride=1, fill=0)
    np.testing.assert_allclose(found, drop, atol=1e-5)


@pytest.mark.parametrize("method", ["eigen_cam", "score_cam", "ablation_cam", "rise"])
def test_methods_without_a_gradient_run_before_it(moved, method):
    options = {"masks": 20} if method == "rise" else {"layer": "colours"}
    assert np.isfinite(getattr(tfviz, method)(moved, IMAGES, 1, **options)).all()


@pytest.mark.parametrize("method", ["saliency", "grad_cam", "full_grad", "integrated_gradients", "smooth_grad"])
def test_those_that_take_one_say_why_they_cannot(moved, method):
    options = {"layer": "colours"} if method == "grad_cam" else {}
    with pytest.raises(tfviz.UnsupportedModelError, match=REFUSED):
        getattr(tfviz, method)(moved, IMAGES, 1, **options)


def test_a_map_behind_it_has_its_gradient(moved):
    kept = IMAGES * WEIGHTS
    kept[:, 0], kept[:, :, 0] = 0, 0
    assert distance(tfviz.hires_cam(moved, IMAGES, 1), np.maximum(kept.sum(-1), 0)) < 1e-5


def test_the_command_line_says_it_too(run, tmp_path):
    keras.utils.save_img(str(tmp_path / "picture.png"), np.abs(IMAGES[0]), scale=True)
    sum_of(Moved()).export(str(tmp_path / "saved"), verbose=False)
    command = ["explain", "picture.png", "--model", "saved", "--preprocess", "0..1"]
    status, printed, _ = run(*command, "--method", "occlusion")
    assert status == 0, printed
    status, printed, said = run(*command, "--method", "saliency")
    assert status and "no gradient through the operation XlaDynamicUpdateSlice" in printed + said
