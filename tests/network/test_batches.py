"""Batches that are read from a data set ahead of need, in their order and with their content."""

from __future__ import annotations

import time

import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import SHAPE, model_of, random_images

import tfviz

IMAGES = random_images(7)


def counted(made):
    """A data set of three batches that adds the number of each to `made` when it is made."""

    def make():
        for number, first in enumerate(range(0, 7, 3)):
            made.append(number)
            yield IMAGES[first : first + 3]

    return tf.data.Dataset.from_generator(make, output_signature=tf.TensorSpec([None, *SHAPE], tf.float32))


def test_the_next_batch_is_made_while_one_is_explained_and_no_more():
    made = []
    found = tfviz.trace(model_of("functional")).batches(counted(made), None, 32)
    read = [next(found).images]
    deadline = time.monotonic() + 20
    while len(made) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    assert made == [0, 1]
    read += [batch.images for batch in found]
    assert made == [0, 1, 2]
    np.testing.assert_array_equal(np.concatenate(read), IMAGES)
    assert [len(each) for each in read] == [3, 3, 1]


def test_a_data_set_that_fails_fails_where_it_did():
    def make():
        yield IMAGES[:2]
        raise KeyError("lost")

    dataset = tf.data.Dataset.from_generator(make, output_signature=tf.TensorSpec([None, *SHAPE], tf.float32))
    found = tfviz.trace(model_of("functional")).batches(dataset, None, 32)
    np.testing.assert_array_equal(next(found).images, IMAGES[:2])
    with pytest.raises(tf.errors.OpError, match="lost"):
        next(found)
