"""Serialised `tf.train.Example`s."""

import tensorflow as tf


def example(**features):
    """A serialised Example; two underscores stand for a slash."""
    kinds = {bytes: ("bytes_list", tf.train.BytesList), int: ("int64_list", tf.train.Int64List)}
    found = {}
    for name, given in features.items():
        values = given if isinstance(given, list) else [given]
        kind, make = kinds[type(values[0])] if values else kinds[bytes]
        found[name.replace("__", "/")] = tf.train.Feature(**{kind: make(value=values)})
    return tf.train.Example(features=tf.train.Features(feature=found)).SerializeToString()
