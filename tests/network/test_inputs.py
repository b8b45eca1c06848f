"""What networks take besides float images: encoded ones, integers, several inputs, several outputs."""

from __future__ import annotations

import itertools

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, SHAPE, SIZE, WithSignature, distance, head, model_of, random_images, randomise
from support.options import WAYS
from support.thinning import by_day

import tfviz
from tfviz.errors import InvalidImagesError, UnsupportedModelError
from tfviz.methods import METHODS


def pictures(count=3, size=SIZE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def encoded(images, suffix=".png"):
    return [cv2.imencode(suffix, image[..., ::-1])[1].tobytes() for image in images]


class Serving(tf.Module):
    """The network of `WithSignature` as it is served: from floats, integers, encoded images and Examples."""

    def __init__(self):
        super().__init__(name="serving")
        self.network = WithSignature()
        self.scale = tf.Variable(1 / 127.5)

    def scores(self, pixels):
        return self.network.predict(pixels * self.scale - 1)

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32, name="pixels")])
    def floats(self, pixels):
        return self.scores(pixels)

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.uint8, name="pixels")])
    def whole(self, pixels):
        return self.scores(tf.cast(pixels, tf.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="pixels")])
    def resized(self, pixels):
        return self.scores(tf.image.resize(pixels, [SIZE, SIZE]))

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.uint8, name="pixels")])
    def converted(self, pixels):
        return self.network.predict(tf.image.convert_image_dtype(pixels[..., ::-1], tf.float32) * 2 - 1)

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.uint8, name="pixels")])
    def bits(self, pixels):
        return self.scores(tf.cast(tf.bitwise.bitwise_and(pixels, tf.constant(254, tf.uint8)), tf.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.int32, name="pixels")])
    def rounded(self, pixels):
        return self.scores(tf.cast(tf.cast(pixels, tf.int64), tf.float32))

    def decode(self, record):
        return tf.image.resize(tf.io.decode_png(record, 3), [SIZE, SIZE])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="records")])
    def records(self, records):
        return self.scores(tf.map_fn(self.decode, records, fn_output_signature=tf.float32))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="records")])
    def any_format(self, records):
        """decode_image holds conditions, and its shape is open; the batch of integers is cast afterwards."""

        def decode(record):
            return tf.ensure_shape(tf.io.decode_image(record, 3, expand_animations=False), SHAPE)

        images = tf.map_fn(decode, records, fn_output_signature=tf.TensorSpec(SHAPE, tf.uint8))
        scores = self.scores(tf.cast(images, tf.float32))
        # The rest asks how many records there are.
        count = tf.shape(tf.reshape(records, [-1]))[0]
        return {"probabilities": tf.reshape(scores["probabilities"], [count, CLASSES])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def examples(self, examples):
        parsed = tf.io.parse_example(examples, {"image/encoded": tf.io.FixedLenFeature([], tf.string)})
        return self.records(parsed["image/encoded"])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="records")])
    def beside(self, records):
        """What the scores depend on beside the image is in the records, too."""
        images = tf.map_fn(self.decode, records, fn_output_signature=tf.float32)
        size = tf.cast(tf.strings.length(records), tf.float32)
        return {"probabilities": self.scores(images)["probabilities"] * size[:, tf.newaxis]}


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("serving"))
    module = Serving()
    names = [
        "floats", "whole", "resized", "converted", "bits", "rounded", "records", "any_format", "examples", "beside",
    ]  # fmt: skip
    tf.saved_model.save(module, folder, signatures={name: getattr(module, name) for name in names})
    return tf.saved_model.load(folder)


def traced(serving, signature, **choice):
    return tfviz.trace(serving, signature=signature, **choice)


QUICK = {"samples": 4, "steps": 5, "masks": 10, "patch": 6, "stride": 5}


def run(name, network, images, targets=None):
    options = {option: value for option, value in QUICK.items() if option in METHODS[name].options}
    return getattr(tfviz, name)(network, images, targets, **options)


# A target that nothing speaks for has a zero map.
SIGNATURES = ["whole", "resized", "records", "any_format", "examples"]


@pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning")
@pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning")
@pytest.mark.parametrize(
    "signature, name",
    [
        *by_day(
            itertools.product(SIGNATURES, ["guided_backprop", "rise"]),
            [*((each, "guided_backprop") for each in SIGNATURES[1:]), (SIGNATURES[1], "rise")],
        ),
    ],
)
def test_every_way_of_serving_gives_the_maps_of_float_images(serving, signature, name):
    images = pictures(2)
    expected = run(name, traced(serving, "floats"), images, [1, 3])
    given = images
    if signature in ("records", "any_format", "examples"):
        given = encoded(images)
    if signature == "examples":
        given = [example(record) for record in given]
    assert distance(run(name, traced(serving, signature), given, [1, 3]), expected) < 1e-5


def example(record):
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[record]))
    features = tf.train.Features(feature={"image/encoded": feature})
    return tf.train.Example(features=features).SerializeToString()


def test_integers_that_are_converted(serving):
    """Its channels are turned around, so its gradient is that of the float network, turned around."""
    images = pictures()
    network, floats = traced(serving, "converted"), traced(serving, "floats")
    np.testing.assert_allclose(network.logits(images), floats.logits(images[..., ::-1]), atol=1e-5)
    expected = tfviz.gradient(floats, images[..., ::-1], 2)[..., ::-1]
    assert distance(tfviz.gradient(network, images, 2), expected) < 1e-5
    # Images between integers are explained, too.
    between = images + np.float32(0.4)
    np.testing.assert_allclose(network.logits(between), floats.logits(between[..., ::-1]), atol=1e-5)


@pytest.mark.parametrize(
    "signature, value, said",
    [
        ("whole", -3.0, "image 2 holds -3, expected 0 to 255: the network takes uint8 images"),
        ("whole", 300, "image 2 holds 300, expected 0 to 255"),
        ("any_format", 300, "image 2 holds 300, expected 0 to 255"),  # decoded ones that are given
        ("whole", np.nan, "image 2 holds NaN or infinite values"),
        ("whole", np.inf, "image 2 holds NaN or infinite values"),
        ("whole", 255.25, None),
        ("whole", 0.5, None),
        ("floats", -3.0, None),
    ],
)
def test_numbers_that_images_of_integers_cannot_hold(serving, signature, value, said):
    network, images = traced(serving, signature), np.zeros((3, *SHAPE), np.float32)
    images[2, 1, 0, 1] = value
    for batch_size in (2, 3):
        if said is None:
            assert np.isfinite(network.logits(images, batch_size=batch_size)).all()
        else:
            with pytest.raises(InvalidImagesError, match=said):
                network.logits(images, batch_size=batch_size)


@pytest.mark.parametrize(
    "signature, message",
    [("bits", r"takes uint8 images and works on integers beyond a cast: Value passed to parameter 'x' has"),
     ("rounded", r"takes int32 images and works on integers beyond a cast: no gradient .* reaches them")],
)  # fmt: skip
def test_integers_that_cannot_be_floats(serving, signature, message):
    with pytest.raises(UnsupportedModelError, match=message):
        traced(serving, signature)


def test_the_cut_is_shown_and_can_be_chosen(serving):
    network = traced(serving, "records")
    assert network.cut.endswith("TensorListStack") and f"cut={network.cut!r}" in repr(network)
    assert traced(serving, "floats").cut is None
    images = pictures()
    np.testing.assert_array_equal(network.decode(encoded(images)), images)
    assert network.decode(encoded(images)).dtype == np.float32
    later = next(
        name for step in network.program.steps if (name := step.name).rpartition("/")[2] in ("sub", "Sub", "sub_1")
    )
    chosen = traced(serving, "records", cut=later)
    assert chosen.cut == later
    np.testing.assert_allclose(chosen.decode(encoded(images)), images / 127.5 - 1, atol=1e-5)
    scale = tfviz.gradient(chosen, encoded(images), 1) / tfviz.gradient(network, encoded(images), 1)
    np.testing.assert_allclose(scale, 127.5, rtol=1e-4)
    with pytest.raises(UnsupportedModelError, match=r"no operation 'nowhere' gives a batch of decoded .*TensorListSta"):
        traced(serving, "records", cut="nowhere")
    with pytest.raises(UnsupportedModelError, match="cut is for encoded images, but the input 'pixels' is one of"):
        traced(serving, "floats", cut="nowhere")
    with pytest.raises(UnsupportedModelError, match="nothing in the model is a batch of decoded images that all else"):
        traced(serving, "beside")
    with pytest.raises(UnsupportedModelError, match="cannot be cut out: the outputs depend on the records beside them"):
        traced(serving, "beside", cut=network.cut.replace("records", "beside"))


@pytest.mark.filterwarnings("ignore:fgsm did not leave the class:tfviz.errors.TfvizWarning")
def test_decoded_images_can_be_given_too(serving):
    """What attacks, noise and visualisation make are images, no records."""
    network, images = traced(serving, "any_format"), pictures()
    np.testing.assert_array_equal(
        tfviz.saliency(network, images.astype(np.float32), 1), tfviz.saliency(network, encoded(images), 1)
    )
    explanation = tfviz.explain(network, encoded(images), methods="saliency")
    np.testing.assert_array_equal(explanation.images, images)
    fooled = tfviz.fgsm(network, encoded(images), pixel_range=(0, 255), epsilon=8)
    assert np.abs(fooled.images - images).max() == pytest.approx(8)


def test_records_in_every_form(serving):
    network, records = traced(serving, "records"), encoded(pictures(5))
    expected = tfviz.saliency(network, records, 1)
    dataset = tf.data.Dataset.from_tensor_slices(records)
    for form in (tuple(records), np.array(records, object), tf.constant(records), dataset.batch(2)):
        assert distance(tfviz.saliency(network, form, 1), expected) < 1e-6
    assert distance(tfviz.saliency(network, records, 1, batch_size=2), expected) < 1e-6
    alone, expected = tf.constant(records[0]), tfviz.saliency(network, records[:1], 1)
    for form in (records[0], alone, np.array(records[0], object), tf.data.Dataset.from_tensors(alone)):
        np.testing.assert_array_equal(tfviz.saliency(network, form, 1), expected)
    np.testing.assert_array_equal(network.decode(alone), network.decode(records[:1]))


def test_records_that_are_no_images(serving):
    network, records = traced(serving, "records"), encoded(pictures(4))
    broken = [*records[:2], b"no picture", records[3]]
    for batch_size in (32, 1):
        with pytest.raises(
            InvalidImagesError, match=r"image 2 cannot be decoded by the network: Unknown image file form"
        ):
            tfviz.saliency(network, broken, batch_size=batch_size)
    with pytest.raises(InvalidImagesError, match="image 0 cannot be decoded by the network: Input is empty"):
        tfviz.saliency(network, [b""])
    with pytest.raises(
        InvalidImagesError, match="NumPy byte strings, which lose the zeros at their end: give a list of"
    ):
        tfviz.saliency(network, np.array(records))
    with pytest.raises(InvalidImagesError, match="the network takes float32 images, not encoded ones"):
        traced(serving, "floats").decode(records)
    with pytest.raises(InvalidImagesError, match=r"'photo.jpg' is a string, expected the bytes of a file"):
        tfviz.saliency(network, ["photo.jpg"])
    with pytest.raises(InvalidImagesError, match="images are encoded, expected numbers: the network takes float32"):
        tfviz.saliency(traced(serving, "floats"), records)
    with pytest.raises(InvalidImagesError, match="there are no images"):
        tfviz.saliency(network, np.array([], object))
    for square in (tf.constant([records[:2], records[2:]]), np.array([records[:2], records[2:]], object)):
        with pytest.raises(InvalidImagesError, match=r"images are objects of the shape \(2, 2\), expected numbers or"):
            tfviz.saliency(network, square)
    ragged = np.empty(2, object)
    ragged[0], ragged[1] = np.ones((3, 4)), np.ones((3, 5))
    with pytest.raises(InvalidImagesError, match="images are of type object, expected numbers"):
        tfviz.saliency(network, ragged)
    with pytest.raises(InvalidImagesError, match=r"images without values, as inside a tf\.function"):
        tf.function(lambda images: tfviz.saliency(network, images), autograph=False)(tf.constant(records))


def test_records_of_several_sizes_that_the_network_does_not_resize(tmp_path):
    class Open(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="records")])
        def serve(self, records):
            spec = tf.TensorSpec([None, None, 3], tf.uint8)
            images = tf.map_fn(lambda record: tf.io.decode_png(record, 3), records, fn_output_signature=spec)
            return {"scores": tf.reduce_mean(tf.cast(images, tf.float32), [1, 2])}

    module = Open()
    tf.saved_model.save(module, str(tmp_path), signatures={"serve": module.serve})
    network = tfviz.trace(str(tmp_path))
    records = [*encoded(pictures(1, 8)), *encoded(pictures(1, 9))]
    assert tfviz.gradient(network, records[1], 1).shape == (1, 9, 9, 3)
    with pytest.raises(InvalidImagesError, match=r"cannot decode 2 images together, but each alone: (?!Graph)"):
        tfviz.gradient(network, records)
    message = r"batches hold images of the shapes \(8, 8, 3\) and \(9, 9, 3\), expected one \(from image 1 on\)"
    for given in (records, tf.data.Dataset.from_tensor_slices(records).batch(1)):
        with pytest.raises(InvalidImagesError, match=message):
            tfviz.gradient(network, given, batch_size=1)


class Odd(tf.Module):
    """Signatures that do not make an image of each record, and one whose first batch is of integers."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def first(self, records):
        images = tf.image.resize(tf.io.decode_png(records[0], 3)[tf.newaxis], [8, 8])
        return {"scores": tf.reduce_mean(images, [1, 2])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def crops(self, records):
        def crop(record):
            image = tf.io.decode_png(record, 3)
            return tf.cast(tf.stack([image[:8, :8], image[8:16, 8:16]]), tf.float32)

        spec = tf.TensorSpec([2, 8, 8, 3], tf.float32)
        images = tf.reshape(tf.map_fn(crop, records, fn_output_signature=spec), [-1, 8, 8, 3])
        return {"scores": tf.reduce_mean(images, [1, 2])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def turned(self, records):
        spec = tf.TensorSpec(SHAPE, tf.uint8)
        images = tf.map_fn(lambda record: tf.ensure_shape(tf.io.decode_png(record, 3), SHAPE), records, spec)
        images = tf.cast(tf.bitwise.invert(images), tf.float32)
        return {"scores": tf.reduce_mean(images, [1, 2])}


def test_signatures_that_make_no_image_of_each_record(tmp_path):
    module = Odd()
    names = ("first", "crops", "turned")
    tf.saved_model.save(module, str(tmp_path), signatures={name: getattr(module, name) for name in names})
    with pytest.raises(UnsupportedModelError, match="nothing in the model is a batch of decoded images"):
        tfviz.trace(str(tmp_path), signature="first")
    with pytest.raises(InvalidImagesError, match="the signature does not make one image of each record"):
        tfviz.gradient(tfviz.trace(str(tmp_path), signature="crops"), encoded(pictures(2)), 1)
    message = r"decodes uint8 images at .* works on integers beyond a cast: .*; choose a later cut, such as '(.*)'"
    with pytest.raises(UnsupportedModelError, match=message) as raised:
        tfviz.trace(str(tmp_path), signature="turned")
    later = str(raised.value).rpartition("such as ")[2].strip("'")
    network = tfviz.trace(str(tmp_path), signature="turned", cut=later)
    np.testing.assert_array_equal(network.decode(encoded(pictures(2))), 255 - pictures(2).astype(np.float32))


# Several inputs.


def two_inputs():
    image, age = layers.Input(SHAPE, name="picture"), layers.Input((2,), name="age")
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Concatenate()([x, layers.Dense(3, activation="relu")(age)])
    return randomise(keras.Model([image, age], layers.Dense(CLASSES, activation="softmax", name="scores")(x)))


class TwoInputs(tf.Module):
    """A network of an image, a number for each image, one for all, and a text that only another output needs."""

    def __init__(self):
        super().__init__(name="two")
        self.network = WithSignature()

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, *SHAPE], tf.float32, name="picture"),
            tf.TensorSpec([None, CLASSES], tf.float32, name="age"),
            tf.TensorSpec([], tf.float32, name="factor"),
            tf.TensorSpec([None], tf.string, name="key"),
        ]
    )
    def serve(self, picture, age, factor, key):
        scores = tf.math.log(self.network.predict(picture)["probabilities"]) * age * factor
        return {"key": key, "probabilities": tf.nn.softmax(scores), "sure": tf.reduce_max(scores, -1, keepdims=True)}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("two"))
    module = TwoInputs()
    tf.saved_model.save(module, folder, signatures={"serving_default": module.serve})
    return tf.saved_model.load(folder)


class Held(tf.Module):
    """The same network with its other inputs as constants, for one image."""

    def __init__(self, age, factor):
        super().__init__(name="held")
        self.network, self.age, self.factor = WithSignature(), age, factor

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32, name="picture")])
    def serve(self, picture):
        scores = tf.math.log(self.network.predict(picture)["probabilities"]) * self.age * self.factor
        return {"probabilities": tf.nn.softmax(scores)}


AGES = np.random.default_rng(1).uniform(0.5, 2, (3, CLASSES)).astype(np.float32)


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """The network with the inputs of the last of three images built in."""
    folder = str(tmp_path_factory.mktemp("held"))
    module = Held(AGES[2], 1.5)
    tf.saved_model.save(module, folder, signatures={"serving_default": module.serve})
    return tfviz.trace(folder)


@pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning")
@pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning")
@pytest.mark.parametrize("name", by_day(METHODS, WAYS[::2]))
def test_other_inputs_are_held_fixed(two, held, name):
    images = random_images(3)
    network = tfviz.trace(two, output="probabilities")
    inputs = {"picture": images, "age": AGES, "factor": 1.5, "key": ["a", "b", "c"]}
    together = run(name, network, inputs, [1, 3, 0])
    assert distance(together[[2]], run(name, held, images[[2]], 0)) < 1e-5


def test_other_inputs_of_batches_and_datasets(two):
    network = tfviz.trace(two, output="probabilities")
    assert list(network.extra_inputs) == ["age", "factor"] and "extra_inputs=['age', 'factor']" in repr(network)
    ages = np.linspace(0.5, 2, 5 * CLASSES).reshape(5, CLASSES)
    inputs = {"picture": random_images(5), "age": ages, "factor": 1.5}
    expected = tfviz.saliency(network, inputs, 1)
    assert distance(tfviz.saliency(network, inputs, 1, batch_size=2), expected) < 1e-6
    slices = {"picture": inputs["picture"], "age": ages.astype(np.float32)}
    dataset = tf.data.Dataset.from_tensor_slices(slices).batch(2).map(lambda each: {**each, "factor": 1.5})
    labelled = dataset.map(lambda each: (each, 0))
    for form in (dataset, labelled):
        assert distance(tfviz.saliency(network, form, 1), expected) < 1e-6
    module = WithSignature()
    scores = tf.math.log(module.predict(inputs["picture"])["probabilities"]) * ages * 1.5
    np.testing.assert_allclose(network.logits(inputs), scores, rtol=1e-4)
    decomposition = tfviz.full_grad_decomposition
    with pytest.warns(tfviz.TfvizWarning):
        np.testing.assert_allclose(decomposition(network, inputs, 1).scores, scores[:, 1], rtol=1e-4)


def test_bad_other_inputs(two):
    network, images = tfviz.trace(two, output="probabilities"), random_images(2)
    ages = np.ones((2, CLASSES))
    for given, message in [
        (images, "the network takes 'picture', 'age', 'factor': give a dictionary of all, not the images alone"),
        ({"picture": images, "age": ages}, "the input 'factor' is missing: the network takes .*, got 'picture', 'age'"),
        (
            {"picture": images, "age": ages[:1], "factor": 1},
            r"'age' has the shape \(1, 5\), expected \(2, 5\) for 2 im",
        ),
        ({"picture": images, "age": ages, "factor": [1]}, r"'factor' has the shape \(1,\), expected \(\) for 2 images"),
        ({"picture": images, "age": ages, "factor": "x"}, "the input 'factor' cannot be made float32"),
        ({"picture": images, "age": ages * np.nan, "factor": 1}, "the input 'age' holds NaN or infinite values"),
    ]:
        with pytest.raises(InvalidImagesError, match=message):
            tfviz.saliency(network, given)
    inputs = {"picture": images, "age": ages, "factor": 1}
    for refused in (
        lambda: tfviz.class_visualization(network, targets=1, pixel_range=(-1, 1), iterations=1),
        lambda: tfviz.fgsm(network, inputs, 1, pixel_range=(-1, 1)),
    ):
        with pytest.raises(UnsupportedModelError, match="the network takes 'age', 'factor' beside the image, which on"):
            refused()


def test_which_input_is_the_image(tmp_path):
    class Pair(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None, 4, 4, 3], name="left"),
                tf.TensorSpec([None, 4, 4, 3], name="right"),
                tf.TensorSpec([None, 2], name="place"),
            ]
        )
        def serve(self, left, right, place):
            return {"scores": tf.reduce_mean(left * right, [1, 2]) * tf.reduce_sum(place, 1, keepdims=True)}

    module = Pair()
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.serve})
    given = {name: random_images(2, (4, 4, 3), seed) for seed, name in enumerate(("left", "right"))}
    given["place"] = np.array([[1.0, 2.0], [3.0, -1.0]])
    for image, other in (("left", "right"), ("right", "left")):
        network = tfviz.trace(str(tmp_path), input=image)
        expected = given[other] * np.array([0, 1, 0]) * np.reshape([3, 2], (2, 1, 1, 1)) / 16
        np.testing.assert_allclose(tfviz.gradient(network, given, 1), expected, rtol=1e-5, atol=1e-7)
    message = r"several inputs that may be the image \(left float32 .*\); say which with input='left'"
    with pytest.raises(UnsupportedModelError, match=message):
        tfviz.trace(str(tmp_path))
    with pytest.raises(UnsupportedModelError, match="no input 'lefd'; did you mean 'left'"):
        tfviz.trace(str(tmp_path), input="lefd")
    with pytest.raises(UnsupportedModelError, match="the input 'place' is not an image"):
        tfviz.trace(str(tmp_path), input="place")


def test_a_dictionary_of_one_input():
    model = model_of("functional")
    network = tfviz.trace(model)
    images = random_images()
    np.testing.assert_array_equal(
        tfviz.saliency(network, {network.inputs.name: images}, 1), tfviz.saliency(network, images, 1)
    )
    with pytest.raises(InvalidImagesError, match="the input 'images' is missing"):
        tfviz.saliency(network, {"picture": images})


def test_the_one_input_of_a_keras_model_has_its_name():
    image = layers.Input(SHAPE, name="scan")
    model, images = randomise(keras.Model({"scan": image}, head(layers.Conv2D(4, 3)(image)))), random_images()
    expected = tfviz.saliency(model, images, 1)
    np.testing.assert_array_equal(tfviz.saliency(model, {"scan": images}, 1), expected)
    np.testing.assert_array_equal(tfviz.saliency(tfviz.trace(model, input="scan"), {"images": images}, 1), expected)


def test_other_inputs_of_other_types(tmp_path):
    class Typed(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None, 4, 4, 3], name="image"),
                tf.TensorSpec([None], tf.int32, name="age"),
                tf.TensorSpec([None], tf.bool, name="old"),
                tf.TensorSpec([None], tf.string, name="kind"),
            ]
        )
        def serve(self, image, age, old, kind):
            weight = tf.cast(age, tf.float32) * tf.where(old, 1.0, -1.0) * tf.where(kind == "a", 2.0, 3.0)
            return {"scores": tf.reduce_mean(image, [1, 2]) * weight[:, tf.newaxis]}

    module = Typed()
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.serve})
    network = tfviz.trace(str(tmp_path))
    given = {"image": random_images(2, (4, 4, 3)), "age": [3, 5.0], "old": [True, False], "kind": ["a", "b"]}
    gradient = tfviz.gradient(network, given, 0)[:, 0, 0, 0]
    np.testing.assert_allclose(gradient, [3 * 2 / 16, -5 * 3 / 16], rtol=1e-6)
    for wrong, message in [
        ({"age": [0.9, 2]}, "the input 'age' holds values that are not int32: 0.9"),
        ({"age": [2**40, 2]}, "the input 'age' holds values that are not int32"),
        ({"old": ["no", "yes"]}, "the input 'old' (holds values that are not bool: no|cannot be made bool: .*'no')"),
    ]:
        with pytest.raises(InvalidImagesError, match=message):
            tfviz.gradient(network, {**given, **wrong}, 0)


@pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning")
@pytest.mark.parametrize("inner", ["rise", "integrated_gradients", "score_cam"])
def test_other_inputs_are_held_in_methods_within_methods(two, inner):
    """Each image alone is the oracle: rows in another order would meet other ages."""
    generator = np.random.default_rng(3)
    inputs = {"picture": random_images(3), "age": generator.uniform(0.5, 2, (3, CLASSES)), "factor": 1.5}
    network = tfviz.trace(two, output="probabilities")
    options = {option: value for option, value in QUICK.items() if option in METHODS[inner].options}
    given = {"of": inner, "samples": 3, "options": options}
    together = tfviz.smooth_grad(network, inputs, [1, 3, 0], **given)
    for row, target in enumerate((1, 3, 0)):
        one = {"picture": inputs["picture"][[row]], "age": inputs["age"][[row]], "factor": 1.5}
        assert distance(together[[row]], tfviz.smooth_grad(network, one, target, **given)) < 1e-5


# Several outputs.


def test_which_output_is_explained(two):
    images = {"picture": random_images(), "age": np.ones((2, CLASSES)), "factor": 1}
    by_name, by_number = tfviz.trace(two, output="probabilities"), tfviz.trace(two, output=1)
    np.testing.assert_array_equal(tfviz.saliency(by_name, images, 1), tfviz.saliency(by_number, images, 1))
    assert by_name.head.kind == "softmax"
    # What an output does not need is not asked for; a score is given that one output alone.
    sure = tfviz.trace(two, output="sure", score=lambda sure: sure[:, 0])
    plain = tfviz.trace(two, score=lambda outputs: outputs["sure"][:, 0])
    np.testing.assert_array_equal(tfviz.gradient(sure, images), tfviz.gradient(plain, {**images, "key": ["a", "b"]}))
    with pytest.raises(
        UnsupportedModelError, match=r"several outputs \('key' .*\), expected one .*output='probabilities'"
    ):
        tfviz.trace(two)
    with pytest.raises(UnsupportedModelError, match="no output 'probability'; did you mean 'probabilities'"):
        tfviz.trace(two, output="probability")
    with pytest.raises(UnsupportedModelError, match="no output 7; the model gives 'key'"):
        tfviz.trace(two, output=7)


def test_nested_outputs():
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    model = randomise(keras.Model(image, {"b": [head(x), layers.Flatten()(x)], "a": layers.GlobalMaxPooling2D()(x)}))
    images = random_images()
    with tf.GradientTape() as tape:
        tensor = tf.constant(images)
        tape.watch(tensor)
        score = model(tensor)["a"][:, 2]
    expected = tape.gradient(score, tensor)
    np.testing.assert_allclose(tfviz.gradient(tfviz.trace(model, output="a"), images, 2), expected, atol=1e-6)
    network = tfviz.trace(model, output="b/0")
    assert network.head.kind == "softmax"
    np.testing.assert_allclose(tf.nn.softmax(network.logits(images)), model(images)["b"][0], atol=1e-6)


# TensorFlow Hub's form.


class Hub(tf.Module):
    def __init__(self):
        super().__init__(name="hub")
        self.network = WithSignature()

    @tf.function
    def __call__(self, images, training=False):
        probabilities = self.network.predict(images)["probabilities"]
        return 2 * probabilities if training else probabilities


def test_a_module_of_tensorflow_hub(tmp_path):
    module, images = Hub(), random_images()
    for training in (True, False):
        module.__call__.get_concrete_function(tf.TensorSpec([None, *SHAPE], name="images"), training=training)
    tf.saved_model.save(module, str(tmp_path))
    network = tfviz.trace(str(tmp_path))
    np.testing.assert_allclose(tf.nn.softmax(network.logits(images)), module(images), atol=1e-6)
    training = next(
        network
        for number in (0, 1)
        if (network := tfviz.trace(str(tmp_path), signature=f"__call__:{number}")).head.kind == "none"
    )
    np.testing.assert_allclose(training.logits(images), 2 * module(images).numpy(), rtol=1e-5)


def test_the_outputs_of_a_keras_model_are_called_as_its_layers():
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    model = randomise(keras.Model(image, [head(x), layers.GlobalMaxPooling2D(name="strongest")(x)]))
    images = random_images()
    by_name = tfviz.trace(model, output="strongest").logits(images)
    np.testing.assert_array_equal(by_name, tfviz.trace(model, output=1).logits(images))
    np.testing.assert_allclose(by_name, model(images)[1], atol=1e-6)


def test_a_keras_model_of_several_inputs():
    """The oracle is the tape through the model itself."""
    model, images = two_inputs(), random_images(3)
    ages = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)
    with tf.GradientTape() as tape:
        tensor = tf.constant(images)
        tape.watch(tensor)
        score = tf.math.log(model([tensor, tf.constant(ages)])[:, 2])
    logarithm = tape.gradient(score, tensor)
    network = tfviz.trace(model, score=lambda outputs: tf.math.log(outputs[:, 2]))
    assert network.inputs.name == "picture" and list(network.extra_inputs) == ["age"]
    found = tfviz.gradient(network, {"picture": images, "age": ages})
    np.testing.assert_allclose(found, logarithm, rtol=1e-4, atol=1e-6)


# Exported with its methods.


def test_the_export_of_a_network_that_decodes(serving, tmp_path):
    network, records = traced(serving, "records"), encoded(pictures())
    tfviz.export(network, tmp_path / "out", ["saliency", "rise"], options={"rise": {"masks": 10}})
    signatures = tf.saved_model.load(str(tmp_path / "out")).signatures
    assert set(serving.signatures) | {"saliency", "rise"} == set(signatures)
    for name, options in (("saliency", {}), ("rise", {"masks": 10})):
        found = signatures[name](encoded=tf.constant(records), targets=tf.constant([1, 2, 3]))
        assert distance(found["maps"], getattr(tfviz, name)(network, records, [1, 2, 3], **options)) < 1e-6
    with pytest.raises(tf.errors.OpError, match="targets are one number for each image, or one for all"):
        signatures["saliency"](encoded=tf.constant(records), targets=tf.constant([1, 2]))
    with pytest.raises(tfviz.TfvizError, match="the network decodes images itself"):
        tfviz.export(network, tmp_path / "other", encoded=True, preprocess="0..255")
    assert not (tmp_path / "other").exists()


def test_the_export_of_a_network_of_several_inputs(two, tmp_path):
    network = tfviz.trace(two, output="probabilities")
    ages = np.linspace(0.5, 2, 3 * CLASSES, dtype=np.float32).reshape(3, CLASSES)
    inputs = {"picture": random_images(3), "age": ages, "factor": 1.5}
    tfviz.export(network, tmp_path / "out", "integrated_gradients", options={"integrated_gradients": {"steps": 50}})
    signatures = tf.saved_model.load(str(tmp_path / "out")).signatures
    found = signatures["integrated_gradients"](
        images=tf.constant(inputs["picture"]), targets=tf.constant([-1]), age=ages, factor=tf.constant(1.5)
    )
    expected = tfviz.integrated_gradients(network, inputs)
    assert distance(found["maps"], expected) < 1e-6
    np.testing.assert_array_equal(found["targets"], network.logits(inputs).argmax(axis=1))


def test_the_export_of_a_keras_model_of_several_inputs(tmp_path):
    model, images = two_inputs(), random_images(2)
    ages = np.ones((2, 2), np.float32)
    tfviz.export(model, tmp_path / "out", "saliency")
    signatures = tf.saved_model.load(str(tmp_path / "out")).signatures
    found = signatures["serving_default"](picture=tf.constant(images), age=tf.constant(ages))
    np.testing.assert_array_equal(next(iter(found.values())), model.predict([images, ages], verbose=0))
    found = signatures["saliency"](images=tf.constant(images), targets=tf.constant([1, 2]), age=tf.constant(ages))
    assert distance(found["maps"], tfviz.saliency(model, {"picture": images, "age": ages}, [1, 2])) < 1e-6


def test_an_input_that_is_called_as_those_of_a_signature(tmp_path):
    image, other = layers.Input(SHAPE, name="picture"), layers.Input((2,), name="targets")
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(image)), other])
    model = keras.Model([image, other], layers.Dense(3, activation="softmax")(x))
    with pytest.raises(tfviz.TfvizError, match="the model has an input 'targets' beside the image, as the signatures"):
        tfviz.export(model, tmp_path / "out", "saliency")


def test_many_outputs_are_numbered_as_the_model_numbers_them(tmp_path):
    """`output_10` comes before `output_2` among names."""
    image = layers.Input((4, 4, 3))
    flat = layers.Flatten()(image)
    model = randomise(keras.Model(image, [layers.Dense(2)(flat) for _ in range(12)]))
    model.export(str(tmp_path))
    images = random_images(2, (4, 4, 3))
    for number in (2, 10):
        live, saved = (tfviz.trace(source, output=number).logits(images) for source in (model, str(tmp_path)))
        np.testing.assert_allclose(saved, live, atol=1e-6)
