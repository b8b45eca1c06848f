"""Images that are no numbers yet: what is said of them, and that what is said helps."""

from __future__ import annotations

import re
from itertools import repeat
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Sequential, layers
from PIL import Image
from support.model_zoo import SHAPE, SIZE, model_of

import tfviz
from tfviz import InvalidImagesError

LOADED = "keras.utils.img_to_array(keras.utils.load_img({}, target_size=(16, 16)))"
ALL = f"np.stack([{LOADED.format('file')} for file in images])"
SEVERAL = f"images are file names, such as 'a.png', expected numbers: {ALL}, preprocessed as in training"


def refused(model, images):
    """What is said of images, in one line."""
    with pytest.raises(InvalidImagesError) as caught:
        tfviz.saliency(model, images)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def network():
    return tfviz.trace(model_of("functional"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("photos")
    for name, size in {"a.png": (40, 30), "b.png": (20, 60)}.items():
        numbers = np.random.default_rng(len(name)).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(numbers).save(found / name)
    return found


def code_in(message):
    """The call that a message gives."""
    return re.search("expected [a-z ]+: (.*?)(, preprocessed|; or run|$)", message)[1]


@pytest.mark.parametrize("kind", [str, Path, np.array])
def test_a_file_name_is_told_how_to_load(network, folder, kind):
    file = str(folder / "a.png")
    said = refused(network, kind(file))
    call = LOADED.format(repr(file))
    assert said == (
        f"images is a file name, {file!r}, expected numbers: {call}, preprocessed as in training; or run "
        f"tfviz explain {file} --model FILE"
    )
    assert tfviz.saliency(network, eval(code_in(said))).shape == (1, SIZE, SIZE)


@pytest.mark.parametrize(
    "images",
    [["a.png", "b.png"], ("a.png",), [Path("a.png"), "b.png"], np.array(["a.png"]), np.array(["a.png", "b"], object)],
)
def test_file_names_are_told_how_to_load(network, images):
    assert refused(network, images) == SEVERAL


def test_what_is_said_of_file_names_loads_them(network, folder):
    images = [folder / "a.png", folder / "b.png"]
    found = eval(code_in(refused(network, images)), {"np": np, "keras": keras, "images": images})
    assert found.shape == (2, *SHAPE)


def test_a_folder_is_told_how_to_read(network, folder):
    said = refused(network, folder)
    assert said.startswith(f"images is a folder, {str(folder)!r}, expected numbers: keras.utils.image_dataset_from_dir")
    assert said.endswith(f"preprocessed as in training; or run tfviz explain {folder} --model FILE")
    found = eval(code_in(said))
    assert [batch.images.shape for batch in network.batches(found, None, 32)] == [(2, *SHAPE)]


def test_what_is_said_fits_the_network():
    """Its size where it has one, its colours, and its order of the axes."""
    grey = Sequential([layers.Input((28, 26, 1)), layers.Flatten(), layers.Dense(3)])
    assert "load_img('a b.png', target_size=(28, 26), color_mode='grayscale')" in refused(grey, "a b.png")
    assert refused(grey, "a b.png").endswith("or run tfviz explain 'a b.png' --model FILE")
    assert "load_img('a.png'))" in refused(model_of("open_size"), "a.png")
    image = layers.Input((3, 16, 12))
    scores = layers.Dense(3)(layers.Flatten()(image))
    first = tfviz.trace(keras.Model(image, scores), data_format="channels_first")
    assert "load_img('a.png', target_size=(16, 12)), data_format='channels_first')" in refused(first, "a.png")
    assert "(16, 12), data_format='channels_first')" in refused(first, ".")


def test_what_is_said_by_a_network_that_takes_bytes(folder, tmp_path):
    class Decoding(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="records")])
        def serve(self, records):
            spec = tf.TensorSpec([*SHAPE], tf.float32)

            def decode(record):
                return tf.image.resize(tf.io.decode_png(record, 3), SHAPE[:2])

            return {"scores": tf.reduce_mean(tf.map_fn(decode, records, fn_output_signature=spec), [1, 2])}

    module = Decoding()
    tf.saved_model.save(module, str(tmp_path), signatures={"serve": module.serve})
    decoding, file = tfviz.trace(tmp_path), folder / "a.png"
    for images, expected in (
        (str(file), f"the bytes of a file: pathlib.Path({str(file)!r}).read_bytes()"),
        (file, f"the bytes of a file: pathlib.Path({str(file)!r}).read_bytes()"),
        ([file], "the bytes of files: [pathlib.Path(file).read_bytes() for file in images]"),
        (folder, f"the bytes of files: [file.read_bytes() for file in pathlib.Path({str(folder)!r}).iterdir()]"),
    ):
        assert refused(decoding, images).endswith(f", expected {expected}")
    assert tfviz.saliency(decoding, file.read_bytes(), 1).shape == (1, SIZE, SIZE)


class Sequence(keras.utils.PyDataset):
    """As Keras' guides define one, without an end for whoever iterates over it."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return np.zeros((2, *SHAPE), np.float32), np.zeros(2)


@pytest.mark.parametrize(
    "images, what, batch",
    [
        (Sequence(), "a Sequence", "images[0]"),
        ((each for each in ()), "a generator", "next(images)"),
        (repeat(np.zeros((1, *SHAPE))), "a repeat", "next(images)"),
    ],
)
def test_what_gives_batches_is_not_read_to_its_end(network, images, what, batch):
    assert refused(network, images) == (
        f"images is {what}, which must be read first: give the images of one batch, as from {batch}, or a "
        "tf.data.Dataset"
    )


def test_pictures_of_pillow_are_taken_as_numbers(network, folder):
    picture = keras.utils.load_img(folder / "a.png", target_size=SHAPE[:2])
    numbers = np.array(picture, np.float32)
    for images in (picture, [picture, picture]):
        (batch,) = network.batches(images, None, 32)
        assert all(np.array_equal(each, numbers) for each in batch.images)
    assert refused(network, Image.open(folder / "a.png")).startswith(
        "images have the shape (1, 40, 30, 3), the network"
    )


def test_encoded_images_are_told_what_decodes_them(network, folder):
    encoded = (folder / "a.png").read_bytes()
    said = "images are encoded, expected numbers: the network takes float32 images; tf.io.decode_image makes them"
    assert refused(network, encoded) == refused(network, tf.constant([encoded])) == said
    assert tf.io.decode_image(encoded, expand_animations=False).shape == (40, 30, 3)
