"""The default layer is the deepest map that all evidence flows through; where that is not all, it is said."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from keras import layers, ops
from support.model_zoo import KINDS, model_of, random_images, randomise
from support.thinning import by_day

import tfviz
from tfviz.errors import TfvizWarning, UnknownLayerError


def conv(name, filters=4, **options):
    return layers.Conv2D(filters, 3, padding="same", activation="relu", name=name, **options)


def end(x, classes=3):
    return layers.Dense(classes, name="scores")(x)


def pool(x):
    return layers.GlobalAveragePooling2D()(x)


def model_by(build, size=(16, 16, 3)):
    image = layers.Input(size)
    return randomise(keras.Model(image, build(image)))


def two_poolings(order):
    def build(image):
        early = conv("early")(image)
        late = conv("late", strides=2)(early)
        return end(layers.Concatenate()([pool({"early": early, "late": late}[name]) for name in order]))

    return model_by(build)


def two_streams(image):
    """No map has all evidence: each stream sees the picture for itself."""
    left, right = conv("left")(image), conv("right", strides=2)(image)
    return end(layers.Concatenate()([pool(left), pool(right)]))


def masked_pooling(image):
    """Attention pooling as it is done on Kaggle: the mask cannot depend on the class."""
    features = conv("features")(image)
    mask = layers.Conv2D(4, 1, activation="sigmoid", name="mask")(features)
    masked = layers.Multiply(name="masked")([mask, features])
    return end(layers.Lambda(lambda x: x[0] / x[1], output_shape=(4,))([pool(masked), pool(mask)]))


def squeezed(image):
    """A squeeze-and-excitation at the very end scales a map, and is no end of evidence."""
    x = conv("features")(image)
    gate = layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return end(pool(layers.Multiply(name="gated")([x, gate])))


def deep(image):
    x = conv("large")(image)
    x = conv("middle", strides=2)(x)
    return end(layers.Flatten()(conv("small", strides=4)(x)))


def single(image):
    x = conv("middle", strides=2)(image)
    return end(layers.Flatten()(layers.Conv2D(6, 8, activation="relu", name="one_place")(x)))


def pyramid(image):
    """Each level adds to the score by itself: all evidence flows through the stem alone."""
    levels = [conv("stem")(image)]
    for number in range(3):
        levels.append(conv(f"level{number}", strides=2 if number < 2 else 1)(levels[-1]))
    return layers.Add()([end_of(pool(level), number) for number, level in enumerate(levels[1:])])


def end_of(x, number):
    return layers.Dense(3, name=f"scores{number}")(x)


EXPECTED = {
    "early first": (lambda: two_poolings(("early", "late")), "early", ["ends in 'late'"]),
    "late first": (lambda: two_poolings(("late", "early")), "early", ["ends in 'late'"]),
    "two streams": (
        lambda: model_by(two_streams),
        "left",
        ["only part of the evidence; some of the rest ends in 'right'"],
    ),
    "masked": (lambda: model_by(masked_pooling), "features", ["ends in 'masked'"]),
    "squeezed": (lambda: model_by(squeezed), "gated", []),
    "few places": (lambda: model_by(deep), "middle", ["only 2 x 2 places"]),
    "one place": (lambda: model_by(single), "middle", ["only 1 x 1 places"]),
    "pyramid": (lambda: model_by(pyramid), "level0", ["ends in 'level2'"]),
}


@pytest.mark.filterwarnings("ignore:the default layer is", "ignore:.*is zero everywhere")
@pytest.mark.parametrize(
    "form, name",
    by_day(
        itertools.product(["live", "saved"], EXPECTED),
        [("saved" if place % 3 == 0 else "live", name) for place, name in enumerate(EXPECTED)],
    ),
)
def test_the_default_layer_and_what_is_said_of_it(name, form, tmp_path):
    build, expected, said = EXPECTED[name]
    model, images = build(), random_images(2)
    if form == "saved":
        model.export(tmp_path / "saved", verbose=False)
        model = str(tmp_path / "saved")
    network = tfviz.trace(model)
    assert network.default_layer == expected
    found = tfviz.explain(network, images, methods=("grad_cam", "saliency"), targets=1).warnings
    found = [message for message in found if "the default layer is" in message]
    assert len(found) == len(said) and all(part in message for part, message in zip(said, found, strict=True))
    # Whoever names a layer knows it.
    named = tfviz.explain(network, images, methods=("grad_cam",), targets=1, layer=expected)
    assert not any("the default layer is" in message for message in named.warnings)


def slow_has_all(program, image, scored, value):
    """Whether nothing of the image reaches the score where a value is cut out."""
    reached = {image} - {value}
    for step in program.steps:
        if reached.intersection(step.inputs):
            reached.update(set(step.outputs) - {value})
    return not reached.intersection(scored)


@pytest.mark.parametrize("kind", [*sorted(set(KINDS) - {"loop", "recurrent"}), "masked", "pyramid"])
def test_all_evidence_flows_through_what_cannot_be_cut_out(kind):
    from tfviz.network.layers.default_layer import Evidence

    network = tfviz.trace(EXPECTED[kind][0]() if kind in EXPECTED else model_of(kind))
    scored = network.head.sources
    evidence = Evidence(network.program, network.image, scored)
    for step in network.program.steps:
        for value in step.outputs:
            if evidence.has(value):
                assert evidence.has_all(value) == slow_has_all(network.program, network.image, scored, value), step.name


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_said_of_ordinary_networks(kind):
    assert tfviz.trace(model_of(kind)).layer_index.about_default == []


def beside(image):
    """The second head is not what is explained."""
    x = conv("stem")(image)
    return [end(pool(conv("own")(x))), layers.Dense(2, name="second")(pool(conv("other")(x)))]


def test_a_layer_that_the_score_does_not_depend_on_is_refused():
    network = tfviz.trace(model_by(beside), output=0)
    with pytest.raises(UnknownLayerError, match="no layer 'other'"):
        tfviz.grad_cam(network, random_images(), 0, layer="other")
    image = layers.Input((16, 16, 3))
    seen = conv("seen")(image)
    stopped = layers.Lambda(lambda x: 0 * ops.stop_gradient(x), name="stopped")(conv("unused")(image))
    model = keras.Model(image, end(pool(layers.Lambda(lambda x: x[0] + ops.shape(x[1])[3] * 0.0)([seen, stopped]))))
    network = tfviz.trace(model)
    if "unused" in network.layers:
        with pytest.raises(UnknownLayerError, match="the score does not depend on the layer 'unused'"):
            tfviz.grad_cam(network, random_images(), 0, layer="unused")
        assert tfviz.eigen_cam(network, random_images(), 0, layer="unused").any()


class Unfollowed(layers.Layer):
    """Tokens of a map that are put into another order that the program does not tell."""

    def call(self, x):
        order = ops.argsort(ops.mean(x, axis=(0, 2)))
        return ops.take(x, order, axis=1)


def attended(image, *, pooled):
    x = layers.Conv2D(8, 4, 4, name="patches")(image)
    x = Unfollowed()(layers.Reshape((16, 8))(x))
    query = layers.GlobalAveragePooling1D(keepdims=True)(x) if pooled else x
    x = layers.MultiHeadAttention(2, 4, name="attend")(query, x)
    return end(layers.GlobalAveragePooling1D()(x))


@pytest.mark.parametrize("pooled", [False, True])
def test_tokens_that_are_no_layer_are_said(pooled):
    network = tfviz.trace(model_by(lambda image: attended(image, pooled=pooled)))
    said = network.layer_index.about_default
    assert network.default_layer == "patches"
    if pooled:
        assert said == []
    else:
        assert "before an attention" in said[0] and "tokens_to_map" in said[0]
        with pytest.warns(TfvizWarning, match="the default layer is 'patches', before an attention"):
            tfviz.grad_cam(network, random_images(1), 0)
        assert np.isfinite(
            tfviz.smooth_grad(network, random_images(1), 0, of="grad_cam", options={"layer": "patches"})
        ).all()


@pytest.mark.parametrize("form", ["live", "saved"])
def test_evidence_that_no_layer_holds_is_said(form, tmp_path):
    """A part of the score is made of the image itself, beside the features."""
    image = keras.Input((16, 16, 3))
    features = layers.Conv2D(4, 3, activation="relu", kernel_initializer="ones", name="features")(image)
    colours = layers.GlobalAveragePooling2D()(image)
    both = layers.Concatenate()([layers.GlobalAveragePooling2D()(features), colours])
    model = keras.Model(image, layers.Dense(3, kernel_initializer="ones")(both))
    if form == "saved":
        model.export(tmp_path, verbose=False)
        model = str(tmp_path)
    with pytest.warns(
        TfvizWarning, match="'features', which has only part of the evidence; the rest bypasses every layer"
    ):
        tfviz.grad_cam(model, np.ones((1, 16, 16, 3)), 0)
