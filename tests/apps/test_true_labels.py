"""Files of true labels: which image a row is about, and what is said of rows that do not fit."""

from pathlib import Path

import pytest

from tfviz.apps.files import TrueLabel, read_true_labels
from tfviz.errors import InvalidTargetsError

IMAGES = [Path("pets/cats/1.jpg"), Path("pets/dogs/1.jpg"), Path("pets/tom.png")]


@pytest.fixture
def file(tmp_path):
    def write(text):
        (tmp_path / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "labels.csv"

    return write


@pytest.mark.parametrize(
    "text",
    [
        "cats/1.jpg,cat\ndogs/1.jpg,3\ntom.png,tom cat\n",
        "file,class\npets/cats/1.jpg, cat\n\n./dogs/1.jpg ,3\r\ntom.png,tom cat\nelse.png,horse",
        '\ufeff"tom.png","tom cat"\n{here}/pets/cats/1.jpg,cat\ndogs/1.jpg,3',
    ],
)
def test_rows_name_images_by_the_end_of_their_paths(file, text):
    found = read_true_labels(file(text.replace("{here}", str(Path.cwd()))), IMAGES)
    assert [found[image].text for image in IMAGES] == ["cat", "3", "tom cat"]


def test_a_label_knows_its_row(file):
    assert read_true_labels(file('file,class\n\n"tom.png","a\n b"\n'), IMAGES[2:]) == {
        IMAGES[2]: TrueLabel("a\n b", "labels.csv, row 4")
    }


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "tom.png,cat\n1.jpg,cat",
            r"labels\.csv, row 2: 1\.jpg is the name of several images; give more of the path: ",
        ),
        (
            "tom.png,cat\npets/tom.png,dog",
            r"labels\.csv, row 2: pets/tom\.png has a label already, in labels\.csv, row 1",
        ),
        ("tom.png,cat\ncats/1.jpg,cat", r"labels\.csv has no row for pets/dogs/1\.jpg; "),
        ("tim.png,cat\ncats/1.jpg,cat\ndogs/1.jpg,dog", r"no row for pets/tom\.png; did you mean 'tim\.png'"),
        ("", r"labels\.csv has no row for pets/cats/1\.jpg; rows name it as 1\.jpg,LABEL"),
        ("tom.png,cat\ntom.png", r"row 2: expected a file and its class, with a comma between them, got 'tom\.png'"),
        ("tom.png,", r"row 1: expected a file and its class, with a comma between them, got 'tom\.png,'"),
        ("tom.png,tabby,cat", r"got 'tom\.png,tabby,cat'; a class with a comma in its name needs quotes"),
        (b"tom.png,\xff", r"expected a CSV file in UTF-8"),
    ],
)
def test_what_does_not_fit(file, text, message):
    with pytest.raises(InvalidTargetsError, match=message):
        read_true_labels(file(text), IMAGES)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InvalidTargetsError, match=r"true labels .*none\.csv cannot be read: No such file"):
        read_true_labels(tmp_path / "none.csv", IMAGES)
    with pytest.raises(InvalidTargetsError, match="cannot be read: Is a directory"):
        read_true_labels(tmp_path, IMAGES)
