"""Linear imputation against a dense system of equations, harmonic functions and the mean of neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from tfviz.results.metrics.faithfulness.imputation import imputed


def weight(down, right):
    return 1 / 6 if 0 in (down, right) else 1 / 12


def neighbours(place, shape):
    """Yield the neighbours of a pixel inside of an image, each with its weight."""
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            row, column = place[0] + down, place[1] + right
            if (down, right) != (0, 0) and 0 <= row < shape[0] and 0 <= column < shape[1]:
                yield (row, column), weight(down, right)


def slow(image, removed):
    """Solve the equations of all pixels at once: a kept one is what it is, a removed one its neighbours' mean."""
    height, width, channels = image.shape
    equations, right = np.eye(height * width), image.astype(np.float64).reshape(-1, channels).copy()
    for place in np.argwhere(removed).tolist():
        row = place[0] * width + place[1]
        right[row] = 0
        around = [*neighbours(place, removed.shape)]
        total = sum(weight for _, weight in around)
        for (down, over), share in around:
            equations[row, down * width + over] = -share / total
    return np.linalg.solve(equations, right).reshape(image.shape)


def disc(shape, radius):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - shape[0] * 0.4) ** 2 + (columns - shape[1] * 0.6) ** 2 < radius**2


SHAPE = (23, 18)
DRAWN = np.random.default_rng(0).random(SHAPE)
HOLES = {
    "few": DRAWN < 0.1,
    "most": DRAWN < 0.9,
    "all but one": DRAWN.min() < DRAWN,
    "a disc": disc(SHAPE, 7),
    "all but a disc": ~disc(SHAPE, 4),
    "the upper half": np.arange(23)[:, np.newaxis] < np.full(SHAPE, 12),
    "none": np.zeros(SHAPE, bool),
}


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("holes", HOLES)
def test_equals_a_dense_system(holes, channels):
    image = np.random.default_rng(1).uniform(50, 250, (*SHAPE, channels)).astype(np.float32)
    found = imputed(image, HOLES[holes])
    np.testing.assert_allclose(found, slow(image, HOLES[holes]), atol=200 * 1e-8)
    # What is kept is as it was but for the last digits.
    np.testing.assert_allclose(found[~HOLES[holes]], image[~HOLES[holes]], rtol=1e-12)


@pytest.mark.parametrize("shape", [(1, 30), (30, 1), (2, 3), (9, 40)])
def test_images_of_a_few_pixels(shape):
    image = np.random.default_rng(1).normal(size=(*shape, 2)).astype(np.float32)
    removed = np.random.default_rng(2).random(shape) < 0.6
    assert removed.any() and not removed.all()
    np.testing.assert_allclose(imputed(image, removed), slow(image, removed), atol=1e-7)


def test_a_plane_is_found_again_inside_of_its_border():
    """A linear function is the mean of its neighbours: in a hole of 180 pixels in width as well."""
    rows, columns = np.mgrid[:227, :227].astype(np.float32)
    image = np.stack([rows + 2 * columns, 3 - columns, np.full_like(rows, 7)], axis=-1)
    removed = np.zeros((227, 227), bool)
    removed[20:200, 30:210] = True
    np.testing.assert_allclose(imputed(image * ~removed[..., np.newaxis], removed), image, atol=3e-6)


def test_nine_tenths_of_a_large_image_are_the_mean_of_their_neighbours():
    generator = np.random.default_rng(3)
    image = generator.uniform(size=(227, 227, 3)).astype(np.float32)
    removed = generator.random((227, 227)) < 0.9
    removed[40:180, 50:190] = True
    found = imputed(image, removed)
    total, weights = np.zeros_like(found), np.zeros((227, 227, 1))
    wide = np.pad(found, ((1, 1), (1, 1), (0, 0)))
    inside = np.pad(np.ones((227, 227, 1)), ((1, 1), (1, 1), (0, 0)))
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if (down, right) != (0, 0):
                place = slice(1 + down, 228 + down), slice(1 + right, 228 + right)
                total += weight(down, right) * wide[place]
                weights += weight(down, right) * inside[place]
    np.testing.assert_allclose((total / weights)[removed], found[removed], atol=2e-9)


def test_without_any_pixel_the_mean_color_is_left():
    image = np.random.default_rng(1).uniform(size=(6, 5, 3)).astype(np.float32)
    found = imputed(image, np.ones((6, 5), bool))
    np.testing.assert_allclose(found, np.broadcast_to(image.mean((0, 1)), image.shape), atol=1e-6)


def test_less_precision_is_as_near_as_it_says():
    image = np.random.default_rng(1).uniform(size=(*SHAPE, 3)).astype(np.float32)
    off = abs(imputed(image, HOLES["most"], 1e-4) - imputed(image, HOLES["most"])).max()
    assert 1e-7 < off < 1e-3
