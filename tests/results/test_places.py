"""Metrics of places against slow loops over pixels and boxes, and cases by hand."""

from __future__ import annotations

import numpy as np
import pytest
from support.slow import slow_box, slow_components

from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results import box_iou, box_mask, energy_inside, mask_iou, max_box_accuracy, outline, pointing_game


def random_boxes(count, seed, side=12):
    corners = np.sort(np.random.default_rng(seed).integers(0, side + 1, (count, 2, 2)), axis=1)
    return corners.reshape(count, 4)


def slow_iou(first, second, side=12):
    """Count the pixels."""
    both = either = 0
    for row in range(side):
        for column in range(side):
            inside = [left <= column < right and top <= row < bottom for left, top, right, bottom in (first, second)]
            both += all(inside)
            either += any(inside)
    return both / either if either else 0


def test_box_iou_equals_the_count():
    first, second = random_boxes(30, 0), random_boxes(30, 1)
    expected = [slow_iou(*pair) for pair in zip(first, second, strict=True)]
    np.testing.assert_allclose(box_iou(first, second), expected)
    assert box_iou(first[3], second[3]) == pytest.approx(expected[3])
    table = box_iou(first[:4, np.newaxis], second[:5])
    np.testing.assert_allclose(table, [[slow_iou(one, other) for other in second[:5]] for one in first[:4]])
    np.testing.assert_allclose(mask_iou(box_mask(first, (12, 12)), box_mask(second, (12, 12))), expected)


def test_iou_by_hand():
    assert box_iou([0, 0, 2, 2], [1, 1, 3, 3]) == pytest.approx(1 / 7)
    assert box_iou([0, 0, 2, 2], [2, 0, 4, 2]) == 0 == box_iou([1, 1, 1, 1], [1, 1, 1, 1])
    assert box_iou([0, 0, 0.5, 1], [0, 0, 1, 1]) == 0.5
    assert mask_iou(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 0
    assert mask_iou([[True, False]], [[True, True]]) == 0.5


def slow_max_box_accuracy(maps, boxes, overlaps, thresholds):
    accuracies, best = [], []
    for overlap in overlaps:
        parts = []
        for threshold in thresholds:
            right = 0
            for one_map, true_boxes in zip(maps, boxes, strict=True):
                scaled = (one_map - one_map.min()) / (one_map.max() - one_map.min())
                estimated = [slow_box(component) for component in slow_components(scaled > threshold)]
                ious = [slow_iou(one, true) for one in estimated for true in np.reshape(true_boxes, (-1, 4))]
                right += max(ious, default=0) >= overlap
            parts.append(right / len(maps))
        accuracies.append(max(parts))
        best.append(thresholds[parts.index(max(parts))])
    return accuracies, best


def test_max_box_accuracy_equals_the_loop():
    random = np.random.default_rng(4)
    boxes = [
        [1, 1, 6, 7],
        [[0, 0, 5, 5], [6, 6, 12, 11]],
        [[2, 3, 9, 10]],
        [0, 0, 11, 6],
        [[4, 4, 10, 10], [0, 0, 4, 3]],
    ]
    inside = np.stack([box_mask(np.reshape(each, (-1, 4)), (12, 12)).any(axis=0) for each in boxes])
    maps = inside * random.random((5, 12, 12)) + random.normal(0, 0.3, (5, 12, 12)) - 2
    thresholds, overlaps = [0.05, 0.2, 0.35, 0.5, 0.65, 0.8], (0.3, 0.5, 0.7)
    accuracy = max_box_accuracy(maps, boxes, thresholds=thresholds)
    expected, best = slow_max_box_accuracy(maps, boxes, overlaps, thresholds)
    assert list(accuracy.accuracies.values()) == expected and list(accuracy.thresholds.values()) == best
    assert accuracy.score == pytest.approx(np.mean(expected)) and 0 < accuracy.score < 1
    assert list(accuracy.accuracies) == list(overlaps)


def test_max_box_accuracy_takes_one_threshold_for_all_images():
    """Each map is right at thresholds at which the other is wrong, so that one half is the best."""
    box = (2, 2, 6, 6)
    narrow, wide = np.zeros((10, 10)), np.zeros((10, 10))
    narrow[2:6, 2:6], narrow[3, 3] = 0.25, 1
    wide[:], wide[0, 0], wide[2:6, 2:6] = 0.5, 0, 1
    for maps, expected in (([narrow], 1), ([wide], 1), ([narrow, wide], 0.5)):
        found = max_box_accuracy(np.stack(maps), [box] * len(maps), overlaps=(1.0,))
        assert found.score == expected
    assert max_box_accuracy([wide], [box], overlaps=(1,)).thresholds == {1: 0.5}
    assert max_box_accuracy([narrow], [box], overlaps=(1,), thresholds=[0.24, 0.2]).thresholds == {1: 0.2}


def test_every_component_and_every_true_box_counts():
    one_map = np.zeros((10, 10))
    one_map[0:5, 0:5] = one_map[7:9, 7:10] = 1
    small = (7, 7, 10, 9)
    assert max_box_accuracy([one_map], [[small]]).score == 1
    assert max_box_accuracy([one_map], [[(0, 8, 2, 10), small]]).score == 1
    assert max_box_accuracy([one_map], [[(0, 8, 2, 10)]]).score == 0
    assert max_box_accuracy([np.zeros((4, 4))], [[(0, 0, 4, 4)]]).score == 0


@pytest.mark.parametrize(
    "boxes, options, message",
    [
        ([(0, 0, 1, 1)], {}, r"got \(2, 4, 4\) and the boxes of 1 images"),
        ([(0, 0, 1, 1), []], {}, "2 images, 1 of them without a box"),
        ([(0, 0, 1, 1), (3, 0, 1, 1)], {}, "left <= right and top <= bottom"),
        ([(0, 0, 1, 1)] * 2, {"overlaps": ()}, "overlaps must be one or more IoUs"),
        ([(0, 0, 1, 1)] * 2, {"overlaps": (0.5, 50)}, "overlaps must be one or more IoUs"),
        ([(0, 0, 1, 1)] * 2, {"thresholds": [0, 20]}, r"thresholds must be one or more numbers in 0\.\.1"),
        ([(0, 0, 1, 1)] * 2, {"thresholds": []}, r"thresholds must be one or more numbers in 0\.\.1"),
    ],
)
def test_max_box_accuracy_refuses(boxes, options, message):
    with pytest.raises(TfvizError, match=message):
        max_box_accuracy(np.ones((2, 4, 4)), boxes, **options)


def test_max_box_accuracy_of_nothing():
    with pytest.raises(InvalidImagesError, match="boxes of 0 images"):
        max_box_accuracy(np.ones((0, 4, 4)), [])
    with pytest.raises(InvalidImagesError, match=r"got \(4, 4\)"):
        max_box_accuracy(np.ones((4, 4)), [(0, 0, 1, 1)])


def test_pointing_game_by_hand():
    mask = np.zeros((40, 60), bool)
    mask[10:12, 20:22] = True
    places = {(10, 21): True, (10, 36): True, (10, 37): False, (23, 28): False, (23, 27): True, (26, 21): True}
    maps = np.zeros((len(places), 40, 60))
    for one_map, place in zip(maps, places, strict=True):
        one_map[place] = 2
    expected = [np.hypot(max(row - 11, 0), max(column - 21, 0)) <= 15 for row, column in places]
    np.testing.assert_array_equal(pointing_game(maps, np.stack([mask] * len(places))), expected)
    assert pointing_game(maps[0], mask, tolerance=0) and not pointing_game(maps[1], mask, tolerance=14.9)


def test_pointing_game_of_several_maxima_and_of_none():
    mask = np.array([[True, False, False]])
    assert pointing_game([[5.0, 1, 5]], mask, tolerance=0) and not pointing_game([[1.0, 5, 5]], mask, tolerance=0)
    assert not pointing_game(np.zeros((1, 3)), mask) and not pointing_game(np.ones((1, 3)), mask)


def test_energy_inside_equals_the_loop():
    random = np.random.default_rng(6)
    maps, masks = random.normal(size=(3, 5, 6)), random.random((3, 5, 6)) < 0.4
    for one_map, mask, found in zip(maps, masks, energy_inside(maps, masks), strict=True):
        inside = sum(max(one_map[place], 0) for place in np.ndindex(5, 6) if mask[place])
        assert found == pytest.approx(inside / sum(max(value, 0) for value in one_map.ravel()))
        assert energy_inside(one_map, mask) == found
    assert energy_inside(-np.ones((2, 2)), np.ones((2, 2), bool)) == 0


@pytest.mark.parametrize("metric", [pointing_game, energy_inside])
def test_places_that_do_not_fit(metric):
    with pytest.raises(InvalidImagesError, match=r"of the same height and width, got \(2, 3\) and \(3, 2\)"):
        metric(np.ones((2, 3)), np.ones((3, 2), bool))
    with pytest.raises(InvalidImagesError, match="mask of image 1 is empty: there is no place to compare with"):
        metric(np.ones((2, 2, 2)), np.stack([np.ones((2, 2), bool), np.zeros((2, 2), bool)]))
    with pytest.raises(InvalidImagesError, match="masks must be bool"):
        metric(np.ones((2, 2)), np.ones((2, 2)))


def test_other_refusals():
    with pytest.raises(TfvizError, match="tolerance must be 0 pixels or more, got -1"):
        pointing_game(np.ones((2, 2)), np.ones((2, 2), bool), tolerance=-1)
    with pytest.raises(InvalidImagesError, match="got"):
        mask_iou(np.ones((2, 2), bool), np.ones((2, 3), bool))


# --- Drawing ----------------------------------------------------------------------------------------------------------

YELLOW, WHITE, BLACK = (255, 230, 0), (255, 255, 255), (0, 0, 0)


def test_a_box_is_drawn_on_its_outermost_pixels():
    picture = np.full((20, 30, 3), 99, np.uint8)
    drawn = outline(picture, boxes=[5, 4, 12, 15])
    for row, column in np.ndindex(20, 30):
        inside = 5 <= column < 12 and 4 <= row < 15
        on_line = inside and not (6 <= column < 11 and 5 <= row < 14)
        assert (tuple(drawn[row, column]) == YELLOW) == on_line
    assert tuple(drawn[9, 4]) == tuple(drawn[9, 6]) == BLACK and tuple(drawn[9, 8]) == (99, 99, 99)
    assert (picture == 99).all()


def test_a_mask_is_drawn_along_its_edge_and_its_holes():
    mask = np.zeros((30, 30), bool)
    mask[5:25, 5:25] = True
    mask[12:16, 12:16] = False
    drawn = outline(np.full((30, 30, 3), 99, np.uint8), masks=mask)
    white = (drawn == WHITE).all(axis=-1)
    assert white[5, 5:25].all() and white[5:25, 24].all() and white[11, 13]
    assert not white[~mask].any() and not white[8, 8:20].any()


def test_lines_grow_with_the_picture():
    counts = [
        (outline(np.full((side, side, 3), 99, np.uint8), boxes=[side // 4, side // 4, side // 2, side // 2]) == YELLOW)
        .all(axis=-1)
        .sum()
        for side in (100, 900)
    ]
    assert counts[1] > 3 * 9 * counts[0]


def test_enlarged_pictures_have_enlarged_places():
    picture = np.random.default_rng(0).integers(0, 200, (20, 30, 3), np.uint8)
    mask = box_mask([3, 3, 20, 15], (20, 30))
    large = np.kron(picture, np.ones((3, 3, 1), np.uint8))
    np.testing.assert_array_equal(outline(picture, enlarge=3), large)
    expected = outline(large, boxes=[12, 15, 60, 45], masks=box_mask([9, 9, 60, 45], (60, 90)))
    np.testing.assert_array_equal(outline(picture, boxes=[4, 5, 20, 15], masks=mask, enlarge=3), expected)
    with pytest.raises(TfvizError, match="enlarge must be 1 or more, got 0"):
        outline(picture, enlarge=0)


def test_batches_of_boxes():
    pictures = np.full((2, 30, 30, 3), 99, np.uint8)
    one, other = [2, 2, 9, 9], [12, 12, 25, 28]
    together = outline(pictures, boxes=np.array([one, other]))
    np.testing.assert_array_equal(together, [outline(pictures[0], boxes=one), outline(pictures[1], boxes=other)])
    several = outline(pictures, boxes=[[one, other], []])
    np.testing.assert_array_equal(several[0], outline(pictures[0], boxes=[one, other]))
    np.testing.assert_array_equal(several[1], pictures[1])
    np.testing.assert_array_equal(outline(pictures[0], boxes=[0, 0, 0, 0]), pictures[0])
    np.testing.assert_array_equal(outline(pictures[0]), pictures[0])


def test_outlines_of_others_are_refused():
    pictures = np.zeros((2, 5, 5, 3), np.uint8)
    with pytest.raises(InvalidImagesError, match="expected the boxes of 2 pictures, got those of 1"):
        outline(pictures, boxes=[[0, 0, 1, 1]])
    with pytest.raises(InvalidImagesError, match="of the same height and width"):
        outline(pictures, masks=np.ones((2, 5, 6), bool))
