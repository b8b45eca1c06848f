"""What the registry of metrics says of them: where they are, what they take, which way is better and within what."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from support.closed_forms import sum_of_pixels

import tfviz
from tfviz.results import metrics
from tfviz.results.metrics.measuring.registry import FAMILIES, GIVEN, METRICS

SIDE = 8
pytestmark = pytest.mark.filterwarnings("ignore:the network ends in no softmax:tfviz.TfvizWarning")


@pytest.fixture(scope="module")
def model():
    return sum_of_pixels(np.random.default_rng(0).normal(size=(SIDE, SIDE, 1)).astype(np.float32))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).uniform(0, 1, (3, SIDE, SIDE, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def maps():
    return np.random.default_rng(2).normal(size=(3, SIDE, SIDE))


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_in_the_room_of_its_family(name):
    about, function = METRICS[name], getattr(metrics, name)
    assert f"{function.__module__}.".startswith(f"tfviz.results.metrics.{about.family}.")
    assert about.family in FAMILIES and name in metrics.__all__
    given = GIVEN[about.takes]
    parameters = inspect.signature(function).parameters.values()
    assert tuple(each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD) == given


@pytest.mark.parametrize(
    "name, options, better, bounds",
    [
        ("road", {}, "higher", (-1, 1)),
        ("road", {"order": "morf"}, "lower", (0, 1)),
        ("road", {"order": "lerf"}, "higher", (0, 1)),
        ("road", {"like": "road"}, "lower", (0, 1)),
        ("pixel_flipping", {}, "lower", (0, 1)),
        ("pixel_flipping", {"like": "quantus"}, "lower", (0, SIDE * SIDE - 1)),
        ("completeness", {}, "lower", (0, np.inf)),
        ("completeness", {"like": "quantus"}, "higher", (0, 1)),
        ("non_sensitivity", {"grid": 4}, "lower", (0, 1)),
        ("non_sensitivity", {"like": "quantus"}, "lower", (0, SIDE * SIDE)),
        ("input_invariance", {}, "lower", (0, np.inf)),
        ("input_invariance", {"like": "quantus"}, "higher", (0, 1)),
        ("energy_in_mask", {}, "higher", (0, 1)),
        ("energy_in_mask", {"sign": "signed"}, "higher", (-np.inf, np.inf)),
    ],
)
def test_a_measurement_knows_which_way_is_better_and_within_what(model, images, maps, name, options, better, bounds):
    masks = np.zeros(maps.shape, bool)
    masks[:, :4] = True
    given = {"maps": maps, "masks": masks, "model": model, "images": images, "targets": 0, "method": "gradient"}
    if name == "completeness":
        given["maps"] = maps[..., np.newaxis]
    found = getattr(metrics, name)(*(given[each] for each in GIVEN[METRICS[name].takes]), **options)
    assert (found.better, found.bounds) == (better, bounds)
    assert f"the mean of 3 images; {better} is better" in found._repr_html_()
    assert ((found.values >= bounds[0]) & (found.values <= bounds[1])).all()


def test_a_comparison_ranks_by_the_options_of_a_metric(model, images):
    """Of ROAD with the most relevant pixels first, a lower value is better."""
    methods = ("gradient", "input_x_gradient")
    found = tfviz.compare(model, images, 0, methods, {"road": {"order": "morf"}}, baselines=("random_map",))
    means = {row: found.summaries["road"][row].mean for row in methods}
    best = min(means, key=means.__getitem__)
    assert means["gradient"] != means["input_x_gradient"]
    assert found.summaries["road"][best].rank == 1 and "road ↓" in str(found)
    assert bool(found.summaries["road"][best].beaten_by) == (found.summaries["road"]["random_map"].mean <= means[best])
