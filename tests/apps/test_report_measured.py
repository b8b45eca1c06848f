"""The measured parts of `tfviz report`, on the command line: comparison, groups, what is missing, and the card."""

from __future__ import annotations

import csv
import json
import re
from functools import partial
from types import SimpleNamespace

import cv2
import jsonschema
import keras
import numpy as np
import pytest
from support.commands import blind
from support.model_zoo import SIZE, model_of
from support.places import ROOT
from support.report_pages import ReportPage

import tfviz
from tfviz import demo
from tfviz.apps.runs import report_sections
from tfviz.errors import TfvizError
from tfviz.printable import printable
from tfviz.results.metrics import METRICS

pytestmark = [pytest.mark.usefixtures("shared_networks"), pytest.mark.xdist_group("tfviz report")]
HOSTILE = "</td><script>alert(1)</script>|**b**\u202e"
SCHEMA = json.loads((ROOT / "tfviz" / "apps" / "report" / "explanation_card.schema.json").read_text())
METHODS = ["saliency", "integrated_gradients"]


@pytest.fixture
def run(run):
    return partial(run, "report")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The user's own model with 11 images, whose group and true class a file tells each."""
    folder = tmp_path_factory.mktemp("own")
    model_of("functional").save(folder / "own.keras")
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (11, SIZE, SIZE, 3), np.uint8)
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"{number:02}.png"), image[..., ::-1])
    found = tfviz.explain(model_of("functional"), images / np.float32(255)).targets
    groups = [HOSTILE if number < 5 else "new" for number in range(10)]
    with (folder / "about.csv").open("w", newline="") as file:
        rows = [[f"{number:02}.png", each, number] for number, each in enumerate(groups)]
        csv.writer(file, delimiter=";").writerows([["file", "scanner", "age"], *rows])
    with (folder / "true.csv").open("w", newline="") as file:
        # All are right but the first three.
        csv.writer(file).writerows([f"{row:02}.png", (each + (row < 3)) % 5] for row, each in enumerate(found))
    return folder


def about(own, *more):
    images = [own / f"{number:02}.png" for number in range(11)]
    return [*images, "--model", own / "own.keras", "--preprocess", "0..1", "--output", "page.html", *more]


def by(own, *columns):
    return ["--metadata", own / "about.csv", *(word for each in columns for word in ("--by", each))]


def named(*methods):
    return [word for each in methods for word in ("--method", each)]


def page_in(folder):
    page = ReportPage((folder / "page.html").read_bytes())
    page.check_alone()
    return page


def card_in(folder):
    card = json.loads((folder / "explanation_card.json").read_text())
    jsonschema.validate(card, SCHEMA, cls=jsonschema.Draft202012Validator)
    return card


def test_a_report_with_everything(run, own, tmp_path):
    """Page, card and text say the same of the groups; names of groups are texts in all of them."""
    given = about(own, *named(*METHODS), "--steps", 4, "--true", own / "true.csv", *by(own, "scanner"))
    status, out, err = run(*given)
    assert status == 0 and "page.html: 11 pictures, 2 methods, 3 classes each, 0." in out
    told = f"about.csv has no row for {own / '10.png'}, and so their group is (none given)"
    assert f"tfviz: warning: {told}\n" in err
    page, card, text = page_in(tmp_path), card_in(tmp_path), (tmp_path / "explanation_card.md").read_text()
    assert told in page.text and told in card["warnings"]
    ids = {each["id"] for _, each in page.elements if "id" in each}
    assert {"comparison", "curves", "sanity", "subgroups"} <= ids
    network, *methods = card["measured"]["subgroups"]
    assert network["header"] == ["scanner", "pictures", "correct predictions", "probability of the explained class"]
    rows = {row["name"]: [cell["value"] for cell in row["cells"]] for row in network["rows"]}
    assert {*rows} == {printable(HOSTILE), "new", "(none given)"}
    assert rows["new"][:2] == [5, 1.0] and rows[printable(HOSTILE)][:2] == [5, 0.4]
    assert rows["(none given)"] == [1, None, None]
    assert [each["title"] for each in methods] == [f"{name} by scanner" for name in METHODS]
    assert all(cell["value"] is not None for each in methods for row in each["rows"] for cell in row["cells"])
    assert printable(HOSTILE) in page.text and "By scanner" in page.text
    assert not [each for tag, each in page.elements if tag == "script"][3 + len(card["pictures"]) :]
    assert "</script\\>\\|\\*\\*b\\*\\*" in text and "too few to judge" in text and "\u202e" not in text
    check_limits(card, text)


def check_limits(card, text):
    """The limits of each method are those of the parts: the card repeats what was measured where it is looked for."""
    table = card["measured"]["comparison"]
    metrics = card["measured"]["metrics"]
    assert [each["name"] for each in metrics] == ["deletion", "insertion", "max_sensitivity", "sparseness"]
    assert all(each["family"] == METRICS[each["name"]].family for each in metrics)
    assert [each["must_beat"] for each in metrics] == [True, True, False, False]
    rows = {row["name"]: row["cells"] for row in table["rows"]}
    baselines = [row["name"] for row in table["rows"] if row["is_baseline"]]
    assert len(baselines) == 4
    for method in card["methods"]:
        name, limits = method["name"], method["limits"]
        stability = limits["stability"]
        assert {**rows[name][2], **stability} == {**stability, "mark": rows[name][2]["mark"]}
        assert (stability["metric"], stability["better"]) == ("max_sensitivity", "lower")
        assert stability["baselines"] == {each: rows[each][2]["value"] for each in baselines}
        assert limits["completeness"] == method["diagnostics"].get("completeness_gap")
        assert (limits["completeness"] is None) == (name == "saliency")
        assert limits["sanity"] in card["measured"]["sanity"] and limits["sanity"]["subject"] == name
        worse = [each["name"] for each, cell in zip(metrics, rows[name], strict=True) if "no better" in cell["mark"]]
        assert limits["no_better_by"] == worse and not {"max_sensitivity", "sparseness"} & {*worse}
        (own,) = [each for each in card["measured"]["subgroups"] if each["subject"] == name]
        marked = [
            (row["name"], title, cell["mark"])
            for row in own["rows"]
            for title, cell in zip(own["header"][1:], row["cells"], strict=True)
            if cell["mark"]
        ]
        assert [(each["group"], each["metric"], each["mark"]) for each in limits["subgroups"]] == marked
    for words in ("stability: max\\_sensitivity ", "; beside it random\\_map ", "- sanity: ", "### Methods compared"):
        assert words in text
    assert "| random\\_map (baseline) | " in text and "- completeness: not measured by the method" in text


def test_groups_without_a_comparison(run, own, tmp_path):
    given = about(own, *named("saliency"), "--true", own / "true.csv", *by(own, "scanner", "age"), "--no-compare")
    assert run(*given)[0] == 0
    page, card = page_in(tmp_path), card_in(tmp_path)
    assert [each["title"] for each in card["measured"]["subgroups"]] == ["By scanner", "By age"]
    assert card["measured"]["comparison"] is None and card["measured"]["sanity"] is None
    assert not {"comparison", "sanity"} & {each["id"] for _, each in page.elements if "id" in each}
    limits = card["methods"][0]["limits"]
    assert limits["stability"] is limits["no_better_by"] is limits["sanity"] is None and limits["subgroups"] == []
    text = (tmp_path / "explanation_card.md").read_text()
    assert "- stability: not measured\n- sanity: not measured\n- marked of groups of pictures: none" in text
    assert "- comparison: not measured" in text and "### By age" in text


def test_names_of_groups_add_nothing_to_the_page(run, own, tmp_path):
    tags = []
    for name in ("old", HOSTILE):
        (tmp_path / "about.csv").write_text((own / "about.csv").read_text().replace(HOSTILE, name))
        given = ["--metadata", "about.csv", "--by", "scanner", "--no-compare", "--top", 1]
        assert run(*about(own, *named("saliency")), *given)[0] == 0
        tags.append([tag for tag, _ in page_in(tmp_path).elements])
    assert tags[0] == tags[1]


def test_the_samples_have_groups_too(run, tmp_path):
    names = [path.name for path in demo.sample_paths()]
    (tmp_path / "about.csv").write_text("file,kind\n" + "".join(f"{name},x\n" for name in names))
    given = [
        "--metadata",
        "about.csv",
        "--by",
        "kind",
        "--no-compare",
        "--method",
        "eigen_cam",
        "--output",
        "page.html",
    ]
    assert run(*given)[0] == 0
    assert "1 group has fewer than 5 pictures" in page_in(tmp_path).text


@pytest.mark.parametrize(
    "given, message",
    [
        (["--metadata", "missing.csv", "--by", "scanner"], "metadata missing.csv cannot be read: No such file"),
        (
            ["--metadata", "about.csv", "--by", "scaner"],
            "has no column 'scaner'; did you mean 'scanner'? there are scanner",
        ),
        (["--metadata", "other.csv", "--by", "scanner"], "other.csv has no row for any of the 11 images"),
        (["--metadata", "latin.csv", "--by", "scanner"], "expected a CSV file in UTF-8"),
    ],
)
def test_bad_files_are_told_before_anything_is_done(run, own, tmp_path, monkeypatch, given, message):
    monkeypatch.setattr("tfviz.apps.model.set_up", lambda *_: pytest.fail("the model was opened"))
    (tmp_path / "about.csv").write_text((own / "about.csv").read_text())
    (tmp_path / "other.csv").write_text("file,scanner\nx.png,a\n")
    (tmp_path / "latin.csv").write_bytes("file,scanner\n00.png,\xe9\n".encode("latin-1"))
    status, out, err = run(*about(own), *given)
    assert (status, out) == (1, "") and len(err.splitlines()) == 1 and message in err
    assert not (tmp_path / "page.html").exists() and not (tmp_path / "explanation_card.json").exists()


@pytest.mark.parametrize("given", [["--by", "scanner"], ["--metadata", "about.csv"]])
def test_a_file_and_its_column_go_together(run, given):
    status, out, err = run(*given)
    assert (status, out) == (2, "") and "--metadata and --by go together" in err


# What cannot be measured.


def test_one_picture_is_not_compared_but_tested(run, own, tmp_path):
    given = ["--model", own / "own.keras", "--preprocess", "0..1", "--output", "page.html", *named("saliency")]
    status, out, err = run(own / "00.png", *given)
    assert (status, err) == (0, "") and "page.html: 1 picture, 1 method, 3 classes each, " in out
    page, card = page_in(tmp_path), card_in(tmp_path)
    assert "There is no comparison of the methods. There is one picture: what is best on it may be" in page.text
    assert "#comparison" in [each.get("href") for _, each in page.elements]
    assert card["measured"]["missing"] == {"comparison": f"{report_sections.ONE_PICTURE}."}
    assert card["measured"]["sanity"] and card["methods"][0]["limits"]["stability"] is None
    assert "- comparison: There is one picture: what" in (tmp_path / "explanation_card.md").read_text()


def test_what_stops_a_comparison_stops_no_report(run, own, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise TfvizError("its score is of no class")

    monkeypatch.setattr(report_sections, "comparison_of", refuse)
    monkeypatch.setattr(report_sections, "sanity_verdicts", refuse)
    assert run(*about(own, *named("saliency")))[0] == 0
    page = page_in(tmp_path).text
    assert "no comparison of the methods. It cannot be made of this network: its score is of no class." in page
    assert "not tested saliency its score is of no class." in page


def test_a_network_without_weights(run, own, tmp_path):
    """It has no untrained one beside it, and is not tested, and both are told; the rest is there."""
    layers = [keras.Input((SIZE, SIZE, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Softmax()]
    keras.Sequential(layers).save(tmp_path / "frozen.keras")
    given = ["--model", "frozen.keras", "--preprocess", "0..1", "--output", "page.html", *named("input_x_gradient")]
    status, _, err = run(own / "00.png", own / "01.png", *given)
    assert status == 0 and "the baseline untrained_network is left out" in err
    page = page_in(tmp_path).text
    assert "the baseline untrained_network is left out: the network reads no variables" in page
    assert "not tested input_x_gradient" in page and "random_map baseline" in page


def test_pictures_of_several_sizes_are_not_compared():
    images = [np.zeros((4, 4, 3), np.float32), np.zeros((5, 4, 3), np.float32)]
    examined = report_sections.Examined(images, [0, 0], [], [])
    found, why = report_sections._compared(None, {}, examined)
    assert found is None and "several sizes" in why


def test_sanity_is_tried_on_the_first_pictures_of_one_size(monkeypatch):
    """With the first of several layers, and without targets where there are no classes."""
    given = []
    monkeypatch.setattr(
        report_sections, "sanity_verdicts", lambda *each, **options: given.append((*each, options)) or {}
    )
    images = [np.full((5 if number == 1 else 4, 4, 3), number, np.float32) for number in range(7)]
    examined = report_sections.Examined(images, [*range(7)], [], [])
    for has_classes in (True, False):
        network = SimpleNamespace(head=SimpleNamespace(has_classes=has_classes))
        report_sections._sanity(network, {"grad_cam": {"layer": ["one", "two"]}, "saliency": {}}, examined)
        _, tried, targets, methods, options = given.pop()
        assert [int(each[0, 0, 0]) for each in tried] == [0, 2, 3, 4] and methods == ["grad_cam", "saliency"]
        assert (targets.tolist() == [0, 2, 3, 4]) if has_classes else targets is None
        assert options == {"options": {"grad_cam": {"layer": "one"}, "saliency": {}}}


def test_many_pictures_are_compared_if_that_is_asked_for(run, own, tmp_path, monkeypatch):
    """By --compare or --by; if nothing is said, the page says why not, and how."""
    assert report_sections.MOST_COMPARED == 40
    assert "unless there are more than 40 pictures" in " ".join(run("--help")[1].split()).replace("│ │ ", "")
    for given, pictures, is_grouped, expected in (
        (None, 40, False, True),
        (None, 41, False, False),
        (None, 41, True, True),
        (True, 999, False, True),
        (False, 3, True, False),
    ):
        extent = report_sections.extent_of(given, pictures, is_grouped=is_grouped)
        assert extent.is_compared == expected and bool(extent.why_not) == (given is None and not expected)
    monkeypatch.setattr(report_sections, "MOST_COMPARED", 10)
    assert run(*about(own, *named("saliency"), "--top", 1))[0] == 0
    assert "There is no comparison of the methods. There are more than" in page_in(tmp_path).text


# What is said of files and maps.


def test_a_warning_about_a_file_stands_beside_its_picture(run, own, tmp_path):
    dark = np.random.default_rng(0).integers(0, 4000, (SIZE, SIZE, 3), np.uint16)
    cv2.imwrite("dark.png", dark)
    given = ["--model", own / "own.keras", "--preprocess", "0..1", "--output", "page.html", "--no-compare"]
    status, _, err = run("dark.png", own / "00.png", *given, *named("saliency"))
    said = re.search(r"dark.png has 16 bits.*numbers", err)[0]
    page, card = page_in(tmp_path), card_in(tmp_path)
    assert status == 0 and f"dark.png predicted class {predicted(page, 0)} {said} the picture" in page.text
    assert page.text.count(said) == 1 and len(page.having(class_="remarks")) == 1
    assert [each["warnings"] for each in card["pictures"]] == [[said], []]
    assert printable(said).split(";")[0] in (tmp_path / "explanation_card.md").read_text()


def predicted(page, number):
    return page.data.pictures[number]["targets"][0]["name"].removeprefix("class ")


def test_warnings_of_metrics_name_pictures(run, own, tmp_path):
    """In the terminal, in the page and in the card, not images by number."""
    blind(tmp_path)
    for name in ("red.png", "blue.png"):
        cv2.imwrite(name, np.full((SIZE, SIZE, 3), (0, 0, 255) if name == "red.png" else (255, 0, 0), np.uint8))
    given = ["--model", "blind.keras", "--preprocess", "0..1", "--output", "page.html", *named("saliency")]
    status, _, err = run("red.png", "blue.png", *given)
    assert status == 0 and not re.search(r"\bimage \d", err)
    # What was said of the maps is not said again, and what is said of baselines stands in the page alone.
    assert err.count("saliency is zero everywhere") == 1 and "edges: deletion" not in err
    assert re.search(r"edges: deletion of .*png is not defined", page_in(tmp_path).text)
    (line,) = [each for each in err.splitlines() if "saliency: deletion" in each]
    told = line.removeprefix("tfviz: warning: ")
    assert re.match(r"saliency: deletion of (red.png, )?(blue.png|red.png) is not defined \(NaN\)", told)
    assert page_in(tmp_path).text.count(told) == 1
    assert f"{told}." in card_in(tmp_path)["measured"]["comparison"]["notes"]


def test_pictures_that_are_called_alike_have_curves_of_their_own(run, own, tmp_path):
    (tmp_path / "a").mkdir()
    for number, name in enumerate(("a/x.png", "x.png")):
        (tmp_path / name).write_bytes((own / f"0{number}.png").read_bytes())
    given = ["--model", own / "own.keras", "--preprocess", "0..1", "--output", "page.html", *named("saliency")]
    assert run("a/x.png", "x.png", *given)[0] == 0
    page = page_in(tmp_path)
    assert page.text.count("x.png (1) saliency random_map") == page.text.count("x.png (2) saliency random_map") == 2
