"""Sensitivity-n, µ-fidelity and infidelity against closed forms, slow loops over the papers, and other software."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy import stats
from support.closed_forms import sum_of_pixels
from support.references import convolutional, linear, load

import tfviz
from tfviz.errors import InvalidImagesError, TfvizError
from tfviz.results import metrics
from tfviz.results.metrics.faithfulness import subsets
from tfviz.results.metrics.faithfulness.infidelity import infidelity
from tfviz.results.metrics.faithfulness.subsets import mu_fidelity, sensitivity_n

SIDE, COUNT = 8, 3
SAME_SCORE = "is not defined \\(NaN\\): the score is the same whatever is removed"


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 1, (COUNT, SIDE, SIDE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(1).normal(size=(SIDE, SIDE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model(weights):
    return sum_of_pixels(weights)


@pytest.fixture(scope="module")
def curved():
    """A network whose score is not a sum over pixels."""
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    random = np.random.default_rng(2)
    model.set_weights([random.normal(size=each.shape) for each in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def maps():
    return np.random.default_rng(3).normal(size=(COUNT, SIDE, SIDE))


def of_mean(images, weights):
    """What the score of the linear network loses without each pixel, which becomes the mean colour."""
    return ((images - images.mean((1, 2), keepdims=True)) * weights).sum(-1).astype(np.float64)


@pytest.mark.parametrize("metric", [sensitivity_n, mu_fidelity])
def test_what_a_linear_network_loses_correlates_with_its_evidence(metric, model, images, weights):
    evidence = of_mean(images, weights)
    np.testing.assert_allclose(metric(model, images, 0, evidence), 1, atol=1e-5)
    np.testing.assert_allclose(metric(model, images, 1, evidence), -1, atol=1e-5)
    np.testing.assert_allclose(metric(model, images, 0, 7 * evidence), 1, atol=1e-5)


def test_the_error_of_the_evidence_of_a_linear_network_is_zero(model, images, weights):
    evidence = of_mean(images, weights)
    np.testing.assert_allclose(infidelity(model, images, 0, 3 * evidence), 0, atol=1e-9)
    np.testing.assert_allclose(infidelity(model, images, 0, evidence, scaled=False), 0, atol=1e-9)
    # A map that says the opposite is no better than one of zeros.
    np.testing.assert_allclose(infidelity(model, images, 0, -evidence), 1, atol=1e-9)
    np.testing.assert_array_equal(infidelity(model, images, 0, 0 * evidence), 1)
    slopes = np.broadcast_to(weights, images.shape)
    np.testing.assert_allclose(infidelity(model, images, 0, slopes, of_slopes=True), 0, atol=1e-9)
    errors = infidelity(model, images, 0, 2 * slopes, of_slopes=True, scaled=False)
    assert (errors.values > 1e-3).all()
    assert errors.collapse is None and infidelity(model, images, 0, slopes).collapse == "max_abs"


def test_the_error_of_a_factor_is_that_of_what_is_left(model, images, weights):
    """E (k s - s)² = (k - 1)² E s²."""
    evidence = of_mean(images, weights)
    twice, thrice = (infidelity(model, images, 0, k * evidence, scaled=False).values for k in (2, 3))
    np.testing.assert_allclose(thrice, 4 * twice, rtol=1e-4)


def slow_drops(model, image, target, masks):
    """Run the network once for each mask."""
    other = image.mean((0, 1), dtype=np.float64)
    whole = model(image[np.newaxis]).numpy()[0, target]
    without = [np.where(mask[..., np.newaxis], other, image).astype(np.float32) for mask in masks]
    return np.array([whole - model(each[np.newaxis]).numpy()[0, target] for each in without])


def slow_cells(grid, size=SIDE):
    """Return of each pixel the cell that its centre lies in."""
    found = np.zeros((size, size), int)
    for row in range(size):
        for column in range(size):
            found[row, column] = int((row + 0.5) / size * grid) * grid + int((column + 0.5) / size * grid)
    return found


def slow_draws(grid, sizes, seed):
    """Take the cells of the smallest random numbers."""
    numbers = np.random.default_rng(seed).random((len(sizes), grid * grid))
    chosen = [{*np.argsort(row)[:size]} for row, size in zip(numbers, sizes, strict=True)]
    cells = slow_cells(grid)
    return [np.vectorize(cells_chosen.__contains__)(cells) for cells_chosen in chosen]


def test_sensitivity_n_equals_a_slow_one(curved, images, maps):
    sizes = [1, 2, 3, 4, 7, 12, 20]  # 20 ** (k / 6), and 20 is 80 % of 25
    found = sensitivity_n(curved, images, 1, maps, grid=5, subsets=6, seed=4)
    for row, image in enumerate(images):
        expected = []
        masks = slow_draws(5, np.repeat(sizes, 6), 4)
        drops = slow_drops(curved, image, 1, masks)
        sums = np.array([maps[row][mask].sum() for mask in masks])
        for one, other in zip(sums.reshape(7, 6), drops.reshape(7, 6), strict=True):
            expected.append(stats.pearsonr(one, other)[0])
        np.testing.assert_allclose(found.curves.scores[row], expected, atol=1e-4)
        assert found[row] == pytest.approx(np.mean(expected), abs=1e-4)
    np.testing.assert_allclose(found.curves.shares, np.array(sizes) / 25)


def test_mu_fidelity_equals_a_slow_one(curved, images, maps):
    found = mu_fidelity(curved, images, [0, 1, 2], maps, grid=5, subsets=20, share=0.3, seed=1)
    masks = slow_draws(5, [8] * 20, 1)  # 7.5 cells
    for row, image in enumerate(images):
        drops = slow_drops(curved, image, row, masks)
        sums = [maps[row][mask].sum() for mask in masks]
        assert found[row] == pytest.approx(stats.pearsonr(sums, drops)[0], abs=1e-4)


def slow_squares(count, seed, size=SIDE):
    masks = []
    for top, left, side in np.random.default_rng(seed).random((count, 3)):
        length = max(1, round((0.1 + 0.4 * side) * size))
        mask = np.zeros((size, size), bool)
        row, column = round(top * (size - length)), round(left * (size - length))
        for i in range(length):
            for j in range(length):
                mask[row + i, column + j] = True
        masks.append(mask)
    return masks


def test_infidelity_equals_a_slow_one(curved, images, maps):
    plain = infidelity(curved, images, 2, maps, squares=10, seed=3, scaled=False)
    scaled = infidelity(curved, images, 2, maps, squares=10, seed=3)
    for row, image in enumerate(images):
        masks = slow_squares(10, 3)
        drops = slow_drops(curved, image, 2, masks)
        said = np.array([maps[row][mask].sum() for mask in masks])
        assert plain[row] == pytest.approx(np.mean((said - drops) ** 2), rel=1e-4)
        factors = np.linspace(0, 5, 100_001)[:, np.newaxis]
        least = np.square(factors * said - drops).mean(1).min()
        assert scaled[row] == pytest.approx(least / np.mean(drops**2), rel=1e-4)


def test_slopes_are_multiplied_by_the_change(curved, images):
    slopes = np.random.default_rng(5).normal(size=images.shape)
    found = infidelity(curved, images, 0, slopes, squares=10, seed=3, of_slopes=True, scaled=False, fill=0.25)
    masks = slow_squares(10, 3)
    for row, image in enumerate(images):
        errors = []
        for mask in masks:
            changed = np.where(mask[..., np.newaxis], 0.25, image).astype(np.float32)
            drop = curved(image[np.newaxis]).numpy()[0, 0] - curved(changed[np.newaxis]).numpy()[0, 0]
            errors.append(((slopes[row] * (image.astype(np.float64) - changed)).sum() - drop) ** 2)
        assert found[row] == pytest.approx(np.mean(errors), rel=1e-4)


def test_correlations_of_equal_numbers_are_left_out():
    """A map of one pixel: most draws of a single cell miss it, and those of some size may all do."""
    values = np.array([[np.nan, 0.5, 0.7], [np.nan] * 3])
    np.testing.assert_array_equal(subsets.mean_of_known(values), [0.6, np.nan])
    assert np.isnan(subsets.correlation(np.full((1, 5), 0.1 + 0.2), np.arange(5.0)[np.newaxis])).all()
    first, second = np.random.default_rng(0).integers(0, 4, (2, 3, 9)).astype(float)
    expected = [stats.spearmanr(one, other)[0] for one, other in zip(first, second, strict=True)]
    np.testing.assert_allclose(subsets.correlation(subsets.ranks_of(first), subsets.ranks_of(second)), expected)
    np.testing.assert_array_equal(subsets.ranks_of(first), [stats.rankdata(row) - 1 for row in first])


@pytest.mark.parametrize("metric", [sensitivity_n, mu_fidelity, infidelity])
def test_a_score_that_nothing_changes_is_named(metric, images, maps):
    dead = sum_of_pixels(np.zeros((SIDE, SIDE, 3), np.float32), bias=1.0)
    with pytest.warns(tfviz.TfvizWarning, match=f"{metric.__name__} of image 0, 1, 2 {SAME_SCORE}"):
        found = metric(dead, images, 0, maps)
    assert np.isnan(found.values).all() and len(found.warnings) == 1


@pytest.mark.parametrize("metric", [sensitivity_n, mu_fidelity])
def test_a_map_that_says_the_same_everywhere_is_named(metric, model, images, maps):
    mixed = maps.copy()
    mixed[1] = 0.3
    with pytest.warns(tfviz.TfvizWarning, match="of image 1 is not defined .* the map has the same sum") as heard:
        found = metric(model, images, 0, mixed)
    np.testing.assert_array_equal(np.isnan(found.values), [False, True, False])
    assert len(heard) == 1


def test_other_methods_and_metrics_take_the_same_passes(model, images, maps):
    for metric, passes in {sensitivity_n: 225, mu_fidelity: 129, infidelity: 65}.items():
        with metrics.shared_passes() as shared:
            metric(model, images, 0, maps)
            assert shared.asked == COUNT * passes >= shared.computed
            computed = shared.computed
            metric(model, images, 0, -maps)
            assert shared.computed == computed


def test_sizes_of_images_do_not_matter(images, maps, weights):
    """The parts are those of the image, so that each pixel as four has the same value."""
    large = [np.repeat(np.repeat(each, 2, axis=1), 2, axis=2) for each in (images, maps)]
    wide = sum_of_pixels(np.repeat(np.repeat(weights, 2, axis=0), 2, axis=1))
    for metric in (sensitivity_n, mu_fidelity):
        expected = metric(sum_of_pixels(weights), images, 0, maps).values
        np.testing.assert_allclose(metric(wide, large[0], 0, large[1]).values, expected, atol=1e-4)


def test_a_saved_model_has_the_same_values(curved, images, maps, tmp_path):
    curved.export(tmp_path / "saved", verbose=False)
    saved = tfviz.trace(tmp_path / "saved")
    for metric in (sensitivity_n, mu_fidelity, infidelity):
        np.testing.assert_allclose(metric(saved, images, 1, maps), metric(curved, images, 1, maps), atol=1e-5)
    with pytest.warns(tfviz.TfvizWarning, match="the probability that is watched is their softmax"):
        one, other = (sensitivity_n(each, images, 1, maps, like="quantus", step=4) for each in (saved, curved))
    np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.mark.parametrize(
    "metric, options, message",
    [
        (sensitivity_n, {"like": "rise"}, "no definition"),
        (
            sensitivity_n,
            {"step": 2},
            "step is not an option of the definition of tfviz: it has grid, subsets, fill, seed",
        ),
        (sensitivity_n, {"like": "quantus", "seed": 2}, "seed is not an option of the definition of quantus"),
        (sensitivity_n, {"like": "quantus", "step": 60}, "step is 60, expected fewer pixels"),
        (sensitivity_n, {"grid": 1}, "grid is 1, expected an integer of at least 2"),
        (mu_fidelity, {"subsets": 1}, "subsets is 1, expected an integer of at least 2"),
        (mu_fidelity, {"share": 1.0}, "share is 1.0, expected a number above 0"),
        (mu_fidelity, {"fill": "grey"}, "there is no fill 'grey'"),
        (infidelity, {"squares": 0}, "squares is 0, expected an integer of at least 1"),
    ],
)
def test_options_that_it_does_not_take(model, images, maps, metric, options, message):
    with pytest.raises(TfvizError, match=message):
        metric(model, images, 0, maps, **options)


def test_maps_that_do_not_fit(model, images, maps):
    with pytest.raises(InvalidImagesError, match="expected one map"):
        mu_fidelity(model, images, 0, maps[:2])
    with pytest.raises(InvalidImagesError, match="expected attributions of the images' shape"):
        infidelity(model, images, 0, np.zeros((COUNT, SIDE, SIDE, 2)), of_slopes=True)
    with pytest.raises(TfvizError, match="at least 2, got 1"):
        sensitivity_n(model, images[:1], 0, maps[:1], like="quantus")


def test_as_quantus_has_it():
    """Float64 there, float32 here: one step's correlation is of four small differences."""
    known = load("quantus")
    step = int(known["features_in_step"]) // 3
    cases = {"": (linear(known), known["images"], known["targets"], step)}
    grey = linear(known, "grey_weights", "grey_bias")
    cases["grey_"] = grey, known["images"][..., :1], known["grey_targets"], 1
    for name, (model, pictures, targets, pixels) in cases.items():
        found = sensitivity_n(model, pictures, targets, known["maps"], like="quantus", step=pixels)
        np.testing.assert_allclose(found.values, known[f"{name}sensitivity_n"], atol=1e-6)
        by_step = known[f"{name}sensitivity_n_by_step"]
        np.testing.assert_allclose(found.curves.scores, np.broadcast_to(by_step, (4, by_step.size)), atol=5e-6)
    for name, model in {"": linear(known), "_convolutional": convolutional(known)}.items():
        found = infidelity(model, known["images"], known["targets"], known["maps"], like="quantus")
        np.testing.assert_allclose(found, known[f"infidelity{name}"], rtol=1e-6)


def test_as_xplique_has_it(monkeypatch):
    """With the masks that it drew, which are others for each image."""
    known = load("xplique")
    masks = np.unpackbits(known["mu_fidelity_masks_of_logits"], axis=-1).reshape(4, 200, 16, 16) == 0
    for row, removed in enumerate(masks):
        monkeypatch.setattr(subsets, "_random_parts", lambda size, options, removed=removed: removed)
        one = [known[name][row : row + 1] for name in ("images", "targets", "maps")]
        found = mu_fidelity(linear(known), *one, like="xplique")
        np.testing.assert_allclose(found, known["mu_fidelity_of_logits"][row], atol=1e-6)


def test_the_parts_of_xplique_are_cells_of_nine_rows(model, images, maps):
    """Each cell joins with a probability of a fifth; cells are those of nearest neighbours, as theirs are."""
    known = np.unpackbits(load("xplique")["mu_fidelity_masks_of_logits"], axis=-1).reshape(-1, 16, 16)
    cells = subsets.cells_of((16, 16), 9)
    assert all(len({*known[:, cells == cell].reshape(len(known), -1).std(axis=1)}) == 1 for cell in np.unique(cells))
    parts = subsets._random_parts((16, 16), {**subsets.FIDELITY_LIKE["xplique"], "subsets": 2000})
    assert parts.mean() == pytest.approx(0.2, abs=0.01) and len({*parts.sum(axis=(1, 2))}) > 20
    found = mu_fidelity(model, images, 0, maps, like="xplique")
    assert found.options["fill"] == 0 and found.options["ranks"]
