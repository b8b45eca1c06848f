"""Whether maps change with the weights and with the class: against Quantus's numbers, closed forms and slow loops."""

from itertools import chain

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.closed_forms import edges
from support.model_zoo import build, random_images
from support.references import load

import tfviz
from tfviz.network.traced import LayerWeights, with_own_weights, with_weights
from tfviz.results import metrics
from tfviz.results.metrics.randomisation.random_weights import redrawn, states
from tfviz.results.metrics.randomisation.similarity import SIMILARITIES, similarities

IMAGES = random_images(3)
TARGETS = np.array([0, 3, 1])
CASCADES = [metrics.parameter_randomisation, metrics.smooth_parameter_randomisation]
ALL = [*CASCADES, metrics.efficient_parameter_randomisation, metrics.random_logit]


@pytest.fixture(scope="module")
def quantus():
    return load("quantus")


@pytest.fixture(scope="module")
def model(quantus):
    """The network of the references: a convolution, ReLU, average pooling, and a dense layer of logits."""
    layers = keras.layers
    made = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(4, 3, activation="relu", name="convolution"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(4, name="dense"),
        ]
    )
    made.set_weights([quantus[name] for name in ("kernel", "kernel_bias", "dense", "dense_bias")])
    return made


@pytest.fixture(scope="module")
def network(model):
    return tfviz.trace(model)


@pytest.fixture(scope="module")
def residual():
    return tfviz.trace(build("residual"))


def summed(network, images, targets):
    """The gradient, summed over the channels."""
    return tfviz.gradient(network, images, targets).sum(axis=-1)


def of_quantus(quantus):
    """The weights that PyTorch drew for Quantus."""
    names = {"convolution": ("random_kernel", "random_kernel_bias"), "dense": ("random_dense", "random_dense_bias")}
    return lambda layer, values: [quantus[name] for name in names[layer]]


@pytest.mark.parametrize("order", ["top_down", "bottom_up", "independent"])
def test_quantus_finds_the_same(quantus, network, order):
    found = metrics.parameter_randomisation(
        network, quantus["images"], quantus["targets"], summed, like="quantus", order=order, weights=of_quantus(quantus)
    )
    expected = quantus[f"mprt_{order}"]
    assert list(found.options["layers"]) == list(quantus[f"mprt_{order}_layers"])
    # Gradients in float32 order a few pixels otherwise.
    np.testing.assert_allclose(found.curves.scores.T, expected, atol=1e-6)
    np.testing.assert_allclose(found, expected.mean(axis=0), atol=1e-6)
    if order == "top_down":
        np.testing.assert_allclose(found, quantus["mprt_top_down_average"], atol=1e-6)


def test_quantus_finds_the_same_over_noise(quantus, network):
    found = metrics.smooth_parameter_randomisation(
        network, quantus["images"], quantus["targets"], summed, like="quantus", weights=of_quantus(quantus), seed=16
    )
    np.testing.assert_allclose(found.curves.scores.T, quantus["smooth_mprt"], atol=1e-5)


def test_quantus_finds_the_same_rise_of_complexity(quantus, network):
    found = metrics.efficient_parameter_randomisation(
        network, quantus["images"], quantus["targets"], summed, like="quantus", weights=of_quantus(quantus)
    )
    np.testing.assert_allclose(found, quantus["efficient_mprt"], atol=1e-6)


def test_quantus_finds_the_same_for_another_class(quantus, network):
    found = metrics.random_logit(network, quantus["images"], quantus["targets"], summed, like="quantus")
    assert list(found.options["classes"]) == list(quantus["random_logit_classes"])
    np.testing.assert_allclose(found, quantus["random_logit"], atol=1e-6)


def slow_spearman(first, second):
    """By the definition: each rank is counted."""
    rows = [[np.mean([np.sum(each < x) + 1, np.sum(each <= x)]) for x in each] for each in (first, second)]
    return np.corrcoef(rows)[0, 1]


def slow_ssim(first, second):
    """Wang 2004, pixel by pixel, of maps with a frame of 5 pixels."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    found = []
    for row in range(5, first.shape[0] - 5):
        for column in range(5, first.shape[1] - 5):
            x, y = (each[row - 5 : row + 6, column - 5 : column + 6] for each in (first, second))
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            both = (window * (x - mx) * (y - my)).sum()
            found.append((2 * mx * my + 1e-4) * (2 * both + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)))
    return np.mean(found)


def test_similarities():
    draw = np.random.default_rng(0)
    maps, others = np.round(draw.normal(size=(2, 2, 13, 12)), 1)
    for pair in zip(maps, others, strict=True):
        flat = [np.abs(each).ravel() for each in pair]
        np.testing.assert_allclose(SIMILARITIES["spearman"](*(each[None] for each in pair)), slow_spearman(*flat))
        np.testing.assert_allclose(SIMILARITIES["pearson"](*(each[None] for each in pair)), np.corrcoef(flat)[0, 1])
    scaled = [np.abs(each[0]) / np.abs(each[0]).max() for each in (maps, others)]
    reflected = [np.pad(each, 5, mode="symmetric") for each in scaled]
    np.testing.assert_allclose(SIMILARITIES["ssim"](maps[:1], others[:1]), slow_ssim(*reflected), rtol=1e-6)
    for how in ("ssim", "spearman", "pearson"):
        np.testing.assert_allclose(similarities(how, maps, -3 * maps), 1)
        np.testing.assert_array_equal(similarities(how, maps, np.ones_like(maps)), [np.nan, np.nan])


@pytest.mark.parametrize("draw", ["permutation", "normal", "centred", "rows"])
def test_random_weights(residual, draw):
    copy = with_own_weights(residual)
    before = [layer.values() for layer in copy.layers]
    assert [each.layer for each in states(copy, "bottom_up", None, draw, 0)] == [each.name for each in copy.layers]
    after = [layer.values() for layer in copy.layers]
    for first, second in zip(chain(*before), chain(*after), strict=True):
        assert not np.array_equal(first, second) or draw == "rows"
        if draw in ("permutation", "rows") or (draw == "centred" and first.ndim == 1):
            np.testing.assert_array_equal(np.sort(first.ravel()), np.sort(second.ravel()))
        elif first.min() >= 0:
            assert second.min() >= 0
    kernels = [(first[0], second[0]) for first, second in zip(before, after, strict=True) if first[0].ndim == 4]
    if draw in ("normal", "centred"):
        for first, second in kernels:
            assert abs(second.mean() - first.mean() * (draw == "normal")) < 3 * first.std() / np.sqrt(first.size)
            assert 0.7 < second.std() / first.std() < 1.3


@pytest.mark.parametrize("draw", ["permutation", "normal", "centred"])
def test_a_quantised_kernel_stays_one(draw):
    values = np.array([[-128, 127], [-127, 126]] * 50, np.int8)
    (drawn,) = redrawn(LayerWeights("dense", ()), [values], draw, 0, 0)
    assert np.array_equal(drawn, drawn.astype(np.int8)) and not np.array_equal(drawn, values)


def test_the_draws_of_a_layer_are_the_same_in_every_order(residual):
    def alone(order):
        copy, found = with_own_weights(residual), {}
        for state in states(copy, order, None, "permutation", 3):
            layer = next(each for each in copy.layers if each.name == state.layer)
            found[state.layer] = layer.values()
        return found, copy

    (down, _), (up, _), (apart, copy) = map(alone, ("top_down", "bottom_up", "independent"))
    assert list(down) == list(up)[::-1] and list(apart) == list(up)
    for name in up:
        for others in (down, apart):
            for first, second in zip(up[name], others[name], strict=True):
                np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(copy.network.logits(IMAGES), residual.logits(IMAGES))


def test_a_cascade_is_the_loop_of_the_paper(residual):
    found = metrics.parameter_randomisation(residual, IMAGES, TARGETS, "gradient", steps=3, similarity="pearson")
    copy = with_own_weights(residual)
    weights = {layer.name: layer.values() for layer in copy.layers}
    for _ in states(copy, "bottom_up", None, "centred", 0):
        pass
    drawn = {layer.name: layer.values() for layer in copy.layers}
    own = np.abs(tfviz.gradient(residual, IMAGES, TARGETS)).max(axis=-1).reshape(3, -1)
    for state, count in enumerate((2, 4, 6)):
        other = with_weights(residual, {name: drawn[name] for name in [*weights][-count:]})
        maps = np.abs(tfviz.gradient(other, IMAGES, TARGETS)).max(axis=-1).reshape(3, -1)
        expected = [np.corrcoef(first, second)[0, 1] for first, second in zip(own, maps, strict=True)]
        np.testing.assert_allclose(found.curves.scores[:, state], expected, rtol=1e-5)
    np.testing.assert_allclose(found, found.curves.scores.mean(axis=1))
    assert found.options["layers"] == ("block2_bn", "block1_bn", "stem")
    np.testing.assert_allclose(found.curves.shares, [1 / 3, 2 / 3, 1])


def test_the_smooth_form_compares_means_over_noise(residual):
    """The loop by hand, with the same draws for all images and all states."""
    how = {"samples": 3, "noise": 0.5, "steps": 1, "similarity": "pearson"}
    found = metrics.smooth_parameter_randomisation(residual, IMAGES, TARGETS, "gradient", **how)
    copy, generator, ranges = with_own_weights(residual), np.random.default_rng(0), np.ptp(IMAGES, axis=(1, 2, 3))
    noisy = [IMAGES + generator.normal(size=IMAGES.shape[1:]) * 0.5 * ranges[:, None, None, None] for _ in range(3)]

    def mean_maps():
        gradients = [tfviz.gradient(copy.network, each.astype(np.float32), TARGETS) for each in noisy]
        return np.abs(np.mean(gradients, axis=0)).max(axis=-1).reshape(3, -1)

    own = mean_maps()
    assert [each.share for each in states(copy, "bottom_up", 1, "centred", 0)] == [1]
    expected = [np.corrcoef(first, second)[0, 1] for first, second in zip(own, mean_maps(), strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_what_does_not_look_at_the_network_stays_as_it_is(residual):
    for metric in CASCADES:
        for order in ("top_down", "bottom_up", "independent"):
            np.testing.assert_allclose(metric(residual, IMAGES, TARGETS, edges, order=order, steps=2), 1)
    np.testing.assert_array_equal(metrics.efficient_parameter_randomisation(residual, IMAGES, TARGETS, edges), 0)
    np.testing.assert_allclose(metrics.random_logit(residual, IMAGES, TARGETS, edges), 1)


def test_a_linear_network_shows_its_weights():
    """Its gradient is its weights, and so the similarity is that of the weights and the permuted ones."""
    dense = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(2, use_bias=False)])
    network, images = tfviz.trace(dense), random_images(2, (6, 6, 1))
    weights, how = dense.get_weights()[0], {"similarity": "pearson", "weights": "permutation"}
    found = metrics.parameter_randomisation(network, images, [0, 1], "gradient", **how)
    drawn = np.random.default_rng((0, 0)).permutation(weights.ravel()).reshape(weights.shape)
    expected = [np.corrcoef(np.abs(weights[:, each]), np.abs(drawn[:, each]))[0, 1] for each in (0, 1)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    other = metrics.random_logit(network, images, [0, 1], "gradient", similarity="pearson")
    np.testing.assert_allclose(other, np.corrcoef(np.abs(weights.T))[0, 1], rtol=1e-5)
    # The noise on the image changes no gradient of a linear network.
    smooth = metrics.smooth_parameter_randomisation(network, images, [0, 1], "gradient", **how)
    np.testing.assert_allclose(smooth, found, rtol=1e-4)


def test_a_saved_model_has_the_values_of_the_live_one(tmp_path):
    model = build("functional")
    model.export(tmp_path / "saved", verbose=False)
    for metric in ALL:
        live, saved = (metric(each, IMAGES, TARGETS, "gradient") for each in (model, tmp_path / "saved"))
        np.testing.assert_allclose(live, saved, rtol=1e-4)


def test_the_users_weights_stay_after_an_interrupt():
    model, calls = build("residual"), []
    before = model.get_weights()

    def interrupted(network, images, targets):
        calls.append(network.logits(images))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return edges(network, images, targets)

    with pytest.raises(KeyboardInterrupt):
        metrics.parameter_randomisation(model, IMAGES, TARGETS, interrupted)
    assert not np.allclose(calls[0], calls[3])
    for first, second in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_map_that_is_the_same_everywhere_is_not_defined(residual):
    def empty(network, images, targets):
        maps = edges(network, images, targets)
        maps[1] = 0
        return maps

    def empty_on_random_weights(network, images, targets):
        maps = edges(network, images, targets)
        maps[1] *= not calls
        calls.append(1)
        return maps

    calls = []
    with pytest.warns(tfviz.TfvizWarning, match="efficient_parameter_randomisation of image 1 is not defined"):
        metrics.efficient_parameter_randomisation(residual, IMAGES, TARGETS, empty_on_random_weights)
    for metric in ALL:
        with pytest.warns(tfviz.TfvizWarning, match=rf"{metric.__name__} of image 1 is not defined \(NaN\)"):
            found = metric(residual, IMAGES, TARGETS, empty)
        assert list(np.isnan(found)) == [False, True, False]


def test_every_seed_and_option_counts(residual):
    def value(metric, **options):
        return np.array(metric(residual, IMAGES, TARGETS, "gradient", **options))

    for metric in ALL:
        quick = {"steps": 1} if metric in CASCADES else {}
        quick |= {"samples": 2} if metric is metrics.smooth_parameter_randomisation else {}
        first = value(metric, **quick)
        np.testing.assert_array_equal(value(metric, **quick), first)
        assert not np.allclose(value(metric, seed=1, **quick), first)
    own = value(metrics.smooth_parameter_randomisation, steps=1)
    for options in ({"samples": 2}, {"noise": 1.0}, {"weights": "normal"}, {"similarity": "ssim"}):
        assert not np.allclose(own, value(metrics.smooth_parameter_randomisation, steps=1, **options))
    assert not np.allclose(
        value(metrics.efficient_parameter_randomisation), value(metrics.efficient_parameter_randomisation, bins=10)
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"order": "sideways"}, "there is no order of layers"),
        ({"steps": 0}, "steps is 0, expected an integer of at least 1"),
        ({"weights": "zeros"}, "there is no way to draw weights"),
        ({"similarity": "cosine"}, "there is no similarity 'cosine'"),
        ({"like": "captum"}, "there is no definition"),
        ({"seed": -1}, "seed is -1, expected an integer of at least 0"),
        ({"samples": 0}, "samples is 0, expected an integer of at least 1"),
        ({"noise": -1.0}, "noise is -1.0, expected a number of at least 0: a part of the image's range"),
    ],
)
def test_bad_options(residual, options, told):
    with pytest.raises(tfviz.TfvizError, match=told):
        metrics.smooth_parameter_randomisation(residual, IMAGES, TARGETS, "gradient", **options)


def test_another_class_needs_classes():
    scored = tfviz.trace(build("functional"), score=lambda outputs: tf.reduce_sum(outputs, axis=1))
    with pytest.raises(tfviz.UnsupportedModelError, match="random_logit needs the logits of classes"):
        metrics.random_logit(scored, IMAGES, None, "gradient")
