"""Decodes encoded images as the network that takes them does.

The part of the program in front of the cut runs as it is, on all records at once or, if its signature takes a single
one, on each by itself. There must be an image of each record, which is checked before the images are used: a signature
that decodes one record gave one result for many.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from tfviz.network.program import Decoding, Value, checked
from tfviz.network.replay import replay


def decoded(decoding: Decoding, image: Value, records: tf.Tensor, given: Mapping[Value, tf.Tensor]) -> tf.Tensor:
    """Return the value `image`, float32 (N, H, W, C), for records (N,); given: the other arguments of the program.

    A broken record fails when the function around this runs, with an error of TensorFlow's; see `user_images`.
    """

    def decode(records: tf.Tensor) -> tf.Tensor:
        return tf.cast(replay(decoding.program, {**given, decoding.records: records})[image], tf.float32)

    if decoding.one_by_one:
        spec = tf.TensorSpec(image.shape[1:], tf.float32)
        return tf.map_fn(lambda record: decode(record[tf.newaxis])[0], records, fn_output_signature=spec)
    images, message = decode(records), "the signature does not make one image of each record"
    return checked(images, [tf.debugging.assert_equal(tf.shape(images)[0], tf.shape(records)[0], message=message)])
