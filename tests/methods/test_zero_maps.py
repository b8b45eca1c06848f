"""A map that is zero everywhere says why: which operation has no gradient, or is saturated, or that nothing speaks."""

from __future__ import annotations

import itertools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from support.commands import manifest_in
from support.model_zoo import random_images
from support.thinning import by_day, spread

import tfviz
from tfviz.errors import TfvizWarning

pytestmark = pytest.mark.filterwarnings("ignore:.*raw outputs are taken for logits:tfviz.errors.TfvizWarning")


class Do(layers.Layer):
    def __init__(self, function, name="do"):
        super().__init__(name=name)
        self.function = function

    def call(self, x):
        return self.function(x)


def network_of(middle, bias=0.0, last=lambda x: x):
    """Two classes of a pooled convolution, with something between."""
    image = layers.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, kernel_initializer="ones", bias_initializer=keras.initializers.Constant(bias), name="conv")(
        image
    )
    x = layers.GlobalAveragePooling2D(name="pool")(middle(x))
    return keras.Model(image, last(layers.Dense(2, kernel_initializer="ones", name="scores")(x)))


def one_hot(x):
    return tf.one_hot(tf.argmax(x, axis=-1), 4)


REASONS = {
    "rounded head": (lambda: network_of(lambda x: x, last=Do(ops.round)), r"do' \(Round\) has none"),
    "argmax": (lambda: network_of(Do(one_hot)), r"do' \((ArgMax|OneHot)\) has none"),
    "stopped": (lambda: network_of(Do(ops.stop_gradient)), r"do' \(StopGradient\) has none"),
    "dead": (lambda: network_of(layers.ReLU(name="relu"), -99.0), r"relu' \(Relu\) is saturated at every place"),
    "bounded": (lambda: network_of(layers.ReLU(6.0, name="relu6"), 99.0), r"relu6' \(Relu6\) is saturated"),
    "clipped": (lambda: network_of(Do(lambda x: tf.clip_by_value(x, -1, 1)), 99.0), r"do' \(Minimum|Maximum|Clip"),
    "sure": (lambda: network_of(layers.Activation("sigmoid", name="gate"), 99.0), r"gate' \(Sigmoid\) is saturated"),
    "tanh": (lambda: network_of(layers.Activation("tanh", name="tanh"), -99.0), r"tanh' \(Tanh\) is saturated"),
}


@pytest.mark.parametrize(
    "name, form", by_day(itertools.product(REASONS, ["live", "saved"]), spread(REASONS, ["live", "saved"]))
)
def test_a_zero_map_says_why(name, form, tmp_path):
    build, reason = REASONS[name]
    model = build()
    if form == "saved":
        model.export(tmp_path / "saved", verbose=False)
        model = str(tmp_path / "saved")
    with pytest.warns(TfvizWarning, match=f"saliency is zero everywhere for image 0, 1: .*{reason}"):
        assert not tfviz.saliency(model, random_images(2, (12, 12, 3)), 0).any()


def test_each_image_has_its_own_reason():
    """One image is beyond the bound; for the other the score is the same whatever it shows."""
    image = layers.Input((8, 8, 1))
    x = layers.ReLU(6.0, name="relu6")(image)
    model = keras.Model(image, layers.Dense(2, kernel_initializer="zeros")(layers.Flatten()(x)))
    images = np.stack([np.full((8, 8, 1), 9.0), np.full((8, 8, 1), 3.0)])
    with pytest.warns(TfvizWarning) as caught:
        tfviz.saliency(model, images, 0)
    said = sorted(str(each.message) for each in caught)
    assert len(said) == 2
    assert re.search(r"image 0: .*relu6' \(Relu6\) is saturated", said[0])
    assert re.search("image 1: the score does not change with what it looks at", said[1])


def test_the_types_own_range_is_named():
    model = network_of(layers.Activation("linear", dtype="float16", name="half"))
    model.get_layer("scores").set_weights([np.zeros((4, 2)), np.zeros(2)])
    with pytest.warns(TfvizWarning, match="image 0: its numbers may be too small for the model's float16"):
        tfviz.saliency(model, random_images(1, (12, 12, 3)), 0)


def constant():
    """Two classes whose scores do not depend on the image, without anything that is saturated."""
    model = network_of(lambda x: x)
    model.get_layer("scores").set_weights([np.zeros((4, 2)), np.ones(2)])
    return model


UNCUT = {
    "occlusion": ({"patch": 6, "stride": 6}, "the probability of the target is the same wherever the patch lies"),
    "integrated_gradients": ({"steps": 3}, "the baseline's colour, or the score does not change on the way"),
    "xrai": ({"steps": 3}, "the baseline's colour, or the score does not change on the way"),
    "input_x_gradient": ({}, "the image is zero, or the score does not change with it"),
    "guided_backprop": ({}, "no positive signal finds its way back through the ReLUs"),
    "full_grad": ({}, "the score does not change with what it looks at"),
    "smooth_grad": ({"samples": 2}, "the score does not change with what it looks at"),
    "var_grad": ({"samples": 2}, "the inner method gives the same result for every noisy copy"),
}


@pytest.mark.parametrize("method", UNCUT)
def test_a_method_that_cuts_nothing_does_not_say_that_nothing_speaks_for_the_target(method):
    options, reason = UNCUT[method]
    model = constant() if method != "guided_backprop" else network_of(layers.ReLU())
    if method == "guided_backprop":
        model.get_layer("scores").set_weights([-np.ones((4, 2)), np.ones(2)])
    with pytest.warns(TfvizWarning, match=f"{method} is zero everywhere for image 0: .*{reason}"):
        assert not getattr(tfviz, method)(model, random_images(1, (12, 12, 3)), 0, **options).any()


@pytest.mark.filterwarnings("ignore:score_cam of image 1 is the sum:tfviz.errors.TfvizWarning")
@pytest.mark.parametrize("method", ["grad_cam", "eigen_cam", "score_cam", "guided_grad_cam"])
def test_a_layer_of_zeros_is_the_reason(method):
    """A dead ReLU is the layer that is looked at itself; behind it nothing is saturated."""
    images = random_images(2, (12, 12, 3)) - np.array([9.0, 0.0])[:, None, None, None]
    with pytest.warns(
        TfvizWarning, match=f"{method} is zero everywhere for image 0: the layer 'relu' is zero everywhere"
    ):
        assert getattr(tfviz, method)(network_of(layers.ReLU(name="relu")), images, 0, layer="relu")[1].any()


def test_a_method_without_gradients_asks_for_none():
    """Patches on an image that a dead ReLU hides change nothing, and no operation is to blame."""
    with pytest.warns(TfvizWarning, match="occlusion is zero everywhere for image 0: the probability of the target is"):
        tfviz.occlusion(REASONS["dead"][0](), random_images(1, (12, 12, 3)), 0, patch=6, stride=6)


def test_a_probability_of_zero_is_the_reason_of_rise():
    model = network_of(lambda x: x, last=lambda x: keras.layers.Softmax()(layers.Rescaling(0.0, [-1e9, 0.0])(x)))
    with pytest.warns(TfvizWarning, match="rise is zero everywhere for image 0: the probability .* 0 under every mask"):
        tfviz.rise(model, random_images(1, (12, 12, 3)), 0, masks=4)


def test_the_command_line_and_the_manifest_say_why(run, tmp_path):
    REASONS["dead"][0]().save(tmp_path / "dead.keras")
    keras.utils.save_img(tmp_path / "picture.png", 127 + 127 * random_images(1, (12, 12, 3))[0], scale=False)
    arguments = ["picture.png", "--model", "dead.keras", "--method", "saliency", "--preprocess", "0..1"]
    _, _, err = run("explain", *arguments, "--output", "out", "--save-maps")
    assert re.search(r"saliency is zero everywhere for picture.png .class 0.: .*relu' \(Relu\) is saturated", err)
    (found,) = manifest_in(tmp_path / "out")["results"]
    assert re.search(r"relu' \(Relu\) is saturated", found["zero_maps"]["saliency"])


def test_what_lies_before_the_layer_is_no_reason_for_its_map(tmp_path):
    """A frozen backbone stops the gradient before the layer that is looked at, behind which nothing does."""
    image = keras.Input((12, 12, 3))
    frozen = layers.Conv2D(4, 1, activation="relu", kernel_initializer="ones")(image)
    frozen = layers.Lambda(tf.stop_gradient)(frozen)
    after = layers.Conv2D(4, 1, activation="relu", kernel_initializer="ones", name="after")(frozen)
    weights = keras.initializers.Constant([[1, -1]] * 4)
    model = keras.Model(image, layers.Dense(2, kernel_initializer=weights)(layers.GlobalAveragePooling2D()(after)))
    images = np.ones((1, 12, 12, 3), np.float32)
    assert tfviz.grad_cam(model, images, 0).all()
    with pytest.warns(tfviz.TfvizWarning, match="grad_cam is zero .*: nothing that it looks at speaks for the target"):
        tfviz.grad_cam(model, images, 1)
    with pytest.warns(tfviz.TfvizWarning, match=r"no gradient reaches the image, since .*\(StopGradient\) has none"):
        tfviz.saliency(model, images, 0)
    between = keras.Model(
        image, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Lambda(tf.stop_gradient)(after)))
    )
    with pytest.warns(tfviz.TfvizWarning, match=r"no gradient reaches the layer 'after', since .*\(StopGradient\) has"):
        tfviz.grad_cam(between, images, 0, layer="after")
