"""Groups of pictures in a report: the file that tells them, what is said of each, and what is marked."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy import stats

import tfviz
from tfviz.apps.report import ReportedPicture, read_metadata, subgroup_tables
from tfviz.apps.report.metadata import NONE_GIVEN
from tfviz.apps.report.pictures import ReportedTarget
from tfviz.apps.report.subgroups import FEWEST, MOST_FEW
from tfviz.errors import TfvizError
from tfviz.results.comparison import bootstrap_means, interval


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Image files, of which two have one name; nothing reads them. The working folder is theirs."""
    monkeypatch.chdir(tmp_path)
    return [Path("a.png"), Path("cats") / "b.png", tmp_path / "dogs" / "b.png", Path("d, e.png")]


def write(rows, name="about.csv", delimiter=",", encoding="utf-8", **how):
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter, **how).writerows(rows)
    return path


def groups_of(path, images, column="scanner"):
    found = read_metadata(path, [column], images)
    return [found.groupings[0].of[image] for image in images]


EXPECTED = ['old; "A"', "new", 'old; "A"', "new"]


def test_three_unlike_files_say_the_same(images, tmp_path):
    """Of a spreadsheet with semicolons; with tabs, full paths and rows twice; of a whole data set in another folder."""
    quoted = [["File Name", "note", "scanner", "Nr"]]
    named = ["a.png", "cats/b.png", "dogs/b.png", "d, e.png"]
    quoted += [[name, "a;b", group, number] for number, (name, group) in enumerate(zip(named, EXPECTED, strict=True))]
    first = write(quoted, delimiter=";", encoding="utf-8-sig", quoting=csv.QUOTE_ALL)
    assert groups_of(first, images) == EXPECTED
    full = [[str(image.absolute()), "x", group] for image, group in zip(images, EXPECTED, strict=True)]
    second = write([["PATH", "more", "scanner"], *full, *full[:2]], "about.tsv", delimiter="\t")
    assert groups_of(second, images) == EXPECTED
    others = [[f"other/{number}.png", "none"] for number in range(50)]
    beside = [[f" ../{name}", group] for name, group in zip(named, EXPECTED, strict=True)]
    third = write([["image", " scanner "], *others, [], *beside], "sheets/about.csv", lineterminator="\n")
    assert groups_of(third, images) == EXPECTED
    bars = write(
        [["scanner", "file"], *([group, name] for name, group in zip(named, EXPECTED, strict=True))], delimiter="|"
    )
    assert groups_of(bars, images) == EXPECTED


def test_a_path_from_the_working_folder_and_a_space_before_a_quote(images, tmp_path):
    path = write([], "sheets/about.csv")
    path.write_text(f'file, scanner\n../{tmp_path.name}/a.png, "one, two"\n"d, e.png", new\n')
    assert groups_of(path, [images[0], images[3]]) == ["one, two", "new"]


def test_several_columns_and_the_first_of_several_that_name_files(images):
    rows = [["path", "file", "sex", "age"], ["x", "a.png", "f", "30"], ["a.png", "cats/b.png", "m", "40"]]
    found = read_metadata(write(rows), ["age", "sex", "age"], images[:2])
    assert [each.column for each in found.groupings] == ["age", "sex"] and not found.warnings
    assert [[*each.of.values()] for each in found.groupings] == [["30", "40"], ["f", "m"]]


def test_what_is_not_given_is_a_group_and_is_told(images):
    """An empty cell, a row that ends before it, and no row: the last alone is told, for it may be a mistake."""
    path = write([["file", "x", "scanner"], ["a.png", "1", "  "], ["cats/b.png"], ["dogs/b.png", "1", "new"]])
    found = read_metadata(path, ["scanner"], images)
    assert [*found.groupings[0].of.values()] == [NONE_GIVEN, NONE_GIVEN, "new", NONE_GIVEN]
    assert found.warnings == ("about.csv has no row for d, e.png, and so their group is (none given)",)
    (more,) = read_metadata(
        write([["file", "scanner"], ["6.png", "new"]]), ["scanner"], [*map(Path, "12345"), Path("6.png")]
    ).warnings
    assert "no row for 1, 2, 3 and 2 more, and so" in more


def test_a_text_of_a_line_break_and_a_name_with_commas(images):
    path = write([["file", "scanner"], ["d, e.png", "one\ntwo"], ["a.png", "x\u2028y"]])
    assert groups_of(path, [images[3], images[0]]) == ["one\ntwo", "x\u2028y"]


@pytest.mark.parametrize(
    "text, column, message",
    [
        (None, "scanner", "metadata about.csv cannot be read: No such file or directory"),
        ("file,scanner\na.png,\xe9\n", "scanner", "expected a CSV file in UTF-8"),
        (
            "",
            "scanner",
            "about.csv has no column that names the files, called file, filename, image or path; the first",
        ),
        ("name;scanner\n", "scanner", "or path; there are name, scanner"),
        (
            "file,scanner,age\na.png,1,2\n",
            "scaner",
            "about.csv has no column 'scaner'; did you mean 'scanner'? there are",
        ),
        ("file,scanner,age\na.png,1,2\n", "zzz", "about.csv has no column 'zzz'; there are scanner, age"),
        ("file\na.png\n", "zzz", "about.csv has no column 'zzz'; there is none but that of the files"),
        ("file,scanner\na.png,1\n", "file", "about.csv: the column 'file' names the files; --by takes another one"),
        ("file,scanner,scanner\na.png,1,2\n", "scanner", "about.csv has 2 columns called 'scanner'"),
        (
            "file,scanner\na.png,one, two\n",
            "scanner",
            "about.csv, row 2: it has 3 cells, and the header 2; a cell that holds ','",
        ),
        (
            "file,scanner\nb.png,1\n",
            "scanner",
            "about.csv, row 2: b.png is the name of several images; give more of the path: cats/b.png, ",
        ),
        (
            "file,scanner\na.png,1\na.png,1\n./a.png,2\n",
            "scanner",
            "says two things of a.png: scanner is '1' in row 2, '2' in row 4",
        ),
        (
            "file,scanner\nA.png,1\n",
            "scanner",
            "about.csv has no row for any of the 4 images, such as a.png; did you mean 'A.png'?",
        ),
        ("file,scanner\n", "scanner", "such as a.png; rows name it as a.png"),
        ('file,scanner\n"' + "x" * 200_000 + '",1\n', "scanner", "field larger than field limit"),
    ],
)
def test_bad_files_are_one_line(images, text, column, message):
    if text is not None:
        Path("about.csv").write_text(text, encoding="latin-1")
    with pytest.raises(TfvizError) as raised:
        read_metadata(Path("about.csv"), [column], images)
    assert message in str(raised.value) and len(str(raised.value).splitlines()) == 1


def test_a_folder_is_no_file(images, tmp_path):
    with pytest.raises(TfvizError, match=r"metadata .* cannot be read: Is a directory"):
        read_metadata(tmp_path, ["scanner"], images)


def test_many_columns_are_not_all_listed(images):
    path = write([["file", *(f"column {number}" for number in range(40))], ["a.png"]])
    with pytest.raises(TfvizError, match=r"column 10, column 11 and 28 more$"):
        read_metadata(path, ["zzz"], images)


# What is said of the groups.


def picture(probability=0.5, is_right=None):
    return ReportedPicture(
        "a.png", "0" * 16, 4, 4, "", "", "ant", "", (ReportedTarget("ant", 1.0, probability, ()),), is_right=is_right
    )


def tables_of(groups, pictures=None, found=None, column="scanner"):
    return [*subgroup_tables({column: groups}, pictures or [picture()] * len(groups), found)]


def test_shares_and_means_beside_other_software():
    """Wilson's interval by SciPy, and the bootstrap's drawn slowly."""
    random = np.random.default_rng(0)
    groups, sure, right = ["b"] * 9 + ["a"] * 7, random.random(16), random.random(16) < 0.7
    pictures = [picture(float(each), bool(is_right)) for each, is_right in zip(sure, right, strict=True)]
    (table,) = tables_of(groups, pictures)
    assert table.header == ("scanner", "pictures", "correct predictions", "probability of the explained class")
    assert [row.name for row in table.rows] == ["a", "b"] and table.title == "By scanner"
    for row, part in zip(table.rows, (slice(9, 16), slice(0, 9)), strict=True):
        count, share, mean = row.cells
        assert (count.value, count.low, count.mark) == (len(right[part]), None, "")
        expected = stats.binomtest(int(right[part].sum()), len(right[part])).proportion_ci(0.95, method="wilson")
        assert (share.value, share.low, share.high) == pytest.approx((right[part].mean(), expected.low, expected.high))
        drawn = np.random.default_rng(0).multinomial(count.value, [1 / count.value] * count.value, size=2000)
        means = [
            sum(times * value for times, value in zip(row, sure[part], strict=True)) / count.value for row in drawn
        ]
        assert (mean.value, *np.percentile(means, [2.5, 97.5])) == pytest.approx(
            (sure[part].mean(), mean.low, mean.high)
        )
    for count in range(5, 60):
        shares = [
            tables_of(["a"] * count, [picture(is_right=each)] * count)[0].rows[0].cells[1] for each in (True, False)
        ]
        assert all(0 <= each.low <= each.high <= 1 for each in shares)
    all_right = tables_of(["a"] * 5, [picture(is_right=True)] * 5)[0].rows[0].cells[1]
    assert all_right.value == all_right.high == 1 and all_right.low == pytest.approx(
        5 / (5 + stats.norm.ppf(0.975) ** 2)
    )


def test_what_is_not_known_is_not_there():
    (table,) = tables_of(["a"] * 6, [picture(None)] * 6)
    assert table.header == ("scanner", "pictures")
    assert table.notes[-1].startswith("Neither true classes (--true) nor probabilities are known")
    assert "Below the groups" not in table.caption


def test_a_group_that_lies_apart_from_the_rest_is_marked():
    """By hand: 0.9 of one scanner and 0.2 of two others, each a little apart."""
    spread = np.linspace(-0.01, 0.01, 6)
    sure = np.concatenate([0.9 + spread, 0.2 + spread, 0.2 + spread])
    (table,) = tables_of([*"a" * 6, *"b" * 6, *"c" * 6], [picture(float(each)) for each in sure])
    marks = [row.cells[1].mark for row in table.rows]
    low, high = interval(bootstrap_means(sure[np.newaxis, 6:], 2000, 0), 0.95)
    assert marks[0] == f"above the rest ({low[0]:#.3g} to {high[0]:#.3g})"
    # The rest of the others holds both kinds, from 0.2 to 0.9: a group lies in it or not, as its interval says.
    for group, members in (("b", slice(6, 12)), ("c", slice(12, 18))):
        rest = np.delete(sure, range(*members.indices(18)))
        ends = [interval(bootstrap_means(each[np.newaxis], 2000, 0), 0.95) for each in (sure[members], rest)]
        below = ends[0][1][0] < ends[1][0][0]
        assert bool(marks["abc".index(group)]) == below and (not below or marks["abc".index(group)].startswith("below"))


def test_few_pictures_are_not_judged():
    groups = [*"a" * FEWEST, *"b" * (FEWEST - 1), "c"]
    (table,) = tables_of(groups)
    assert [(row.name, row.cells[0].value, row.cells[0].mark) for row in table.rows] == [
        ("a", 5, ""),
        ("b", 4, "too few to judge"),
        ("c", 1, "too few to judge"),
    ]
    assert table.rows[0].cells[1].value == 0.5 and table.rows[1].cells[1].value is None
    assert table.notes[0].startswith("2 groups have fewer than 5 pictures, too few to judge: where 95 % are asked for")
    assert len(table.notes) == 1
    (table,) = tables_of([*"a" * 6, *"b" * 4])
    assert table.notes[0].startswith("1 group has fewer than 5 pictures")
    assert table.notes[1] == "There are fewer than 5 other pictures to compare with: a."
    (table,) = tables_of([f"{number}" for number in range(30)])
    assert [row.name for row in table.rows] == [f"{number}" for number in range(MOST_FEW)]
    assert table.notes[1] == f"{30 - MOST_FEW} more groups of too few pictures are not listed."
    (table,) = tables_of([f"{number}" for number in range(MOST_FEW + 1)])
    assert table.notes[1] == "1 more group of too few pictures is not listed."


@pytest.mark.parametrize("count, covered", [(2, 0.49), (4, 0.79), (5, 0.84), (10, 0.91)])
def test_intervals_of_few_values_are_too_narrow(count, covered):
    """The reason of the bound, as it is told: how often they cover the true mean, 0, of normal values."""
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(500):
        low, high = interval(bootstrap_means(random.normal(size=(1, count)), 500, 0), 0.95)
        hits += low[0] <= 0 <= high[0]
    assert hits / 500 == pytest.approx(covered, abs=0.06)


def test_the_order_of_the_groups():
    groups = [NONE_GIVEN, "b", "10", "9.5", "A", "inf", "-1"]
    (table,) = tables_of([each for each in groups for _ in range(5)])
    assert [row.name for row in table.rows] == ["-1", "9.5", "10", "A", "b", "inf", NONE_GIVEN]


# Methods by groups.

METHODS = ("saliency", "grad_cam")
GROUPS = [*"a" * 6, *"b" * 6, *"c" * 2]


@pytest.fixture(scope="module")
def found():
    """A comparison of images of three groups by a small network."""
    keras.utils.set_random_seed(3)
    conv = keras.layers.Conv2D(6, 3, activation="relu", name="conv")
    pooled = keras.layers.GlobalAveragePooling2D()
    model = keras.Sequential([keras.Input((12, 12, 3)), conv, pooled, keras.layers.Dense(4, activation="softmax")])
    images = np.random.default_rng(0).random((len(GROUPS), 12, 12, 3)).astype(np.float32)
    return tfviz.compare(model, images, methods=METHODS, metrics={"deletion": {"steps": 3}, "sparseness": {}})


def planted(found, metric, row, values):
    """The same, other values in place of those of a row."""
    rows = {**found.table.values[metric], row: np.asarray(values, float)}
    return replace(found, table=replace(found.table, values={**found.table.values, metric: rows}))


def test_each_method_is_measured_on_each_group(found):
    network, *tables = tables_of(GROUPS, found=found)
    assert [each.title for each in tables] == ["saliency by scanner", "grad_cam by scanner"]
    assert [each.subject for each in tables] == [*METHODS] and network.subject == ""
    assert (
        "Below the groups are the means of the metrics" in network.caption
        and not network.notes[1:]
        and not any(each.caption for each in tables)
    )
    for method, table in zip(METHODS, tables, strict=True):
        assert table.header == ("scanner", "pictures", "deletion ↓", "sparseness ↑")
        assert [row.name for row in table.rows] == ["a", "b"]
        for row, part in zip(table.rows, (slice(0, 6), slice(6, 12)), strict=True):
            assert row.cells[0].value == 6
            for metric, cell in zip(("deletion", "sparseness"), row.cells[1:], strict=True):
                values = found.table.values[metric][method][part]
                low, high = interval(bootstrap_means(values[np.newaxis], 2000, 0), 0.95)
                assert (cell.value, cell.low, cell.high) == pytest.approx((values.mean(), low[0], high[0]))


def test_a_method_is_marked_where_it_lies_apart(found):
    """Slowly: whether the intervals of a group and of the rest overlap, and whether a baseline is as good there."""
    values = found.table.values["deletion"]["saliency"].copy()
    values[6:12] += 2
    found = planted(found, "deletion", "saliency", values)
    _, table, _ = tables_of(GROUPS, found=found)
    first, second = (row.cells[1].mark for row in table.rows)
    low, high = interval(bootstrap_means(np.delete(values, range(6, 12))[np.newaxis], 2000, 0), 0.95)
    worse = "no better than a map that does not know the network"
    assert second == f"above the rest ({low[0]:#.3g} to {high[0]:#.3g}); {worse}"
    assert first.startswith("below the rest (") and (worse in first) == bool(
        found.select(range(6)).summaries["deletion"]["saliency"].beaten_by
    )
    # Of sparseness no baseline is held against a method.
    assert worse not in table.rows[1].cells[2].mark


def test_values_that_are_missing_leave_too_few_to_judge(found):
    values = found.table.values["deletion"]["saliency"].copy()
    values[:2] = np.nan
    _, table, _ = tables_of(GROUPS, found=planted(found, "deletion", "saliency", values))
    assert table.rows[0].cells[1].value is None and table.rows[0].cells[1].mark == "too few to judge"
    values[4:] = np.nan
    _, table, _ = tables_of(GROUPS[:6] + GROUPS[6:], found=planted(found, "deletion", "saliency", values))
    assert all(row.cells[1].value is None for row in table.rows)
    rest = found.table.values["deletion"]["grad_cam"].copy()
    rest[:6] += 5
    rest[9:] = np.nan
    _, _, table = tables_of(GROUPS, found=planted(found, "deletion", "grad_cam", rest))
    assert "the rest" not in table.rows[0].cells[1].mark


def test_without_a_group_that_can_be_judged_there_are_no_tables_of_methods(found):
    assert len(tables_of([f"{number}" for number in range(14)], found=found)) == 1
    alone = tables_of(["a"] * 14, found=found)
    assert len(alone) == 3 and alone[0].notes == ("There are fewer than 5 other pictures to compare with: a.",)


def test_several_columns_are_told_one_after_the_other(found):
    tables = [*subgroup_tables({"x": GROUPS, "y": GROUPS[::-1]}, [picture()] * 14, found)]
    assert [each.header[0] for each in tables] == ["x"] * 3 + ["y"] * 3
    assert [bool(each.caption) for each in tables] == [True] + [False] * 5
