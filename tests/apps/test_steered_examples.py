"""Numbers in Examples that decide what is run, or how often: they stand beside the picture like any other."""

from __future__ import annotations

import pytest
import tensorflow as tf
from support.model_zoo import SHAPE, SIZE, model_of

import tfviz
from tfviz.apps.model.example_format import find_example_format

PICTURE, NUMBER = tf.io.FixedLenFeature([], tf.string), tf.io.FixedLenFeature([], tf.int64)
SPEC = {"a number": NUMBER, "other": NUMBER, "photo": PICTURE}
ZERO = tf.constant(0, tf.int64)


def loop(condition, body, *start):
    """The last of the results; a condition knows the first value alone."""
    return tf.while_loop(lambda first, *_: condition(first), body, start)[-1]


def counted(image, number):
    return loop(lambda at: at < number, lambda at, each: (at + 1, each[::-1] * 0.5), ZERO, image)


def counted_down(image, number):
    return loop(lambda left: left > 0, lambda left, each: (left - 1, each[::-1]), number, image)


def counted_in_steps(image, number):
    """The counter depends on the number from the second round on."""
    return loop(lambda at: at < 9, lambda at, each: (at + number, each[::-1]), ZERO, image)


def counted_inside(image, number):
    """In a branch that something else chooses, within another loop."""

    def twice(at, each):
        return at + 1, tf.cond(tf.reduce_mean(each) > 0.1, lambda: counted(each, number), lambda: each)

    return loop(lambda at: at < 2, twice, 0, image)


def counted_afterwards(image, number):
    """The second loop runs as often as the first had rounds."""
    rounds = loop(lambda at: at < number, lambda at, made: (at + 2, made + 1), ZERO, ZERO)
    return counted(image, rounds)


def replaced(image, number):
    """By a loop that may run no round."""
    blank = tf.fill(SHAPE, tf.cast(number, tf.float32))
    return loop(lambda at: at < tf.reduce_mean(image), lambda at, _: (at + 1, image), 0.0, blank)


def chosen(image, number):
    return tf.cond(number > 0, lambda: image[::-1], lambda: image * 0.5)


def chosen_constant(image, number):
    return image * tf.cond(number > 0, lambda: 0.5, lambda: 1.0)


def chosen_of_three(image, number):
    return tf.switch_case(tf.cast(number, tf.int32), [lambda: image, lambda: image[::-1], lambda: image * 0.5])


def chosen_in_a_loop(image, number):
    """From the second round on."""

    def turn(at, chooses, each):
        return at + 1, number, tf.cond(chooses > 0, lambda: each[::-1], lambda: each)

    return loop(lambda at: at < 2, turn, 0, ZERO, image)


def beside(image, number):
    """A loop that changes the image, and the number by itself."""
    return loop(lambda at: at < 2, lambda at, other, each: (at + 1, other - 1, each[::-1]), 0, number, image)


def format_of(images, folder):
    """The format of the Examples of a network of the images that a function makes of serialised ones."""
    module = tf.Module()
    module.network = model_of("functional")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        return module.network(images(examples), training=False)

    tf.saved_model.save(module, str(folder), signatures=serve)
    return find_example_format(tfviz.trace(folder))


def decoded(picture):
    return tf.image.resize(tf.io.decode_image(picture, 3, expand_animations=False), [SIZE, SIZE]) / 255


STEERS = [
    counted,
    counted_down,
    counted_in_steps,
    counted_inside,
    counted_afterwards,
    replaced,
    chosen,
    chosen_constant,
    chosen_of_three,
    chosen_in_a_loop,
]


@pytest.mark.parametrize("change", [*STEERS, beside], ids=lambda change: change.__name__)
def test_a_number_that_steers(change, tmp_path):
    """The other number steers nothing."""

    def one(record):
        parsed = tf.io.parse_single_example(record, SPEC)
        return change(decoded(parsed["photo"]), parsed["a number"])

    found = format_of(lambda examples: tf.map_fn(one, examples, fn_output_signature=tf.float32), tmp_path)
    assert found.features == ("a number", "other", "photo") and found.pictures == ("photo",)
    assert found.beside == (("a number",) if change in STEERS else ())


@pytest.mark.parametrize("feature", [NUMBER, tf.io.FixedLenFeature([2, 3], tf.float32)])
def test_how_many_examples_there_are(feature, tmp_path):
    """The loop runs as often as its first value has rows, of which no number in it says anything."""

    def images(examples):
        parsed = tf.io.parse_example(examples, {**SPEC, "a number": feature})
        return tf.map_fn(lambda each: decoded(each["photo"]), parsed, fn_output_signature=tf.float32)

    found = format_of(images, tmp_path)
    assert found.pictures == ("photo",) and found.beside == ()


def test_how_many_values_a_feature_has(tmp_path):
    sequence = tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True)
    spec = {"notes": tf.io.VarLenFeature(tf.int64), "other": sequence, "photo": PICTURE}

    def one(record):
        parsed = tf.io.parse_single_example(record, spec)
        return counted(counted(decoded(parsed["photo"]), count(parsed["notes"].values)), count(parsed["other"]))

    def count(values):
        return tf.size(values, tf.int64)

    found = format_of(lambda examples: tf.map_fn(one, examples, fn_output_signature=tf.float32), tmp_path)
    assert sorted(found.beside) == ["notes", "other"]
