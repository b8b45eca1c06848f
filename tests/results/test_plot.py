"""The figure: what its axes hold, how its titles lie, and that it leaves matplotlib and the process alone."""

import subprocess
import sys

import cv2
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import tfviz
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results import gradient_picture, normalise, overlay, plot, resize, tiles
from tfviz.results.text import wrap

CRAB = "king crab, Alaska crab, Alaskan king crab, Alaska king crab, Paralithodes camtschatica 0.87"


def random_pictures(count=2, height=6, width=8):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def random_maps(count=2, height=6, width=8):
    return np.random.default_rng(1).random((count, height, width)).astype(np.float32) * 9


def shown(figure, row, column, columns):
    """The picture in a cell."""
    return np.asarray(figure.axes[row * columns + column].images[0].get_array())


def over_grey(picture, values, limit=None):
    """A signed map on one symmetric scale over the pale grey picture, pixel by pixel."""
    limit = abs(values).max() if limit is None else limit
    expected = np.empty_like(picture)
    for place in np.ndindex(values.shape):
        value = values[place] / limit
        pale = round((255 + round(picture[place] @ np.array([0.299, 0.587, 0.114]))) / 2)
        away = 1 - round(abs(value) * 255) / 255
        expected[place] = [round(pale * share) for share in ([1, away, away] if value > 0 else [away, away, 1])]
    return expected


def titles_of(figure):
    return [axes.get_title() for axes in figure.axes]


def test_a_row_an_image_and_a_column_a_method():
    pictures, maps = random_pictures(), random_maps()
    attributions = np.random.default_rng(2).normal(size=pictures.shape)
    columns = {"grad_cam": maps, "gradient": attributions}
    figure = plot(pictures, columns, titles=["tiger cat 0.87", "dog 0.5"], own_colors={"gradient": True})
    assert titles_of(figure) == ["tiger cat 0.87", "grad_cam", "gradient", "dog 0.5", "", ""]
    for row in range(2):
        np.testing.assert_array_equal(shown(figure, row, 0, 3), pictures[row])
        np.testing.assert_array_equal(shown(figure, row, 1, 3), overlay(pictures[row], normalise(maps[row])))
        np.testing.assert_array_equal(shown(figure, row, 2, 3), gradient_picture(attributions[row]))
    assert not any(axes.axison for axes in figure.axes)


def test_red_stays_red():
    red = np.tile(np.array([255, 0, 0], np.uint8), (1, 6, 8, 1))
    figure = plot(red, {"full": np.ones((1, 6, 8))}, colormap="jet", alpha=0.4)
    assert (shown(figure, 0, 0, 2) == [255, 0, 0]).all()
    assert (shown(figure, 0, 1, 2) == [204, 0, 0]).all()  # 0.6 red + 0.4 of jet's (128, 0, 0)
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
    for row in range(2):
        np.testing.assert_array_equal(shown(figure, row, 1, 2), over_grey(pictures[row], maps[row]))


def test_images_of_different_sizes_give_theirs_to_their_explanations():
    pictures = [random_pictures(1, 6, 8)[0], random_pictures(1, 20, 10)[0]]
    maps = random_maps(2, 3, 3)
    attributions = np.random.default_rng(2).normal(size=(2, 5, 5, 3))
    figure = plot(pictures, {"grad_cam": maps, "gradient": attributions}, own_colors=True)
    for row, picture in enumerate(pictures):
        expected = overlay(picture, resize(normalise(maps[row]), picture.shape[:2]))
        np.testing.assert_array_equal(shown(figure, row, 1, 3), expected)
        gradient = gradient_picture(attributions[row])
        channels = [np.rint(resize(gradient[..., channel], picture.shape[:2])) for channel in range(3)]
        np.testing.assert_array_equal(shown(figure, row, 2, 3), np.stack(channels, axis=-1))


def test_a_single_image_comes_without_the_batch_axis():
    picture, one_map = random_pictures()[0], random_maps()[0]
    attributions = np.random.default_rng(2).normal(size=picture.shape)
    figure = plot(picture, {"grad_cam": one_map, "gradient": attributions}, titles="cat 0.5", own_colors=True)
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


def test_the_settings_are_not_touched():
    settings = dict(matplotlib.rcParams)
    plot(random_pictures(), {"a": random_maps()})._repr_png_()
    assert dict(matplotlib.rcParams) == settings


def test_pyplot_knows_the_figure(tmp_path):
    plot(random_pictures(), {}, titles=["a", "b"])
    figure = plot(random_pictures(), {"a": random_maps()})
    assert plt.gcf() is figure and len(plt.get_fignums()) == 2
    plt.savefig(tmp_path / "figure.png")
    assert cv2.imread(str(tmp_path / "figure.png")).std() > 20


def test_pyplot_need_not_know_it(tmp_path):
    """As where hundreds are made: pyplot would keep them all, and warn from the 21st on."""
    for _ in range(25):
        plot(random_pictures(1, 2, 2), {}, pyplot=False)
    assert plt.get_fignums() == []
    code = (
        "import tfviz.results as r, numpy as n; r.plot(n.zeros((1, 4, 4, 3), n.uint8), {}, pyplot=False)._repr_png_()"
    )
    assert loaded(code, ["matplotlib", "matplotlib.pyplot"]) == ["matplotlib"]


IN_A_NOTEBOOK = """
import matplotlib
matplotlib.use("module://matplotlib_inline.backend_inline")
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
shell = InteractiveShell.instance()
shell.run_cell("import numpy as np, matplotlib.pyplot as plt; from tfviz.results import plot")
for cell in (
    "plot(np.zeros((1, 4, 4, 3), np.uint8), {})",
    "plot(np.zeros((1, 4, 4, 3), np.uint8), {}, pyplot=False)",
    "plot(np.zeros((1, 4, 4, 3), np.uint8), {}); plt.savefig('figure.png'); plt.show()",
):
    with capture_output() as captured:
        assert shell.run_cell(cell).success
    print([sorted(each.data) for each in captured.outputs])
"""


def test_a_notebook_shows_it_once(tmp_path):
    """The inline backend shows at the end of a cell what pyplot still knows."""
    command = [sys.executable, "-c", IN_A_NOTEBOOK]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.splitlines() == ["[['image/png', 'text/plain']]"] * 3, done.stderr
    assert cv2.imread(str(tmp_path / "figure.png")) is not None


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


@pytest.mark.parametrize("shape", [(), (6, 8), (1, 6, 8), (3, 6, 8), (2, 1, 6, 8, 3), (3, 6, 8, 3)])
def test_each_class_needs_a_result_and_no_more(shape):
    with pytest.raises(InvalidImagesError, match=r"'grad_cam': the array has the shape .*; expected 2 maps"):
        plot(random_pictures(), {"grad_cam": np.zeros(shape)}, layout="classes", per_image=2)


def test_bad_values_are_refused_with_the_image():
    maps = random_maps()
    maps[1, 0, 0] = np.nan
    with pytest.raises(InvalidImagesError, match="the map of image 1 has 1 NaN"):
        plot(random_pictures(), {"a": maps})


@pytest.mark.parametrize("images", [[], [random_pictures()], random_pictures()[np.newaxis]])
def test_a_plot_needs_images(images):
    with pytest.raises(InvalidImagesError, match="a plot needs at least one image"):
        plot(images, {})


def test_images_may_be_floats_if_their_white_is_beyond_doubt():
    pictures = random_pictures()
    for given in (pictures / 255, list(pictures.astype(np.float32))):
        np.testing.assert_array_equal(shown(plot(given, {}), 1, 0, 1), pictures[1])
    with pytest.raises(InvalidImagesError, match="pictures must be uint8 RGB"):
        plot(pictures / 255 - 0.5, {})


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


@pytest.mark.parametrize(
    "options, message",
    [
        ({"colour_map": "hot"}, "plot has no option 'colour_map'; did you mean 'colormap'?"),
        ({"fig_size": (3, 3)}, "plot has no option 'fig_size'; did you mean 'figsize'"),
        ({"zzz": 1}, "plot has no option 'zzz'; its options are: titles, signed, own_colors, layout, "),
        ({"signed": {"gradd": True}}, "signed is given for 'gradd', which is not shown; shown are: images alone"),
        ({"own_colors": {"gradd": True}}, "own_colors is given for 'gradd', which is not shown; shown are: images"),
        ({"layout": "colums"}, "no layout 'colums'; did you mean 'columns'"),
        ({"figsize": 3}, r"figsize must be \(width, height\) in inches, above 0, got 3"),
        ({"figsize": (3, 0)}, r"figsize must be \(width, height\) in inches, above 0, got \(3, 0\)"),
        ({"dpi": "high"}, "dpi must be pixels an inch, above 0, got 'high'"),
        ({"layout": "classes"}, "the layout 'classes' needs maps"),
        ({"layout": "classes", "per_image": 2, "image_titles": []}, "expected 1 titles, one per image of several cl"),
    ],
)
def test_what_does_not_exist_or_fit(options, message):
    with pytest.raises(TfvizError, match=message):
        plot(random_pictures(), {}, **options)
    assert plt.get_fignums() == []


def test_the_size_is_the_users():
    figure = plot(random_pictures(), {"a": random_maps()}, figsize=(5, 3), dpi=40)
    assert cv2.imdecode(np.frombuffer(figure._repr_png_(), np.uint8), cv2.IMREAD_COLOR).shape == (120, 200, 3)


def test_a_narrow_figure_breaks_its_titles():
    figure = plot(random_pictures(1), {CRAB: random_maps(1)}, titles=[CRAB], figsize=(2, 2))
    figure.draw_without_rendering()
    first, second = (axes.title.get_window_extent() for axes in figure.axes)
    assert not first.overlaps(second) and figure.bbox.x0 <= first.x0 and second.x1 <= figure.bbox.x1


def drawn(figure):
    """The pictures and titles of a figure, line by line."""
    columns = figure.axes[0].get_gridspec().ncols
    cells = [
        (np.asarray(axes.images[0].get_array()), axes.get_title()) if axes.images else None for axes in figure.axes
    ]
    return [cells[start : start + columns] for start in range(0, len(cells), columns)]


def same(cell, picture):
    return cell[0].shape == picture.shape and bool((cell[0] == picture).all())


def test_an_image_per_column():
    pictures, maps = random_pictures(9), random_maps(9)
    lines = drawn(plot(pictures, {"a": maps}, titles=list("rstuvwxyz"), layout="columns"))
    assert [len([cell for cell in line if cell]) for line in lines] == [8, 8, 1, 1]
    for row in range(9):
        (block, column), tile = divmod(row, 8), overlay(pictures[row], normalise(maps[row]))
        assert same(lines[2 * block][column], pictures[row]) and lines[2 * block][column][1] == "rstuvwxyz"[row]
        assert same(lines[2 * block + 1][column], tile) and lines[2 * block + 1][column][1] == ""
    figure = plot(pictures, {"a": maps}, layout="columns")
    assert [axes.get_title("left") for axes in figure.axes if axes.get_title("left")] == ["a", "a"]


@pytest.mark.parametrize(
    "title, lines",
    [
        ("smooth_grad of grad_cam at features/conv2d", ["smooth_grad of grad_cam at", "features/conv2d"]),
        (
            "smooth_grad of grad_cam at encoder/stage_4/block_11/mixed_attention_projection/conv2d",
            ["smooth_grad of grad_cam at", "encoder/stage_4/block_11/", "mixed_attention_projection/", "conv2d"],
        ),
        (
            "grad_cam at encoder/stage_4/block_11/mixed_attention_projection_of_the_second_head/conv2d_1",
            ["grad_cam at encoder/", "stag...head/conv2d_1"],
        ),
    ],
)
def test_paths_of_layers_are_broken_at_slashes_and_shortened_in_their_middle(title, lines):
    assert wrap(title, 28, max(len(lines), 3)) == lines


def test_a_long_heading_moves_no_column():
    name = "smooth_grad of grad_cam at encoder/stage_4/block_11/mixed_attention_projection/conv2d"
    figure = plot(random_pictures(4), {name: random_maps(4)}, layout="columns")
    figure.draw_without_rendering()
    lefts = [axes.images[0].get_window_extent().x0 for axes in figure.axes[:4]]
    np.testing.assert_allclose(np.diff(lefts), np.diff(lefts)[0], atol=0.5)
    assert figure.axes[4].get_title("left") == (
        "smooth_grad of grad_cam at encoder/stage_4/\nblock_11/mixed_attention_projection/conv2d"
    )


def test_a_portrait_beside_landscapes_is_no_higher_than_one_and_a_half_columns():
    pictures = [random_pictures(1, 40, 80)[0], random_pictures(1, 400, 50)[0]]
    for layout, highest in (("rows", 8), ("row", 1.5), ("columns", 1.5)):
        figure = plot(pictures, {}, layout=layout)
        figure.draw_without_rendering()
        box = figure.axes[1].images[0].get_window_extent()
        assert box.height == pytest.approx(highest * 2.4 * figure.dpi, rel=0.1)


def test_titles_need_room():
    with pytest.raises(TfvizError, match=r"leaves no room for pictures: 1\.9 inches is the least height for them"):
        plot(random_pictures(2), {"a": random_maps()}, titles=[CRAB] * 2, figsize=(5, 1.5))
    assert plt.get_fignums() == []


def test_all_in_one_row():
    pictures, maps = random_pictures(6), random_maps(6)
    (line,) = drawn(plot(pictures, {"a": maps}, titles=list("uvwxyz"), layout="row"))
    assert [title for _, title in line] == ["u", "a", "v", "a", "w", "a", "x", "a", "y", "a", "z", "a"]
    assert all(same(cell, picture) for cell, picture in zip(line[::2], pictures, strict=True))


def test_classes_share_a_scale():
    """So does the oracle, as it scales by the largest value of all classes of the image by hand."""
    pictures = np.repeat(random_pictures(2), 3, axis=0)
    maps = np.random.default_rng(3).normal(size=(6, 6, 8))
    maps[1] *= 5
    gradient = np.random.default_rng(4).normal(size=(6, 6, 8, 3))
    both = {"map": maps, "gradient": gradient}
    signed = {"map": True, "gradient": True}
    figure = plot(
        pictures, both, titles=list("abcdef"), image_titles=["one", "two"], signed=signed, layout="classes", per_image=3
    )
    lines = drawn(figure)
    assert [[title for _, title in line] for line in lines] == [
        [f"{name}\n{image}", *classes]
        for image, classes in (("one", "abc"), ("two", "def"))
        for name in ("map", "gradient")
    ]
    for number, line in enumerate(lines):
        rows = slice(3 * (number // 2), 3 * (number // 2) + 3)
        values = gradient[rows].sum(axis=-1) if number % 2 else maps[rows]
        most = np.abs(values).max()
        assert same(line[0], pictures[rows][0])
        for cell, picture, each in zip(line[1:], pictures[rows], values, strict=True):
            assert np.abs(cell[0].astype(int) - over_grey(picture, each, most)).max() <= 1
        (bar,) = figure.axes[4 * number + 3].child_axes
        assert [text.get_text() for text in bar.get_yticklabels()] == [f"{-most:.2g}", "0", f"{most:.2g}"]


def test_a_class_without_a_map_says_so():
    pictures, maps = np.repeat(random_pictures(1, 60, 60), 2, axis=0), random_maps(2, 60, 60)
    maps[0] = 0
    ((_, nothing, something),) = drawn(plot(pictures, {"a": maps}, layout="classes", per_image=2, colorbar=False))
    assert same(nothing, tiles(pictures, maps)[0]) and same(something, tiles(pictures, maps)[1])


def test_classes_whose_sign_means_nothing_are_reduced_to_the_largest():
    pictures, found = random_pictures(1), np.random.default_rng(4).random((1, 6, 8, 3))
    ((_, cell),) = drawn(plot(pictures, {"a": found}, layout="classes", colorbar=False))
    assert same(cell, overlay(pictures[0], normalise(found[0].max(axis=-1))))


def test_bars_tell_the_values_below_tiles_that_have_a_scale():
    pictures, maps = random_pictures(), random_maps()
    attributions = np.random.default_rng(2).normal(size=pictures.shape)
    figure = plot(pictures, {"a": maps, "b": -maps, "c": attributions}, colorbar=True, own_colors=True)
    bars = [[axis.get_xticklabels() for axis in axes.child_axes] for axes in figure.axes]
    largest = [f"{each.max():.2g}" for each in maps]
    assert [[[text.get_text() for text in bar] for bar in each] for each in bars] == [
        [], [["0", largest[0]]], [[f"-{largest[0]}", "0", largest[0]]], [],
        [], [["0", largest[1]]], [[f"-{largest[1]}", "0", largest[1]]], [],
    ]  # fmt: skip
    limits = [bar.get_xlim() for axes in figure.axes for bar in axes.child_axes]
    np.testing.assert_allclose(limits, [pair for each in maps.max(axis=(1, 2)) for pair in ((0, each), (-each, each))])
    assert not any(axes.child_axes for axes in plot(pictures, {"a": maps}).axes)
    for layout in ("rows", "columns", "row"):
        figure = plot(pictures, {"a": maps, "b": -maps}, colorbar=True, layout=layout, titles=["cat", "dog"])
        figure.draw_without_rendering()
        boxes = [axes.images[0].get_window_extent() for axes in figure.axes]
        boxes += [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
        boxes += [bar.get_tightbbox() for axes in figure.axes for bar in axes.child_axes]
        for index, box in enumerate(boxes):
            assert figure.bbox.y0 <= box.y0 and not any(box.overlaps(other) for other in boxes[:index])
