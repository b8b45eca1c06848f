"""Decodes image files to pictures inside of a TensorFlow graph, as `tfviz.apps.files` does outside of it.

JPEGs are decoded with the accurate transform, which is OpenCV's; TensorFlow's default differs by up to 3 of 255.
TensorFlow's decoder ignores EXIF, so the orientation is found in the bytes of the file, by arithmetic on tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

PNG = b"\x89PNG"
EXIF = b"Exif"
HEADER = 1 << 17  # bytes of a JPEG file that are searched: a segment has at most half of them, and EXIF comes first
APP1, START_OF_SCAN = 0xE1, 0xDA
ORIENTATION = 0x0112  # the tag in TIFF 6.0, of which EXIF is a part
ENTRY = 12  # bytes of an entry in a directory of TIFF


def decode_in_graph(encoded: tf.Tensor) -> tf.Tensor:
    """Return the picture, uint8 RGB (H, W, 3), in one encoded JPEG, PNG, BMP or GIF file (its first frame).

    Sixteen bits are scaled to eight, and transparent pixels of a PNG laid over white. The EXIF orientation of a JPEG is
    applied, that of a PNG is not.
    """

    def from_jpeg() -> tf.Tensor:
        # The accurate transform is OpenCV's; TensorFlow's default differs by up to 3 of 255.
        return _turned(tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"), orientation(encoded))

    def from_png() -> tf.Tensor:
        return _over_white(tf.io.decode_png(encoded, channels=4, dtype=tf.uint16))

    def from_other() -> tf.Tensor:
        return tf.io.decode_image(encoded, channels=3, expand_animations=False)

    def is_png() -> tf.Tensor:
        return tf.strings.substr(encoded, 0, len(PNG)) == PNG

    picture = tf.cond(tf.io.is_jpeg(encoded), from_jpeg, lambda: tf.cond(is_png(), from_png, from_other))
    return tf.ensure_shape(picture, [None, None, 3])


def _over_white(pixels: tf.Tensor) -> tf.Tensor:
    """Return uint16 RGBA as uint8 RGB (H, W, 3) over white."""
    shares = tf.cast(pixels, tf.float32) / 65535
    return tf.cast(tf.round(255 * (shares[..., :3] * shares[..., 3:] + 1 - shares[..., 3:])), tf.uint8)


@dataclass(frozen=True)
class _Bytes:
    """The first bytes (n,) of a file, int64, as a graph reads them; beyond their end there are zeros."""

    content: tf.Tensor

    def at(self, places: tf.Tensor, count: int) -> tf.Tensor:
        """Return the `count` bytes that begin at each of the places."""
        indices = tf.cast(places, tf.int64)[..., tf.newaxis] + tf.range(count, dtype=tf.int64)
        inside = (indices >= 0) & (indices < tf.size(self.content, tf.int64))
        return tf.where(inside, tf.gather(self.content, tf.where(inside, indices, 0)), 0)

    def number(self, places: tf.Tensor, count: int, *, little: tf.Tensor | bool = False) -> tf.Tensor:
        """Return the number in the `count` bytes that begin at each of the places, big endian unless `little`."""
        found = self.at(places, count)
        shifts = tf.constant([256**place for place in range(count)], tf.int64)
        return tf.reduce_sum(tf.where(little, found, found[..., ::-1]) * shifts, axis=-1)


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """Return the EXIF orientation, 1 to 8, of an encoded JPEG file; 1, upright, if it has none."""
    file = _Bytes(tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, 0, HEADER), tf.uint8), tf.int64))
    segment = _exif_segment(file)
    start = segment + 10
    little = file.at(start, 1)[0] == ord("I")
    directory = start + file.number(start + 4, 4, little=little)
    entries = directory + 2 + ENTRY * tf.range(file.number(directory, 2, little=little))
    tags, values = file.number(entries, 2, little=little), file.number(entries + 8, 2, little=little)
    found = tf.reduce_max(tf.concat([[1], tf.where(tags == ORIENTATION, values, 1)], axis=0))
    is_exif = (file.at(segment, 2)[1] == APP1) & (found <= 8)
    return tf.cast(tf.where(is_exif, found, 1), tf.int32)


def _exif_segment(file: _Bytes) -> tf.Tensor:
    """Return the place of a JPEG's EXIF segment or, if it has none, of whatever ends its segments."""

    def is_before_exif(place: tf.Tensor) -> tf.Tensor:
        head = file.at(place, 8)
        is_exif = (head[1] == APP1) & tf.reduce_all(head[4:] == list(EXIF))
        return (head[0] == 0xFF) & (head[1] != START_OF_SCAN) & ~is_exif

    def next_segment(place: tf.Tensor) -> list[tf.Tensor]:
        # The length of a segment stands behind its marker.
        return [place + 2 + file.number(place + 2, 2)]

    return tf.while_loop(is_before_exif, next_segment, [tf.constant(2, tf.int64)])[0]


def _turned(picture: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Return a picture upright."""

    def turn_if(orientations: list[int], turn: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
        return tf.cond(tf.reduce_any(orientation == orientations), lambda: turn(picture), lambda: picture)

    picture = turn_if([5, 6, 7, 8], lambda upright: tf.transpose(upright, [1, 0, 2]), picture)
    picture = turn_if([2, 3, 6, 7], lambda upright: upright[:, ::-1], picture)
    return turn_if([3, 4, 7, 8], lambda upright: upright[::-1], picture)
