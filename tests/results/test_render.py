"""Pictures against formulas for single pixels. Red, the colour that a BGR mistake turns blue, is in every test."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results import COLORMAPS, gradient_picture, heatmap, mask, montage, overlay, resize, tiles, to_picture
from tfviz.results.text import wrap

RED = np.array([255, 0, 0], np.uint8)
GREY = np.array([128, 128, 128], np.uint8)
JET_ZERO, JET_ONE = (0, 0, 128), (128, 0, 0)
CRAB = "king crab, Alaska crab, Alaskan king crab, Alaska king crab, Paralithodes camtschatica 0.87"


def red(height=4, width=5):
    return np.tile(RED, (height, width, 1))


def random_pictures(count=2, height=4, width=5):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def random_maps(count=2, height=4, width=5):
    return np.random.default_rng(1).random((count, height, width), dtype=np.float32)


def dark(picture):
    """Where ink is."""
    return (picture < 128).all(axis=-1)


# Heatmaps


def test_jet_runs_from_blue_to_red():
    low, middle, high = heatmap([[0.0, 0.5, 1.0]], "jet")[0]
    assert (*low,) == JET_ZERO and (*high,) == JET_ONE and middle.argmax() == 1
    np.testing.assert_array_equal(heatmap([[0.0, 1.0]], "autumn"), [[[255, 0, 0], [255, 255, 0]]])


@pytest.mark.parametrize("name", [name for name in COLORMAPS if name != "blue_white_red"])
def test_every_opencv_colour_map_is_there_in_rgb(name):
    maps = random_maps()
    levels = np.array([[[int(value * 255 + 0.5) for value in row] for row in one_map] for one_map in maps], np.uint8)
    code = getattr(cv2, f"COLORMAP_{name.upper()}")
    expected = [cv2.cvtColor(cv2.applyColorMap(level, code), cv2.COLOR_BGR2RGB) for level in levels]
    np.testing.assert_array_equal(heatmap(maps, name), expected)
    np.testing.assert_array_equal(heatmap(maps[1], name), expected[1])


def test_the_colour_maps_are_named():
    assert {"blue_white_red", "jet", "turbo", "viridis", "hot", "twilight_shifted"} <= set(COLORMAPS)


# From the table of Machado 2009, "A physiologically-based model for simulation of color vision deficiency", for a
# severity of 1, in linear RGB.
COLOR_BLIND = {
    "nobody": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen(colors, eyes):
    """Colours (n, 3), 0..255, in CIELAB, as somebody sees them."""
    values = np.asarray(colors) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.transpose(COLOR_BLIND[eyes]), 0, 1)
    values = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(values.astype(np.float32)[np.newaxis], cv2.COLOR_RGB2LAB)[0]


@pytest.mark.parametrize("eyes", COLOR_BLIND)
def test_the_default_rises_evenly_in_lightness_for_everybody(eyes):
    """Jet's largest values look as dark as its smallest ones."""
    levels = np.linspace(0, 1, 256)
    default, jet = (seen(heatmap([levels], *name)[0], eyes) for name in ([], ["jet"]))
    off_the_line = [
        abs(each[:, 0] - np.polyval(np.polyfit(levels, each[:, 0], 1), levels)).max() for each in (default, jet)
    ]
    assert (np.diff(default[:, 0]) > -0.01).all() and np.ptp(default[:, 0]) > 95
    assert off_the_line[0] < (4 if eyes == "nobody" else 9) and off_the_line[1] > 40
    assert jet[:, 0].max() - jet[-1, 0] > 60
    steps = np.linalg.norm(np.diff(default[::17], axis=0), axis=1)  # fifteenths
    assert steps.min() > 4


@pytest.mark.parametrize("eyes", COLOR_BLIND)
def test_everybody_can_tell_for_from_against(eyes):
    signed = seen(heatmap(np.linspace(-1, 1, 9)[np.newaxis], "blue_white_red")[0], eyes)
    for strength in range(1, 5):
        against, nothing, for_it = signed[4 - strength], signed[4], signed[4 + strength]
        pairs = [(against, for_it), (against, nothing), (for_it, nothing)]
        assert min(np.linalg.norm(first - second) for first, second in pairs) > 10 * strength


def test_signed_maps_are_blue_white_and_red():
    picture = heatmap([[-1.0, -0.2, 0.0, 0.2, 1.0]], "blue_white_red")
    np.testing.assert_array_equal(picture, [[[0, 0, 255], [204, 204, 255], [255] * 3, [255, 204, 204], [255, 0, 0]]])
    assert picture.dtype == np.uint8


@pytest.mark.parametrize(
    ("value", "colormap"), [(-0.1, "jet"), (1.1, "jet"), (1.1, "blue_white_red"), (-2, "blue_white_red")]
)
def test_maps_that_are_not_scaled_are_refused(value, colormap):
    with pytest.raises(InvalidImagesError, match="`normalise` first"):
        heatmap([[value, 0.5]], colormap)


def test_rounding_errors_beyond_the_range_are_not_refused():
    np.testing.assert_array_equal(heatmap([[-1e-6, 1 + 1e-6]], "jet"), [[JET_ZERO, JET_ONE]])
    np.testing.assert_array_equal(mask(red(1, 2), [[-1e-6, 1 + 1e-6]]), [[[0, 0, 0], RED]])


def test_an_unknown_colour_map_says_which_there_are():
    with pytest.raises(TfvizError, match=r"no colour map 'virdis'; did you mean 'viridis'.*blue_white_red, autumn"):
        heatmap([[0.0]], "virdis")


# Overlays and masks


def test_red_stays_red_under_each_blend():
    zero = np.zeros((4, 5))
    assert (overlay(red(), zero, colormap="jet", alpha=0.4) == [153, 0, 51]).all()  # 0.6 red + 0.4 of (0, 0, 128)
    assert (overlay(red(), zero, colormap="jet", blend="additive") == [255, 0, 128]).all()
    assert (overlay(red(), zero, colormap="blue_white_red", alpha=0.4) == [255, 102, 102]).all()
    assert (overlay(red(), zero, colormap="blue_white_red", blend="multiply") == RED).all()
    assert (mask(red(), zero + 1) == RED).all()
    assert (mask(red(), zero) == 0).all()


def test_the_weighted_blend_equals_the_formula():
    pictures, maps = random_pictures(), random_maps()
    expected = np.rint(0.5 * pictures + 0.5 * heatmap(maps, "hot"))
    np.testing.assert_array_equal(overlay(pictures, maps, colormap="hot"), expected)
    np.testing.assert_array_equal(overlay(pictures[1], maps[1], colormap="hot"), expected[1])


def test_the_additive_blend_divides_each_image_by_its_own_maximum():
    pictures, maps = random_pictures(), random_maps()
    pictures[0] //= 4
    blended = overlay(pictures, maps, blend="additive")
    for picture, heat, result in zip(pictures.astype(float), heatmap(maps).astype(float), blended, strict=True):
        total = picture + heat
        np.testing.assert_array_equal(result, np.rint(255 * total / max(total.ravel())))
    np.testing.assert_array_equal(overlay(pictures[0], maps[0], blend="additive"), blended[0])


def test_multiplying_dims_each_channel_of_the_picture_by_the_heatmap():
    pictures, maps = random_pictures(), random_maps()
    heat, multiplied = heatmap(maps), overlay(pictures, maps, blend="multiply")
    for index in np.ndindex(pictures.shape):
        assert multiplied[index] == round(int(pictures[index]) * int(heat[index]) / 255)


@pytest.mark.parametrize("alpha", [0, 0.3, 1.0, "map"])
@pytest.mark.parametrize("colormap", ["inferno", "blue_white_red"])
def test_a_transparent_heatmap_laid_over_a_picture_is_the_overlay(alpha, colormap):
    """As Pillow composes them, which knows nothing of maps."""
    pictures, maps = random_pictures(), random_maps()
    maps = maps if colormap == "inferno" else 2 * maps - 1
    layers, overlays = heatmap(maps, colormap, alpha=alpha), overlay(pictures, maps, colormap=colormap, alpha=alpha)
    assert layers.dtype == np.uint8 and layers.shape == (*maps.shape, 4)
    np.testing.assert_array_equal(layers[..., :3], heatmap(maps, colormap))
    np.testing.assert_array_equal(layers[..., 3], np.rint(255 * (abs(maps) if alpha == "map" else alpha + 0 * maps)))
    for picture, layer, result in zip(pictures, layers, overlays, strict=True):
        below = Image.fromarray(picture).convert("RGBA")
        composed = np.asarray(Image.alpha_composite(below, Image.fromarray(layer)))[..., :3]
        np.testing.assert_allclose(result.astype(int), composed, atol=2)  # two roundings more
    np.testing.assert_array_equal(heatmap(maps[1], colormap, alpha=alpha), layers[1])
    np.testing.assert_array_equal(overlay(pictures[1], maps[1], colormap=colormap, alpha=alpha), overlays[1])


def test_a_file_can_hold_the_colours_of_a_map_alone(tmp_path):
    """As the docstring of `heatmap` writes it."""
    one_map = random_maps()[0]
    for name, alpha, channels in [("opaque", None, 3), ("clear", "map", 4)]:
        Image.fromarray(heatmap(one_map, alpha=alpha)).save(tmp_path / f"{name}.png")
        drawn = cv2.imread(str(tmp_path / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert drawn.shape == (*one_map.shape, channels)
        np.testing.assert_array_equal(drawn[..., [2, 1, 0, 3][:channels]], heatmap(one_map, alpha=alpha))


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan"), "maps", True])
def test_an_opacity_out_of_range_is_refused(alpha):
    said = f"alpha must be an opacity 0..1, or 'map' for the value of the map, got {alpha!r}"
    with pytest.raises(TfvizError, match=re.escape(said)):
        heatmap([[0.0]], alpha=alpha)
    with pytest.raises(TfvizError, match=re.escape(said)):
        overlay(red(), np.zeros((4, 5)), alpha=alpha)


@pytest.mark.parametrize("blend", ["additive", "multiply"])
def test_only_the_weighted_blend_takes_an_opacity(blend):
    with pytest.raises(TfvizError, match=f"alpha=0.4 is for the blend 'weighted', the blend '{blend}' takes none"):
        overlay(red(), np.zeros((4, 5)), blend=blend, alpha=0.4)


def test_black_under_black_is_black():
    assert (overlay(np.zeros((3, 3, 3), np.uint8), np.zeros((3, 3)), colormap="hot", blend="additive") == 0).all()


def test_a_mask_multiplies_each_pixel():
    pictures, maps = random_pictures(), random_maps()
    masked = mask(pictures, maps)
    for index in np.ndindex(pictures.shape):
        assert masked[index] == round(float(pictures[index]) * float(maps[index[:3]]))
    np.testing.assert_array_equal(mask(pictures[0], maps[0]), masked[0])
    assert masked.dtype == np.uint8


@pytest.mark.parametrize("function", [overlay, mask])
def test_maps_of_another_size_are_resized(function):
    pictures, maps = random_pictures(2, 8, 10), random_maps(2, 3, 3)
    np.testing.assert_array_equal(function(pictures, maps), function(pictures, resize(maps, (8, 10))))
    np.testing.assert_array_equal(function(pictures[0], maps[0]), function(pictures[0], resize(maps[0], (8, 10))))


@pytest.mark.parametrize("function", [overlay, mask])
def test_pictures_and_maps_must_be_pairs(function):
    for pictures, maps in [(red(), np.zeros((2, 4, 5))), (random_pictures(2), np.zeros((4, 5)))]:
        with pytest.raises(InvalidImagesError, match="expected one map per picture"):
            function(pictures, maps)


@pytest.mark.parametrize("function", [overlay, mask])
@pytest.mark.parametrize(
    "wrong, said",
    [
        *((np.zeros(shape, np.uint8), r"got uint8 \(") for shape in [(4, 5), (4, 5, 4), (0, 5, 3)]),
        (np.full((4, 5, 4), 0.5), r"got float64 \(4, 5, 4\) with values 0.5..0.5"),
        (np.full((4, 5, 3), -0.5), r"values -0.5..-0.5"),
        (np.full((4, 5, 3), 255.5), r"values 255.5..255.5"),
        (np.full((4, 5, 3), 1.9), r"values 1.9..1.9"),
        (np.full((4, 5, 3), np.nan), r"values nan..nan"),
        (np.full((4, 5, 3), 7), r"got int64 \(4, 5, 3\) with values 7..7"),
        (np.full((4, 5, 3), True), r"got bool \(4, 5, 3\);"),
    ],
)
def test_pictures_whose_white_is_in_doubt_are_refused(function, wrong, said):
    with pytest.raises(InvalidImagesError, match=rf"pictures must be .*{said}.*`tfviz.results.to_picture` stretches"):
        function(wrong, np.zeros((4, 5)))


@pytest.mark.parametrize(
    "wrong, said",
    [
        ([b"GIF89a"], r"are files, .*load_img\(io.BytesIO\(file\)\)\) reads one"),
        (np.array([b"a", b"b"], object), "are files, "),
        (["a.png"], r"are names of files, .*img_to_array\(keras.utils.load_img\(file\)\) reads one"),
        ([Path("a.png")], "are names of files, "),
        ([red(), red(6)], "have different shapes, expected one"),
    ],
)
def test_what_are_no_pictures_at_all_is_named(wrong, said):
    with pytest.raises(InvalidImagesError, match=f"^pictures {said}"):
        overlay(wrong, np.zeros((1, 4, 5)))


def test_pictures_of_floats_are_those_of_their_white():
    pictures = random_pictures(2)
    pictures[1] //= 200  # as dark as pictures 0..1, but in a batch with brighter ones
    for floats in (pictures.astype(np.float32), pictures / 255, pictures + np.where(pictures < 255, 0.4, 0)):
        for given in (floats, list(floats)):
            np.testing.assert_array_equal(mask(np.asarray(given), np.ones((2, 4, 5))), pictures)
            np.testing.assert_array_equal(montage(given), montage(pictures))
            np.testing.assert_array_equal(tiles(given, random_maps(2)), tiles(pictures, random_maps(2)))
    np.testing.assert_array_equal(mask(np.full((4, 5, 3), 2.0), np.ones((4, 5))), np.full((4, 5, 3), 2))
    np.testing.assert_array_equal(mask(np.full((4, 5, 3), 1.0), np.ones((4, 5))), np.full((4, 5, 3), 255))


def test_a_mask_is_never_negative():
    with pytest.raises(InvalidImagesError, match=r"lie in 0..1 here, got -1..1"):
        mask(red(1, 2), [[-1, 1]])


def test_an_unknown_blend_says_which_there_are():
    with pytest.raises(TfvizError, match=r"no blend 'adding'.*weighted, additive"):
        overlay(red(), np.zeros((4, 5)), blend="adding")


# Images and attributions


def test_images_are_stretched_each_by_itself():
    images = np.random.default_rng(2).normal(size=(2, 4, 5, 3)) * 50
    pictures = to_picture(images)
    for image, picture in zip(images, pictures, strict=True):
        low, high = min(image.ravel()), max(image.ravel())
        np.testing.assert_array_equal(picture, np.rint((image - low) / (high - low) * 255))
    np.testing.assert_array_equal(to_picture(images[1]), pictures[1])
    assert pictures.dtype == np.uint8


def test_pictures_are_left_as_they_are():
    np.testing.assert_array_equal(to_picture(random_pictures() // 2), random_pictures() // 2)
    np.testing.assert_array_equal(to_picture(red()), red())
    np.testing.assert_array_equal(to_picture(red() / 255.0), red())


def test_grey_becomes_rgb():
    np.testing.assert_array_equal(to_picture([[[0.0], [0.2], [1.0]]]), [[[0] * 3, [51] * 3, [255] * 3]])
    np.testing.assert_array_equal(to_picture(np.full((1, 1, 1), 7, np.uint8)), [[[7, 7, 7]]])
    np.testing.assert_array_equal(gradient_picture([[[0.0], [0.0]]]), [[GREY, GREY]])


def test_a_constant_image_is_black():
    np.testing.assert_array_equal(to_picture(np.full((2, 3, 3), 0.3)), np.zeros((2, 3, 3)))


def test_gradient_pictures_keep_the_channels():
    attributions = np.zeros((2, 10, 10, 3))
    attributions[1, 0, 0, 0] = 4.0
    picture = gradient_picture(attributions)
    np.testing.assert_array_equal(picture[0], np.tile(GREY, (10, 10, 1)))
    np.testing.assert_array_equal(picture[1, 0, 0], [255, 126, 126])  # 17.3 deviations above the mean, 0.058 below
    np.testing.assert_array_equal(gradient_picture(attributions[1]), picture[1])
    assert picture.dtype == np.uint8


@pytest.mark.parametrize(("function", "kind"), [(to_picture, "images"), (gradient_picture, "attributions")])
def test_other_channels_cannot_be_seen(function, kind):
    with pytest.raises(InvalidImagesError, match=f"{kind} to be shown must have 1 or 3 channels"):
        function(np.zeros((4, 4, 2)))
    with pytest.raises(InvalidImagesError, match="of image 1 has 3 NaN"):
        function([np.zeros((1, 1, 3)), np.full((1, 1, 3), np.nan)])


# Montages


def test_a_montage_is_a_grid_on_white():
    pictures = [red(2, 3), random_pictures(1, 2, 3)[0], np.zeros((2, 3, 3), np.uint8)]
    expected = np.full((3 * 1 + 2 * 2, 3 * 1 + 2 * 3, 3), 255, np.uint8)
    expected[1:3, 1:4], expected[1:3, 5:8], expected[4:6, 1:4] = pictures
    np.testing.assert_array_equal(montage(pictures, columns=2, padding=1), expected)
    np.testing.assert_array_equal(montage(np.stack(pictures), columns=2, padding=1), expected)


@pytest.mark.parametrize(
    ("count", "columns", "shape"), [(1, None, (2, 3)), (4, None, (4, 6)), (5, None, (4, 9)), (2, 5, (2, 6))]
)
def test_the_grid_is_nearly_square_unless_told(count, columns, shape):
    assert montage([red(2, 3)] * count, columns=columns, padding=0).shape == (*shape, 3)


def test_the_padding_is_eight_pixels():
    assert montage([red(2, 3)]).shape == (18, 19, 3)


def test_smaller_pictures_are_centred():
    grid = montage([red(2, 2), red(6, 4)], padding=0)
    expected = np.full((6, 8, 3), 255, np.uint8)
    expected[2:4, 1:3] = expected[:, 4:] = RED
    np.testing.assert_array_equal(grid, expected)


def test_a_caption_stands_under_its_picture_in_the_middle():
    grid = montage([red(50, 200)] * 3, captions=["tiger cat 0.87", "", "dog"], columns=2, padding=4)
    assert (grid[4:54, 4:204] == RED).all()
    rows, columns = np.nonzero(dark(grid[54:, :208]))
    strip = np.nonzero((grid == RED).all(axis=-1)[:, 100])[0]
    second_row = strip[strip > 54].min()
    first_caption = columns[rows < second_row - 54 - 4]
    assert first_caption.size and rows.min() >= 1
    assert abs((first_caption.min() + first_caption.max()) / 2 - 104) <= 3
    assert not dark(grid[54 : second_row - 4, 208:]).any()
    assert dark(grid[second_row + 50 :, :208]).any()


def ink_height(grid, picture_height):
    rows = np.nonzero(dark(grid[picture_height:]).any(axis=1))[0]
    return rows.max() - rows.min() + 1


def test_letters_are_readable_and_grow_with_the_picture():
    heights = [ink_height(montage([red(20, width)], captions=["H"], padding=0), 20) for width in [28, 128, 256, 640]]
    assert heights[0] == heights[1] == heights[2]
    assert 8 <= heights[0] <= 12
    assert 2 * heights[0] <= heights[3] <= 3 * heights[0]


@pytest.mark.parametrize("width", [30, 128, 500])
@pytest.mark.parametrize(
    "caption", [CRAB, "pneumonoultramicroscopicsilicovolcanoconiosis", "WWWWWWWWWWWWWWWWWWWWWW 0.1"]
)
def test_long_captions_are_neither_cut_nor_run_into_the_next(width, caption):
    grid = montage([np.full((9, width, 3), 255, np.uint8)] * 2, captions=[caption, ""], padding=0)
    ink = dark(grid)
    half = grid.shape[1] // 2
    assert ink[:, 2 : half - 1].any() and not ink[:, half + 1 :].any()
    assert not ink[-1].any()


def test_the_strip_is_as_high_as_the_longest_caption_of_its_row():
    one, three = (montage([red(9, 128)], captions=[text], padding=0).shape[0] - 9 for text in ["cat", CRAB])
    assert three == 3 * one
    mixed = montage([red(9, 128)] * 4, captions=["cat", CRAB, "cat", "dog"], padding=0)
    assert mixed.shape[0] == 18 + three + one


def test_lines_of_a_caption_do_not_overlap():
    strip = dark(montage([red(9, 128)], captions=[CRAB], padding=0)[9:])
    inked = strip.any(axis=1)
    starts = np.count_nonzero(inked[1:] & ~inked[:-1]) + inked[0]
    assert starts == 3


def test_accents_do_not_become_question_marks():
    for accented, plain in [("naïve café", "naive cafe"), ("Ångström", "Angstrom")]:
        pair = [montage([red(9, 200)], captions=[text]) for text in [accented, plain]]
        np.testing.assert_array_equal(*pair)


@pytest.mark.parametrize("pictures", [[], random_pictures()[np.newaxis], [random_pictures()]])
def test_a_montage_needs_pictures(pictures):
    with pytest.raises(InvalidImagesError, match="at least one picture"):
        montage(pictures)


def test_a_montage_refuses_what_is_no_picture():
    with pytest.raises(InvalidImagesError, match="uint8 RGB"):
        montage([red(), red() / -255])
    np.testing.assert_array_equal(montage([red(), red() / 255]), montage([red(), red()]))


@pytest.mark.parametrize("options", [{"columns": 0}, {"padding": -1}])
def test_a_montage_needs_columns(options):
    with pytest.raises(TfvizError, match="columns must be at least 1 and padding at least 0"):
        montage([red()], **options)


@pytest.mark.parametrize("captions", [[], ["a"], ["a", "b", "c"], "ab"])
def test_each_picture_needs_a_caption(captions):
    with pytest.raises(TfvizError, match="expected a list of 2 captions, one per picture"):
        montage([red()] * 2, captions=captions)


# Lines of text


def test_short_texts_stay_whole():
    assert wrap("tiger cat 0.87", 20) == ["tiger cat 0.87"]
    assert wrap("tiger cat 0.87", 10) == ["tiger cat", "0.87"]
    assert wrap("", 10) == []


def test_long_texts_lose_words_before_the_score():
    assert wrap(CRAB, 25, lines=2) == ["king crab, Alaska crab,", "Alaskan king ... 0.87"]
    assert wrap("one two three 0.5", 10, lines=1) == ["... 0.5"]


def test_words_too_long_are_broken():
    assert wrap("abcdefgh", 3) == ["abc", "def", "gh"]
    assert wrap("abcdefghijkl", 3) == ["abc", "def", "ghi"]
    assert wrap("a bcdefghijkl", 3, lines=2) == ["a b", "cde"]
