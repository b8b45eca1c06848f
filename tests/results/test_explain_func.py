"""Methods as other evaluation libraries call them."""

import re

import keras
import numpy as np
import pytest
from support.model_zoo import build, random_images

import tfviz
from tfviz.results import collapse, explain_func

IMAGES = random_images(3)
FIRST = np.moveaxis(IMAGES, -1, 1)
TARGETS = np.array([0, 1, 1])


@pytest.fixture(scope="module")
def model():
    return build("functional")


@pytest.fixture(scope="module")
def gradient(model):
    return tfviz.gradient(model, IMAGES, TARGETS)


def test_images_in_either_order(model, gradient):
    explain = explain_func("gradient")
    np.testing.assert_array_equal(explain(model, IMAGES, TARGETS), gradient)
    np.testing.assert_array_equal(explain(model, FIRST, TARGETS), np.moveaxis(gradient, -1, 1))
    assert explain.__name__ == "gradient"


def test_maps_with_an_axis_of_channels(model):
    cam = tfviz.grad_cam(model, IMAGES, TARGETS, layer="conv1")
    for channels, images, expected in (
        (None, IMAGES, cam),
        (None, FIRST, cam),
        ("first", FIRST, cam[:, np.newaxis]),
        ("first", IMAGES, cam[:, np.newaxis]),
        ("last", IMAGES, cam[..., np.newaxis]),
        ("last", FIRST, cam[..., np.newaxis]),
    ):
        found = explain_func("grad_cam", channels=channels, layer="conv1")(model=model, inputs=images, targets=TARGETS)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.float32 and found.flags.c_contiguous


@pytest.mark.parametrize(("how", "same"), [("sum", "sum"), ("default", "max_abs")])
def test_attributions_become_maps(model, gradient, how, same):
    found = explain_func("gradient", channels="first", collapse=how)(model, FIRST, TARGETS)
    np.testing.assert_array_equal(found, collapse(gradient, same)[:, np.newaxis])


def test_what_quantus_hands_over(model):
    """It names all arguments, adds a device, and gives the options of a call, which come before the adapter's own."""
    explain = explain_func("grad_cam", layer="conv1")
    found = explain(model=model, inputs=FIRST, targets=TARGETS, device=None, layer="conv2")
    np.testing.assert_array_equal(found, tfviz.grad_cam(model, IMAGES, TARGETS, layer="conv2"))


def test_the_batch_size_changes_nothing(model, gradient):
    np.testing.assert_allclose(explain_func("gradient", batch_size=2)(model, IMAGES, TARGETS), gradient, atol=1e-6)


def test_an_order_that_is_asked_for_is_taken_where_both_fit():
    layers = keras.layers
    convolution = layers.Conv2D(4, 3, padding="same", activation="relu")
    open_size = keras.Sequential(
        [keras.Input((None, None, 3)), convolution, layers.GlobalAveragePooling2D(), layers.Dense(2)]
    )
    images = random_images(1, (3, 8, 3))
    last = tfviz.gradient(open_size, images, 0)
    np.testing.assert_array_equal(explain_func("gradient")(open_size, images, [0]), last)
    first = tfviz.gradient(open_size, np.moveaxis(images, 1, -1), 0)
    np.testing.assert_array_equal(
        explain_func("gradient", channels="first")(open_size, images, [0]), np.moveaxis(first, -1, 1)
    )


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: explain_func("grad_camera"), tfviz.UnknownMethodError, "grad_cam"),
        (lambda: explain_func("grad_cam", samples=3), tfviz.UnknownMethodError, "samples"),
        (lambda: explain_func("grad_cam", channels="middle"), tfviz.TfvizError, "there is no order of channels"),
        (lambda: explain_func("grad_cam", collapse="median"), tfviz.TfvizError, "there is no reduction 'median'"),
    ],
)
def test_bad_options(make, error, told):
    with pytest.raises(error, match=re.escape(told)):
        make()


def test_several_layers_are_refused(model):
    told = "explain_func returns one map an image, but grad_cam was given 2 layers"
    with pytest.raises(tfviz.TfvizError, match=told):
        explain_func("grad_cam", layer=["conv1", "conv2"])(model, IMAGES[:1], TARGETS[:1])


def test_a_warning_of_the_method_is_emitted(model):
    images = np.zeros((1, 16, 16, 3), np.float32)
    with pytest.warns(tfviz.TfvizWarning, match="input_x_gradient is zero everywhere for image 0"):
        explain_func("input_x_gradient")(model, images, [0])


def test_images_of_another_shape(model):
    told = "expected images of the shape (N, *(16, 16, 3)), or with channels first, got (1, 16, 16, 4)"
    with pytest.raises(tfviz.InvalidImagesError, match=re.escape(told)):
        explain_func("gradient")(model, np.zeros((1, 16, 16, 4)), [0])
    with pytest.raises(tfviz.InvalidImagesError, match=re.escape("got (16, 16, 3)")):
        explain_func("gradient")(model, np.zeros((16, 16, 3)), [0])
