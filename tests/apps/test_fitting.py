"""Pictures at a network's size: as Keras' own loaders of files make them, and as Pillow and OpenCV do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from keras import layers

from tfviz.apps.beam import AttributionHandler
from tfviz.apps.files.fitting import INTERPOLATIONS, WAYS_TO_FIT, fit_image, image_size
from tfviz.apps.files.images import decode_image
from tfviz.apps.model.measuring import measure_fit
from tfviz.apps.model.preprocessing import find_preprocessing
from tfviz.apps.model.setup import set_up
from tfviz.apps.records.example_explainer import Look, MethodChoice
from tfviz.errors import InvalidImagesError, UnsupportedModelError
from tfviz.model_options import ModelOptions

SIZE = (50, 64)
ROUNDED = 0.51  # a number is rounded to an integer, and libraries add in float32
SHAPES = [(117, 151), (31, 40), (333, 20), (50, 64), (2, 3), (500, 7), (51, 63), (100, 128)]


def noise_of(shape, dtype=np.uint8):
    return np.random.default_rng(sum(shape)).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A network, and in a folder of their own the files that Keras' loader of folders and ours read alike."""
    folder = tmp_path_factory.mktemp("fitting")
    image = keras.Input((*SIZE, 3))
    keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(image))).save(folder / "own.keras")
    (folder / "files").mkdir()
    for number, shape in enumerate(SHAPES):
        cv2.imwrite(str(folder / "files" / f"{number}.png"), noise_of((*shape, 3)))
    cv2.imwrite(str(folder / "files" / "grey.png"), noise_of((77, 91)))
    opaque = np.dstack([noise_of((77, 91, 3)), np.full((77, 91), 255, np.uint8)])
    cv2.imwrite(str(folder / "files" / "opaque.png"), opaque)
    cv2.imwrite(str(folder / "files" / "windows.bmp"), noise_of((40, 91, 3)))
    return folder


def setup_of(place, **options):
    return set_up(ModelOptions(str(place / "own.keras"), preprocess="0..255", **options))


def loaded_by_keras(folder, **options):
    found = keras.utils.image_dataset_from_directory(
        folder, labels=None, image_size=SIZE, shuffle=False, verbose=False, batch_size=None, **options
    )
    return dict(zip(map(Path, sorted(found.file_paths)), found.as_numpy_iterator(), strict=True))


@pytest.mark.parametrize(
    "options, of_keras",
    [
        ({}, {}),
        ({"fit": "stretch", "interpolation": "keras"}, {}),
        ({"fit": "cover"}, {"crop_to_aspect_ratio": True}),
    ],
)
def test_a_network_is_fed_what_keras_feeds_it(place, options, of_keras):
    setup = setup_of(place, **options)
    found = loaded_by_keras(place / "files", **of_keras)
    assert len(found) == len(SHAPES) + 3
    for path, expected in found.items():
        sample = setup.read(path)
        np.testing.assert_allclose(sample.input, expected, atol=ROUNDED, err_msg=path.name)
        np.testing.assert_array_equal(sample.picture, sample.input)


def test_sixteen_bits_are_rounded_where_keras_cuts_them(place, tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), noise_of((77, 91, 3), np.uint16))
    ((path, expected),) = loaded_by_keras(tmp_path).items()
    np.testing.assert_allclose(setup_of(place).read(path).input, expected, atol=1 + ROUNDED)


def test_a_jpeg_is_decoded_as_keras_loads_single_files(place, tmp_path):
    """Its loader of folders decodes with TensorFlow's faster transform, which a few steps of 255 tell apart."""
    rows, columns = np.mgrid[:120, :150]
    smooth = np.stack([rows * 2, columns, 255 - rows], axis=-1).astype(np.uint8)
    PIL.Image.fromarray(smooth).save(tmp_path / "photo.jpg", quality=85)
    found = setup_of(place).read(tmp_path / "photo.jpg").input
    pixels = keras.utils.img_to_array(keras.utils.load_img(tmp_path / "photo.jpg"))
    np.testing.assert_allclose(found, keras.ops.image.resize(pixels, SIZE), atol=ROUNDED)
    ((_, expected),) = loaded_by_keras(tmp_path).items()
    assert np.abs(found - expected).mean() < 1.5


def test_nearest_is_that_of_load_img(place):
    setup = setup_of(place, interpolation="nearest")
    for path in sorted((place / "files").iterdir()):
        expected = keras.utils.load_img(path, target_size=SIZE)
        np.testing.assert_array_equal(setup.read(path).picture, expected, err_msg=path.name)


@pytest.mark.parametrize("shape", SHAPES)
def test_bilinear_is_with_antialiasing(shape):
    image = noise_of((*shape, 3))
    fitted = fit_image(image, SIZE, "stretch", interpolation="bilinear").astype(float)
    np.testing.assert_allclose(fitted, tf.image.resize(image, SIZE, antialias=True), atol=ROUNDED)
    pillow = PIL.Image.fromarray(image).resize(SIZE[::-1], PIL.Image.Resampling.BILINEAR)
    np.testing.assert_allclose(fitted, pillow, atol=1)


def test_bilinear_is_not_what_keras_feeds():
    image = noise_of((117, 151, 3))
    fitted = [fit_image(image, SIZE, "stretch", interpolation=each).astype(int) for each in INTERPOLATIONS]
    for one in range(len(fitted)):
        for other in range(one):
            assert np.abs(fitted[one] - fitted[other]).mean() > 5


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_sixteen_bits_stay_sixteen(interpolation):
    image = noise_of((40, 31, 3), np.uint16)
    fitted = fit_image(image, (20, 64), "stretch", interpolation=interpolation)
    assert fitted.dtype == np.uint16
    eight = fit_image((image >> 8).astype(np.uint8), (20, 64), "stretch", interpolation=interpolation)
    np.testing.assert_allclose(fitted / 256, eight, atol=2)


def test_the_options_are_those_of_the_setup(place):
    setup = setup_of(place, fit="crop", interpolation="area")
    assert (setup.fit, setup.interpolation) == ("crop", "area")
    described = setup.described_preprocessing
    assert (described["fit"], described["interpolation"]) == ("crop", "area")
    default = setup_of(place)
    assert (default.described_preprocessing["fit"], default.described_preprocessing["interpolation"]) == (
        "stretch",
        "keras",
    )
    image = noise_of((117, 151, 3))
    cv2.imwrite(str(place / "one.png"), image[..., ::-1])
    for each in (setup, replace(setup, interpolation="nearest")):
        expected = fit_image(image, SIZE, "crop", interpolation=each.interpolation)
        np.testing.assert_array_equal(each.read(place / "one.png").picture, expected)


def test_an_assumed_size_is_said(place):
    """Not of a network that has one or is told one."""
    for number, shape in enumerate([(None, None, 3), (None, 64, 3)]):
        image = keras.Input(shape)
        path = place / f"open{number}.keras"
        keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(image))).save(path)
    said = "open0.keras gets images of 224x224 pixels, as it leaves their size open and no --size says otherwise"
    about = {"preprocess": "0..255"}
    assert set_up(ModelOptions(str(place / "open0.keras"), **about)).warnings == (said,)
    assert set_up(ModelOptions(str(place / "open0.keras"), size=40, **about)).warnings == ()
    (partly,) = set_up(ModelOptions(str(place / "open1.keras"), **about)).warnings
    assert "open1.keras gets images of 224x64 pixels" in partly
    assert setup_of(place).warnings == ()


@pytest.mark.parametrize("how", WAYS_TO_FIT)
def test_how_a_network_fits_what_it_decodes_is_found(how):
    """Also where it interpolates otherwise, and off by what would make `crop` pass for `cover`."""

    def decode(records):
        images = [fit_image(decode_image(each, "a picture").image, SIZE, how, interpolation="area") for each in records]
        return np.stack(images).astype(np.float32) * np.float32(0.98)

    network = SimpleNamespace(in_channels_last=lambda: SimpleNamespace(decode=decode))
    assert measure_fit(network, None, find_preprocessing("0..255"), SIZE) == how


def test_an_overlay_shows_what_the_network_saw(place):
    setup = setup_of(place, fit="cover", interpolation="area")
    look, empty = Look.of(setup, MethodChoice("saliency", {})), np.zeros(SIZE, np.float32)
    image = noise_of((117, 151, 3))
    seen = fit_image(image, SIZE, "cover", interpolation="area")
    overlays = [look.overlay(cv2.imencode(".png", each)[1].tobytes(), empty) for each in (image, seen)]
    np.testing.assert_array_equal(*overlays)


def area_mean(image, height, width):
    """Mean of every rectangle of a picture whose sides are multiples of the result's."""
    rows, columns = image.shape[0] // height, image.shape[1] // width
    return image.reshape(height, rows, width, columns, 3).mean(axis=(1, 3))


def test_area_shrinks_by_area(noise):
    fitted = fit_image(noise, (10, 8), "stretch", interpolation="area")
    np.testing.assert_allclose(fitted, area_mean(noise, 10, 8), atol=0.51)


@pytest.mark.parametrize("interpolation", ["keras", "bilinear", "area"])
def test_all_but_the_nearest_grow_linearly(interpolation):
    ramp = np.broadcast_to(np.arange(0, 160, 20, dtype=np.uint8)[:, None, None], (8, 8, 3))
    fitted = fit_image(np.ascontiguousarray(ramp), (32, 8), "stretch", interpolation=interpolation)
    # Half-pixel centres: row r lies at (r + 0.5) / 4 - 0.5 of the ramp.
    expected = np.clip((np.arange(32) + 0.5) / 4 - 0.5, 0, 7) * 20
    np.testing.assert_allclose(fitted[:, 3, 1], expected, atol=0.51)


def test_one_side_shrinks_by_area_while_the_other_grows(noise):
    fitted = fit_image(noise, (60, 8), "stretch", interpolation="area")
    columns = noise.reshape(30, 8, 5, 3).mean(axis=2)
    places = np.clip((np.arange(60) + 0.5) / 2 - 0.5, 0, 29)
    below = np.minimum(np.floor(places).astype(int) + 1, 29)
    share = (places - np.floor(places))[:, None, None]
    expected = columns[np.floor(places).astype(int)] * (1 - share) + columns[below] * share
    np.testing.assert_allclose(fitted, expected, atol=1.01)


@pytest.mark.parametrize("shape", [(64, 96), (96, 64)])
def test_crop_is_the_classic_resize_and_centre_crop(shape):
    image = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    resized = area_mean(image, shape[0] // 2, shape[1] // 2)
    top, left = (resized.shape[0] - 28) // 2, (resized.shape[1] - 28) // 2
    fitted = fit_image(image, (28, 28), interpolation="area")
    np.testing.assert_allclose(fitted, resized[top : top + 28, left : left + 28], atol=0.51)
    assert fitted.flags.c_contiguous


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_crop_of_256_pixels_to_224_takes_them_as_they_are(interpolation):
    image = noise_of((256, 301, 3))
    np.testing.assert_array_equal(fit_image(image, (224, 224), interpolation=interpolation), image[16:240, 38:262])


def test_cover_of_a_network_that_is_not_square():
    image = np.random.default_rng(4).integers(0, 256, (60, 200, 3), dtype=np.uint8)
    expected = cv2.resize(image[:, 40:160], (20, 10), interpolation=cv2.INTER_AREA)
    for options in ({"how": "cover"}, {"how": "crop", "crop_fraction": 1.0}):
        np.testing.assert_array_equal(fit_image(image, (10, 20), interpolation="area", **options), expected)


SHAPES_AND_SIZES = [
    (shape, size)
    for shape in [(2, 2), (3, 500), (500, 3), (227, 227), (228, 300), (1000, 999)]
    for size in [(227, 227), (32, 48), (1, 1)]
]


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("how", WAYS_TO_FIT)
def test_the_size_is_exact_for_every_shape(how, interpolation):
    for shape, size in SHAPES_AND_SIZES:
        fitted = fit_image(np.full((*shape, 3), 9, np.uint8), size, how, interpolation=interpolation)
        assert fitted.shape == (*size, 3) and (fitted == 9).all()


@pytest.mark.parametrize("across", [False, True])
def test_a_long_strip_is_cropped_before_it_grows(across):
    strip = np.zeros((2, 1_000_000, 3), np.uint8)
    strip[:, 499_990:500_010] = 200
    image = strip.transpose(1, 0, 2) if across else strip
    assert (fit_image(np.ascontiguousarray(image), (224, 224)) == 200).all()


def test_the_original_is_left_alone(noise):
    before = noise.copy()
    for how in WAYS_TO_FIT:
        fitted = fit_image(noise, noise.shape[:2], how)
        np.testing.assert_array_equal(fitted, before)
        fitted[:] = 0
    np.testing.assert_array_equal(noise, before)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"how": "pad"}, "fit must be crop, cover or stretch, got 'pad'$"),
        ({"how": "stretched"}, "got 'stretched'; did you mean 'stretch'[?]$"),
        ({"interpolation": "cubic"}, "interpolation must be keras, bilinear, area or nearest, got 'cubic'"),
        ({"interpolation": "Bilinear"}, "got 'Bilinear'; did you mean 'bilinear'"),
        ({"interpolation": "lanczos3"}, "got 'lanczos3'$"),
    ],
)
def test_unknown_words(noise, place, options, message):
    with pytest.raises(InvalidImagesError, match=message):
        fit_image(noise, (8, 8), **options)
    renamed = {"fit" if name == "how" else name: word for name, word in options.items()}
    with pytest.raises(InvalidImagesError, match=message):
        set_up(ModelOptions("no model at all", **renamed))
    with pytest.raises(InvalidImagesError, match=message):
        AttributionHandler("no model at all", "saliency", **renamed)


def test_unknown_fractions(noise):
    for fraction in (0, -1, 1.01):
        with pytest.raises(InvalidImagesError, match=f"above 0 and at most 1, got {fraction}"):
            fit_image(noise, (8, 8), crop_fraction=fraction)


@pytest.mark.parametrize(
    "shape, wanted, assumed, expected",
    [
        ((16, 20, 3), None, None, (16, 20)),
        ((16, 20, 3), (16, 20), (7, 8), (16, 20)),
        ((None, 20, 3), None, (7, 8), (7, 20)),
        ((None, 20, 3), (9, 20), (7, 8), (9, 20)),
        ((None, None, 1), (9, 10), None, (9, 10)),
        ((16, 20, 3), (16, 16), None, "takes images of 16x20 pixels, not of 16x16"),
        (
            (None, 20, 3),
            (9, 10),
            (7, 8),
            "takes images of anyx20 pixels, not of 9x10; .* for networks that leave it open",
        ),
        ((16, None, 3), None, None, r"leaves the size of its images open; give size=\(height, width\)"),
    ],
)
def test_the_size_of_a_networks_images(shape, wanted, assumed, expected):
    if isinstance(expected, tuple):
        assert image_size(shape, wanted, assumed) == expected
    else:
        with pytest.raises(UnsupportedModelError, match=expected):
            image_size(shape, wanted, assumed)
