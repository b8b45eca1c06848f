"""The parts of an ascent, each against NumPy or a closed form."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfviz
from tfviz.methods.engine.blur import gaussian_blur
from tfviz.methods.visualization import Neuron, Recipe, color_statistics
from tfviz.methods.visualization.colors import find_colors
from tfviz.methods.visualization.optimizers import OPTIMIZERS
from tfviz.methods.visualization.parametrization import PARAMETRIZATIONS, amplitudes, frequencies
from tfviz.methods.visualization.regularizers import constrain, penalty
from tfviz.methods.visualization.transformations import draw_movement, transform, turn_and_scale
from tfviz.network.replay.rules import REDIRECTED

FOURIER = PARAMETRIZATIONS["fourier"]
SHAPES = [(6, 8, 3), (7, 9, 3), (5, 6, 1), (8, 5, 3)]
RANGE = (np.array([-1.0, -2.0, 0.0]), np.array([1.0, 2.0, 0.5]))


def recipe(**changes):
    return Recipe(**{"start": "zeros", "iterations": 1, "rate": 1.0, "l2": 0.0, **changes})


def pictures(count=50, size=16, seed=0):
    """Pictures whose channels go together, and not alike."""
    random = np.random.default_rng(seed)
    grey, other, third = random.uniform(40, 215, (3, count, size, size))
    mixed = np.stack([grey, 0.7 * grey + 0.3 * other, 0.3 * grey + 0.5 * third], axis=-1)
    return mixed.astype(np.uint8)


def test_color_statistics_are_mean_and_covariance():
    images = pictures()
    found = color_statistics(images)
    colors = images.reshape(-1, 3) / 255
    mean = colors.sum(axis=0) / len(colors)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(found.covariance, (colors - mean).T @ (colors - mean) / (len(colors) - 1), rtol=1e-6)
    np.testing.assert_allclose(found.root @ found.root, found.covariance, rtol=1e-4)
    low, high = RANGE
    preprocessed = color_statistics(low + (high - low) * images / 255, RANGE)
    np.testing.assert_allclose(preprocessed.covariance, found.covariance, rtol=1e-6)


def test_grey_pictures_have_a_root_with_an_inverse():
    grey = np.repeat(pictures()[..., :1], 3, axis=-1)
    root = color_statistics(grey).root
    deviation = np.std(grey / 255)
    np.testing.assert_allclose(root @ np.ones(3), np.full(3, np.sqrt(3) * deviation), rtol=1e-3)
    assert np.linalg.cond(root) < 50
    assert color_statistics(grey[..., :1]).covariance.shape == (1, 1)


@pytest.mark.parametrize(
    ("images", "arguments", "message"),
    [
        (np.zeros((2, 4, 4, 3)), [], "only one colour"),
        (np.zeros((4, 4, 3)), [], "expected .N, height, width, channels."),
        (pictures(2), [(0, 1)], "outside of the pixel range"),
        (pictures(2), [(1, 0)], "black below white"),
    ],
)
def test_color_statistics_of_other_things(images, arguments, message):
    with pytest.raises(tfviz.InvalidImagesError, match=message):
        color_statistics(images, *arguments)


def spectrum_of(shape, count=1, seed=3):
    return tf.random.stateless_normal((count, *FOURIER.shape(shape)), (seed, 0))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_fourier_image_is_that_of_numpy(shape):
    height, width, channels = shape
    spectrum = spectrum_of(shape)
    statistics = color_statistics(pictures()[..., :channels])
    low, high = (end[:channels] for end in RANGE)
    colors = find_colors((low, high), channels, statistics)
    values = spectrum[0].numpy() * amplitudes(height, width)[..., np.newaxis]
    planes = np.fft.irfft2(values[..., 0] + 1j * values[..., 1], (height, width))
    deviations = np.moveaxis(planes, 0, -1) @ statistics.root
    mean = statistics.mean
    logits = np.log(mean / (1 - mean)) + deviations / (mean * (1 - mean))
    expected = low + (high - low) / (1 + np.exp(-logits))
    np.testing.assert_allclose(FOURIER.decode(spectrum, colors, shape)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_encoding_is_the_inverse(name, shape):
    channels = shape[2]
    colors = find_colors((-1, 3), channels, color_statistics(pictures()[..., :channels]))
    images = tf.random.stateless_uniform((2, *shape), (1, 1), -0.9, 2.9)
    parameters = PARAMETRIZATIONS[name].encode(images, colors)
    assert parameters.shape[1:] == PARAMETRIZATIONS[name].shape(shape)
    np.testing.assert_allclose(PARAMETRIZATIONS[name].decode(parameters, colors, shape), images, atol=1e-4)
    ends = tf.constant([-1.0, 3.0])[:, tf.newaxis, tf.newaxis, tf.newaxis] * tf.ones((2, *shape))
    again = PARAMETRIZATIONS[name].decode(PARAMETRIZATIONS[name].encode(ends, colors), colors, shape)
    np.testing.assert_allclose(again, ends, atol=0.01)


@pytest.mark.parametrize("size", [(16, 16), (15, 17)])
def test_white_noise_becomes_pictures_whose_spectrum_falls_and_whose_variance_is_one(size):
    height, width = size
    noise = np.random.default_rng(0).normal(size=(4000, height, width // 2 + 1, 2)) * amplitudes(*size)[..., np.newaxis]
    planes = np.fft.irfft2(noise[..., 0] + 1j * noise[..., 1], size)
    np.testing.assert_allclose(planes.var(axis=0).mean(), 1, rtol=0.02)
    power = np.mean(np.abs(np.fft.fft2(planes)) ** 2, axis=0)
    rows, columns = np.fft.fftfreq(height)[:, np.newaxis], np.fft.fftfreq(width)
    falling = 1 / np.maximum(rows**2 + columns**2, 1 / max(size) ** 2)
    np.testing.assert_allclose(power / power.mean(), falling / falling.mean(), rtol=0.2)
    assert frequencies(*size)[1, 2] == pytest.approx(np.hypot(1 / height, 2 / width))


def test_white_noise_has_the_colours_of_the_pictures():
    """Of small deviations, which the sigmoid leaves as they are."""
    shape, small = (16, 16, 3), 0.02
    statistics = color_statistics(pictures())
    colors = find_colors(RANGE, 3, statistics)
    images = FOURIER.decode(small * spectrum_of(shape, 400), colors, shape).numpy()
    low, high = RANGE
    found = color_statistics(images, RANGE)
    np.testing.assert_allclose(found.covariance / small**2, statistics.covariance, rtol=0.1)
    np.testing.assert_allclose(found.mean, statistics.mean, atol=1e-3)
    large = FOURIER.decode(50 * spectrum_of(shape), colors, shape).numpy()
    assert (large >= low - 1e-5).all() and (large <= high + 1e-5).all() and np.ptp(large, axis=(0, 1, 2)).min() > 0.4


def test_without_statistics_channels_are_independent():
    colors = find_colors((0, 2), 2, None)
    np.testing.assert_allclose(colors.middle, [1, 1])
    np.testing.assert_allclose(colors.root, np.eye(2) * np.sqrt(1 / 12), rtol=1e-6)


def test_penalties():
    colors = find_colors((0, 4), 2, None)
    images = np.random.default_rng(0).normal(size=(3, 5, 6, 2)).astype(np.float32)
    shares = images / 4
    found = penalty(tf.constant(images), recipe(l2=0.3, total_variation=0.7), colors)
    for image, value in zip(shares, found.numpy(), strict=True):
        variation = np.abs(np.diff(image, axis=0)).sum() + np.abs(np.diff(image, axis=1)).sum()
        assert value == pytest.approx(0.3 * np.sum(image**2) + 0.7 * variation, rel=1e-5)


def test_a_blur_is_a_gaussian():
    """Of a point far from the edges; a constant image stays."""
    point = np.zeros((1, 25, 25, 1), np.float32)
    point[0, 12, 12] = 1
    rows, columns = np.mgrid[-12:13, -12:13]
    gaussian = np.exp(-(rows**2 + columns**2) / (2 * 1.5**2))
    np.testing.assert_allclose(gaussian_blur(tf.constant(point), 1.5)[0, :, :, 0], gaussian / gaussian.sum(), atol=5e-4)
    np.testing.assert_allclose(gaussian_blur(tf.fill((1, 7, 9, 2), 3.0), 1.5), 3.0, rtol=1e-6)


def test_when_images_are_constrained():
    images = tf.constant(np.random.default_rng(0).normal(size=(1, 8, 8, 3)), tf.float32)
    colors = find_colors((-0.5, 0.5), 3, None)
    found = [constrain(images, recipe(blur_every=3), colors, tf.constant(number)).numpy() for number in range(4)]
    for number in (0, 1, 3):
        np.testing.assert_array_equal(found[number], images)
    np.testing.assert_array_equal(found[2], gaussian_blur(images, 0.5))
    clamped = constrain(images, recipe(clamp=True), colors, tf.constant(0))
    np.testing.assert_array_equal(clamped, np.clip(images, -0.5, 0.5))


def transformed(images, how, grey, number):
    images = tf.convert_to_tensor(images, tf.float32)
    return transform(images, draw_movement(how, tuple(images.shape[1:3]), (4, tf.constant(number))), grey)


def moved(image, grey=0.0, number=0, **changes):
    return transformed(image[np.newaxis], recipe(**changes), tf.constant([grey]), number)[0].numpy()


def ramp(height=21, width=25):
    """An image that is a straight line along both axes, so that bilinear interpolation is exact."""
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    return rows - (height - 1) / 2, columns - (width - 1) / 2


def test_turning_and_scaling():
    rows, columns = ramp()
    angle, factor = 0.4, 0.9
    image = (2 * rows + 3 * columns)[np.newaxis, :, :, np.newaxis]
    found = turn_and_scale(tf.constant(image, tf.float32), tf.constant(angle), tf.constant(factor))[0, :, :, 0].numpy()
    # Anticlockwise, with rows that count downwards: what is at (row, column) was at this place.
    before_columns = (np.cos(angle) * columns - np.sin(angle) * rows) / factor
    before_rows = (np.sin(angle) * columns + np.cos(angle) * rows) / factor
    inside = (np.abs(before_rows) <= 10) & (np.abs(before_columns) <= 12)
    assert inside.sum() > 250
    np.testing.assert_allclose(found[inside], (2 * before_rows + 3 * before_columns)[inside], atol=1e-3)
    far = (np.abs(before_rows) > 11) | (np.abs(before_columns) > 13)
    assert far.any() and not found[far].any()


def test_the_jitter_rolls():
    image = np.random.default_rng(0).normal(size=(12, 14, 1)).astype(np.float32)
    offsets = set()
    for number in range(60):
        found = moved(image, number=number, jitter=2)
        matches = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if np.array_equal(found, np.roll(image, (down, right), (0, 1)))
        ]
        assert len(matches) == 1
        offsets.update(matches)
    assert {down for down, _ in offsets} == {right for _, right in offsets} == {-2, -1, 0, 1, 2}


def test_the_border_is_grey():
    """With a border as wide as the jitter, what leaves the image on one side does not come back on the other."""
    image = np.arange(1, 12 * 14 + 1, dtype=np.float32).reshape(12, 14, 1)
    np.testing.assert_array_equal(moved(image, pad=3), image)
    padded = np.pad(image[..., 0], 3, constant_values=-7)
    windows = [padded[top : top + 12, left : left + 14] for top in range(7) for left in range(7)]
    for number in range(20):
        found = moved(image, number=number, pad=3, jitter=3, grey=-7.0)[..., 0]
        assert sum(np.array_equal(found, window) for window in windows) == 1


def test_what_lies_around_a_turned_image_is_grey():
    grey = tf.constant([0.3, -5.0, 2.0])
    image = tf.broadcast_to(grey, (2, 15, 16, 3))
    options = recipe(rotate=40.0, scale=0.4, pad=2, jitter=2)
    for number in range(3):
        np.testing.assert_allclose(transformed(image, options, grey, number), image, atol=1e-5)
    shares = []
    for number in range(8):
        black = transformed(tf.zeros((1, 15, 16, 3)), recipe(rotate=45.0), grey, number)[0].numpy()
        np.testing.assert_allclose(black[7, 8], 0, atol=1e-6)
        shares.append(black[0, 0, 0] / 0.3)
        np.testing.assert_allclose(black[0, 0], shares[-1] * grey, atol=1e-5)
    assert max(shares) > 0.99


def measured(number, **changes):
    """By which angle and factor an image was moved in a step, from how two straight lines changed."""
    rows, columns = ramp()
    image = np.stack([rows, columns], axis=-1)
    found = transformed(image[np.newaxis], recipe(**changes), tf.zeros(2), number)
    middle = found[0].numpy()[8:13, 10:15]
    across = np.diff(middle, axis=1).mean(axis=(0, 1))  # the place where a pixel was, a column further
    return np.degrees(np.arctan2(across[0], across[1])), 1 / np.hypot(*across)


def test_angles_and_factors_are_drawn_between_their_limits():
    found = np.array([measured(number, rotate=30.0, scale=0.25) for number in range(100)])
    angles, factors = found.T
    assert -30 <= angles.min() < -25 and 25 < angles.max() <= 30
    assert 0.75 <= factors.min() < 0.78 and 1.22 < factors.max() <= 1.25
    assert abs(np.corrcoef(angles, factors)[0, 1]) < 0.3
    np.testing.assert_allclose([measured(number, rotate=10.0)[1] for number in range(3)], 1, rtol=1e-4)
    np.testing.assert_allclose([measured(number, scale=0.1)[0] for number in range(3)], 0, atol=1e-3)


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize(
    "changes",
    [{"jitter": 5}, {"jitter": 5, "pad": 6}, {"rotate": 20.0, "scale": 0.2}, {"jitter": 4, "pad": 4, "rotate": 9.0}],
)
def test_a_neuron_is_read_where_its_place_has_moved(stride, changes):
    """An image of its own coordinates: what is read there are those of the place in the image as it was."""
    height, width = 48, 40
    coordinates = np.moveaxis(np.mgrid[:height, :width], 0, -1).astype(np.float32)[np.newaxis]
    for number in range(8):
        movement = draw_movement(recipe(**changes), (height, width), (4, tf.constant(number)))
        shown = tf.nn.avg_pool2d(transform(tf.constant(coordinates), movement, tf.zeros(2)), stride, stride, "VALID")
        for row, column in ((height // stride // 2, width // stride // 2), (20 // stride, 16 // stride)):
            expected = [place * stride + (stride - 1) / 2 for place in (row, column)]
            found = [Neuron.read(None, shown, tf.constant([[row, column, axis]]), movement)[0] for axis in (0, 1)]
            np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_place_that_leaves_the_image_is_read_at_its_edge():
    """And one that is rolled out on one side, without a border, comes back on the other."""
    still = draw_movement(recipe(), (12, 12), (4, tf.constant(0)))
    out = still._replace(pad=4, offset=tf.constant([-3, 2]))
    np.testing.assert_allclose(out.places(tf.constant([[1, 5]]), tf.constant([12, 12])), [[0, 7]], atol=1e-5)
    round_about = still._replace(offset=tf.constant([-3, 8]))
    np.testing.assert_allclose(round_about.places(tf.constant([[1, 5]]), tf.constant([12, 12])), [[10, 1]], atol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_are_those_of_keras(name):
    """Up to where Adam adds its small number, which does not matter here."""
    gradients = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    theirs = {
        "momentum": keras.optimizers.SGD(0.1, momentum=0.7),
        "adam": keras.optimizers.Adam(0.1, beta_1=0.7, beta_2=0.9, epsilon=1e-8),
    }[name]
    ours = recipe(rate=0.1, momentum=0.7, decay=0.9)
    variable, slots, position = tf.Variable(tf.zeros(5)), (tf.zeros(5),) * OPTIMIZERS[name].slots, tf.zeros(5)
    for number, gradient in enumerate(gradients):
        theirs.apply([-tf.constant(gradient)], [variable])
        step, slots = OPTIMIZERS[name].step(tf.constant(gradient), slots, tf.constant(number), ours)
        position += step
        np.testing.assert_allclose(position, variable, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("relu", [tf.nn.relu, tf.nn.relu6])
def test_the_redirected_relu(relu):
    features = tf.constant([[-1.0, -2.0, -3.0], [-1.0, 2.0, 3.0], [-1.0, 2.0, -3.0]])
    upstream = tf.constant([[1.0, -1.0, 0.5], [1.0, -1.0, 0.5], [1.0, 0.0, -0.5]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        redirected, plain = REDIRECTED.apply(relu, features), relu(features)
    np.testing.assert_array_equal(redirected, plain)
    found = tape.gradient(redirected, features, upstream)
    # All asleep: only what would wake them. One awake: the plain gradient. Nothing asked of the one awake: as asleep.
    np.testing.assert_array_equal(found, [[1, 0, 0.5], [0, -1, 0.5], [1, 0, 0]])
    np.testing.assert_array_equal(tape.gradient(plain, features, upstream), [[0, 0, 0], [0, -1, 0.5], [0, 0, 0]])
