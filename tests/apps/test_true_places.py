"""True places in files: masks and tables of boxes, whose they are, and what is said of those that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tfviz.apps.files import find_true_places
from tfviz.errors import InvalidImagesError
from tfviz.limits import MAXIMUM_IMAGE_BYTES
from tfviz.results import box_mask

IMAGES = [Path("pets/cats/1.jpg"), Path("pets/dogs/1.jpg"), Path("pets/tom.png")]
SIZE = (20, 30)
ROWS = "cats/1.jpg,1,2,3,4\ndogs/1.jpg,0,0,30,20\ntom.png,5,5,2,2\ntom.png,10,1,4,9"


def read(source, image, size=SIZE):
    return find_true_places(source, IMAGES).mask(image, size, MAXIMUM_IMAGE_BYTES)


@pytest.fixture
def table(tmp_path):
    def write(content, name="boxes.csv"):
        content = content if isinstance(content, str | bytes) else json.dumps(content)
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return write


@pytest.fixture
def masks(tmp_path):
    """Write masks by their names into a folder; those of `IMAGES` that are not given show a pixel each."""

    def write(**given):
        pixel = np.zeros(SIZE, np.uint8)
        pixel[3, 4] = 1
        names = {"cats/1.png": pixel, "dogs/1.png": pixel, "tom.png": pixel, **given}
        for name, mask in names.items():
            path = tmp_path / "masks" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if mask is not None:
                assert cv2.imwrite(str(path), mask)
        return tmp_path / "masks"

    return write


@pytest.mark.parametrize(
    "content, name",
    [
        (ROWS, "boxes.csv"),
        (f"\ufeffFile, X, Y, Width, Height\n\n{ROWS.replace(',', ' , ')}\r\nelse.png,1,1,1,1", "boxes.CSV"),
        (
            {
                "pets/cats/1.jpg": [1, 2, 3, 4],
                "dogs/1.jpg": [[0, 0, 30.4, 20]],
                "tom.png": [[5, 5, 2, 2], [10, 1, 4, 9]],
            },
            "boxes.json",
        ),
    ],
)
def test_boxes_of_a_table(table, content, name):
    """Beside `box_mask`, which takes edges."""
    edges = {0: [[1, 2, 4, 6]], 1: [[0, 0, 30, 20]], 2: [[5, 5, 7, 7], [10, 1, 14, 10]]}
    for index, boxes in edges.items():
        mask, _ = read(table(content, name), IMAGES[index])
        np.testing.assert_array_equal(mask, box_mask(boxes, SIZE).any(axis=0))


@pytest.mark.parametrize("box", [(1.5, 2.5, 3, 4), (0.49, 0.51, 1.02, 2.98), (-0.6, -1, 4.2, 22), (28.2, 3, 2.7, 0.4)])
def test_a_pixel_is_in_a_box_if_its_centre_is(table, box):
    left, top, width, height = box
    mask, _ = read(table({"cats/1.jpg": [0, 0, 1, 1], "dogs/1.jpg": [0, 0, 1, 1], "tom.png": box}, "a.json"), IMAGES[2])
    np.testing.assert_array_equal(mask, box_mask([left, top, left + width, top + height], SIZE))


@pytest.mark.parametrize(
    "mask, inside",
    [
        (np.uint8([[0, 1], [255, 0]]), [[0, 1], [1, 0]]),
        (np.uint16([[0, 3], [0, 65535]]), [[0, 1], [0, 1]]),
        (np.uint8([[[0, 0, 0], [0, 0, 7]], [[9, 0, 0], [0, 0, 0]]]), [[0, 1], [1, 0]]),
        (np.uint8([[[0, 0, 0, 255], [0, 1, 0, 255]], [[0, 0, 0, 255], [0, 0, 0, 255]]]), [[0, 1], [0, 0]]),
    ],
)
def test_every_pixel_of_a_mask_that_is_not_black_is_inside(masks, mask, inside):
    found, is_grown = read(masks(**{"tom.png": mask}), IMAGES[2], (2, 2))
    np.testing.assert_array_equal(found, np.bool_(inside))
    assert not is_grown


def test_masks_are_found_by_the_end_of_the_path_of_their_image(masks):
    folder = masks(**{"others/tim.png": np.ones(SIZE, np.uint8)})
    found = find_true_places(folder, IMAGES)
    assert found.masks == {
        IMAGES[0]: folder / "cats/1.png",
        IMAGES[1]: folder / "dogs/1.png",
        IMAGES[2]: folder / "tom.png",
    }
    beside = [folder / "tom.png"]
    cv2.imwrite(str(folder / "tom.bmp"), np.ones(SIZE, np.uint8))
    assert find_true_places(folder, beside).masks == {beside[0]: folder / "tom.bmp"}


def test_the_mask_of_a_jpeg_may_have_grown(masks):
    mask = np.zeros((40, 40), np.uint8)
    mask[7:21, 9:24] = 255
    folder = masks(**{"tom.png": None, "tom.jpg": mask})
    found, is_grown = read(folder, IMAGES[2], (40, 40))
    assert is_grown and found.sum() > (mask > 0).sum()
    cv2.imwrite(str(folder / "tom.jpg"), np.full((40, 40), 255, np.uint8))
    assert not read(folder, IMAGES[2], (40, 40))[1]


@pytest.mark.parametrize(
    "names, message",
    [
        ({"tom.png": None}, r"masks has no mask for pets/tom\.png; it would be called tom\.png, or as the end of its"),
        ({"tom.png": None, "tim.png": 1}, r"has no mask for pets/tom\.png; did you mean 'tim'"),
        ({"cats/1.png": None}, r"has no mask for pets/cats/1\.jpg; "),
        ({"tom.bmp": 1}, r"masks has several masks for pets/tom\.png: .*tom\.bmp, .*tom\.png"),
        (
            {"cats/1.png": None, "dogs/1.png": None, "1.png": 1},
            r"1\.png would be the mask of several images, pets/cats/1",
        ),
    ],
)
def test_masks_that_are_missing_or_in_doubt(masks, names, message):
    given = {name: None if value is None else np.ones(SIZE, np.uint8) for name, value in names.items()}
    with pytest.raises(InvalidImagesError, match=message):
        find_true_places(masks(**given), IMAGES)


@pytest.mark.parametrize("shape", [(30, 20), (21, 30), (224, 224)])
def test_a_mask_of_another_size_than_its_picture(masks, shape):
    folder = masks(**{"tom.png": np.ones(shape, np.uint8)})
    size = rf"{shape[1]}x{shape[0]} pixels, but pets/tom\.png has 30x20; a mask has the size"
    with pytest.raises(InvalidImagesError, match=rf"the mask .*tom\.png has {size}"):
        read(folder, IMAGES[2])


@pytest.mark.parametrize(
    "mask, message",
    [
        (np.zeros(SIZE, np.uint8), r"tom\.png of pets/tom\.png is empty: no pixel is above zero"),
        (np.zeros((*SIZE, 3), np.uint16), r"tom\.png is empty:"),
        (
            np.full((*SIZE, 4), 255, np.uint8) * np.arange(2).repeat(15)[:, None],
            r"the mask .*tom\.png of pets/tom\.png has transparent pixels",
        ),
        (np.full((*SIZE, 4), 40000, np.uint16), r"has transparent pixels; expected black outside"),
    ],
)
def test_masks_that_say_nothing_or_two_things(masks, mask, message):
    with pytest.raises(InvalidImagesError, match=message):
        read(masks(**{"tom.png": mask.astype(mask.dtype)}), IMAGES[2])


@pytest.mark.parametrize("box", ["28,1,4,2", "-3,0,10,10", "2,3,30,20", "0,15,5,9"])
def test_a_box_outside_of_its_picture(table, box):
    source = table(f"{ROWS}\ntom.png,{box}")
    with pytest.raises(
        InvalidImagesError,
        match=rf"boxes\.csv, row 5: the box {box} reaches out of pets/tom\.png, which has 30x20 pixels; expected",
    ):
        read(source, IMAGES[2])


@pytest.mark.parametrize(
    "content, name, listed",
    [
        (f"{ROWS}\nelse.png,1,1,1,1\nelse.png,2,2,2,2", "boxes.csv", "else.png"),
        (
            {name: [1, 1, 2, 2] for name in ("cats/1.jpg", "dogs/1.jpg", "tom.png", "horses/1.jpg")},
            "a.json",
            "horses/1.jpg",
        ),
        (
            f"{ROWS}\na,1,1,1,1\nb,2,2,2,2\nc,1,1,1,1\nd,1,1,1,1\ne,1,1,1,1\nf,1,1,1,1",
            "boxes.csv",
            "a, b, c, d, e and 1 more",
        ),
    ],
)
def test_rows_of_other_files_are_told(table, content, name, listed):
    source = table(content, name)
    found = find_true_places(source, IMAGES)
    assert found.warnings == [f"{source} has boxes of files that are not among the images: {listed}"]
    assert set(found.boxes) == {*IMAGES}
    assert find_true_places(table(ROWS), IMAGES).warnings == []


@pytest.mark.parametrize(
    "content, name, message",
    [
        (
            f"{ROWS}\n1.jpg,1,1,1,1",
            "boxes.csv",
            r"row 5: 1\.jpg is the name of several images; give more of the path: ",
        ),
        (ROWS.replace("tom", "tim"), "boxes.csv", r"boxes\.csv has no box for pets/tom\.png; did you mean 'tim\.png'"),
        ({"cats/1.jpg": [1, 1, 1, 1], "tom.png": [1, 1, 1, 1]}, "a.json", r"no box for pets/dogs/1\.jpg; "),
        ("", "boxes.csv", r"no box for pets/cats/1\.jpg; rows name it as 1\.jpg,X,Y,WIDTH,HEIGHT"),
        (
            {"cats/1.jpg": [1, 1, 1, 1], "dogs/1.jpg": [1, 1, 1, 1], "tom.png": []},
            "a.json",
            r"'tom\.png': expected",
        ),
        ("file,width,height,x,y\n" + ROWS, "boxes.csv", r"row 1: expected a file and its box, x,y,width,height in pix"),
        ("tom.png,1,2,3", "boxes.csv", r"row 1: expected .*, got 'tom\.png,1,2,3'"),
        ("tom.png,1,2,3,0", "boxes.csv", r"the last two above 0, got 'tom\.png,1,2,3,0'"),
        ("tom.png,1,2,nan,4", "boxes.csv", r"got 'tom\.png,1,2,nan,4'"),
        (
            {"tom.png": [True, 1, 1, 1]},
            "a.json",
            r"a\.json, 'tom\.png': expected a file and its box, .*got 'True,1,1,1'",
        ),
        ({"tom.png": {"x": 1}}, "a.json", r"a\.json, 'tom\.png': expected a file and its box"),
        ({"images": [{"id": 1}], "annotations": []}, "a.json", r"a\.json, 'images': expected a file and its box"),
        (
            [["tom.png", 1, 1, 1, 1]],
            "a.json",
            r"a\.json: expected an object, \{FILE: \[X, Y, WIDTH, HEIGHT\], \.\.\.\}",
        ),
        ('{"tom.png": [1,1,1,1], "tom.png": [2,2,2,2]}', "a.json", r"it has the key 'tom\.png' twice; expected a JSON"),
        ("{", "a.json", r"expected a JSON file in UTF-8"),
        (b"tom.png,\xff", "boxes.csv", r"expected a CSV file in UTF-8"),
    ],
)
def test_tables_that_do_not_fit(table, content, name, message):
    with pytest.raises(InvalidImagesError, match=message):
        find_true_places(table(content, name), IMAGES)


def test_what_is_neither_masks_nor_boxes(tmp_path):
    (tmp_path / "boxes.xml").write_text("")
    with pytest.raises(InvalidImagesError, match=r"boxes\.xml is not a folder of masks or a table of boxes"):
        find_true_places(tmp_path / "boxes.xml", IMAGES)
    with pytest.raises(
        InvalidImagesError, match=r"none does not exist; expected a folder of masks or a table of boxes"
    ):
        find_true_places(tmp_path / "none", IMAGES)
    with pytest.raises(InvalidImagesError, match=r"none\.csv cannot be read: No such file"):
        find_true_places(tmp_path / "none.csv", IMAGES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidImagesError, match="no image file"):
        find_true_places(tmp_path / "empty", IMAGES)
