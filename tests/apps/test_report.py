"""`tfviz report`: one page that holds what was found, says how far to trust it, and obeys nobody else's text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from dataclasses import replace
from functools import partial

import cv2
import jsonschema
import keras
import numpy as np
import pytest
from support.commands import blind, picture_of
from support.model_zoo import SHAPE, SIZE, model_of
from support.places import ROOT
from support.report_pages import ReportPage, decoded

import tfviz
from tfviz import demo
from tfviz.apps.report import (
    Report,
    ReportedCell,
    ReportedCurve,
    ReportedCurves,
    ReportedMetric,
    ReportedPicture,
    ReportedRow,
    ReportedTable,
    ReportedVerdict,
    Sections,
    card_json,
    card_of,
    card_text,
    render_report,
    report_picture,
    room_for,
)
from tfviz.apps.report.charts import bars_of, charts_of
from tfviz.apps.report.facts import Identity, MethodFacts
from tfviz.apps.report.pictures import ReportedMap, ReportedTarget, url_of
from tfviz.apps.report.quantised import quantise
from tfviz.errors import TfvizError
from tfviz.methods import METHODS
from tfviz.methods.engine import SIGNS
from tfviz.network.traced.fingerprint import fingerprint
from tfviz.printable import printable
from tfviz.results import COLORMAPS, ColorScale, collapse, color_scales, heatmap, tiles

# What opens the same network again is in the process where it is open.
pytestmark = [pytest.mark.usefixtures("shared_networks"), pytest.mark.xdist_group("tfviz report")]
MOST_BYTES = 15_000_000
MARKUP = "</script><script>alert(1)</script>"
HOSTILE = ["<img src=x onerror=alert(1)>", f"{MARKUP}", "{{7*7}}{% raw %}", "a\u202eb\u2028'\"&amp;", "<!--<script>"]


@pytest.fixture
def run(run):
    return partial(run, "report")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The user's own model and images, with class names."""
    folder = tmp_path_factory.mktemp("own")
    model_of("functional").save(folder / "own.keras")
    (folder / "names.txt").write_text("ant\nbee\ncow\ndog\nemu\n")
    generator = np.random.default_rng(0)
    for name in ("one", "two"):
        cv2.imwrite(str(folder / f"{name}.png"), generator.integers(0, 256, (SIZE, SIZE, 3), np.uint8))
    return folder


def about(own, *methods):
    given = ["--model", own / "own.keras", "--preprocess", "0..1", "--output", "page.html", "--no-compare"]
    return [*given, *(word for method in methods for word in ("--method", method))]


def page_in(folder, name="page.html"):
    page = ReportPage((folder / name).read_bytes())
    page.check_alone()
    return page


def test_the_demo_without_images(run, tmp_path):
    status, out, err = run("--method", "grad_cam", "--method", "saliency", "--no-compare")
    assert (status, err) == (0, "")
    assert out.startswith("tfviz-output/report.html: 3 pictures, 2 methods, 3 classes each, 0.")
    page = page_in(tmp_path / "tfviz-output", "report.html")
    explained = tfviz.explain(demo.load_network(), np.stack([*map(picture_of, demo.sample_paths())]), top=3)
    names = [demo.CLASS_NAMES[target] for target in explained.targets]
    assert [each["name"] for picture in page.data.pictures for each in picture["targets"]] == names
    for row, path in enumerate(demo.sample_paths()):
        assert f"{path.name} predicted {names[3 * row]}" in page.text
        assert f"{path.name} SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}…" in page.text


def test_it_says_what_is_needed_to_read_and_repeat_it(run, own, tmp_path):
    methods = ["grad_cam", "integrated_gradients", "guided_backprop"]
    given = [own / "one.png", *about(own, *methods), "--steps", 100, "--layer", "conv1"]
    assert run(*given)[0] == 0
    page = page_in(tmp_path)
    network = tfviz.trace(model_of("functional"))
    for text in (fingerprint(network), network.head.kind, tfviz.__version__, keras.__version__, "own.keras"):
        assert text in page.text
    assert "steps=100" in page.text and "layer='conv1'" in page.text and "grad_cam at conv1" in page.text
    for name in methods:
        method = METHODS[name]
        for text in (SIGNS[method.sign], method.caution, method.paper, method.cost, method.zero_means):
            assert text in page.text
    assert "shown is the sum over the colours of each pixel" in page.text
    assert "shown is the largest absolute value of the colours of each pixel" in page.text
    assert " ".join(["tfviz report", *map(str, given)]) in page.text
    assert re.search(r"made 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", page.text)


def test_the_command_names_the_network_that_was_chosen(run, tmp_path):
    run("--method", "eigen_cam", "--output", "a b.html", "--no-compare")
    assert (
        "tfviz report --method eigen_cam --output 'a b.html' --no-compare --model demo"
        in page_in(tmp_path, "a b.html").text
    )


METHODS_OF_ALL_KINDS = ["gradient", "integrated_gradients", "occlusion", "rise"]


@pytest.mark.filterwarnings("ignore::tfviz.errors.TfvizWarning")
def test_the_values_are_those_of_the_methods_within_what_the_page_says(run, own, tmp_path):
    """Beside `tfviz.explain`: attributions of evidence are summed, those of directions are sizes."""
    images = [own / "one.png", own / "two.png"]
    assert run(*images, *about(own, *METHODS_OF_ALL_KINDS), "--top", 2, "--masks", 50, "--cell-size", 4)[0] == 0
    page = page_in(tmp_path)
    inputs = np.stack([picture_of(path) for path in images]) / np.float32(255)
    options = {"rise": {"masks": 50, "cell_size": 4}}
    found = tfviz.explain(model_of("functional"), inputs, methods=METHODS_OF_ALL_KINDS, top=2, options=options)
    rows = [target for picture in page.data.pictures for target in picture["targets"]]
    for row, target in enumerate(rows):
        for name, each in zip(METHODS_OF_ALL_KINDS, target["maps"], strict=True):
            exact = found.maps[name][row]
            if exact.ndim == 3:
                exact = collapse(exact, "sum" if name == "integrated_gradients" else "max_abs")
            values, errors = decoded(each["values"])
            slack = 1e-4 * np.abs(exact).max()
            assert (np.abs(values - exact) <= errors + slack).all()
            assert errors.max() < 0.009 * np.abs(exact).max()
            signed = name in ("integrated_gradients", "occlusion")
            assert each["values"]["signed"] == signed
            least = exact.min() if name == "rise" else 0
            (scale,) = color_scales((exact - least)[np.newaxis], clip_percentile=99, signed=signed)
            shown = [each["values"]["low"], each["values"]["high"]]
            np.testing.assert_allclose(shown, [least + scale.vmin, least + scale.vmax], rtol=1e-3)
            numbers = {key: each[row] for key, each in found.diagnostics.get(name, {}).items()}
            assert [key for key, _ in each["diagnostics"]] == [*numbers]
            shown = [float(value) for _, value in each["diagnostics"]]
            np.testing.assert_allclose(shown, [*numbers.values()], rtol=5e-3, atol=1e-6)


def test_doubtful_results_carry_their_warning(run, own, tmp_path):
    status, _, err = run(own / "one.png", *about(own, "integrated_gradients"), "--steps", 1, "--top", 1)
    assert status == 0
    page = page_in(tmp_path)
    (found,) = page.data.pictures[0]["targets"][0]["maps"]
    (note,) = found["notes"]
    assert re.fullmatch(r"integrated_gradients misses completeness by up to \d+%: .*; take more steps", note)
    assert err.startswith("tfviz: warning: one.png (class ") and err.endswith(f"{note}\n")
    assert found["diagnostics"][0][0] == "completeness_gap"
    assert "Maps 1, of which 1 carries a note" in page.text and f"{note}." in page.text


def test_a_map_that_is_zero_everywhere_says_why(run, tmp_path):
    blind(tmp_path)
    cv2.imwrite("red.png", np.full((SIZE, SIZE, 3), (0, 0, 255), np.uint8))
    status, _, err = run(
        "red.png", "--model", "blind.keras", "--preprocess", "0..1", "--method", "saliency", "--no-compare"
    )
    assert status == 0 and "saliency is zero everywhere for red.png" in err
    maps = page_in(tmp_path / "tfviz-output", "report.html").data.pictures[0]["targets"][0]["maps"]
    assert maps[0]["values"] is None and maps[0]["notes"][0].startswith("zero everywhere: ")
    assert maps[0]["notes"][0].removeprefix("zero everywhere: ") in err


def test_methods_are_measured_if_nothing_is_said(run, own, tmp_path):
    given = [*about(own, "grad_cam", "saliency")]
    given.remove("--no-compare")
    status, out, err = run(own, *given)
    assert status == 0 and "2 pictures" in out, err
    page = page_in(tmp_path).text
    assert "Methods compared" in page and "deletion ↓" in page and "untrained_network" in page
    assert page.count("the weights") >= 2 or "cannot be judged" in page
    card = (tmp_path / "explanation_card.json").read_text()
    check_card(json.loads(card))
    assert "max_sensitivity" in card and "random_map" in card


def test_true_classes_and_wrong_predictions(run, own, tmp_path):
    predicted = tfviz.explain(model_of("functional"), picture_of(own / "one.png") / np.float32(255)).targets[0]
    names = ["ant", "bee", "cow", "dog", "emu"]
    other = names[(predicted + 1) % 5]
    (tmp_path / "true.csv").write_text(f"{own / 'one.png'},{other}\n")
    given = [*about(own, "saliency"), "--labels", own / "names.txt", "--true", "true.csv"]
    assert run(own / "one.png", *given)[0] == 0
    assert f"predicted {names[predicted]} , but truly {other}" in page_in(tmp_path).text
    (tmp_path / "true.csv").write_text(f"{own / 'one.png'},{names[predicted]}\n")
    assert run(own / "one.png", *given)[0] == 0
    assert f"predicted {names[predicted]} , which is true" in page_in(tmp_path).text


def test_named_targets(run, own, tmp_path):
    given = [*about(own, "saliency"), "--labels", own / "names.txt", "--target", "dog", "--target", "ant"]
    assert run(own / "one.png", *given)[0] == 0
    assert [each["name"] for each in page_in(tmp_path).data.pictures[0]["targets"]] == ["dog", "ant"]


@pytest.mark.parametrize("units, count", [(1, 1), (2, 2)])
def test_networks_of_fewer_classes_than_are_usually_explained(run, tmp_path, units, count):
    keras.utils.set_random_seed(0)
    outputs = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(units)]
    keras.Sequential([keras.layers.Input(SHAPE), keras.layers.Conv2D(3, 3), *outputs]).save("few.keras")
    cv2.imwrite("one.png", np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8))
    status, *_ = run("one.png", "--model", "few.keras", "--preprocess", "0..1", "--method", "gradient", "--no-compare")
    assert status == 0
    found = page_in(tmp_path / "tfviz-output", "report.html").data.pictures[0]["targets"]
    assert len(found) == count


def test_names_of_strangers_are_texts(run, own, tmp_path):
    """Of files, classes and models; none becomes an element, ends the data or is run by a template."""
    (tmp_path / "names.json").write_text(json.dumps(HOSTILE))
    name = "<img src=x onerror=alert(1)>&{{7*7}}'\".png"
    (tmp_path / name).write_bytes((own / "one.png").read_bytes())
    usual = [*about(own, "saliency"), "--top", 5]
    assert run(own / "one.png", *usual)[0] == 0
    tags = [tag for tag, _ in page_in(tmp_path).elements]
    assert run(name, *usual, "--labels", "names.json")[0] == 0
    page = page_in(tmp_path)
    assert [tag for tag, _ in page.elements] == tags
    assert page.data.pictures[0]["name"] == name
    assert {each["name"] for each in page.data.pictures[0]["targets"]} == {*map(printable, HOSTILE)}
    assert "".join(name.split()) in "".join(page.text.split())
    for each in HOSTILE:
        assert "".join(printable(each).split()) in "".join(page.text.split())
    assert "\u202e" not in page.text and "\u2028" not in (tmp_path / "page.html").read_text()


def test_a_page_that_is_there(run, own, tmp_path):
    """One of ours is replaced, and differs in its date alone; no other file ever is."""
    given = [own / "one.png", *about(own, "saliency")]
    assert "replaces" not in run(*given)[1]
    first = (tmp_path / "page.html").read_text()
    status, out, _ = run(*given)
    assert (
        status == 0
        and "replaces what another run had written: page.html, explanation_card.json, explanation_card.md" in out
    )
    second = (tmp_path / "page.html").read_text()
    differing = [pair for pair in zip(first.splitlines(), second.splitlines(), strict=True) if len({*pair}) > 1]
    assert len(differing) <= 2 and all("20" in line for pair in differing for line in pair)
    (tmp_path / "page.html").write_text("<p>mine</p>")
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "explanation_card.json").write_text("{}")
    for output, message in (
        ("page.html", "page.html was not made by tfviz report, so it is not replaced; choose another place"),
        ("folder.html", "folder.html is not a file, so it is not replaced; choose another place for the report"),
        (
            "kept/page.html",
            "kept/explanation_card.json was not made by tfviz report, so it is not replaced; choose another place",
        ),
        ("photo.jpg", "the report is an HTML file, so its name must end in .html, got photo.jpg"),
    ):
        status, out, err = run(*given, "--output", output)
        assert (status, out, err) == (1, "", f"tfviz: {message}\n")
    assert (tmp_path / "page.html").read_text() == "<p>mine</p>"


def test_a_broken_picture_stops_no_other_and_is_named(run, own, tmp_path):
    (tmp_path / "broken.jpg").write_text("no picture")
    status, out, err = run("broken.jpg", own / "one.png", *about(own, "saliency"))
    assert (
        status == 1
        and "page.html: 1 picture, 1 method, 3 classes each, 0." in out
        and err.startswith("tfviz: broken.jpg is not an image")
    )
    assert err.removeprefix("tfviz: ").strip() in page_in(tmp_path).text
    before = (tmp_path / "page.html").read_bytes()
    status, out, err = run("broken.jpg", *about(own, "saliency"))
    assert (status, out) == (1, "") and len(err.splitlines()) == 1
    assert (tmp_path / "page.html").read_bytes() == before


def test_without_jinja2_it_says_what_to_install(run, own, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    status, out, err = run(own / "one.png", *about(own, "saliency"))
    assert (status, out) == (1, "") and err == "tfviz: a report needs the package jinja2: pip install jinja2\n"
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nowhere.png"], "nowhere.png does not exist"),
        (["--method", "salience"], "saliency"),
        (["--top", 99], "top is 99, but the network has only 9 classes"),
        (["--target", "purple cow"], "purple cow"),
        (["--layer", "conv1", "--method", "saliency"], "layer is given ('conv1'), but to none of: saliency"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, arguments, message):
    status, out, err = run(*arguments)
    assert (status, out) == (1, "") and len(err.splitlines()) == 1 and message in err
    assert not (tmp_path / "tfviz-output").exists()


def test_target_and_top_exclude_each_other(run):
    status, _, err = run("--target", 1, "--top", 2)
    assert status == 2 and "give one of them" in err


def test_maps_without_anything_to_show_say_so(tmp_path):
    """Of a method that shows what speaks for the class alone; and a zero map of which the run said nothing."""
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((SIZE, SIZE, 3), np.uint8))
    image = np.random.default_rng(0).uniform(size=(1, *SHAPE)).astype(np.float32)
    found = tfviz.explain(model_of("functional"), image, methods="layer_cam")
    for factor, note in (
        (-1, "nothing in it is positive, so that no colour shows"),
        (0, "zero everywhere: nothing that"),
    ):
        changed = replace(found, maps={"layer_cam": factor * (1 + np.abs(found.maps["layer_cam"]))}, zero_maps={})
        picture = np.zeros((SIZE, SIZE, 3), np.uint8)
        about = {"room": room_for(1, 1), "class_names": None, "predicted": None, "true": None}
        shown = report_picture(changed, picture, tmp_path / "one.png", [{"layer_cam": ["careful"]}], **about)
        (target,) = shown.targets
        assert target.maps[0].notes[0].startswith(note) and target.maps[0].notes[1] == "careful"
        assert (target.maps[0].values is None) == (factor == 0) and shown.predicted == ""


def test_what_was_assumed_of_the_model_is_in_the_page(run, own, tmp_path):
    given = ["--model", own / "own.keras", "--method", "saliency", "--output", "page.html", "--no-compare"]
    status, _, err = run(own / "one.png", *given)
    assumed = "own.keras gets pixels of 0..255 in the order rgb, as no --preprocess says otherwise"
    assert status == 0 and assumed in err and assumed in page_in(tmp_path).text


def test_too_many_maps_are_refused_before_any_is_made(run, own, tmp_path, monkeypatch):
    monkeypatch.setattr("tfviz.apps.report.quantised.MAP_CHARACTERS", 4000)
    monkeypatch.setattr("tfviz.apps.runs.explain.ExplainRun.explain_files", lambda *_: pytest.fail("it began"))
    status, out, err = run(own / "one.png", own / "two.png", *about(own, "saliency", "gradient"), "--top", 2)
    assert (status, out) == (1, "") and len(err.splitlines()) == 1
    assert "a report of 8 maps (images x methods x classes) would leave each 19 pixels a side, fewer than 24" in err


# Bytes instead of floats: what the page carries.


def slow_codes(values, base):
    """Each value to the nearest of the steps, one by one."""
    span = max(abs(value - base) for value in values.ravel())
    both = any(value < base for value in values.ravel())
    codes = []
    for value in values.ravel():
        size = (abs(value - base) / span) ** 0.5
        code = int(np.floor((127 if both else 255) * size + 0.5))
        codes.append((128 if both else 0) + (code if value >= base else -code))
    return np.array(codes).reshape(values.shape)


@pytest.mark.parametrize("kind", ["positive", "both", "from minimum"])
def test_bytes_are_the_nearest_steps_of_the_root(kind):
    values = np.random.default_rng(1).normal(size=(9, 7)).astype(np.float32) ** 3
    values = abs(values) if kind == "positive" else values
    values[0, 0] = 0
    base = values.min() if kind == "from minimum" else 0
    found = quantise(values, ColorScale("inferno", 0, 1), is_signed=False, from_minimum=kind == "from minimum")
    np.testing.assert_array_equal(found.codes, slow_codes(values.astype(float), float(base)))
    assert (np.abs(found.values - values) <= found.errors * (1 + 1e-9)).all()
    assert kind == "from minimum" or found.values[0, 0] == 0
    again, errors = decoded(found.as_data())
    np.testing.assert_allclose(again, found.values, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(errors, found.errors, rtol=1e-9)
    assert found.errors.max() <= found.span / found.steps
    small = np.abs(found.values - base) < found.span / 100
    assert found.errors[small].max() < found.span / found.steps / 9
    assert (found.low, found.high) == (base, base + 1)


def test_a_constant_map():
    found = quantise(np.full((2, 3), 2.5, np.float32), None, is_signed=False, from_minimum=False)
    assert (found.values == 2.5).all() and found.low == found.high
    level = quantise(np.full((2, 3), 2.5, np.float32), None, is_signed=False, from_minimum=True)
    assert (level.values == 2.5).all() and (level.errors == 0).all()


def test_room():
    assert room_for(3, 9).side == 224 and room_for(20, 8).side == 216
    for pictures, maps in ((20, 24), (100, 9), (200, 20)):
        room = room_for(pictures, maps)
        assert pictures * maps * 4 * -(-(room.side**2) // 3) <= 10.1e6 and 2 * pictures * room.picture * 4 / 3 <= 3.5e6
    with pytest.raises(TfvizError, match=r"a report of 15000 maps .* would leave each 22 pixels a side, fewer than 24"):
        room_for(500, 30)


# Reports by hand.


METHOD = MethodFacts("grad_cam", "grad_cam at conv", "evidence", "coarse", "nothing", "", "Selvaraju 2016", "1", ())
IDENTITY = Identity(
    model="noise",
    fingerprint="f" * 64,
    score="the logit",
    head="softmax",
    classes=3,
    part={"input": "images", "cut": None, "others": []},
    preprocessing={"name": "0..1", "size": (4, 4)},
    versions={"tfviz": "0.2.0"},
    command="tfviz report",
    made="2026-11-28T09:30:00Z",
)


def report_of(pictures=(), methods=(METHOD,), **changed):
    return Report("What noise looks at", IDENTITY, tuple(pictures), tuple(methods), (224, 224), **changed)


def page_of(report):
    page = ReportPage(render_report(report))
    page.check_alone()
    return page


def test_twenty_pictures_of_eight_methods_and_three_classes_stay_small():
    """Of noise, which no compression makes smaller."""
    generator = np.random.default_rng(0)
    room = room_for(20, 24)
    values = generator.normal(size=(room.side, room.side)).astype(np.float32)
    url = url_of(generator.integers(0, 256, (448, 448, 3), np.uint8), room.picture)
    assert len(url) < room.picture * 4 / 3 + 40
    noise = quantise(values, ColorScale("inferno", 0, 1), is_signed=True, from_minimum=False)
    note = "it misses completeness by up to 99 %: " + "take more steps; " * 10
    maps = tuple(ReportedMap(f"method {number}", noise, (note,), {"gap": 0.1}) for number in range(8))
    targets = tuple(ReportedTarget(f"class {number}", 1.0, 0.5, maps) for number in range(3))
    picture = ReportedPicture("noise.png", "0" * 16, 448, 448, url, url, "class 0", "", targets)
    methods = [replace(METHOD, title=f"method {number}") for number in range(8)]
    size = len(render_report(report_of([picture] * 20, methods)))
    assert 0.8 * MOST_BYTES < size < MOST_BYTES


def test_what_was_not_measured_is_not_there():
    page = page_of(report_of())
    ids = {each["id"] for _, each in page.elements if "id" in each}
    assert not {"comparison", "curves", "sanity", "subgroups"} & ids and {"pictures", "methods", "identity"} <= ids
    assert not page.having(class_="measured") and "baseline" not in page.text
    linked = [each["href"][1:] for tag, each in page.elements if tag == "a"]
    assert {*linked} <= ids


TABLE = ReportedTable(
    "Methods by metrics",
    "Means of 20 pictures & 95 % intervals.",
    ("method", "deletion <lower>", "insertion"),
    (
        ReportedRow("grad_cam", (ReportedCell(0.25, 0.125, 0.5), ReportedCell(3.0, 2.0, 4.0, "below its baseline"))),
        ReportedRow("random", (ReportedCell(0.75), ReportedCell(None)), is_baseline=True),
    ),
    ("Kendall's tau is 0.4.",),
)
MEASURES = (
    ReportedMetric("deletion", "faithfulness", "whether", "lower", True, "careful", "Petsiuk"),
    ReportedMetric("steadiness", "robustness", "whether", "higher", True, "careful", "Yeh"),
)
CURVES = ReportedCurves(
    "Deletion",
    "The lower, the better.",
    "part of the pixels",
    "probability",
    (
        ReportedCurve("grad_cam", "one.png", ((0.0, 1.0), (0.5, 0.25), (1.0, 0.0))),
        ReportedCurve("random", "one.png", ((0.0, 1.0), (1.0, 0.5))),
        ReportedCurve("grad_cam", "two.png", ((0.0, 0.5), (1.0, 0.25))),
    ),
)


def test_what_was_measured_is_shown_as_it_is_given():
    verdicts = (
        ReportedVerdict("saliency", "passed", "rank correlation 0.02"),
        ReportedVerdict(MARKUP, "failed", "0.98"),
    )
    sections = Sections(TABLE, (CURVES,), verdicts, (replace(TABLE, title="By scanner"),))
    page = page_of(report_of(sections=sections))
    ids = {each["id"] for _, each in page.elements if "id" in each}
    assert {"comparison", "curves", "sanity", "subgroups"} <= ids
    linked = [each["href"][1:] for tag, each in page.elements if tag == "a"]
    assert {"comparison", "curves", "sanity", "subgroups"} <= {*linked} <= ids
    text = page.text
    assert "method deletion <lower> insertion grad_cam 0.25 0.125 to 0.5 3 2 to 4 below its baseline" in text
    assert "random baseline 0.75 –" in text and text.count("Kendall's tau is 0.4.") == 2 and "By scanner" in text
    assert "passed saliency rank correlation 0.02" in text and f"failed {MARKUP} 0.98" in text
    assert "one.png grad_cam 0: 1, 0.5: 0.25, 1: 0" in text
    lines = [each["points"] for tag, each in page.elements if tag == "polyline"]
    assert lines[0] == "40,10 165,121 290,158" and len(lines) == 3


def test_bars_and_curves_have_one_scale_each():
    """By hand: a column 2..4 over 100 units, and one within 0..1 as it is; axes 250 wide and 148 high."""
    (first, second), (third, fourth) = bars_of(TABLE)
    assert (first.begin, first.width, first.value) == (12.5, 37.5, 25)
    assert (second.begin, second.width, second.value) == (0, 100, 50)
    assert third is None and fourth is None
    one, two = charts_of(CURVES)
    assert (one.picture, [name for name, _ in one.lines]) == ("one.png", ["grad_cam", "random"])
    assert two.lines == (("grad_cam", "40,84 290,121"),) and one.across == two.across
    assert [(tick.place, tick.label) for tick in one.upwards] == [
        (158, "0"),
        (121, "0.25"),
        (84, "0.5"),
        (47, "0.75"),
        (10, "1"),
    ]
    assert list(charts_of(replace(CURVES, curves=()))) == []
    flat = replace(CURVES, curves=(ReportedCurve("a", "p", ((2.0, 5.0), (2.0, 5.0))),))
    assert next(charts_of(flat)).lines == (("a", "165,84 165,84"),)


def test_colours_are_those_of_pictures():
    shared = page_of(report_of()).data.shared
    assert {*shared["colormaps"]} == {*COLORMAPS} - {"blue_white_red"}
    for name, text in {**shared["colormaps"], "blue_white_red": shared["diverging"]}.items():
        colors = np.frombuffer(base64.b64decode(text), np.uint8).reshape(-1, 3)
        steps = np.linspace(-1 if name == "blue_white_red" else 0, 1, len(colors))
        np.testing.assert_array_equal(colors, heatmap(steps[np.newaxis], name)[0])


def test_without_scripts_a_map_is_shown_all_the_same(run, own, tmp_path):
    assert run(own / "one.png", *about(own, "saliency"), "--top", 1)[0] == 0
    content = (tmp_path / "page.html").read_text()
    (figure,) = re.findall(r"<noscript><figure>(.*?)</figure></noscript>", content, re.DOTALL)
    url = re.search(r'src="data:image/png;base64,([^"]+)"', figure)[1]
    found = cv2.imdecode(np.frombuffer(base64.b64decode(url), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    picture = picture_of(own / "one.png")
    saliency = tfviz.saliency(model_of("functional"), picture / np.float32(255))
    np.testing.assert_allclose(found, tiles([picture], saliency, clip_percentile=99)[0], atol=1)
    assert "Scripts are switched off in this browser." in content


# The cards beside the page.

SCHEMA = json.loads((ROOT / "tfviz" / "apps" / "report" / "explanation_card.schema.json").read_text())


def check_card(card):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(card, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_the_card_says_the_same_for_programs(run, own, tmp_path):
    methods = ["grad_cam", "integrated_gradients"]
    status, out, _ = run(own / "one.png", own / "two.png", *about(own, *methods), "--steps", 2)
    assert status == 0 and "explanation_card.json\nexplanation_card.md" in out
    card = json.loads((tmp_path / "explanation_card.json").read_text())
    check_card(card)
    found = page_in(tmp_path).data.pictures
    assert card["model"]["fingerprint"] == fingerprint(tfviz.trace(model_of("functional")))
    assert [each["name"] for each in card["methods"]] == methods and card["intended"] == {
        "method": None,
        "reason": None,
    }
    for number, each in enumerate(card["methods"]):
        maps = [target["maps"][number] for picture in found for target in picture["targets"]]
        assert each["known_failures"] == METHODS[each["name"]].caution and each["maps"] == len(maps) == 6
        assert each["maps_with_notes"] == sum(bool(one["notes"]) for one in maps)
        assert each["zero_maps"] == sum(one["values"] is None for one in maps)
        numbers = [float(value) for one in maps for name, value in one["diagnostics"] if name == "completeness_gap"]
        if numbers:
            gap = each["diagnostics"]["completeness_gap"]
            assert gap["largest"] == pytest.approx(max(numbers), rel=1e-3)
            assert gap["median"] == pytest.approx(np.median(numbers), rel=1e-3)
    assert card["methods"][1]["maps_with_notes"] > 0
    text = (tmp_path / "explanation_card.md").read_text()
    for words in (card["model"]["fingerprint"], card["command"], "integrated\\_gradients", "not measured"):
        assert words in text
    assert f"6 maps, {card['methods'][0]['zero_maps']} of them zero everywhere" in text
    assert f"of them zero everywhere, {card['methods'][1]['maps_with_notes']} with a note" in text


def test_a_card_holds_what_was_measured_and_obeys_nobody():
    verdicts = (ReportedVerdict("saliency", "passed", "0.02"),)
    groups = (replace(TABLE, title="By scanner"), replace(TABLE, subject="grad_cam"))
    sections = Sections(TABLE, (CURVES,), verdicts, groups, MEASURES, {"curves": "There are none."})
    named = {"identity": replace(IDENTITY, model="<b>*x*</b>\u202e"), "doubts": ("[a](javascript:b)",)}
    report = replace(report_of(sections=sections), **named, failed={"a": "a is\nbroken"})
    card = json.loads(card_json(card_of(report)))
    check_card(card)
    assert card["measured"]["comparison"]["rows"][0]["cells"][0] == {
        "value": 0.25,
        "low": 0.125,
        "high": 0.5,
        "mark": "",
    }
    assert card["measured"]["sanity"][0]["judgement"] == "passed"
    assert card["measured"]["subgroups"][0]["title"] == "By scanner"
    assert card["measured"]["missing"] == {"curves": "There are none."}
    assert card["methods"][0]["limits"] == {
        "completeness": None,
        "stability": {
            "metric": "steadiness",
            "better": "higher",
            "value": 3.0,
            "low": 2.0,
            "high": 4.0,
            "baselines": {"random": None},
        },
        "sanity": None,
        "no_better_by": ["steadiness"],
        "subgroups": [
            {"by": "method", "group": "grad_cam", "metric": "insertion", "mark": "below its baseline"},
        ],
    }
    text = card_text(card_of(report), report.identity).decode()
    assert "# Explanation card: \\<b\\>\\*x\\*\\</b\\>\\\\u202e\n" in text
    assert "- \\[a\\](javascript:b)\n- a is\\\\nbroken\n" in text
    for line in (
        "- stability: steadiness 3 (2 to 4), higher is better; beside it random –",
        "- sanity: not measured",
        "- no better than a map that does not know the network by: steadiness",
        "- marked of groups of pictures: insertion where method is 'grad\\_cam': below its baseline",
        "- deletion: faithfulness, lower is better; Petsiuk",
        "| method | deletion \\<lower\\> | insertion |",
        "| --- | ---: | ---: |",
        "| grad\\_cam | 0.25 (0.125 to 0.5) | 3 (2 to 4), below its baseline |",
        "| random (baseline) | 0.75 | – |",
        "- Kendall's tau is 0.4.",
    ):
        assert f"\n{line}\n" in text
    assert json.loads(card_json({"a": float("nan")})) == {"a": None}


def test_everything_that_the_page_is_made_of_is_in_the_package():
    folder = ROOT / "tfviz" / "apps" / "report"
    named = (ROOT / "setup.cfg").read_text()
    assert "tfviz.apps.report = *.css, *.js, *.schema.json, templates/*.j2" in named
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} <= {
        ".py",
        ".css",
        ".js",
        ".j2",
        ".json",
        ".pyc",
    }
