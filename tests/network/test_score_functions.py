"""The scores of `tfviz.scores`, by closed forms, through `tfviz.trace` and a method."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import random_images, randomise
from support.thinning import by_day

import tfviz
from tfviz import scores
from tfviz.errors import TfvizError

SHAPE = (8, 10, 3)
IMAGES = random_images(2, SHAPE)


def flat_model(*sizes, activation=None):
    """Dense outputs of the flattened image: their gradients are their kernels."""
    image = layers.Input(SHAPE)
    flat = layers.Flatten()(image)
    outputs = [layers.Dense(size, name=f"out{index}", activation=activation)(flat) for index, size in enumerate(sizes)]
    return randomise(keras.Model(image, outputs if len(outputs) > 1 else outputs[0]))


def kernel(model, index, name="out0"):
    values = model.get_layer(name).get_weights()[0][:, index].reshape(SHAPE)
    return np.broadcast_to(values, IMAGES.shape)


def gradient(model, score):
    return tfviz.gradient(tfviz.trace(model, score=score), IMAGES)


def value(model, score):
    return tfviz.trace(model, score=score).logits(IMAGES)[:, 0]


# Numbers.


def test_a_class_of_one_output():
    model = flat_model(4)
    np.testing.assert_allclose(gradient(model, scores.class_score(3)), kernel(model, 3), rtol=1e-6)


@pytest.mark.parametrize("output, index", [(0, 2), (1, 1)])
def test_a_class_of_one_of_several_outputs(output, index):
    model = flat_model(3, 2)
    found = gradient(model, scores.class_score(index, output=output))
    np.testing.assert_allclose(found, kernel(model, index, f"out{output}"), rtol=1e-6)


def test_a_regression():
    model = flat_model(1)
    np.testing.assert_allclose(gradient(model, scores.value_score()), kernel(model, 0), rtol=1e-6)
    np.testing.assert_allclose(value(model, scores.value_score()), model.predict(IMAGES, verbose=0)[:, 0], rtol=1e-5)
    image = layers.Input(SHAPE)
    unlisted = keras.Model(image, layers.Lambda(lambda x: tf.reduce_sum(x, [1, 2, 3]), output_shape=())(image))
    for score in (scores.value_score(), scores.class_score(0)):
        np.testing.assert_array_equal(gradient(unlisted, score), np.ones_like(IMAGES))


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """A model of two outputs in every form that `trace` opens, and the names of the second there."""
    folder = tmp_path_factory.mktemp("forms")
    listed = flat_model(3, 1)
    named = keras.Model(listed.input, {"kind": listed.outputs[0], "price": listed.outputs[1]})
    listed.save(folder / "listed.keras")
    listed.export(folder / "listed")
    named.export(folder / "named")
    return listed, {
        "live": (listed, ["out1", 1, "1"]),
        "file": (folder / "listed.keras", ["out1", 1]),
        "saved": (folder / "listed", ["output_1", 1, "1"]),
        "live dictionary": (named, ["price", 1]),
        "saved dictionary": (folder / "named", ["price", 1]),
    }


@pytest.mark.parametrize(
    "form",
    by_day(["live", "file", "saved", "live dictionary", "saved dictionary"], ["live", "saved", "saved dictionary"]),
)
def test_outputs_are_called_as_trace_calls_them(form, forms):
    listed, found = forms
    model, names = found[form]
    for name in names:
        expected = tfviz.gradient(tfviz.trace(model, output=name), IMAGES)
        np.testing.assert_allclose(expected, kernel(listed, 0, "out1"), rtol=1e-6)
        np.testing.assert_array_equal(gradient(model, scores.value_score(output=name)), expected)
    known = ", ".join(map(repr, tfviz.trace(model, output=1, score=scores.value_score()).outputs.names))
    with pytest.raises(TfvizError, match=r"no output 'prize'; say output=, one of its outputs: '.*', '.*'") as caught:
        tfviz.trace(model, score=scores.value_score(output="prize"))
    assert known in str(caught.value)


class Calling(tf.Module):
    """Saves what a model returns as it nests it, which a signature would not."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE])])
    def __call__(self, images):
        return self.model(images)


@pytest.mark.parametrize(
    "nest, several, names",
    [
        (lambda a, b, c: {"a": [a, b], "b": c}, {"a": "'a/0', 'a/1'"}, {"a/0": 0, "a/1": 1, "b": 2}),
        (lambda a, b, c: [[a, b], c], {0: "'0/0', '0/1'"}, {"0/0": 0, "0/1": 1, 1: 2, "1": 2}),
        (
            lambda a, b, c: {"a": {"x": a, "y": b}, "b": {"x": c}},
            {"a": "'a/x', 'a/y'"},
            {"a/x": 0, "a/y": 1, "b/x": 2, "b": 2},
        ),
    ],
    ids=["dictionary of a list", "list of a list", "keys that repeat"],
)
@pytest.mark.parametrize("form", ["live", "saved"])
def test_nested_outputs_are_called_by_their_paths(form, nest, several, names, tmp_path):
    flat = flat_model(3, 3, 3)
    model = keras.Model(flat.input, nest(*flat.outputs))
    if form == "saved":
        tf.saved_model.save(Calling(model), str(tmp_path))
        model = tmp_path
    for name, place in names.items():
        found = gradient(model, scores.class_score(0, output=name))
        np.testing.assert_allclose(found, kernel(flat, 0, f"out{place}"), rtol=1e-6)
        np.testing.assert_array_equal(tfviz.gradient(tfviz.trace(model, output=name), IMAGES, 0), found)
    of_several = [
        (name, f"output {name!r} stands for several.* one of these: {said}$") for name, said in several.items()
    ]
    for name, said in [*of_several, (2, "no output 2"), (None, "several outputs"), ("x", "no output 'x'")]:
        with pytest.raises(TfvizError, match=said):
            tfviz.trace(model, score=scores.class_score(0, output=name))
        if name is not None:
            with pytest.raises(TfvizError, match=said):
                tfviz.trace(model, output=name)


def test_the_one_output_of_a_saved_model_has_a_name(tmp_path):
    model = flat_model(1)
    keras.Model(model.input, {"price": model.output}).export(tmp_path)
    found = gradient(tmp_path, scores.value_score(output="price"))
    np.testing.assert_allclose(found, kernel(model, 0), rtol=1e-6)
    with pytest.raises(TfvizError, match=r"no output 'prize'; say output=, one of its outputs: 'price'$"):
        tfviz.trace(tmp_path, score=scores.value_score(output="prize"))


def test_a_label_is_scored_by_the_logit_before_its_sigmoid():
    model = flat_model(4, activation="sigmoid")
    np.testing.assert_allclose(gradient(model, scores.label_score(2)), kernel(model, 2), rtol=1e-3, atol=1e-6)
    sure = flat_model(4, activation="sigmoid")
    sure.get_layer("out0").bias.assign([30.0] * 4)
    np.testing.assert_allclose(gradient(sure, scores.label_score(2)), kernel(sure, 2), rtol=1e-5)
    classes = flat_model(4, activation="softmax")
    p = classes.predict(IMAGES, verbose=0)[:, 2]
    np.testing.assert_allclose(value(classes, scores.label_score(2)), np.log(p / (1 - p)), rtol=1e-4)
    probability = tf.constant([[1.0, 0.0, 0.5]])
    found = [float(scores.label_score(index)(probability)[0]) for index in range(3)]
    np.testing.assert_allclose(found, [16.118, -16.118, 0], atol=1e-3)


# Logits behind a softmax.


@pytest.mark.parametrize("activation", ["softmax", "log_softmax", "sigmoid", None])
def test_logits_are_those_that_targets_explain(activation):
    model = flat_model(4, activation=activation)
    model.get_layer("out0").bias.assign([60.0, 0, 0, 0])  # a softmax that is exactly 1
    of_target = [tfviz.gradient(model, IMAGES, index) for index in range(4)]
    contrast, expected = gradient(model, scores.contrast_score(3, 0)), of_target[3] - of_target[0]
    np.testing.assert_allclose(contrast, expected, rtol=1e-5, atol=1e-5 * abs(expected).max())
    np.testing.assert_allclose(gradient(model, scores.logit_score(2)), of_target[2], rtol=1e-6)
    np.testing.assert_allclose(value(model, scores.logit_score(2)), tfviz.trace(model).logits(IMAGES)[:, 2], rtol=1e-6)


def test_the_logits_of_a_single_sigmoid_and_of_a_mean():
    single = flat_model(1, activation="sigmoid")
    np.testing.assert_allclose(gradient(single, scores.logit_score(0)), -kernel(single, 0), rtol=1e-6)
    np.testing.assert_allclose(gradient(single, scores.contrast_score(1, 0)), 2 * kernel(single, 0), rtol=1e-6)
    both = flat_model(3, 3, activation="softmax")
    mean = keras.Model(both.input, layers.Average()(both.outputs))
    for index in range(3):
        np.testing.assert_allclose(
            gradient(mean, scores.logit_score(index)), tfviz.gradient(mean, IMAGES, index), rtol=1e-6
        )
    raw = tf.constant([[1.0, 3.0]])
    assert [float(score(raw)[0]) for score in (scores.logit_score(1), scores.contrast_score(1, 0))] == [3, 2]


def test_the_logits_of_one_of_several_outputs(tmp_path):
    model = flat_model(3, 2, activation="softmax")
    named = keras.Model(model.input, {"kind": model.outputs[0], "mood": model.outputs[1]})
    named.export(tmp_path)
    for opened in (named, tmp_path):
        found = gradient(opened, scores.contrast_score(0, 1, output="mood"))
        np.testing.assert_allclose(found, kernel(model, 0, "out1") - kernel(model, 1, "out1"), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "activation, score, said",
    [
        (
            "softmax",
            lambda p: p[:, 0] - p[:, 1],
            "the score that was given to trace, which reads probabilities after the softmax",
        ),
        ("softmax", scores.contrast_score(0, 1), "trace, which reads logits before the softmax"),
        ("sigmoid", scores.class_score(0), "trace, which reads probabilities after the sigmoid"),
        ("sigmoid", scores.label_score(0), "trace, which reads logits before the sigmoid"),
        ("softmax", scores.label_score(0), "trace, which reads probabilities after the softmax"),
        (None, scores.class_score(0), "trace, which reads the raw output"),
        (None, scores.logit_score(0), "trace, which reads the raw output"),
        (None, lambda z: tf.cast(tf.argmax(z, 1), tf.float32), "the score that was given to trace"),
    ],
)
def test_what_a_score_reads_is_said(activation, score, said):
    network = tfviz.trace(flat_model(4, activation=activation), score=score)
    assert network.head.scored_by.endswith(said)
    if activation == "softmax":
        found = tfviz.explain(network, IMAGES, methods="gradient")
        assert found.scored_by == network.head.scored_by and found.scored_by in repr(found)


def test_what_a_score_of_several_outputs_reads_is_said():
    image = layers.Input(SHAPE)
    flat = layers.Flatten()(image)
    p, q = (layers.Dense(3, activation="softmax")(flat) for _ in range(2))
    model = keras.Model(image, {"mean": (p + q) / 2, "size": layers.Dense(1)(flat)})
    score = lambda outputs: outputs["mean"][:, 0] * outputs["size"][:, 0]  # noqa: E731  # one line in the test
    network = tfviz.trace(model, score=score)
    assert network.head.scored_by.endswith("which reads probabilities and the raw output")
    network = tfviz.trace(model, score=scores.logit_score(0, output="mean"))
    assert network.head.scored_by.endswith("which reads the log odds of probabilities")


@pytest.mark.parametrize(
    "score",
    [
        lambda outputs: np.sum(outputs, axis=1),
        lambda outputs: float(outputs[0, 0]),
        lambda outputs: outputs.numpy()[:, 0],
        lambda outputs: outputs[:, 0] if outputs[0, 0] > 0 else outputs[:, 1],
        lambda outputs: outputs[:, 0].mean(),
        lambda outputs: np.ones(2, np.float32),
        lambda outputs: 1.0,
        lambda outputs: None,
    ],
)
def test_a_score_of_numpy_is_refused_in_words(score):
    with pytest.raises(TfvizError, match=r"the score must be made of TensorFlow operations, such as tf\.reduce_mean"):
        tfviz.trace(flat_model(3), score=score)


@pytest.mark.parametrize(
    "score, said",
    [
        (lambda z: tf.reduce_sum(z * [1.0, 2.0, 3.0], axis=0), r"the shape \(3,\)"),
        (lambda z: tf.reduce_sum(z), r"the shape \(\)"),
        (lambda z: z, r"the shape \(None, 3\)"),
        (lambda z: [z[:, 0]], r"the shape \(1, None\)"),
        (lambda z: tf.reshape(z, [-1]), r"the shape \(6,\) for 2 images"),
        (lambda z: z[:1, 0], r"the shape \(1,\) for 2 images"),
        (lambda z: tf.boolean_mask(z[:, 0], z[:, 0] > 0), r"the shape \(\d,\) for \d images"),
        (lambda z: tf.py_function(lambda z: z[0], [z], tf.float32), r"the shape \(3,\) for 2 images"),
        (lambda z: {"score": z[:, 0]}, "dict"),
        (lambda z: tf.strings.as_string(z[:, 0]), "string"),
    ],
)
def test_a_score_that_is_not_a_number_an_image_is_refused(score, said):
    """There are three classes: of three images the first score would look right."""
    with pytest.raises(TfvizError, match=rf"the score returns {said}, expected a number an image \(N,\)"):
        tfviz.trace(flat_model(3), score=score)


def test_the_mean_over_a_map_of_an_open_size_must_leave_the_images():
    image = layers.Input((None, None, 3))
    model = keras.Model(image, layers.Conv2D(3, 3)(image))
    assert gradient(model, lambda maps: tf.reduce_mean(maps[..., 1], [1, 2])).any()
    with pytest.raises(TfvizError, match=r"the score returns the shape \(64,\) for 2 images"):
        tfviz.trace(model, score=lambda maps: tf.reduce_mean(maps, [0, 2, 3]))


def test_scores_whose_shape_does_not_show_that_they_are_right():
    """One that Python computes, and one that joins the crops of each image."""
    model = flat_model(3)
    by_python = gradient(model, lambda z: tf.py_function(lambda z: z[:, 1], [z], tf.float32))
    np.testing.assert_allclose(by_python, kernel(model, 1), rtol=1e-6)
    crops = keras.Model(model.input, layers.Lambda(lambda z: tf.repeat(z, 10, axis=0), output_shape=(3,))(model.output))
    joined = gradient(crops, lambda z: tf.reduce_mean(tf.reshape(z[:, 1], [-1, 10]), axis=1))
    np.testing.assert_allclose(joined, kernel(model, 1), rtol=1e-5)


def test_the_errors_of_a_score_itself_are_its_own():
    with pytest.raises(KeyError, match="kind"):
        tfviz.trace(flat_model(3, 2), score=lambda outputs: {}["kind"])
    with pytest.raises(TypeError, match="mine"):
        tfviz.trace(flat_model(3, 2), score=lambda outputs: (_ for _ in ()).throw(TypeError("mine")))


def test_an_embedding():
    model = flat_model(5)
    reference = model.predict(IMAGES[:1], verbose=0)[0]
    found = value(model, scores.similarity_score(3 * reference))
    embeddings = model.predict(IMAGES, verbose=0)
    expected = embeddings @ reference / np.linalg.norm(embeddings, axis=1) / np.linalg.norm(reference)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found[0] == pytest.approx(1, abs=1e-5)


# Segmentation.


def segmenter(classes=3, strides=1):
    """One convolution: a place sees the 3 x 3 pixels around it."""
    image = layers.Input(SHAPE)
    return randomise(keras.Model(image, layers.Conv2D(classes, 3, strides, padding="same", name="conv")(image)))


def test_a_region_has_a_gradient_in_its_receptive_field_alone():
    mask = np.zeros(SHAPE[:2], bool)
    mask[2:4, 5] = True
    found = gradient(segmenter(), scores.region_score(1, mask))
    sees = np.zeros(SHAPE[:2], bool)
    sees[1:5, 4:7] = True
    assert found[:, sees].all() and not found[:, ~sees].any()


def test_the_mean_of_a_region():
    model, generator = segmenter(), np.random.default_rng(0)
    weights = generator.uniform(size=SHAPE[:2])
    maps = model.predict(IMAGES, verbose=0)[..., 2]
    np.testing.assert_allclose(
        value(model, scores.region_score(2, weights)), np.average(maps.reshape(2, -1), 1, weights.ravel()), rtol=1e-4
    )


def test_the_region_where_a_class_is_predicted():
    model = segmenter()
    maps = model.predict(IMAGES, verbose=0)
    expected = [image[..., 1][image.argmax(-1) == 1].mean() for image in maps]
    np.testing.assert_allclose(value(model, scores.region_score(1)), expected, rtol=1e-4)
    only = segmenter(classes=1)
    maps = only.predict(IMAGES, verbose=0)[..., 0]
    for threshold in (0.0, 0.3):
        found = value(only, scores.region_score(0, threshold=threshold))
        np.testing.assert_allclose(found, [image[image > threshold].mean() for image in maps], rtol=1e-4)
    assert not value(only, scores.region_score(0, threshold=1e6)).any()


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_region_is_scored_by_the_logits(activation, tmp_path):
    raw = segmenter()
    model = keras.Model(raw.input, layers.Activation(activation)(raw.output * 9))
    mask = np.zeros(SHAPE[:2], bool)
    mask[2:4, 5] = True
    logits, said = 9 * raw(IMAGES).numpy()[..., 1], model(IMAGES).numpy()
    model.export(tmp_path)
    for opened in (model, tmp_path):
        network = tfviz.trace(opened, score=scores.region_score(1, mask))
        np.testing.assert_allclose(network.logits(IMAGES)[:, 0], logits[:, mask].mean(1), rtol=1e-4)
        assert network.head.scored_by.endswith(f"which reads logits before the {activation}")
        network = tfviz.trace(opened, score=scores.region_score(1, mask, probabilities=True))
        np.testing.assert_allclose(network.logits(IMAGES)[:, 0], said[..., 1][:, mask].mean(1), rtol=1e-4)
        assert network.head.scored_by.endswith(f"which reads probabilities after the {activation}")
    expected = [z[p.argmax(-1) == 1].mean() for z, p in zip(logits, said, strict=True)]
    np.testing.assert_allclose(value(model, scores.region_score(1)), expected, rtol=1e-4)


def test_the_region_of_a_single_channel_is_where_its_probability_is_high():
    raw = segmenter(classes=1)
    model = keras.Model(raw.input, layers.Activation("sigmoid")(raw.output))
    logits = raw(IMAGES).numpy()[..., 0]
    expected = [z[z > np.log(0.6 / 0.4)].mean() for z in logits]
    np.testing.assert_allclose(value(model, scores.region_score(0, threshold=0.6)), expected, rtol=1e-4)


@pytest.mark.parametrize("size", [SHAPE, (None, None, 3)], ids=["its own size", "any size"])
@pytest.mark.parametrize("activation", ["linear", "softmax"])
def test_the_region_of_an_output_with_channels_first(activation, size, tmp_path):
    """As networks that were converted give them: the scores are those of the twin with channels last."""
    image = layers.Input(size)
    raw = randomise(keras.Model(image, layers.Conv2D(4, 3, padding="same", activation=activation)(image)))
    turned = keras.Model(raw.input, layers.Permute((3, 1, 2))(raw.output))
    mask = np.zeros(SHAPE[:2], bool)
    mask[2:4, 5] = True
    turned.export(tmp_path, verbose=False)
    for score in (scores.region_score(2, mask), scores.region_score(2)):
        expected = tfviz.gradient(tfviz.trace(raw, score=score), IMAGES)
        for opened in (turned, tmp_path):
            np.testing.assert_array_equal(tfviz.gradient(tfviz.trace(opened, score=score), IMAGES), expected)
    with pytest.raises(TfvizError, match="there is no class 4: the output has 4 classes, 0 to 3"):
        tfviz.trace(turned, score=scores.region_score(4, mask))
    assert tfviz.trace(turned, score=scores.region_score(2, mask)).layers[turned.layers[-1].name][2] == 4


def test_a_mask_of_another_size_counts_by_the_share_that_it_covers():
    model = segmenter(strides=2)
    mask = np.zeros(SHAPE[:2], bool)
    mask[0, 0:2] = mask[4:6, 2:4] = True  # half of the first place, the whole of another
    maps = model.predict(IMAGES, verbose=0)[..., 0]
    expected = (0.5 * maps[:, 0, 0] + maps[:, 2, 1]) / 1.5
    np.testing.assert_allclose(value(model, scores.region_score(0, mask)), expected, rtol=1e-5)


# Detection.

BOXES = np.array([[0, 0, 2, 2], [1, 1, 4, 4], [6, 6, 8, 9]], np.float32)


def detector():
    """Three fixed boxes with class scores of the image."""
    image = layers.Input(SHAPE)
    flat = layers.Flatten()(image)
    boxes = layers.Lambda(lambda x: tf.tile(tf.constant(BOXES)[None], [tf.shape(x)[0], 1, 1]), output_shape=(3, 4))
    logits = layers.Reshape((3, 2), name="logits")(layers.Dense(6, name="out0")(flat))
    return randomise(keras.Model(image, {"boxes": boxes(flat), "scores": layers.Softmax()(logits), "raw": logits}))


def test_the_outputs_of_a_detector_that_gives_a_list():
    model = detector()
    listed = keras.Model(model.input, list(model.output.values()))
    names = dict(zip(model.output, listed.output_names, strict=True))
    by_name = scores.box_score(1, [0, 0, 2.5, 2.5], boxes=names["boxes"], scores=names["raw"])
    np.testing.assert_allclose(gradient(listed, by_name), kernel(model, 1), rtol=1e-6)


@pytest.mark.parametrize("box, best", [([0, 0, 2.5, 2.5], 0), ([1, 0.5, 4, 4], 1), ([5, 5, 7, 7], 2)])
def test_a_box_is_scored_by_the_detection_that_overlaps_it_most(box, best):
    model = detector()
    score = scores.box_score(1, box, boxes="boxes", scores="raw")
    np.testing.assert_allclose(gradient(model, score), kernel(model, 2 * best + 1), rtol=1e-6)


def test_a_box_that_nothing_overlaps():
    model = detector()
    for function in (scores.box_score, scores.detection_similarity):
        assert not value(model, function(1, [20, 20, 21, 21], boxes="boxes", scores="scores")).any()


def test_the_similarity_of_detections():
    """The slow, obvious way: the best of all detections by overlap times cosine."""
    model = detector()
    wanted = np.array([0.5, 0.5, 4, 4])
    expected = []
    for probabilities in model.predict(IMAGES, verbose=0)["scores"]:
        found = []
        for box, classes in zip(BOXES, probabilities, strict=True):
            height = max(0, min(box[2], wanted[2]) - max(box[0], wanted[0]))
            width = max(0, min(box[3], wanted[3]) - max(box[1], wanted[1]))
            union = (box[2] - box[0]) * (box[3] - box[1]) + 3.5**2 - height * width
            found.append(height * width / union * (classes @ [1, 0]) / np.linalg.norm(classes))
        expected.append(max(found))
    score = scores.detection_similarity(0, wanted, boxes="boxes", scores="scores")
    np.testing.assert_allclose(value(model, score), expected, rtol=1e-5)


# Errors.


@pytest.mark.parametrize(
    "sizes, score, said",
    [
        ((3,), scores.class_score(3), "there is no class 3: the output has 3 classes, 0 to 2"),
        ((3,), scores.class_score(-1), "there is no class -1"),
        ((3,), scores.class_score(True), "there is no class True"),
        ((3,), scores.class_score("tabby"), "the index of a class is 'tabby', expected an integer"),
        ((3,), scores.label_score(1.0), "the index of a class is 1.0, expected an integer"),
        ((3,), scores.class_score(0, output="logits"), "no output 'logits'; .* only one, which has no name"),
        (
            (3, 2),
            scores.class_score(0),
            "the model has several outputs; say output=, one of its outputs: 'out0', 'out1'",
        ),
        (
            (3, 2),
            scores.class_score(0, output=2),
            "the model has no output 2; say output=, one of its outputs: 'out0', 'out1'",
        ),
        (
            (3, 2),
            scores.class_score(0, output="out"),
            "no output 'out'; say output=, one of its outputs: 'out0', 'out1'",
        ),
        ((3,), scores.value_score(), "the output has 3 values per image, expected one"),
        ((3,), scores.region_score(0), r"has the shape \(None, 3\), the score reads a segmentation \(N, h, w, K\)"),
        ((3, 2), scores.box_score(0, [0, 0, 1, 1], boxes=0, scores=1), r"output 0 has the shape .* boxes \(N, M, 4\)"),
        ((3,), scores.similarity_score(np.ones(4)), "the embeddings have 3 values, the reference has 4"),
    ],
)
def test_outputs_that_a_score_does_not_read(sizes, score, said):
    with pytest.raises(TfvizError, match=said):
        tfviz.trace(flat_model(*sizes), score=score)


def test_outputs_without_names():
    """A score that is called by itself knows keys and places alone."""
    values = tf.constant([[2.0], [3.0]])
    np.testing.assert_array_equal(scores.value_score(output=1)([-values, values]), [2, 3])
    with pytest.raises(TfvizError, match=r"no output 'price'; say output=, one of its outputs: 0, 1$"):
        scores.value_score(output="price")([-values, values])
    nested = {"prices": [-values, values]}
    np.testing.assert_array_equal(scores.value_score(output="prices/1")(nested), [2, 3])
    for output, said in [("prices", "stands for several"), (None, "several outputs"), (1, "no output 1")]:
        with pytest.raises(TfvizError, match=rf"{said}.*: 'prices/0', 'prices/1'$"):
            scores.value_score(output=output)(nested)


def test_boxes_that_are_none():
    with pytest.raises(TfvizError, match=r"output 'scores' has the shape .*, the score reads boxes \(N, M, 4\)"):
        tfviz.trace(detector(), score=scores.box_score(0, [0, 0, 1, 1], boxes="scores", scores="boxes"))


@pytest.mark.parametrize(
    "make, said",
    [
        (
            lambda: scores.region_score(0, np.zeros((4, 4))),
            r"shape \(4, 4\), expected \(H, W\), without negative values and not all",
        ),
        (lambda: scores.region_score(0, -np.eye(4)), "without negative"),
        (lambda: scores.region_score(0, np.ones((1, 4, 4))), r"the mask has the shape \(1, 4, 4\)"),
        (lambda: scores.region_score(0, "left"), r"a mask \(H, W\) must be numbers"),
        (lambda: scores.box_score(0, [2, 2, 1, 1], boxes=0, scores=1), "expected two corners"),
        (lambda: scores.box_score(0, [0, 0, 1], boxes=0, scores=1), "expected two corners"),
        (lambda: scores.similarity_score(np.zeros(3)), r"expected \(D,\) and not all zero"),
        (lambda: scores.similarity_score(np.ones((1, 3))), r"has the shape \(1, 3\)"),
    ],
)
def test_what_a_score_cannot_be_made_of(make, said):
    with pytest.raises(TfvizError, match=said):
        make()
