"""Places found by hand-drawn cases, slow loops, and the embedded pictures, whose true masks are known."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import pytest
from support.slow import slow_box, slow_components

import tfviz
from tfviz import demo
from tfviz.errors import InvalidImagesError, TfvizError, TfvizWarning
from tfviz.results import (
    box_iou,
    box_mask,
    component_boxes,
    fuse,
    grabcut_mask,
    largest_box,
    largest_component,
    normalise,
    resize,
    threshold_mask,
)

# A component of five pixels that touch at corners, one of four, one of one.
DRAWN = np.array(
    [
        [0, 0, 0, 0, 0, 0, 1],
        [1, 0, 0, 0, 1, 0, 0],
        [0, 1, 0, 0, 1, 0, 0],
        [0, 0, 1, 0, 1, 0, 0],
        [0, 1, 1, 0, 1, 0, 0],
    ],
    bool,
)
FIVE, FOUR, ONE = (0, 1, 3, 5), (4, 1, 5, 5), (6, 0, 7, 1)


def scene(color=(200, 40, 40), size=(40, 60), box=(20, 10, 45, 30)):
    """A box of one colour on a grey ground, both with a little noise, and a map that knows its middle alone."""
    random = np.random.default_rng(0)
    picture = np.full((*size, 3), 110.0)
    left, top, right, bottom = box
    picture[top:bottom, left:right] = color
    picture = np.clip(picture + random.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)
    rows, columns = np.indices(size)
    centre = ((top + bottom) / 2, (left + right) / 2)
    return picture, np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / 60)


def test_components_by_hand():
    np.testing.assert_array_equal(component_boxes(DRAWN), [FIVE, FOUR, ONE])
    np.testing.assert_array_equal(largest_box(DRAWN), FIVE)
    kept = DRAWN.copy()
    kept[:, 4:] = False
    np.testing.assert_array_equal(largest_component(DRAWN), kept)


def test_components_equal_the_flood():
    masks = np.random.default_rng(1).random((20, 9, 12)) < 0.3
    for mask, boxes, largest in zip(masks, component_boxes(masks), largest_component(masks), strict=True):
        components = slow_components(mask)
        assert sorted(boxes.tolist()) == sorted(map(slow_box, components))
        assert {tuple(place) for place in np.argwhere(largest).tolist()} in components
        assert largest.sum() == len(components[0])
    for box, kept in zip(largest_box(masks), largest_component(masks), strict=True):
        np.testing.assert_array_equal(box, slow_box(np.argwhere(kept).tolist()))


def test_an_empty_mask_has_an_empty_box():
    empty = np.zeros((4, 5), bool)
    np.testing.assert_array_equal(largest_box(empty), [0, 0, 0, 0])
    np.testing.assert_array_equal(largest_box(np.stack([np.ones_like(empty), empty])), [[0, 0, 5, 4], [0, 0, 0, 0]])
    assert component_boxes(empty).shape == (0, 4) and not largest_component(empty).any()
    assert largest_box(empty[np.newaxis][:0]).shape == (0, 4)


def test_the_box_of_a_filled_box_is_the_box():
    boxes = np.array([[1, 2, 4, 6], [0, 0, 7, 8], [3, 3, 3, 5]])
    filled = box_mask(boxes, (8, 7))
    np.testing.assert_array_equal(largest_box(filled[:2]), boxes[:2])
    assert filled[0].sum() == 12 and not filled[2].any()
    np.testing.assert_array_equal(box_mask(boxes[0], (8, 7)), filled[0])
    np.testing.assert_array_equal(box_mask([-3, 0.4, 2, 1.6], (3, 3)), [[1, 1, 0], [1, 1, 0], [0, 0, 0]])


def test_threshold_by_hand():
    one_map = [[1.0, 1.6], [4.0, -8.0]]
    np.testing.assert_array_equal(threshold_mask(one_map, 0.4), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(threshold_mask(one_map, 1), [[0, 0], [1, 0]])
    np.testing.assert_array_equal(threshold_mask(one_map), threshold_mask(one_map, 0.15))
    np.testing.assert_array_equal(threshold_mask([one_map, np.multiply(2, one_map)], 0.4), [[[0, 1], [1, 0]]] * 2)
    assert threshold_mask(np.ones((2, 3))).all()


def test_nothing_positive_marks_no_place():
    maps = np.stack([np.ones((3, 3)), np.zeros((3, 3)), -np.eye(3)])
    with pytest.warns(TfvizWarning, match="image 1, 2 is nowhere positive: it marks no place, and its mask is empty"):
        masks = threshold_mask(maps)
    assert masks[0].all() and not masks[1:].any()


def test_grabcut_grows_a_middle_to_its_edges():
    picture, one_map = scene()
    mask = grabcut_mask(picture, one_map)
    np.testing.assert_array_equal(largest_box(mask), [20, 10, 45, 30])
    assert mask.sum() >= 0.98 * 25 * 20
    assert grabcut_mask(picture, one_map - one_map.max() / 2, smoothing=0).sum() >= 0.98 * 25 * 20


def test_grabcut_keeps_one_component():
    """A second patch of the same colour is taken by the colours, and left by the mask."""
    picture, one_map = scene()
    picture[2:7, 28:36] = picture[12:17, 22:30]
    np.testing.assert_array_equal(component_boxes(grabcut_mask(picture, one_map)), [[20, 10, 45, 30]])


def test_an_image_does_not_depend_on_its_batch():
    (first, its_map), (second, other_map) = scene(), scene((30, 60, 200), box=(5, 5, 25, 35))
    pictures, maps = np.stack([first, second, first]), np.stack([its_map, other_map, its_map])
    masks = grabcut_mask(pictures, maps)
    for picture, one_map, mask in zip(pictures, maps, masks, strict=True):
        np.testing.assert_array_equal(grabcut_mask(picture, one_map), mask)
    np.testing.assert_array_equal(largest_box(masks), [[20, 10, 45, 30], [5, 5, 25, 35], [20, 10, 45, 30]])


def test_an_image_does_not_depend_on_what_was_random_before():
    _, one_map = scene()
    noise = np.random.default_rng(3).integers(0, 256, (40, 60, 3), np.uint8)
    found = []
    for seed in (0, 1):
        cv2.setRNGSeed(seed)
        found.append(grabcut_mask(noise, one_map, foreground=0.6))
    np.testing.assert_array_equal(*found)


def test_maps_of_another_size_are_resized():
    picture, one_map = scene()
    coarse = resize(one_map, (10, 15))
    np.testing.assert_array_equal(grabcut_mask(picture, coarse), grabcut_mask(picture, resize(coarse, (40, 60))))


def test_the_seeds_are_the_quantiles():
    """What is above the one quantile is in the foreground, what is not above the other is in the background."""
    size = (20, 30)
    one_map = np.arange(600.0).reshape(size)
    plain = np.full((*size, 3), 90, np.uint8)
    with_seeds = grabcut_mask(plain, one_map, foreground=0.9, background=0.85, smoothing=0)
    undecided = (one_map > np.quantile(one_map, 0.85)) & (one_map <= np.quantile(one_map, 0.9))
    np.testing.assert_array_equal(with_seeds[~undecided], (one_map > np.quantile(one_map, 0.9))[~undecided])


def test_smoothing_forgets_specks():
    """High values all over the picture, denser on the shape: unsmoothed, those beside it are certainly foreground."""
    picture, one_map = scene()
    random = np.random.default_rng(1).random(one_map.shape)
    specks = (random < np.where(one_map > 0.3, 0.3, 0.03)) * 1.0
    found = [largest_box(grabcut_mask(picture, specks, smoothing=smoothing)) for smoothing in (0, 0.05)]
    assert box_iou(found[1], (20, 10, 45, 30)) > 0.8 > 0.5 > box_iou(found[0], (20, 10, 45, 30))


def test_smoothing_is_a_part_of_the_shorter_side():
    picture, one_map = scene()
    specks = one_map * (np.random.default_rng(1).random(one_map.shape) < 0.2)
    smooth = cv2.GaussianBlur(specks, (0, 0), 0.1 * 40)
    expected = grabcut_mask(picture, smooth, foreground=0.8, smoothing=0)
    np.testing.assert_array_equal(grabcut_mask(picture, specks, foreground=0.8, smoothing=0.1), expected)


def test_sparse_and_flat_maps_have_seeds_too():
    """All that a sparse map leaves at zero is background; all that a flat one holds at its maximum is foreground."""
    picture, _ = scene()
    sparse = np.zeros((40, 60))
    sparse[18:22, 30:33] = 1
    flat = np.ones((40, 60))
    flat[:, :10] = 0
    for one_map in (sparse, flat):
        np.testing.assert_array_equal(grabcut_mask(picture, one_map, smoothing=0), one_map > 0)


@pytest.mark.parametrize("level", [1, 0])
def test_rounding_chooses_no_seeds(level):
    """Of what is flat up to rounding, a quantile would take the pixels that happen to be rounded up."""
    picture, _ = scene()
    one_map = np.full((40, 60), level, float)
    one_map[18:22, 30:33] = 1 - level
    noise = np.random.default_rng(0).uniform(-1e-5, 1e-5, one_map.shape)
    expected = one_map > 0
    for rounding in (noise, 0 * noise):
        np.testing.assert_array_equal(grabcut_mask(picture, one_map + rounding, smoothing=0), expected)


@pytest.mark.parametrize("value", [0, 0.1, -3])
def test_a_constant_map_has_no_seeds(value):
    picture, one_map = scene()
    maps = np.stack([one_map, np.full_like(one_map, value)])
    with pytest.warns(TfvizWarning, match="the map of image 1 is constant: it marks no place, and its mask is empty"):
        masks = grabcut_mask(np.stack([picture, picture]), maps)
    assert masks[0].any() and not masks[1].any()


def test_a_constant_map_stays_constant_when_it_is_smoothed():
    """In OpenCV 5, blurring this very number over this size rounds differently from pixel to pixel."""
    one_map, picture = np.full((31, 17), 0.1), np.zeros((31, 17, 3), np.uint8)
    with pytest.warns(TfvizWarning, match="constant"):
        assert not grabcut_mask(picture, one_map, smoothing=1.2 / 17).any()


def test_many_empty_masks_are_not_all_named():
    with pytest.warns(TfvizWarning, match="image 0, 1, 2, 3, 4 and others is"):
        threshold_mask(np.zeros((9, 2, 2)))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"foreground": 0.3, "background": 0.95}, "background 0.95 and foreground 0.3"),
        ({"foreground": 0.3}, "background 0.3 and foreground 0.3"),
        ({"foreground": 1.5}, "quantiles must lie in 0..1"),
        ({"background": -0.1}, "quantiles must lie in 0..1"),
        ({"smoothing": -1}, "smoothing must be 0 or more"),
        ({"smoothing": float("nan")}, "smoothing must be 0 or more"),
        ({"iterations": 0}, "iterations an integer of 1 or more"),
    ],
)
def test_options_of_grabcut_that_make_no_sense(options, message):
    with pytest.raises(TfvizError, match=message):
        grabcut_mask(*scene(), **options)


@pytest.mark.parametrize("threshold", [0, -0.2, 1.01, float("nan")])
def test_thresholds_out_of_range(threshold):
    with pytest.raises(TfvizError, match="threshold must be above 0 and at most 1"):
        threshold_mask(np.eye(3), threshold)


def test_what_is_no_picture_map_mask_or_box():
    picture, one_map = scene()
    with pytest.raises(InvalidImagesError, match="uint8 RGB"):
        grabcut_mask(picture / -255, one_map)
    with pytest.raises(InvalidImagesError, match="expected one map per picture"):
        grabcut_mask(picture, one_map[np.newaxis])
    with pytest.raises(InvalidImagesError, match="NaN"):
        threshold_mask(np.full((2, 2), np.nan))
    for function in (largest_box, component_boxes, largest_component):
        with pytest.raises(InvalidImagesError, match=r"masks must be bool .* got float64 \(40, 60\); `masks > 0`"):
            function(one_map)
    with pytest.raises(InvalidImagesError, match=r"boxes must be finite numbers .* got int64 \(3,\)"):
        box_mask([1, 2, 3], (4, 4))
    with pytest.raises(InvalidImagesError, match=r"left <= right and top <= bottom, got \[3\. 1\. 2\. 5\.\]"):
        box_mask([[0, 0, 1, 1], [3, 1, 2, 5]], (4, 4))


# --- Several layers' maps ---------------------------------------------------------------------------------------------


def test_fuse_equals_the_loop():
    random = np.random.default_rng(5)
    layers = [random.normal(size=(2, 4, 5)), 9 * random.normal(size=(2, 8, 3)), random.normal(size=(2, 2, 2))]
    for how, choose in (("maximum", max), ("mean", lambda values: sum(values) / len(values))):
        fused = fuse(layers, how)
        assert fused.shape == (2, 8, 5) and fused.dtype == np.float32
        for image in range(2):
            scaled = [resize(np.maximum(layer[image], 0) / layer[image].max(), (8, 5)) for layer in layers]
            expected = [[choose([float(layer[i, j]) for layer in scaled]) for j in range(5)] for i in range(8)]
            np.testing.assert_allclose(fused[image], expected, rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(fuse([layer[image] for layer in layers], how), fused[image], rtol=1e-6)


def test_fuse_by_hand():
    np.testing.assert_allclose(fuse([[[4.0, 2.0]], [[-1.0, 5.0]]]), [[1, 1]])
    np.testing.assert_allclose(fuse([[[4.0, 2.0]], [[-1.0, 5.0]]], "mean"), [[0.5, 0.75]])
    assert fuse([np.eye(3)], size=(6, 9)).shape == (6, 9)
    np.testing.assert_array_equal(fuse([np.zeros((2, 2)), np.eye(2)]), normalise(np.eye(2)))


@pytest.mark.parametrize("maps", [[], [np.ones((1, 2, 2)), np.ones((2, 2, 2))], [np.ones((2, 2)), np.ones((1, 2, 2))]])
def test_maps_that_do_not_belong_together(maps):
    with pytest.raises(InvalidImagesError, match="those of the same images, from at least one layer"):
        fuse(maps)


def test_one_array_is_no_list_of_layers():
    """Its images would be fused with each other."""
    with pytest.raises(InvalidImagesError, match="must be a list of arrays, one per layer"):
        fuse(np.ones((2, 3, 3)))


def test_layers_by_name_are_fused_like_a_list():
    layers = {"a": np.eye(2), "b": np.eye(4)}
    np.testing.assert_array_equal(fuse(layers), fuse(list(layers.values())))


def test_an_unknown_way_to_fuse():
    with pytest.raises(TfvizError, match="no fusion 'max'; did you mean 'maximum'"):
        fuse([np.eye(2)], "max")


# --- On pictures whose true masks are known ---------------------------------------------------------------------------

THRESHOLDS = np.arange(0.05, 1, 0.05)
TUNING_SEED, SEED, COUNT = 1001, 2002, 24


@pytest.fixture(scope="module")
def found():
    """Pictures, maps and true boxes of two seeds: one to choose a threshold with, one to report on."""
    network = tfviz.trace(demo.load_network())
    both = []
    for seed in (TUNING_SEED, SEED):
        pictures = demo.generate(COUNT, seed)
        inputs = pictures.images.astype(np.float32)
        explanation = tfviz.explain(network, inputs, pictures.labels, methods=("saliency", "grad_cam"))
        both.append((pictures.images, explanation.maps, largest_box(pictures.masks)))
    return both


@pytest.mark.parametrize("method", ["saliency", "grad_cam"])
def test_grabcut_finds_the_shapes_and_beats_the_best_threshold(found, method):
    """Against the plain box at the threshold that is best for the method, smoothed by as much or not."""
    (_, tuning_maps, tuning_boxes), (pictures, maps, boxes) = found

    def plain(maps, threshold, deviation):
        smooth = [cv2.GaussianBlur(each, (0, 0), deviation) if deviation else each for each in maps]
        return largest_box(threshold_mask(np.stack(smooth), threshold))

    choices = [(threshold, deviation) for threshold in THRESHOLDS for deviation in (0, 0.03 * 128)]
    best = max(choices, key=lambda choice: box_iou(plain(tuning_maps[method], *choice), tuning_boxes).mean())
    grown = box_iou(largest_box(grabcut_mask(pictures, maps[method])), boxes).mean()
    assert grown >= 0.6
    assert grown > box_iou(plain(maps[method], *best), boxes).mean() + 0.05


def test_rounds_of_grabcut_are_run_and_nothing_is_said(found):
    pictures, maps, _ = found[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        masks = [grabcut_mask(pictures[:2], maps["saliency"][:2], iterations=rounds) for rounds in (1, 5)]
    assert (masks[0] != masks[1]).any()
    np.testing.assert_array_equal(masks[1], grabcut_mask(pictures[:2], maps["saliency"][:2]))
