"""Encoded images, as a network that takes them decodes them."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from tfviz.network.program import Decoding, Value, checked
from tfviz.network.replay import replay


def decoded(decoding: Decoding, image: Value, records: tf.Tensor, given: Mapping[Value, tf.Tensor]) -> tf.Tensor:
    """Return the images, float32 (N, H, W, C), that `image` becomes of records (N,), with what else is `given`."""

    def decode(records: tf.Tensor) -> tf.Tensor:
        return tf.cast(replay(decoding.program, {**given, decoding.records: records})[image], tf.float32)

    if decoding.one_by_one:
        spec = tf.TensorSpec(image.shape[1:], tf.float32)
        return tf.map_fn(lambda record: decode(record[tf.newaxis])[0], records, fn_output_signature=spec)
    images, said = decode(records), "the signature does not make one image of each record"
    return checked(images, [tf.debugging.assert_equal(tf.shape(images)[0], tf.shape(records)[0], message=said)])
