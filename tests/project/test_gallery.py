"""The gallery of methods that `scripts/gallery.py` draws."""

import re

import keras
import numpy as np
import pytest
from support.places import SCRIPTS

import tfviz
from tfviz import demo
from tfviz.apps.files.images import read_image
from tfviz.apps.model.preprocessing import find_preprocessing
from tfviz.results import tiles

SCRIPT = SCRIPTS / "gallery.py"
SIDE, PADDING, COLUMNS = 128, 8, 5


def test_the_maps_of_each_picture_stand_beside_it(run_script, tmp_path, capsys):
    paths, output = demo.sample_paths()[1:3], tmp_path / "drawn.png"
    chosen = [
        "--method",
        "grad_cam",
        "--method",
        "gradient",
        "--layer",
        "block3_conv1",
        "--target",
        "3",
        "--preprocess",
        "resnet50",
    ]
    assert run_script("gallery.py", *paths, *chosen, "--output", output) is None
    pictures = np.stack([read_image(path) for path in paths])
    network, images = tfviz.trace(demo.load_network()), find_preprocessing("resnet50")(pictures)
    maps = [tfviz.grad_cam(network, images, 3, layer="block3_conv1"), tfviz.gradient(network, images, 3)[..., ::-1]]
    columns = [pictures, *(tiles(pictures, each, clip_percentile=99, own_colors=True) for each in maps)]
    drawn = read_image(output)
    height = (len(drawn) - PADDING) // 2  # of a row, its captions and the space below
    for row in range(2):
        top = PADDING + row * height
        cells = [drawn[top : top + SIDE, PADDING + column * (SIDE + PADDING) :][:, :SIDE] for column in range(COLUMNS)]
        for found, expected in zip(cells, columns, strict=False):
            np.testing.assert_array_equal(found, expected[row])
        assert np.all(np.stack(cells[3:]) == 255)
    assert re.fullmatch(rf"grad_cam: \d+\.\d s\ngradient: \d+\.\d s\n{output}\n", capsys.readouterr().out)


def test_every_method_is_drawn_or_its_absence_explained(run_script, tmp_path, capsys):
    linear = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
    linear.save(tmp_path / "linear.keras")
    arguments = [demo.sample_paths()[0], "--model", tmp_path / "linear.keras", "--output", tmp_path / "drawn.png"]
    assert run_script("gallery.py", *arguments) is None
    lines = capsys.readouterr().out.splitlines()
    left_out = [line.split()[0] for line in lines if " is left out: " in line]
    timed = [line.split(":")[0] for line in lines[len(left_out) : -1]]
    assert "grad_cam" in left_out and {"gradient", "rise", "xrai"} <= {*timed}
    assert sorted(left_out + timed) == sorted(tfviz.METHODS)


@pytest.mark.parametrize(
    "wrong, said",
    [(["nosuch.png"], "gallery.py: .*nosuch.png"), (["--method", "gradcam"], "gallery.py: .*grad_cam")],
)
def test_what_is_wrong_is_said_in_a_line(wrong, said, run_script, tmp_path):
    assert re.fullmatch(rf"{said}[^\n]*", run_script("gallery.py", *wrong, "--output", tmp_path / "drawn.png"))
    assert not [*tmp_path.iterdir()]
