"""Preprocessing: compared with the families' own functions, with closed forms and with its own inverse."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from tfviz.apps.model.preprocessing import families, find_preprocessing
from tfviz.errors import InvalidImagesError, TfvizError

FAMILIES = [
    "convnext",
    "densenet",
    "efficientnet",
    "efficientnet_v2",
    "inception_resnet_v2",
    "inception_v3",
    "mobilenet",
    "mobilenet_v2",
    "mobilenet_v3",
    "nasnet",
    "resnet",
    "resnet50",
    "resnet_v2",
    "vgg16",
    "vgg19",
    "xception",
]
LINEAR = ["0..1", "-1..1", "0..255", "mean=104,117,123;order=bgr", "mean=10,20,30;std=40,50,60", "std=3;mean=-7"]


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_its_own_preprocess_input(pictures, family):
    module = importlib.import_module(f"keras.applications.{family}")
    expected = np.asarray(module.preprocess_input(pictures.astype(np.float32)))
    before = pictures.copy()
    inputs = find_preprocessing(family)(pictures)
    np.testing.assert_array_equal(inputs, expected)
    np.testing.assert_array_equal(pictures, before)
    assert inputs.dtype == np.float32 and inputs.flags.c_contiguous


@pytest.mark.parametrize("name", [*FAMILIES, *LINEAR])
def test_pixel_range_is_what_black_and_white_become(name):
    preprocessing = find_preprocessing(name)
    low, high = preprocessing.pixel_range
    np.testing.assert_array_equal(low, preprocessing(np.zeros((2, 2, 3), np.uint8))[1, 1])
    np.testing.assert_array_equal(high, preprocessing(np.full((2, 2, 3), 255, np.uint8))[1, 1])
    assert low.shape == high.shape == (3,) and low.dtype == high.dtype == np.float32


@pytest.mark.parametrize("name", [*FAMILIES, *LINEAR])
def test_pictures_come_back(pictures, name):
    preprocessing = find_preprocessing(name)
    back = preprocessing.pictures(preprocessing(pictures))
    np.testing.assert_array_equal(back, pictures)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(preprocessing.pictures(preprocessing(pictures[1])), pictures[1])


@pytest.mark.parametrize("name", ["vgg16", "xception", "0..1"])
def test_the_inverse_clips_and_rounds(name):
    preprocessing = find_preprocessing(name)
    low, high = preprocessing.pixel_range
    steps = np.float32([-0.5, 0, 100.4 / 255, 100.6 / 255, 1, 7])[:, None]
    picture = preprocessing.pictures((low + steps * (high - low))[np.newaxis])
    np.testing.assert_array_equal(picture[0, :, 0], [0, 0, 100, 101, 255, 255])


def test_vgg_is_blue_green_red():
    inputs = find_preprocessing("vgg16")(np.full((1, 1, 3), (255, 0, 0), np.uint8))
    np.testing.assert_allclose(inputs[0, 0], [-103.939, -116.779, 255 - 123.68], rtol=1e-6)
    low, high = find_preprocessing("vgg16").pixel_range
    np.testing.assert_allclose([low, high], [[-103.939, -116.779, -123.68], [151.061, 138.221, 131.32]], rtol=1e-6)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("0..1", [1, 0.2, 0]),
        ("-1..1", [1, -0.6, -1]),
        ("0..255", [255, 51, 0]),
        ("mean=104,117,123;std=1,1,1;order=bgr", [-104, 51 - 117, 255 - 123]),
        ("mean=5,6,7; std=2,4,8; order=RGB", [125, 45 / 4, -7 / 8]),
        ("order=bgr", [0, 51, 255]),
        ("std=255;mean=0", [1, 0.2, 0]),
    ],
)
def test_linear_preprocessing(name, expected):
    inputs = find_preprocessing(name)(np.full((3, 4, 3), (255, 51, 0), np.uint8))
    np.testing.assert_allclose(inputs, np.broadcast_to(np.float32(expected), (3, 4, 3)), rtol=1e-6)
    assert inputs.dtype == np.float32


@pytest.mark.parametrize(
    "name, low, high",
    [("0..1", 0, 1), ("-1..1", -1, 1), ("0..255", 0, 255), ("mean=20;std=10", -2, 23.5), ("order=grey", 0, 255)],
)
def test_a_grey_network(pictures, name, low, high):
    preprocessing = find_preprocessing(name, channels=1)
    inputs = preprocessing(pictures)
    red, green, blue = np.moveaxis(pictures.astype(float), -1, 0)
    grey = np.rint(0.299 * red + 0.587 * green + 0.114 * blue)
    np.testing.assert_allclose(inputs[..., 0], low + grey / 255 * (high - low), atol=1e-4)
    assert inputs.shape == (2, 5, 7, 1)
    np.testing.assert_allclose(preprocessing.pixel_range, [[low], [high]], atol=1e-5)
    np.testing.assert_array_equal(preprocessing.pictures(inputs), np.repeat(grey[..., None], 3, axis=-1))


@pytest.mark.parametrize("name", ["ResNet50", "resnet101", "MobileNet-V2", "NASNetMobile", "efficientnetb3"])
def test_families_are_found_by_the_names_of_their_models(pictures, name):
    family = {"r": "resnet", "M": "mobilenet_v2", "N": "nasnet", "R": "resnet", "e": "efficientnet"}[name[0]]
    np.testing.assert_array_equal(find_preprocessing(name)(pictures), find_preprocessing(family)(pictures))
    assert find_preprocessing(name).name == name


def test_the_families_are_those_of_keras():
    import keras

    assert {name.replace("_", "") for name in FAMILIES} <= set(families())
    assert families()["mobilenetv3small"] is keras.applications.mobilenet_v3
    assert "imagenetutils" not in families()


@pytest.mark.parametrize(
    "name, channels, message",
    [
        ("vgg61", 3, "there is no preprocessing 'vgg61'; did you mean 'vgg19' or 'vgg16'"),
        ("0...1", 3, r"did you mean '0\.\.1'"),
        (
            "zzz",
            3,
            r"'zzz'; expected 0\.\.1, -1\.\.1, 0\.\.255, a keras\.applications family such as resnet50, or mean=",
        ),
        ("vgg16", 1, "'vgg16' is for three channels, but the network has 1"),
        ("0..1", 4, "three channels or, in grey, one, but the network takes 4"),
        ("mean=1,2", 3, "'1,2' is not one number or 3 separated by commas"),
        ("mean=1,2,3", 1, "'1,2,3' is not one number or 1 separated by commas"),
        ("std=a", 3, "'a' is not one number"),
        ("mean=1;size=3", 3, "no option 'size=3' .* expected mean"),
        ("std=1,0,1", 3, "finite numbers, and std above 0"),
        ("std=-1", 3, "finite numbers, and std above 0"),
        ("mean=nan", 3, "finite numbers, and std above 0"),
        ("std=inf", 3, "finite numbers, and std above 0"),
        ("order=gbr", 3, "has order=gbr; a network of 3 channels takes rgb or bgr"),
        ("order=grey", 3, "a network of 3 channels takes rgb or bgr"),
        ("order=rgb", 1, "a network of 1 channels takes grey"),
    ],
)
def test_what_does_not_work_is_said(name, channels, message):
    with pytest.raises(TfvizError, match=message) as raised:
        find_preprocessing(name, channels=channels)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "pictures",
    [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros(3, np.uint8)],
)
def test_only_pictures_are_taken(pictures):
    with pytest.raises(
        InvalidImagesError, match=r"expected uint8 RGB \(H, W, 3\) or \(N, H, W, 3\), got (float32|uint8)"
    ):
        find_preprocessing("0..1")(pictures)
