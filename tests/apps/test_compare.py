"""`tfviz.compare` on small networks: its values are those of the metrics, and what it says of them follows."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import keras
import numpy as np
import pytest

import tfviz
from tfviz.errors import InvalidImagesError, InvalidTargetsError, TfvizError, TfvizWarning, UnknownMethodError
from tfviz.results.comparison import number_text
from tfviz.results.metrics import METRICS, Measurement, deletion, insertion
from tfviz.results.metrics.measuring.registry import Metric

METHODS = ("gradient", "grad_cam", "input_x_gradient")


def network(channels=3):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((12, 12, channels)),
            keras.layers.Conv2D(6, 3, activation="relu", name="conv"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4, activation="softmax"),
        ],
        name="small",
    )


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((5, 12, 12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def found(model, images):
    return tfviz.compare(model, images, methods=METHODS, metrics={"deletion": {"steps": 6}, "insertion": {"steps": 6}})


def test_the_values_are_those_of_the_metrics(model, images, found):
    assert found.methods == METHODS and found.baselines == (
        "random_map",
        "centred_gaussian",
        "edges",
        "untrained_network",
    )
    assert found.metrics == ("deletion", "insertion")
    for metric in (deletion, insertion):
        for name, how in zip(METHODS, ("max_abs", None, "sum"), strict=True):
            maps = getattr(tfviz, name)(model, images)
            alone = metric(model, images, None, maps, steps=6, collapse=how)
            np.testing.assert_allclose(found.table.values[metric.__name__][name], alone.values, atol=1e-6)
            assert found.collapses[name] == alone.collapse == how
            np.testing.assert_allclose(found.table.curves[metric.__name__][name].scores, alone.curves.scores, atol=1e-6)
    assert found.table.options["deletion"]["steps"] == 6 and found.table.options["deletion"]["fill"] == "mean"
    np.testing.assert_array_equal(found.results.targets, model.predict(images, verbose=0).argmax(1))


def test_summaries_follow_from_the_values(found):
    for metric, better in (("deletion", np.argmin), ("insertion", np.argmax)):
        values = found.table.values[metric]
        means = np.array([values[row].mean() for row in METHODS])
        summaries = found.summaries[metric]
        np.testing.assert_allclose([summaries[row].mean for row in METHODS], means)
        assert summaries[METHODS[better(means)]].rank == 1 and {summaries[row].rank for row in METHODS} == {1, 2, 3}
        for row in METHODS:
            each = summaries[row]
            assert each.low <= each.mean <= each.high and each.count == 5
            sign = 1 if metric == "insertion" else -1
            beaten = [b for b in found.baselines if sign * values[b].mean() >= sign * each.mean]
            assert list(each.beaten_by) == beaten
        assert all(np.isnan(summaries[row].rank) and not summaries[row].beaten_by for row in found.baselines)
    orders = [[found.summaries[metric][row].rank for row in METHODS] for metric in found.metrics]
    agreeing = [np.sign(np.subtract.outer(each, each))[np.triu_indices(3, 1)] for each in orders]
    assert found.agreement == {("deletion", "insertion"): pytest.approx((agreeing[0] * agreeing[1]).mean())}


def test_a_subgroup_has_summaries_of_its_own(found):
    part = found.select([3, 1])
    values = found.table.values["deletion"]["gradient"][[3, 1]]
    each = part.summaries["deletion"]["gradient"]
    assert each.count == 2 and each.mean == pytest.approx(values.mean()) and each.low == pytest.approx(values.min())
    curves = part.table.curves["insertion"]["edges"]
    np.testing.assert_array_equal(curves.scores, found.table.curves["insertion"]["edges"].scores[[3, 1]])
    assert part.results.targets.tolist() == found.results.targets[[3, 1]].tolist() and isinstance(part, type(found))


def test_groups_of_images_are_those_that_are_selected(found):
    parts = found.by(["b", "a", "b", "a", "b"])
    assert [*parts] == ["b", "a"] and str(parts["a"]) == str(found.select([1, 3]))
    np.testing.assert_array_equal(
        parts["b"].table.values["deletion"]["edges"], found.table.values["deletion"]["edges"][[0, 2, 4]]
    )
    for groups in (["a"], "abcde"):
        with pytest.raises(TfvizError, match=f"expected a group for each of the 5 images, got {len(groups)}"):
            found.by(groups)


def test_a_map_that_knows_nothing_can_be_perfect_by_some_metrics(model, images, tmp_path):
    """A Gaussian that is the same for every image is perfectly robust: no method is marked for that, and it is said."""
    metrics = {"max_sensitivity": {"samples": 2}, "sparseness": {}, "deletion": {"steps": 3}}
    found = tfviz.compare(model, images, methods=METHODS, metrics=metrics)
    assert found.summaries["max_sensitivity"]["centred_gaussian"].mean == 0
    for metric in ("max_sensitivity", "sparseness"):
        each = [found.summaries[metric][row] for row in METHODS]
        assert any(one.beaten_by for one in each) and not any("!" in one.marks for one in each)
    values = found.table.values
    worst = {"deletion": {**values["deletion"], "gradient": values["deletion"]["gradient"] + 1}}
    found = replace(found, table=replace(found.table, values={**values, **worst}))
    assert found.summaries["deletion"]["gradient"].marks.endswith("!")
    said = "By max_sensitivity, sparseness a map that does not know the network can be perfect"
    markdown = found.save(tmp_path / "table.md").read_text()
    for text in (" ".join(str(found).split()), found._repr_html_(), markdown):
        assert said in text and "no better than a map that does not know the network" in text
    without = tfviz.compare(model, images, methods=METHODS, metrics="sparseness", baselines=())
    assert "can be perfect" not in str(without) and "can be perfect" not in str(
        replace(found, table=of_deletion(found))
    )


def of_deletion(found):
    return replace(found.table, values={"deletion": found.table.values["deletion"]})


@pytest.mark.parametrize(
    "passes, words",
    [
        ((1, 1), "of 1 image; it was run."),
        ((3, 3), "of 3 images; all were run."),
        ((3, 1), "of 3 images; 1 was run, the others shared."),
        ((9, 4), "of 9 images; 4 were run, the others shared."),
    ],
)
def test_numbers_agree_with_their_words(found, passes, words):
    counted = " ".join(str(replace(found, passes=passes)).split())
    assert counted.endswith(f"asked for the scores {words}")
    for maps, words in (((1, 1), "1 map"), ((7, 4), "7 maps")):
        again = " ".join(str(replace(found, passes=(0, 0), maps=maps)).split())
        made = "it was made" if maps == (1, 1) else "4 were made, the others shared"
        assert again.endswith(f"The metrics asked for {words} of methods that were run again; {made}.")
        assert "for the scores" not in again
    assert "Means over 1 image, by" in str(found.select([2])) and "Means over 5 images, by" in str(found)


def test_rows_that_are_too_many_for_a_page_are_counted(found, monkeypatch):
    for most, words in ((6, "1 more row is not shown."), (4, "3 more rows are not shown.")):
        monkeypatch.setattr("tfviz.apps.comparison.page.MOST_ROWS", most)
        assert words in found._repr_html_() and found._repr_html_().count("<tr") == 1 + most


def test_what_cannot_be_told_apart(found):
    for metric in found.metrics:
        alike = found.alike(metric)
        best = next(row for row in METHODS if found.summaries[metric][row].rank == 1)
        like_best = {row for row in METHODS if found.summaries[metric][row].like_best}
        assert like_best == {one for pair in alike if best in pair for one in pair} - {best}


def test_passes_are_shared(found):
    """All rows ask for the whole image and for the blank one, and both metrics do."""
    asked, run = found.passes
    images, rows, steps = 5, 7, 7
    assert asked == images + 2 * images * rows * steps
    blank_and_whole = images * (2 * rows * 2 + 1)
    assert run <= asked - blank_and_whole + 3 * images


def test_it_is_the_same_twice(model, images, found):
    again = tfviz.compare(model, images, methods=METHODS, metrics={"deletion": {"steps": 6}, "insertion": {"steps": 6}})
    assert str(again) == str(found) and again.agreement == found.agreement
    other = tfviz.compare(model, images, methods=METHODS, metrics={"deletion": {"steps": 6}}, seed=1)
    ends = [(each.low, each.high) for each in other.summaries["deletion"].values()]
    assert ends != [(each.low, each.high) for each in found.summaries["deletion"].values()]


def test_a_saved_model_says_the_same(model, images, found, tmp_path):
    model.export(str(tmp_path / "saved"), verbose=False)
    again = tfviz.compare(str(tmp_path / "saved"), images, methods=METHODS, metrics={"deletion": {"steps": 6}})
    for row in found.rows:
        np.testing.assert_allclose(again.table.values["deletion"][row], found.table.values["deletion"][row], atol=1e-5)


def test_the_text(found):
    text = str(found)
    assert all(name in text for name in (*METHODS, *found.baselines, "deletion ↓", "insertion ↑"))
    assert "Means over 5 images, by small" in text and "Kendall's τ" in text and max(map(len, text.splitlines())) <= 100
    best = next(row for row in METHODS if found.summaries["deletion"][row].rank == 1)
    line = next(line for line in text.splitlines() if line.strip().startswith(best))
    assert (
        f"* {found.summaries['deletion'][best].mean_text}" in line
        or f"*! {found.summaries['deletion'][best].mean_text}" in line
    )


def test_files(found, tmp_path):
    for ending in ("csv", "md", "json"):
        assert found.save(tmp_path / "folder" / f"table.{ending}").exists()
    with open(tmp_path / "folder" / "table.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 7
    first = found.summaries["deletion"]["gradient"]
    assert (
        float(lines[0]["mean"]) == first.mean
        and float(lines[0]["rank"]) == first.rank
        and lines[0]["row"] == "gradient"
    )
    assert lines[3]["kind"] == "baseline" and lines[3]["rank"] == ""
    content = json.loads((tmp_path / "folder" / "table.json").read_text())
    np.testing.assert_allclose(
        content["metrics"]["insertion"]["values"]["edges"], found.table.values["insertion"]["edges"]
    )
    assert (
        content["methods"]["grad_cam"]["layer"] == "conv"
        and content["model"]["fingerprint"] == found.results.fingerprint
    )
    assert content["passes"] == dict(zip(("asked", "run"), found.passes, strict=True))
    markdown = (tmp_path / "folder" / "table.md").read_text().splitlines()
    assert (
        markdown[0] == "| method | deletion ↓ | insertion ↑ |"
        and len([each for each in markdown if each[0:1] == "|"]) == 9
    )
    with pytest.raises(TfvizError, match=r"no form of a comparison '.txt'; there are: .csv, .json, .md"):
        found.save(tmp_path / "table.txt")


def test_the_page_is_small_and_escaped(found):
    page = found._repr_html_()
    assert len(page.encode()) < 30_000 and page.count("<tr") == 8 and "<b>" in page
    traced = tfviz.trace(network())
    traced.name = "a<img src=x onerror=alert(1)>"
    images = np.random.default_rng(1).random((2, 12, 12, 3))
    hostile = tfviz.compare(traced, images, methods="gradient", metrics={"insertion": {"steps": 2}})
    assert "<img" not in hostile._repr_html_() and "&lt;img" in hostile._repr_html_()


def test_the_figure(found):
    figure = found.plot(pyplot=False)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["deletion (lower is better)", "insertion (higher is better)"]
    lines = figure.axes[0].get_lines()
    each = found.summaries["deletion"]["gradient"]
    np.testing.assert_allclose(lines[0].get_xdata(), [each.low, each.high])
    np.testing.assert_allclose(lines[1].get_xdata(), [each.mean])


def test_one_image_has_no_interval(model, images):
    with pytest.warns(TfvizWarning, match="the comparison is of one image"):
        found = tfviz.compare(model, images[:1], methods="gradient", metrics={"deletion": {"steps": 3}})
    assert np.isnan(found.summaries["deletion"]["gradient"].low) and "Intervals" not in str(found)


def test_a_network_without_weights_has_no_untrained_one(images):
    """Its map is left out, and said to be."""
    layers = [keras.Input((12, 12, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Softmax()]
    frozen = keras.Sequential(layers)
    with pytest.warns(TfvizWarning, match="the baseline untrained_network is left out: the network reads no variables"):
        found = tfviz.compare(frozen, images, methods="input_x_gradient", metrics={"deletion": {"steps": 2}})
    assert found.baselines == ("random_map", "centred_gaussian", "edges")


@pytest.fixture
def only_of_maps(monkeypatch):
    """A metric that is not defined for attributions."""

    def of_maps(model, images, targets, maps, *, collapse=None, batch_size=32):
        if np.ndim(maps) == 4:
            raise InvalidImagesError("it is not for attributions")
        return Measurement("of_maps", np.arange(len(maps), dtype=float))

    about = Metric("of_maps", of_maps, "axioms", "network", "higher", (0, 1), "", "", "")
    monkeypatch.setitem(METRICS, "of_maps", about)


def test_a_value_that_cannot_be_is_told(model, images, only_of_maps, tmp_path):
    found = tfviz.compare(model, images, methods=METHODS, metrics="of_maps", baselines=())
    assert "No of_maps of gradient, input_x_gradient: it is not for attributions." in " ".join(str(found).split())
    assert found.summaries["of_maps"]["grad_cam"].rank == 1 and found.summaries["of_maps"]["gradient"].mean_text == "–"
    content = json.loads(found.save(tmp_path / "table.json").read_text())
    assert content["metrics"]["of_maps"]["summaries"]["gradient"]["mean"] is None
    with pytest.raises(InvalidImagesError, match="it is not for attributions"):
        tfviz.compare(model, images, methods="gradient", metrics="of_maps", baselines=())


def test_methods_that_are_alike_are_the_best_and_what_has_no_value_beats_none(model, images, monkeypatch):
    """A metric of attributions alone, which all methods but one have, and no baseline; two of them are the same."""

    def of_attributions(model, images, targets, maps, *, collapse=None, batch_size=32):
        if np.ndim(maps) != 4:
            raise InvalidImagesError("it is not for maps")
        return Measurement("of_attributions", np.arange(len(maps), dtype=float))

    about = Metric("of_attributions", of_attributions, "axioms", "network", "higher", (0, 1), "", "", "")
    monkeypatch.setitem(METRICS, "of_attributions", about)
    found = tfviz.compare(model, images, methods=METHODS, metrics="of_attributions").summaries["of_attributions"]
    assert [found[row].marks for row in METHODS] == ["*", "", "*"]
    assert [found[row].rank for row in ("gradient", "input_x_gradient")] == [1.5, 1.5]
    assert not any(found[row].beaten_by for row in ("gradient", "input_x_gradient"))


def test_a_method_with_few_values_has_no_rank(found, tmp_path):
    """Best of all on the two images of five that it has values of: a mean of another sample, and marked as that."""
    values = {row: each.copy() for row, each in found.table.values["deletion"].items()}
    values["gradient"][:] = [0.0, np.nan, 0.0, np.nan, np.nan]
    values["grad_cam"][1] = np.nan
    table = replace(found.table, values={**found.table.values, "deletion": values})
    few = replace(found, table=table).summaries["deletion"]
    assert few["gradient"].is_partial and np.isnan(few["gradient"].rank) and few["gradient"].marks == "~"
    assert not few["grad_cam"].is_partial and {few[row].rank for row in ("grad_cam", "input_x_gradient")} == {1.0, 2.0}
    assert not (few["gradient"].is_best or few["gradient"].like_best or few["gradient"].is_no_better)
    assert not any("gradient" in pair for pair in replace(found, table=table).alike("deletion"))
    assert "~ has values of less than half of the images, and so no rank" in " ".join(
        str(replace(found, table=table)).split()
    )


def test_of_many_metrics_the_ends_of_their_agreement_are_told(model, images):
    measured = {"deletion": {"steps": 3}, "insertion": {"steps": 3}, "sparseness": {}, "complexity": {}}
    four = tfviz.compare(model, images, methods=METHODS, metrics=measured, baselines=())
    assert " ".join(str(four).split()).count("deletion and insertion") == 1
    five = tfviz.compare(model, images, methods=METHODS, metrics={**measured, "effective_complexity": {}}, baselines=())
    order = sorted(five.agreement, key=five.agreement.get)
    text, middle = " ".join(str(five).split()), np.median([*five.agreement.values()])
    assert f"most {' and '.join(order[-1])} " in text or five.agreement[order[-1]] == five.agreement[order[-2]]
    assert f"least {' and '.join(order[0])} " in text or five.agreement[order[0]] == five.agreement[order[1]]
    assert f"half of 10 pairs above {number_text(middle)}." in text and text.count("Kendall") == 1


def test_intervals_are_of_the_images_that_are_measured(model, images):
    """Those of three images by themselves, whatever lies between them."""
    options = {"methods": ("gradient", "grad_cam"), "metrics": {"max_sensitivity": {"samples": 1}}, "baselines": ()}
    some = tfviz.compare(model, images, rerun_images=3, **options).summaries["max_sensitivity"]
    alone = tfviz.compare(model, images[::2], **options).summaries["max_sensitivity"]
    for row in options["methods"]:
        assert some[row].count == alone[row].count == 3
        np.testing.assert_allclose([some[row].low, some[row].high], [alone[row].low, alone[row].high], rtol=1e-4)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"metrics": "deletoin"}, TfvizError, "no metric 'deletoin'; did you mean 'deletion'"),
        ({"metrics": ()}, TfvizError, "there are no metrics to measure by"),
        ({"metrics": {"deletion": {"step": 3}}}, TfvizError, "deletion has no option 'step'; did you mean 'steps'"),
        ({"metrics": {"deletion": {"collapse": "sum"}}}, TfvizError, "deletion has no option 'collapse'"),
        ({"methods": "grad_cma"}, UnknownMethodError, "no method 'grad_cma'; did you mean 'grad_cam'"),
        ({"methods": ()}, UnknownMethodError, "there are no methods to run"),
        ({"baselines": ["edge"]}, TfvizError, "no baseline 'edge'; did you mean 'edges'"),
        ({"confidence": 95}, TfvizError, "confidence is 95, expected a share above 0 and below 1"),
        ({"resamples": 0}, TfvizError, "resamples is 0, expected an integer of at least 1"),
        ({"masks": np.ones((5, 12, 12), bool)}, TfvizError, "masks are given, but none of the metrics compares"),
        ({"targets": 9}, InvalidTargetsError, "9"),
        ({"layer": "conv9"}, tfviz.UnknownLayerError, "conv9"),
    ],
)
def test_bad_input(model, images, arguments, error, message):
    with pytest.raises(error, match=message):
        tfviz.compare(model, images, **{"methods": ("saliency", "grad_cam"), **arguments})
