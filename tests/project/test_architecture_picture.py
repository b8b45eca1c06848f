"""`scripts/architecture.py`: the picture of the house is that of the source, and its rooms lie as they say."""

import json
import re
import sys
from itertools import combinations

import pytest
from PIL import Image
from support.places import SCRIPTS

sys.path.append(str(SCRIPTS))

from architecture import COLORS, KEY, PICTURE, build, place, save
from house.floor_plan import arrange, direct, floors
from house.imports import GROUND, ROOF, read_folders
from house.text import Text

# No ceiling goes through all rooms, and none is as high as all.
STAGGERED = {"a": [], "b": ["a"], "c": [], "d": ["a"], "e": ["c", "d"]}


@pytest.fixture(scope="module")
def folders():
    return read_folders()


def read(path):
    """What a picture says that it shows, and the picture."""
    with Image.open(path) as picture:
        return json.loads(picture.text[KEY]), picture.convert("RGB")


def test_the_picture_shows_the_source(folders):
    shown, picture = read(PICTURE)
    assert shown == folders, "run: python scripts/architecture.py"
    assert picture.width == 1800 and PICTURE.stat().st_size < 300_000


def test_a_picture_shows_the_folders_given_in_their_colours_on_white(folders, monkeypatch, tmp_path):
    monkeypatch.setattr("architecture.SCALE", 1)
    changed = {**folders, "tfviz/network/attic": {"about": "New", "files": ["trunk"], "imports": ["tfviz/network"]}}
    save(changed, tmp_path / "drawn.png")
    shown, picture = read(tmp_path / "drawn.png")
    assert shown == changed and picture.width == 900
    colors = {f"#{red:02X}{green:02X}{blue:02X}" for _, (red, green, blue) in picture.getcolors()}
    assert picture.getpixel((0, picture.height // 2)) == (255, 255, 255)
    assert {light for _, light in COLORS.values()} <= colors


def test_the_whole_house_stands_between_the_ground_and_the_roof(folders):
    imports = {name: folder["imports"] for name, folder in folders.items()}
    found = floors(imports)
    assert found[GROUND] == 0 and found[ROOF] == max(found.values())
    assert all(found[other] < found[name] for name, others in imports.items() for other in others)


def test_a_circle_of_folders_is_told_in_one_line():
    with pytest.raises(
        SystemExit, match=r"^architecture\.py: folders import each other in a circle: .*a -> .*$"
    ) as told:
        floors({"a": ["b"], "b": ["a"], "c": []})
    assert "\n" not in str(told.value) and "c" not in re.findall(r"\b\w\b", str(told.value))


def test_arrows_that_follow_from_others_are_left_out():
    assert direct({"a": [], "b": ["a"], "c": ["a", "b"], "d": ["a", "c"]}) == {
        "a": set(),
        "b": {"a"},
        "c": {"b"},
        "d": {"c"},
    }


@pytest.mark.parametrize("imports", [STAGGERED, {"a": []}, {"a": [], "b": [], "c": ["a"], "d": ["a", "b"], "e": ["b"]}])
def test_rooms_stand_on_what_they_import_and_beside_the_others(imports):
    rooms = arrange(imports)
    assert all(rooms[other].top <= rooms[name].bottom for name, others in imports.items() for other in others)
    for one, other in combinations(rooms.values(), 2):
        above = one.top <= other.bottom or other.top <= one.bottom
        assert above or one.right <= other.left + 1e-9 or other.right <= one.left + 1e-9, (one, other)


def test_what_stands_in_a_room_fits_into_it(folders):
    wings = build(folders)
    place(wings, legend=100)
    for wing in wings.values():
        for name in wing.rooms:
            assert sum(line.height for line in wing.texts(name)) <= wing.box(name).height
            assert all(line.width < wing.box(name).width for line in wing.texts(name)), name


def test_long_names_are_broken_where_they_have_parts():
    lines = Text("draws, feature_visualization, loop", 8).wrapped(70)
    assert [line.words for line in lines] == ["draws, feature_", "visualization,", "loop"]
