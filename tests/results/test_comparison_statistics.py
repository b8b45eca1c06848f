"""Intervals, ranks and agreement against SciPy and slow loops; baselines by what they must be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import tfviz
from tfviz import demo
from tfviz.errors import TfvizError
from tfviz.results.comparison import (
    BASELINES,
    Summary,
    bootstrap_means,
    differ,
    find_baselines,
    interval,
    kendall_tau,
    number_text,
    ranks,
)
from tfviz.results.metrics import with_random_weights


@pytest.mark.parametrize("seed", range(6))
def test_kendall_tau_and_ranks_equal_scipy(seed):
    random = np.random.default_rng(seed)
    first, second = random.integers(0, 5, (2, 9)).astype(float)
    assert kendall_tau(first, second) == pytest.approx(stats.kendalltau(first, second).statistic)
    np.testing.assert_array_equal(ranks(first, highest_first=False), stats.rankdata(first))
    np.testing.assert_array_equal(ranks(first, highest_first=True), stats.rankdata(-first))


def test_what_is_not_defined_has_no_rank_and_no_order():
    values = np.array([2.0, np.nan, 1.0])
    np.testing.assert_array_equal(ranks(values, highest_first=True), [1, np.nan, 2])
    assert kendall_tau(values, np.array([5.0, 0.0, 4.0])) == 1
    assert np.isnan(kendall_tau(values, np.array([3.0, 3.0, 3.0]))) and np.isnan(kendall_tau(values[:1], values[:1]))


def test_resamples_are_paired_and_leave_out_what_is_not_defined():
    """A method that is one better on every image is one better in every resample."""
    random = np.random.default_rng(1)
    values = random.normal(size=(1, 12)) * 10 + np.array([[0.0], [1.0]])
    values = np.vstack([values, np.where(np.arange(12) < 6, np.nan, values[0])])
    means = bootstrap_means(values, 500, 3)
    np.testing.assert_allclose(means[1] - means[0], 1)
    drawn = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), size=500)
    slow = [np.repeat(values[2], counts) for counts in drawn]
    np.testing.assert_allclose(means[2], [each[np.isfinite(each)].mean() for each in slow])
    assert np.isnan(bootstrap_means(np.full((1, 3), np.nan), 5, 0)).all()


def test_the_interval_is_that_of_scipy_in_the_limit():
    values = np.random.default_rng(5).exponential(size=40)
    low, high = interval(bootstrap_means(values[np.newaxis], 20_000, 0), 0.9)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, confidence_level=0.9, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert low[0] == pytest.approx(expected.low, abs=0.01) and high[0] == pytest.approx(expected.high, abs=0.01)
    assert np.isnan(interval(np.full((2, 5), np.nan), 0.9)).all()


def test_methods_differ_by_their_paired_difference():
    """The intervals of the two overlap by far, but the second is better on every image."""
    random = np.random.default_rng(2)
    base = random.normal(size=30) * 5
    values = np.stack([base, base + 0.3 + 0.1 * random.normal(size=30), base + 2 * random.normal(size=30)])
    apart = differ(bootstrap_means(values, 1000, 0), 0.95)
    assert apart[0, 1] and apart[1, 0] and not apart[0, 2] and not apart.diagonal().any()


@pytest.mark.parametrize(
    "value, text",
    [(0.1, "0.100"), (0.94567, "0.946"), (12.0, "12.0"), (100.0, "100"), (123456.7, "123457"), (-2.5e-5, "-2.50e-05")],
)
def test_numbers_have_three_digits(value, text):
    assert number_text(value) == text


def test_marks():
    def summary(rank, like_best=False, beaten_by=(), mean=1.0, is_best=False):
        return Summary(mean, 0.5, 1.5, 4, rank, is_best or rank == 1, like_best, beaten_by, "")

    shown = [summary(1.0), summary(2.0, True), summary(2.0, True, ("edges",)), summary(3.0), summary(float("nan"))]
    assert [each.marks for each in shown] == ["*", "=", "=!", "", ""]
    assert [summary(1.5, like_best, is_best=True).marks for like_best in (False, True)] == ["*", "*"]
    assert summary(1.0).interval_text == "0.500 to 1.50"
    assert summary(1.0, mean=float("nan")).mean_text == "–" and summary(1.0, mean=float("nan")).marks == ""


def test_baselines_do_not_know_the_network():
    network = tfviz.trace(demo.load_network())
    images = demo.generate(3, seed=2).images.astype(np.float32)
    maps = {name: baseline(network, images, None) for name, baseline in BASELINES.items()}
    assert all(each.shape == images.shape[:3] and np.isfinite(each).all() for each in maps.values())
    random = maps["random_map"]
    assert random.std() == pytest.approx(np.sqrt(1 / 12), rel=0.02) and not np.array_equal(random[0], random[1])
    np.testing.assert_array_equal(random[1:2], BASELINES["random_map"](network, images[1:2], None))
    assert not np.array_equal(random, BASELINES["random_map"](network, images + 1, None))
    gaussian = maps["centred_gaussian"][0]
    np.testing.assert_array_equal(gaussian, gaussian[::-1, ::-1])
    middle = gaussian[32:-32, 32:-32].sum() / gaussian.sum()
    assert middle == pytest.approx(
        (stats.norm.cdf(1) - stats.norm.cdf(-1)) ** 2 / np.square(stats.norm.cdf(2) * 2 - 1), rel=0.03
    )


def test_the_untrained_network_has_learnt_nothing():
    """It is another one, of weights as large, whose map is that of its gradient; the user's stays as it is."""
    model = demo.load_network()
    network, before = tfviz.trace(model), [each.copy() for each in model.get_weights()]
    images = demo.generate(2, seed=2).images.astype(np.float32)
    found = BASELINES["untrained_network"](network, images, None)
    other = with_random_weights(network).network
    np.testing.assert_allclose(found, tfviz.saliency(other, images), rtol=1e-5, atol=1e-9)
    assert not np.allclose(found, tfviz.saliency(network, images), rtol=0.1)
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_edges_are_where_the_brightness_changes():
    network = tfviz.trace(demo.load_network())
    image = np.zeros((1, 128, 128, 3), np.float32)
    image[:, :, 64:] = 100
    found = BASELINES["edges"](network, image, None)[0]
    assert (found[:, 63:65] == 400).all() and found[:, :63].max() == found[:, 65:].max() == 0


def test_unknown_baselines():
    with pytest.raises(TfvizError, match="no baseline 'edge'; did you mean 'edges'"):
        find_baselines(["edge"])
