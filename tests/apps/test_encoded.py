"""Image files decoded in the graph are those that `tfviz explain` reads, but for single steps where kernels round."""

from __future__ import annotations

import io
import itertools

import cv2
import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import SIZE, distance, head, model_of, open_size, randomise
from support.thinning import by_day, spread

import tfviz
from tfviz import demo
from tfviz.apps.export.decoding import decode_in_graph, orientation
from tfviz.apps.export.encoded import Decoder
from tfviz.apps.export.export import export
from tfviz.apps.files.fitting import INTERPOLATIONS, WAYS_TO_FIT, fit_image
from tfviz.apps.files.images import read_image
from tfviz.apps.model.preprocessing import find_preprocessing


@pytest.fixture(scope="module")
def picture():
    """A picture with edges and noise, larger than what networks take and of no special size."""
    smooth = cv2.resize(demo.generate(1, seed=3).images[0], (151, 117), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).integers(-9, 10, smooth.shape)
    return np.clip(smooth.astype(int) + noise, 0, 255).astype(np.uint8)


def written(pixels, kind, **options):
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def turned(pixels, number, **options):
    """A JPEG file with an EXIF orientation, behind other tags."""
    tags = PIL.Image.Exif()
    tags[0x010F], tags[0x0112], tags[0x0131] = "a maker", number, "a program"
    return written(pixels, "JPEG", exif=tags, **options)


def files_of(picture):
    alpha = np.random.default_rng(1).integers(0, 256, picture.shape[:2]).astype(np.uint8)
    sixteen = picture.astype(np.uint16) * 251 + np.random.default_rng(2).integers(0, 250, picture.shape, np.uint16)
    grey = picture[..., 0]
    return {
        "jpeg": written(picture, "JPEG"),
        "poor jpeg": written(picture, "JPEG", quality=30),
        "progressive jpeg": written(picture, "JPEG", progressive=True, subsampling=0),
        "grey jpeg": written(grey, "JPEG"),
        "png": written(picture, "PNG"),
        "grey png": written(grey, "PNG"),
        "transparent png": written(np.dstack([picture, alpha]), "PNG"),
        "transparent grey png": written(np.dstack([grey, alpha]), "PNG"),
        "palette png": written(np.asarray(PIL.Image.fromarray(picture).quantize(64).convert("RGB")), "PNG"),
        "sixteen bits": bytes(cv2.imencode(".png", sixteen)[1]),
        "bmp": written(picture, "BMP"),
        **{f"orientation {number}": turned(picture, number) for number in range(1, 9)},
    }


@pytest.fixture(scope="module")
def compiled():
    return tf.function(decode_in_graph, input_signature=[tf.TensorSpec([], tf.string)])


def test_every_kind_of_file_is_decoded_as_opencv_decodes_it(picture, compiled, tmp_path):
    for name, content in files_of(picture).items():
        (tmp_path / "file").write_bytes(content)
        expected = read_image(tmp_path / "file")
        np.testing.assert_array_equal(compiled(content), expected, err_msg=name)


def test_the_first_frame_of_a_gif(picture, compiled):
    frames = [PIL.Image.fromarray(each).quantize(64) for each in (picture, 255 - picture)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(compiled(buffer.getvalue()), np.asarray(frames[0].convert("RGB")))


def test_an_orientation_is_read_only_where_there_is_one(picture):
    read = tf.function(orientation, input_signature=[tf.TensorSpec([], tf.string)])
    assert [int(read(turned(picture, number))) for number in range(1, 9)] == list(range(1, 9))
    plain, tagged = written(picture, "JPEG"), turned(picture, 6)
    assert int(read(plain)) == 1
    # Big-endian, as some cameras write it; of no meaning; cut off; and behind another segment.
    start = tagged.index(b"Exif\0\0") + 6
    assert tagged[start : start + 2] in (b"MM", b"II")
    for order, sign in ((b"II*\0", "little"), (b"MM\0*", "big")):
        one = (
            (0x0112).to_bytes(2, sign) + (3).to_bytes(2, sign) + (1).to_bytes(4, sign) + (6).to_bytes(2, sign) + b"\0\0"
        )
        tiff = order + (8).to_bytes(4, sign) + (1).to_bytes(2, sign) + one + b"\0" * 4
        for before in (b"", b"\xff\xe0\0\x08JFIF\0\x01", b"\xff\xe1\0\x08http:/"):
            segment = b"\xff\xe1" + (8 + len(tiff)).to_bytes(2, "big") + b"Exif\0\0" + tiff
            assert int(read(plain[:2] + before + segment + plain[2:])) == 6
        strange = tiff.replace((6).to_bytes(2, sign) + b"\0\0", (9).to_bytes(2, sign) + b"\0\0")
        assert int(read(plain[:2] + segment.replace(tiff, strange) + plain[2:])) == 1
        assert int(read((plain[:2] + segment)[:-20])) in (1, 6)


HOW = list(itertools.product(WAYS_TO_FIT, INTERPOLATIONS))
SIZES = [(64, 50), (117, 151), (40, 300), (250, 320)]


@pytest.mark.parametrize("size, how", by_day(itertools.product(SIZES, HOW), spread(SIZES, HOW)))
def test_files_are_fitted_as_outside_of_the_graph(picture, how, size):
    """But for halves, rounded up or down; by two steps where `area` enlarges, since OpenCV's weights are integers."""
    fit, interpolation = how
    shapes = [picture, picture.transpose(1, 0, 2), np.ascontiguousarray(picture[:, :30])]
    decoder = tf.function(Decoder(find_preprocessing("0..255"), size, fit, interpolation))
    found = decoder(tf.constant([written(each, "PNG") for each in shapes])).numpy()
    for image, each in zip(found, shapes, strict=True):
        difference = np.abs(image - fit_image(each, size, fit, interpolation=interpolation))
        enlarged = interpolation == "area" and (fit != "stretch" or not all(np.less(size, each.shape[:2])))
        assert difference.max() <= (2 if enlarged else 1)
        assert difference.mean() < {"area": 0.2 if enlarged else 2e-3, "nearest": 1e-9}.get(interpolation, 0.02)
    if size == (117, 151):
        np.testing.assert_array_equal(found[0], picture)


@pytest.mark.parametrize("name", ["0..1", "-1..1", "vgg16", "densenet121", "mean=10,20,30;std=5,6,7;order=bgr"])
def test_files_are_preprocessed_as_pictures_are(picture, name):
    preprocessing = find_preprocessing(name)
    found = Decoder(preprocessing, picture.shape[:2], "stretch")(tf.constant([written(picture, "PNG")])).numpy()
    np.testing.assert_allclose(found[0], preprocessing(picture), rtol=1e-5, atol=1e-5)


def test_a_grey_network_gets_grey_images(picture):
    preprocessing = find_preprocessing("0..1", channels=1)
    found = Decoder(preprocessing, picture.shape[:2], "crop")(tf.constant([written(picture, "PNG")])).numpy()
    assert found.shape == (1, 117, 151, 1)
    # A luminance halfway between two numbers is rounded up or down.
    difference = np.abs(found[0] - preprocessing(picture))
    assert difference.max() < 1.001 / 255 and (difference > 1e-6).mean() < 1e-3


def test_a_signature_takes_encoded_files(picture, tmp_path):
    model = model_of("functional")
    records = tf.constant([written(picture, "JPEG"), turned(picture, 6), written(picture[:50], "PNG")])
    export(
        model, tmp_path / "out", ["grad_cam", "rise"], options={"rise": {"masks": 5}}, encoded=True, preprocess="0..1"
    )
    loaded = tf.saved_model.load(str(tmp_path / "out"))
    found = loaded.signatures["rise"](encoded=records, targets=tf.constant([1, 2, -1]))
    images = Decoder(find_preprocessing("0..1"), (SIZE, SIZE), "stretch")(records).numpy()
    expected = tfviz.rise(model, images, [1, 2, int(model(images[2:]).numpy().argmax())], masks=5)
    assert distance(found["maps"], expected) < 1e-6
    # And so they are about what is explained of the file outside of the graph.
    (tmp_path / "file.jpg").write_bytes(records[1].numpy())
    image = find_preprocessing("0..1")(fit_image(read_image(tmp_path / "file.jpg"), (SIZE, SIZE), "stretch"))
    found = loaded.signatures["grad_cam"](encoded=records[1:2], targets=tf.constant([2]))
    assert distance(found["maps"][0], tfviz.grad_cam(model, image, 2)[0]) < 1e-2
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.signatures["grad_cam"](encoded=tf.constant([b"no image"]), targets=tf.constant([-1]))


def test_a_network_without_a_size_of_its_own_is_told_one(tmp_path):
    model = randomise(open_size())
    with pytest.raises(tfviz.UnsupportedModelError, match="leaves the size of its images open"):
        export(model, tmp_path / "out", encoded=True, preprocess="0..1")
    how = {"size": (30, 40), "fit": "crop", "interpolation": "nearest"}
    export(model, tmp_path / "out", encoded=True, preprocess="0..1", **how)
    found = tf.saved_model.load(str(tmp_path / "out")).signatures["grad_cam"]
    path = demo.sample_paths()[0]
    maps = found(encoded=tf.constant([path.read_bytes()]), targets=tf.constant([0]))["maps"]
    image = fit_image(read_image(path), (30, 40), "crop", interpolation="nearest") / np.float32(255)
    assert maps.shape == (1, 30, 40) and distance(maps, tfviz.grad_cam(model, image, 0)) < 1e-5


def test_a_network_of_four_channels_takes_no_files(tmp_path):
    image = layers.Input((SIZE, SIZE, 4))
    model = randomise(keras.Model(image, head(layers.Conv2D(4, 3, activation="relu", name="conv")(image))))
    with pytest.raises(tfviz.TfvizError, match="the network takes 4"):
        export(model, tmp_path / "out", encoded=True, preprocess="0..1")
