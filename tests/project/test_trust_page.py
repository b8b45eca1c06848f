"""The page about trust on photographs: its tables are made of its data, and its prose names numbers of them."""

import json
import re
import sys

import keras
import numpy as np
import pytest
from support.model_zoo import build, random_images
from support.places import ROOT, SCRIPTS

import tfviz
from tfviz import demo
from tfviz.errors import TfvizError
from tfviz.results.comparison import BASELINES
from tfviz.results.metrics import FAMILIES, METRICS, shared_passes

sys.path.append(str(SCRIPTS))

import trust_on_photographs
from known_causes import cells, measuring, summaries, trust_page
from known_causes.cases import Case, disconnected
from meta_evaluation import OF_MAPS, false_maps, preference

NOTEBOOKS = ROOT / "notebooks"
METHODS = {"gradient": {}, "saliency": {}}


@pytest.fixture(scope="module")
def page():
    return (NOTEBOOKS / "trust_on_photographs.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def data():
    return json.loads((NOTEBOOKS / "trust_on_photographs.json").read_text(encoding="utf-8"))


@pytest.fixture
def case():
    images = random_images(4)
    masks = np.zeros(images.shape[:3], bool)
    masks[:, :5] = True
    return Case("small", tfviz.trace(build("residual")), images, np.array([0, 1, 2, 0]), masks)


def test_the_tables_are_those_of_the_data(page, data):
    """If this fails, `python scripts/trust_on_photographs.py --render --page notebooks` makes the tables anew."""
    assert trust_page.filled(page, data) == page
    assert trust_on_photographs.as_text(data) == (NOTEBOOKS / "trust_on_photographs.json").read_text(encoding="utf-8")


def test_every_method_and_metric_is_there(page, data):
    for name in (*tfviz.METHODS, *METRICS):
        assert f"`{name}`" in page, name
    for name in BASELINES:
        assert f"*{name}*" in page, name
    assert all(family.capitalize() in page for family in FAMILIES)
    photographs, embedded = data["cases"]["photographs"], data["cases"]["embedded"]
    assert {*photographs["metrics"]} == {name for name, metric in METRICS.items() if metric.takes != "masks"}
    assert {*embedded["metrics"]} == {*METRICS} and {*data["preference"]} == {"embedded", "planted", "disconnected"}
    assert {*photographs["methods"]} == {*tfviz.METHODS}


def test_the_page_reads_well(page):
    for found in re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in found.splitlines()}) == 1
    assert not re.search(r"\b(None|nan)\b", page)
    assert len(page.encode()) < 60_000 and "/work" not in page


def test_numbers_in_prose_are_those_of_the_tables(page):
    """Two digits or more after the point; what is said in whole words is for whoever measures anew to read again."""
    prose = trust_page.prose_of(page)
    tables = "".join(found[0] for found in trust_page.BLOCK.finditer(page))
    numbers = re.findall(r"(?<![\w.])-?\d\.\d\d+\b", prose)
    assert numbers and [number for number in numbers if number not in tables] == []


def test_a_table_that_the_page_lacks_is_named(page, data):
    with pytest.raises(ValueError, match=r"the page has the tables .* expected one each of"):
        trust_page.filled(page.replace("<!-- table: cost -->", ""), data)


def test_what_is_measured_is_not_measured_again(case, tmp_path, monkeypatch, capsys):
    def measured():
        with shared_passes() as passes:
            one = measuring.Measuring(case, tmp_path, METHODS, 2, passes)
            return summaries.summed_case(one, ("deletion", "random_logit", "energy_in_mask"))

    first = measured()
    assert "small deletion: " in capsys.readouterr().out
    assert measured() == first and not capsys.readouterr().out
    kept = json.loads((tmp_path / "small" / "deletion.json").read_text())
    values = tfviz.results.metrics.deletion(
        case.network, case.images, case.targets, tfviz.saliency(case.network, case.images, case.targets)
    )
    np.testing.assert_allclose(kept["values"]["saliency"], values.values, rtol=1e-5)
    mean, low, high, _ = first["metrics"]["deletion"]["cells"]["saliency"]
    assert mean == float(f"{values.values.mean():.4g}") and low < mean < high
    assert {name: found["images"] for name, found in first["metrics"].items() if not found["error"]} == {
        "deletion": 4,
        "random_logit": 2,
        "energy_in_mask": 4,
    }
    assert first["metrics"]["road"]["error"] == "it was not measured"
    # A metric that fails stands in the summary with its error, and is measured anew.
    (tmp_path / "small" / "deletion.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "measure", failing)
        assert measured()["metrics"]["deletion"]["error"] == "RuntimeError: out of memory"
    assert measured()["metrics"]["deletion"]["cells"] == first["metrics"]["deletion"]["cells"]


def failing(*arguments):
    raise RuntimeError("out of memory")


def test_orders_are_of_what_is_better():
    found = {"metrics": {name: {"cells": {"a": [1.0], "b": [2.0], "c": [None]}} for name in ("deletion", "insertion")}}
    rows = ("a", "b", "c")
    np.testing.assert_array_equal(summaries.order_of(found, "deletion", rows), [-1, -2, np.nan])
    np.testing.assert_array_equal(summaries.order_of(found, "insertion", rows), [1, 2, np.nan])
    assert summaries.tau(*(summaries.order_of(found, name, rows) for name in ("deletion", "insertion"))) == -1
    np.testing.assert_array_equal(cells.ranked(np.array([3.0, 1, 3, np.nan])), [1.5, 3, 1.5, np.nan])


def test_the_truth_is_the_mean_rank_by_masks():
    masks = [name for name, metric in METRICS.items() if metric.takes == "masks"]
    cells = {name: {"cells": {"a": [0.1], "b": [0.2 if number else 0.0]}} for number, name in enumerate(masks)}
    assert summaries.truth_of({"metrics": cells}, ("a", "b")).tolist() == [1 / 5, 4 / 5]


def test_a_grid_is_decided_in_one_cell_alone():
    found = disconnected(2)
    gradient = np.abs(tfviz.gradient(found.network, found.images, found.targets)).sum(axis=3)
    side = found.images.shape[1] // 2
    for index, (map_, mask, other) in enumerate(zip(gradient, found.masks, found.objects, strict=True)):
        down, across = divmod(index, 2)
        own = map_[down * side : (down + 1) * side, across * side : (across + 1) * side]
        assert own.sum() == map_.sum() > 0 and map_[mask].sum() > 0 == map_[other].sum()
    logits = found.network.logits(found.images)
    own = keras.ops.convert_to_numpy(demo.load_network()(found.images[0, :side, :side][np.newaxis]))
    np.testing.assert_allclose(np.exp(logits[0, :9]) / np.exp(logits[0, :9]).sum(), own[0], rtol=1e-3)


def test_metrics_prefer_the_cause_to_what_cannot_be():
    found = disconnected(2)
    false = {"the object": false_maps(found)["the object"]}
    assert preference(found, "insertion", false) == {"the object": 1}
    assert preference(found, "energy_in_mask", false) == {"the object": 1}
    assert "random_logit" not in OF_MAPS
    with pytest.raises(TfvizError):
        preference(found, "completeness", false)
