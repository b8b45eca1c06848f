"""Metrics of localisation against slow loops, closed forms and the numbers of Quantus."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from support.references import load

import tfviz.results
from tfviz.errors import InvalidImagesError, TfvizError, TfvizWarning
from tfviz.results import box_mask, energy_inside
from tfviz.results.metrics import (
    METRICS,
    energy_in_mask,
    localisation_auc,
    pointing_game,
    relevance_rank,
    top_k_intersection,
)

ALL = [energy_in_mask, localisation_auc, pointing_game, relevance_rank, top_k_intersection]
SHARED = [localisation_auc, relevance_rank, top_k_intersection]


def maps_and_masks(count=4, height=9, width=7, levels=6, seed=0):
    """Maps with many equal values, and masks that are neither empty nor full."""
    random = np.random.default_rng(seed)
    maps = random.integers(-2, levels, (count, height, width)) / 4
    return maps, random.random((count, height, width)) < 0.3


def slow_share(one_map, mask, count):
    """Go down from the highest value; of equal ones, each has the same chance to be taken."""
    left, inside = count, 0.0
    for value in sorted({*one_map.ravel()}, reverse=True):
        places = [place for place in np.ndindex(one_map.shape) if one_map[place] == value]
        taken = min(left, len(places))
        inside += taken * sum(bool(mask[place]) for place in places) / len(places)
        left -= taken
    return inside / count


def slow_auc(one_map, mask):
    """Compare every pixel on the place with every one beside it."""
    inside, outside = one_map[mask], one_map[~mask]
    wins = [1 if first > second else 0.5 if first == second else 0 for first, second in product(inside, outside)]
    return sum(wins) / len(wins)


def test_they_equal_slow_loops():
    maps, masks = maps_and_masks()
    pairs = [*zip(maps, masks, strict=True)]
    np.testing.assert_allclose(localisation_auc(maps, masks), [slow_auc(*pair) for pair in pairs])
    np.testing.assert_allclose(relevance_rank(maps, masks), [slow_share(*pair, pair[1].sum()) for pair in pairs])
    for k in (1, 5, 63):
        found = top_k_intersection(maps, masks, k=k)
        np.testing.assert_allclose(found, [slow_share(*pair, k) for pair in pairs])
        assert found.options == {"like": "tfviz", "k": k}
    np.testing.assert_array_equal(energy_in_mask(maps, masks), energy_inside(maps, masks))
    np.testing.assert_array_equal(
        pointing_game(maps, masks, tolerance=1), tfviz.results.pointing_game(maps, masks, tolerance=1)
    )


def test_a_map_of_the_mask_is_the_best_and_its_opposite_the_worst():
    masks = box_mask([(1, 2, 5, 6), (0, 0, 3, 9)], (12, 10))
    for measure in ALL:
        options = {"tolerance": 0} if measure is pointing_game else {}
        for each, expected in ((masks, 1), (~masks, 0)):
            np.testing.assert_array_equal(measure(each * 1.0, masks, **options), expected)
        assert METRICS[measure.__name__].better == "higher" and METRICS[measure.__name__].bounds == (0, 1)


def test_a_constant_map_scores_as_chance_does():
    mask = box_mask((2, 3, 6, 8), (10, 10))
    for measure in (relevance_rank, top_k_intersection, energy_in_mask):
        assert measure(np.full((10, 10), 0.5), mask)[0] == pytest.approx(0.2)
    assert localisation_auc(np.zeros((10, 10)), mask)[0] == 0.5
    assert [pointing_game(np.ones((10, 10)), mask, like=like)[0] for like in ("tfviz", "quantus")] == [0, 1]


def test_no_scaling_changes_the_order():
    maps, masks = maps_and_masks()
    for measure in SHARED:
        np.testing.assert_allclose(measure(np.exp(3 * maps), masks), measure(maps, masks))


def test_two_percent_of_the_pixels_count():
    maps, masks = np.zeros((1, 224, 224)), np.zeros((1, 224, 224), bool)
    maps[0, :2], masks[0, :4] = 1, True
    assert top_k_intersection(maps, masks).options["k"] == 1004
    assert top_k_intersection(maps, masks, like="quantus").options["k"] == 1000
    assert top_k_intersection(maps, masks)[0] == pytest.approx((448 + 556 * 448 / (224 * 222)) / 1004)
    assert top_k_intersection(maps[:, :5, :5], masks[:, :5, :5]).options["k"] == 1


@pytest.mark.parametrize("prefix", ["", "relu_"])
def test_they_equal_quantus(prefix):
    numbers = load("quantus")
    maps = np.maximum(numbers["maps"], 0) if prefix else numbers["maps"]
    found = {
        "pointing_game": pointing_game(maps, numbers["masks"], like="quantus"),
        "attribution_localisation": energy_in_mask(maps, numbers["masks"], like="quantus"),
        "relevance_mass": energy_in_mask(maps, numbers["masks"], like="quantus_mass"),
        "relevance_rank": relevance_rank(maps, numbers["masks"]),
        "localisation_auc": localisation_auc(maps, numbers["masks"]),
    }
    for name, each in found.items():
        np.testing.assert_allclose(each.values, numbers[prefix + name], rtol=0, atol=1e-6, err_msg=name)
    k = int(numbers["top_k"])
    np.testing.assert_allclose(
        top_k_intersection(numbers["maps"], numbers["masks"], k=k), numbers["top_k_intersection"]
    )


def test_the_definitions_differ_and_their_parts_can_be_chosen():
    maps, masks = maps_and_masks(levels=3)
    values = {like: energy_in_mask(maps, masks, like=like).values for like in ("tfviz", "quantus", "quantus_mass")}
    np.testing.assert_allclose(values["quantus"], (np.abs(maps) * masks).sum((1, 2)) / np.abs(maps).sum((1, 2)))
    np.testing.assert_allclose(values["quantus_mass"], (maps * masks).sum((1, 2)) / maps.sum((1, 2)))
    assert not np.allclose(values["tfviz"], values["quantus"])
    np.testing.assert_array_equal(energy_in_mask(maps, masks, sign="absolute"), values["quantus"])
    one_map, mask = np.zeros((9, 9)), np.zeros((9, 9), bool)
    one_map[0, 0] = one_map[8, 8] = 1
    mask[5, 8] = True
    # Of two maxima the second is nearer, and three pixels away.
    found = {
        (like, distance): pointing_game(one_map, mask, like=like, tolerance=distance)[0]
        for like in ("tfviz", "quantus")
        for distance in (2.9, 3, 10)
    }
    assert found == {
        ("tfviz", 2.9): 0,
        ("tfviz", 3): 0,
        ("tfviz", 10): 1,
        ("quantus", 2.9): 0,
        ("quantus", 3): 1,
        ("quantus", 10): 1,
    }


@pytest.mark.parametrize("measure", ALL)
def test_attributions_and_a_single_map_are_taken(measure):
    random = np.random.default_rng(2)
    attributions, masks = random.normal(size=(2, 8, 6, 3)), random.random((2, 8, 6)) < 0.4
    found = measure(attributions, masks)
    assert found.collapse == "max_abs" and found.metric == measure.__name__ and found.values.dtype == np.float64
    np.testing.assert_allclose(found, measure(np.abs(attributions).max(axis=-1).astype(np.float32), masks))
    summed = measure(attributions, masks, collapse="sum")
    assert summed.collapse == "sum"
    alone = measure(attributions[1].sum(axis=-1).astype(np.float32), masks[1])
    assert len(alone) == 1 and alone.collapse is None and alone[0] == pytest.approx(summed[1])


@pytest.mark.parametrize("measure", ALL)
def test_masks_that_do_not_fit_are_told(measure):
    maps, masks = maps_and_masks()
    with pytest.raises(InvalidImagesError, match=r"of the same height and width, got \(4, 9, 7\) and \(4, 7, 9\)"):
        measure(maps, masks.transpose(0, 2, 1))
    with pytest.raises(InvalidImagesError, match=r"got \(4, 9, 7\) and \(3, 9, 7\)"):
        measure(maps, masks[:3])
    with pytest.raises(InvalidImagesError, match="masks must be bool"):
        measure(maps, masks * 1)
    masks[2] = False
    with pytest.raises(InvalidImagesError, match="the mask of image 2 is empty: there is no place to compare with"):
        measure(maps, masks)


@pytest.mark.parametrize("measure", ALL)
def test_a_mask_of_the_whole_image_says_nothing(measure):
    maps, masks = maps_and_masks()
    masks[1] = True
    is_auc = measure is localisation_auc
    message = r"image 1 is not defined \(NaN\)" if is_auc else "image 1 says nothing: the mask covers the whole image"
    with pytest.warns(TfvizWarning, match=message) as caught:
        found = measure(maps, masks)
    assert len(caught) == 1 == len(found.warnings)
    assert np.isnan(found[1]) if is_auc else found[1] == 1
    assert np.isfinite(np.delete(found.values, 1)).all()


def test_a_map_without_energy_has_no_share():
    maps, masks = maps_and_masks()
    maps[[0, 3]] = -1
    with pytest.warns(
        TfvizWarning, match=r"energy_in_mask of image 0, 3 is not defined .* the positive values .* zero"
    ):
        found = energy_in_mask(maps, masks)
    assert np.isnan(found.values).tolist() == [True, False, False, True]
    assert np.isfinite(energy_in_mask(maps, masks, like="quantus").values).all()


@pytest.mark.parametrize("k", [0, 64, 2.5, True])
def test_k_must_be_a_number_of_pixels(k):
    with pytest.raises(TfvizError, match=rf"k is {k}, expected an integer from 1 to the 63 pixels"):
        top_k_intersection(*maps_and_masks(), k=k)


def test_other_refusals():
    maps, masks = maps_and_masks()
    with pytest.raises(TfvizError, match="k is 1000, expected an integer from 1 to the 63 pixels"):
        top_k_intersection(maps, masks, like="quantus")
    with pytest.raises(TfvizError, match="tolerance must be 0 pixels or more, got -1"):
        pointing_game(maps, masks, tolerance=-1, like="quantus")
    with pytest.raises(TfvizError, match="there is no sign 'posistive'; did you mean 'positive'"):
        energy_in_mask(maps, masks, sign="posistive")
    with pytest.raises(TfvizError, match=r"there is no definition \(like\) 'quantos'"):
        energy_in_mask(maps, masks, like="quantos")
