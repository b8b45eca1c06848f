"""Metrics of complexity against closed forms, slow loops and the numbers of Quantus and xplique."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.references import load

from tfviz.errors import InvalidImagesError, TfvizError, TfvizWarning
from tfviz.results.metrics import METRICS, complexity, effective_complexity, sparseness

ALL = [complexity, effective_complexity, sparseness]


def random_maps(seed=0):
    return np.random.default_rng(seed).normal(size=(3, 6, 5)) ** 3


def slow_gini(one_map):
    """Half the mean difference of two values, in units of their mean."""
    sizes = np.abs(one_map).ravel()
    differences = sum(abs(first - second) for first in sizes for second in sizes)
    return differences / (2 * sizes.size**2 * sizes.mean())


def slow_entropy(one_map):
    whole = sum(abs(value) for value in one_map.ravel())
    shares = [abs(value) / whole for value in one_map.ravel()]
    return -sum(share * math.log(share) for share in shares if share)


def slow_count(one_map, threshold=0.01):
    largest = max(abs(value) for value in one_map.ravel())
    return sum(abs(value) > threshold * largest for value in one_map.ravel())


@pytest.mark.parametrize(
    "measure, slow", [(sparseness, slow_gini), (complexity, slow_entropy), (effective_complexity, slow_count)]
)
def test_they_equal_slow_loops(measure, slow):
    maps = random_maps()
    maps[1, :3] = 0
    maps *= np.array([1, 1e-9, 1e6])[:, np.newaxis, np.newaxis]
    np.testing.assert_allclose(measure(maps), [slow(each) for each in maps])


def test_closed_forms():
    single, equal, two = np.zeros((4, 5)), np.full((4, 5), -0.3), np.zeros((4, 5))
    single[1, 2], two[0, 0], two[3, 4] = -7, 1, -1
    maps = np.stack([single, equal, two])
    np.testing.assert_allclose(sparseness(maps), [19 / 20, 0, 18 / 20], atol=1e-12)
    np.testing.assert_allclose(complexity(maps), [0, math.log(20), math.log(2)])
    np.testing.assert_array_equal(effective_complexity(maps), [1, 20, 2])
    assert not np.signbit(complexity(single).values).any()


def test_each_knows_which_way_is_better():
    concentrated, spread = np.eye(1, 36).reshape(6, 6), np.ones((6, 6))
    for measure in ALL:
        found, other = measure(concentrated)[0], measure(spread)[0]
        assert METRICS[measure.__name__].is_better(found, other)
        low, high = METRICS[measure.__name__].bounds
        assert low <= found <= high and low <= other <= high


def test_they_equal_quantus_and_xplique():
    for name in ("quantus", "xplique"):
        numbers = load(name)
        found = complexity(numbers["maps"], like=name)
        np.testing.assert_allclose(found, numbers["complexity"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(sparseness(numbers["maps"]), numbers["sparseness"], rtol=0, atol=1e-6)
    numbers = load("quantus")
    positive = np.maximum(numbers["maps"], 0)
    np.testing.assert_allclose(sparseness(numbers["maps"], like="quantus"), numbers["sparseness"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(sparseness(positive, like="quantus"), numbers["relu_sparseness"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(complexity(positive, like="quantus"), numbers["relu_complexity"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(
        effective_complexity(numbers["maps"], like="quantus"), numbers["effective_complexity"]
    )
    np.testing.assert_array_equal(effective_complexity(positive, like="quantus"), numbers["relu_effective_complexity"])
    least = float(numbers["effective_complexity_least"])
    found = effective_complexity(numbers["maps"], like="quantus", threshold=least)
    np.testing.assert_array_equal(found, numbers["effective_complexity_above"])
    assert found.options == {"like": "quantus", "unit": "batch", "threshold": least}


def test_only_quantus_looks_at_the_other_maps():
    maps = np.stack([random_maps()[0], random_maps()[0] * 1e-4])
    for measure in ALL:
        first, second = measure(maps)
        assert first == pytest.approx(second)
    for measure in (sparseness, effective_complexity):
        first, second = measure(maps, like="quantus")
        assert first > second


def test_a_zero_map_is_not_the_best():
    maps = random_maps()
    maps[2] = 0
    for measure in ALL:
        message = rf"{measure.__name__} of image 2 is not defined \(NaN\): the map is zero everywhere"
        with pytest.warns(TfvizWarning, match=message):
            found = measure(maps)
        assert np.isnan(found.values).tolist() == [False, False, True]
    assert effective_complexity(maps, like="quantus")[2] == 0
    assert sparseness(maps, like="quantus")[2] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("measure", ALL)
def test_attributions_and_a_single_map_are_taken(measure):
    attributions = np.random.default_rng(1).normal(size=(2, 5, 4, 3)).astype(np.float32)
    found = measure(attributions, collapse="sum")
    assert found.collapse == "sum" and measure(attributions).collapse == "max_abs"
    alone = measure(attributions[0].sum(axis=-1))
    assert len(alone) == 1 and alone.collapse is None and alone[0] == pytest.approx(found[0], rel=1e-5)


def test_refusals():
    for threshold in (-0.1, 1, float("nan")):
        with pytest.raises(
            TfvizError,
            match=r"threshold is .*, expected a number of at least 0 and below 1: a share of the largest value",
        ):
            effective_complexity(random_maps(), threshold=threshold)
    with pytest.raises(InvalidImagesError, match="the map of image 0 has 1 NaN"):
        complexity(np.full((1, 1, 1), np.nan))
