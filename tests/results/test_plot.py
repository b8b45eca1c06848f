"""The figure: what its axes hold, how its titles lie, and that it leaves matplotlib and the process alone."""

import subprocess
import sys

import cv2
import matplotlib
import numpy as np
import pytest

import tfviz
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results import gradient_picture, normalise, overlay, plot, resize, tiles

CRAB = "king crab, Alaska crab, Alaskan king crab, Alaska king crab, Paralithodes camtschatica 0.87"


def random_pictures(count=2, height=6, width=8):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def random_maps(count=2, height=6, width=8):
    return np.random.default_rng(1).random((count, height, width)).astype(np.float32) * 9


def shown(figure, row, column, columns):
    """The picture in a cell."""
    return np.asarray(figure.axes[row * columns + column].images[0].get_array())


def titles_of(figure):
    return [axes.get_title() for axes in figure.axes]


def test_a_row_an_image_and_a_column_a_method():
    pictures, maps = random_pictures(), random_maps()
    attributions = np.random.default_rng(2).normal(size=pictures.shape)
    figure = plot(pictures, {"grad_cam": maps, "gradient": attributions}, titles=["tiger cat 0.87", "dog 0.5"])
    assert titles_of(figure) == ["tiger cat 0.87", "grad_cam", "gradient", "dog 0.5", "", ""]
    for row in range(2):
        np.testing.assert_array_equal(shown(figure, row, 0, 3), pictures[row])
        np.testing.assert_array_equal(shown(figure, row, 1, 3), overlay(pictures[row], normalise(maps[row])))
        np.testing.assert_array_equal(shown(figure, row, 2, 3), gradient_picture(attributions[row]))
    assert not any(axes.axison for axes in figure.axes)


def test_red_stays_red():
    red = np.tile(np.array([255, 0, 0], np.uint8), (1, 6, 8, 1))
    figure = plot(red, {"zero": np.zeros((1, 6, 8))})
    assert (shown(figure, 0, 0, 2) == [255, 0, 0]).all()
    assert (shown(figure, 0, 1, 2) == [153, 0, 51]).all()
    drawn = cv2.imdecode(np.frombuffer(figure._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    height, width = drawn.shape[:2]
    assert (drawn[int(0.7 * height), int(0.25 * width)] == [0, 0, 255]).all()  # OpenCV reads BGR


def test_the_options_reach_the_overlay():
    pictures, maps = random_pictures(), random_maps()
    figure = plot(pictures, {"a": maps}, colormap="hot", blend="additive", clip_percentile=70)
    expected = overlay(pictures, normalise(maps, clip_percentile=70), colormap="hot", blend="additive")
    np.testing.assert_array_equal(shown(figure, 1, 1, 2), expected[1])


def test_a_column_with_a_negative_value_is_signed_throughout():
    pictures, maps = random_pictures(), random_maps()
    maps[1] -= 5
    figure = plot(pictures, {"sum": maps}, colormap="hot")
    expected = overlay(pictures, normalise(maps, "signed"), colormap="blue_white_red")
    for row in range(2):
        np.testing.assert_array_equal(shown(figure, row, 1, 2), expected[row])


def test_images_of_different_sizes_give_theirs_to_their_explanations():
    pictures = [random_pictures(1, 6, 8)[0], random_pictures(1, 20, 10)[0]]
    maps = random_maps(2, 3, 3)
    attributions = np.random.default_rng(2).normal(size=(2, 5, 5, 3))
    figure = plot(pictures, {"grad_cam": maps, "gradient": attributions})
    for row, picture in enumerate(pictures):
        expected = overlay(picture, resize(normalise(maps[row]), picture.shape[:2]))
        np.testing.assert_array_equal(shown(figure, row, 1, 3), expected)
        gradient = gradient_picture(attributions[row])
        channels = [np.rint(resize(gradient[..., channel], picture.shape[:2])) for channel in range(3)]
        np.testing.assert_array_equal(shown(figure, row, 2, 3), np.stack(channels, axis=-1))


def test_a_single_image_comes_without_the_batch_axis():
    picture, one_map = random_pictures()[0], random_maps()[0]
    attributions = np.random.default_rng(2).normal(size=picture.shape)
    figure = plot(picture, {"grad_cam": one_map, "gradient": attributions}, titles="cat 0.5")
    assert titles_of(figure) == ["cat 0.5", "grad_cam", "gradient"]
    np.testing.assert_array_equal(shown(figure, 0, 1, 3), overlay(picture, normalise(one_map)))
    np.testing.assert_array_equal(shown(figure, 0, 2, 3), gradient_picture(attributions))


def test_without_maps_and_titles_there_are_the_images():
    figure = plot(random_pictures(), {})
    assert titles_of(figure) == ["", ""]
    np.testing.assert_array_equal(shown(figure, 1, 0, 1), random_pictures()[1])


@pytest.mark.parametrize("shape", [(300, 400), (200, 200), (100, 500), (400, 100)])
@pytest.mark.parametrize("titles", [[CRAB] * 3, ["cat 0.5"]])
def test_long_titles_overlap_nothing(titles, shape):
    count = len(titles)
    maps = dict.fromkeys(["integrated_gradients", CRAB], np.ones((count, *shape)))
    figure = plot(np.zeros((count, *shape, 3), np.uint8), maps, titles=titles)
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    boxes += [axes.images[0].get_window_extent() for axes in figure.axes]
    assert len(boxes) == len(titles) + 2 + 3 * len(titles)
    for index, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:index])
    assert titles_of(figure)[2].endswith("... 0.87") and titles_of(figure)[2].count("\n") == 2


@pytest.mark.parametrize("shape", [(300, 400), (100, 500), (400, 100)])
def test_the_pictures_fill_their_columns(shape):
    figure = plot(np.zeros((2, *shape, 3), np.uint8), {"a": np.ones((2, *shape))}, titles=["cat 0.5", CRAB])
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert axes.images[0].get_window_extent().width >= 0.9 * figure.bbox.width / 2


def test_dollars_are_no_mathematics():
    figure = plot(random_pictures(1), {}, titles=[r"a $\bad and $5"])
    figure.draw_without_rendering()
    assert titles_of(figure) == [r"a $\bad and $5"]


def test_it_shows_itself_in_a_notebook():
    figure = plot(random_pictures(), {"a": random_maps()})
    drawn = cv2.imdecode(np.frombuffer(figure._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    inches = figure.get_size_inches() * figure.dpi
    np.testing.assert_allclose(drawn.shape[1::-1], inches, atol=1)


def test_neither_pyplot_nor_the_settings_are_touched():
    settings = dict(matplotlib.rcParams)
    plot(random_pictures(), {"a": random_maps()})._repr_png_()
    assert dict(matplotlib.rcParams) == settings
    code = "import tfviz.results as r, numpy as n; r.plot(n.zeros((1, 4, 4, 3), n.uint8), {})._repr_png_()"
    assert loaded(code, ["matplotlib", "matplotlib.pyplot"]) == ["matplotlib"]


def test_importing_the_layer_is_light():
    assert loaded("import tfviz.results", ["matplotlib", "tensorflow", "keras"]) == []


def loaded(code, modules):
    """Which of these modules a fresh process has after running the code, whatever `tfviz` itself would import."""
    alone = f"import sys, types; t = types.ModuleType('tfviz'); t.__path__ = {list(tfviz.__path__)}"
    report = f"print(*[m for m in {modules} if m in sys.modules])"
    command = [sys.executable, "-c", f"{alone}; sys.modules['tfviz'] = t; {code}; {report}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_the_users_arrays_are_not_changed():
    pictures, maps = random_pictures(), random_maps()
    plot(pictures, {"a": maps})
    np.testing.assert_array_equal(pictures, random_pictures())
    np.testing.assert_array_equal(maps, random_maps())


@pytest.mark.parametrize("shape", [(3, 6, 8), (6, 8), (2,), (2, 1, 6, 8, 3), (1, 6, 8, 3)])
def test_each_method_needs_a_result_an_image(shape):
    with pytest.raises(InvalidImagesError, match=r"'grad_cam': the array has the shape .*; expected 2 maps"):
        plot(random_pictures(), {"grad_cam": np.zeros(shape)})


def test_bad_values_are_refused_with_the_image():
    maps = random_maps()
    maps[1, 0, 0] = np.nan
    with pytest.raises(InvalidImagesError, match="the map of image 1 has 1 NaN"):
        plot(random_pictures(), {"a": maps})


@pytest.mark.parametrize("images", [[], [random_pictures()], random_pictures()[np.newaxis]])
def test_a_plot_needs_images(images):
    with pytest.raises(InvalidImagesError, match="a plot needs at least one image"):
        plot(images, {})


def test_images_must_be_uint8():
    with pytest.raises(InvalidImagesError, match="pictures must be uint8 RGB"):
        plot(random_pictures() / 255, {})


@pytest.mark.parametrize(("titles", "count"), [([], 0), (["a"], 1), (["a"] * 3, 3), ("cat", 1)])
def test_each_image_needs_a_title(titles, count):
    with pytest.raises(TfvizError, match=f"expected 2 titles, one per image, got {count}"):
        plot(random_pictures(), {}, titles=titles)


def test_tiles_are_the_pictures_of_a_column():
    """Attributions without a sign become maps, and rounding below zero is no sign."""
    generator = np.random.default_rng(4)
    pictures = generator.integers(0, 256, (2, 6, 5, 3), np.uint8)
    unsigned = generator.uniform(size=(2, 6, 5, 3))
    np.testing.assert_array_equal(tiles(pictures, unsigned), overlay(pictures, normalise(unsigned.max(axis=-1))))
    rounded = unsigned[..., 0].copy()
    rounded[0, 0, 0] = -1e-6
    np.testing.assert_array_equal(tiles(pictures, rounded), overlay(pictures, normalise(rounded)))
    with pytest.raises(
        InvalidImagesError, match=r"the array has the shape \(6, 5\); expected 2 maps or attributions, one per image"
    ):
        tiles(pictures, unsigned[0, ..., 0])
