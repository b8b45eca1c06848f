"""Methods that are run again share their passes: the values are those of each method alone, and the counts say so."""

from __future__ import annotations

import numpy as np
import pytest
from support.model_zoo import model_of, random_images

import tfviz
from tfviz.errors import TfvizError
from tfviz.results import metrics
from tfviz.results.metrics import METRICS, shared_passes
from tfviz.results.metrics.measuring import explaining, shared_maps
from tfviz.results.metrics.randomisation import random_weights

METHODS = {
    "gradient": {},
    "layer_cam": {},
    "integrated_gradients": {"steps": 40},
    "smooth_grad": {"samples": 3, "of": "saliency"},
}
AGAIN = {
    "live": ("local_lipschitz", "efficient_parameter_randomisation", "random_logit", "input_invariance"),
    "saved": ("max_sensitivity", "parameter_randomisation"),
}


@pytest.fixture(scope="module")
def network():
    return tfviz.trace(model_of("functional"))


@pytest.mark.parametrize("source", AGAIN)
def test_values_are_those_of_each_method_alone(source, network, tmp_path):
    """Every metric that runs methods again, of images at equal distances; the weights change in between."""
    if source == "saved":
        model_of("functional").export(str(tmp_path / "saved"), verbose=False)
        network = tfviz.trace(str(tmp_path / "saved"))
    images, targets = random_images(5), np.array([0, 1, 2, 3, 4])
    found = tfviz.compare(network, images, targets, METHODS, AGAIN[source], baselines=(), rerun_images=3)
    np.testing.assert_array_equal(found.table.rerun, [True, False, True, False, True])
    for name in AGAIN[source]:
        for method, options in METHODS.items():
            measure, values = getattr(metrics, name), found.table.values[name][method]
            if not METRICS[name].repeats:
                alone = measure(network, images, targets, method, options=options)
                np.testing.assert_allclose(values, alone.values, atol=1e-5)
                continue
            alone = measure(network, images[::2], targets[::2], method, options=options)
            # Ranks, and the bins of a histogram, of a map may change with its last bit.
            np.testing.assert_allclose(values[::2], alone.values, atol=2e-3 if "randomisation" in name else 1e-5)
            assert np.isnan(values[1::2]).all() and found.summaries[name][method].count == 3
            if alone.curves is not None:
                curves = found.table.curves[name][method].scores
                np.testing.assert_allclose(curves[::2], alone.curves.scores, atol=2e-3)
                assert np.isnan(curves[1::2]).all()
    assert found.select([0, 1]).table.rerun.tolist() == [True, False]
    assert "On 3 of the images" in str(found)


def test_all_methods_are_run_together(network, monkeypatch):
    """Three metrics of robustness ask for the same noisy images, and no method's run repeats another's."""
    runs = []
    run_methods = explaining.run_methods

    def counted(network, chosen, *arguments, **named):
        runs.append([*chosen])
        return run_methods(network, chosen, *arguments, **named)

    monkeypatch.setattr(explaining, "run_methods", counted)
    three = ("max_sensitivity", "average_sensitivity", "local_lipschitz")
    found = tfviz.compare(network, random_images(2), [0, 1], METHODS, three, baselines=(), batch_size=4)
    # 5 samples, two at once; what is found in the images themselves is known.
    assert runs == [[*METHODS]] * 3
    asked = 3 * len(METHODS) * 2 * (1 + 5)
    assert found.maps == (asked, len(METHODS) * 2 * 5)
    assert f"asked for {asked} maps" in str(found)
    runs.clear()
    tfviz.compare(network, random_images(2), [0, 1], METHODS, "parameter_randomisation", baselines=())
    # The functional network has 3 layers with weights, and so 3 states.
    assert runs == [[*METHODS]] * 3


def test_what_does_not_fit_is_found_again(network, monkeypatch):
    """Nothing but the last result is kept: the values stay, and others are not run again for what they lose."""
    images = random_images(2)
    wanted = tfviz.compare(network, images, [0, 1], METHODS, "max_sensitivity", baselines=())
    monkeypatch.setattr(shared_maps, "REMEMBERED", 1)
    found = tfviz.compare(network, images, [0, 1], METHODS, "max_sensitivity", baselines=())
    for method in METHODS:
        values = found.table.values["max_sensitivity"][method]
        np.testing.assert_allclose(values, wanted.table.values["max_sensitivity"][method], atol=1e-5)
    assert found.maps[0] == wanted.maps[0] >= wanted.maps[1]
    # At most once together with the others, and once alone, for each method.
    assert found.maps[1] <= 2 * found.maps[0]


def test_methods_of_one_name_and_others_that_fail(network):
    """Two layers of one method are two rows; what cannot be run again does no harm to the rest."""
    images, targets = random_images(2), np.array([0, 1])

    def run(chosen):
        if "gradient" in chosen:
            raise TfvizError("the gradient cannot be run here")
        return {name: np.full((2, 3, 3), options["layer"], np.float32) for name, options in chosen.items()}

    rows = [("grad_cam", {"layer": 1}), ("grad_cam", {"layer": 2}), ("gradient", {})]
    with shared_passes() as shared:
        shared.maps.together(network, rows)
        found = [shared.maps.found(network, images, targets, row, run)[0, 0, 0] for row in rows[:2]]
        with pytest.raises(TfvizError, match="cannot be run here"):
            shared.maps.found(network, images, targets, rows[2], run)
        assert found == [1, 2] and (shared.maps.asked, shared.maps.computed) == (6, 4)
        # The same option by another object, another target, another network: nothing is taken for what it is not.
        assert shared.maps.found(network, images, targets, ("grad_cam", {"layer": 3}), run)[0, 0, 0] == 3
        assert shared.maps.found(network, images, targets + 1, rows[0], run)[0, 0, 0] == 1
        assert shared.maps.computed == 8


def test_a_copy_of_the_weights_is_lent_as_it_was(network):
    """All share one copy, whose weights are those of the network again, after an error, too."""
    lend = random_weights.other_weights
    with shared_passes():
        with lend(network) as first:
            wanted = [each.values() for each in first.layers]

        def interrupted():
            with lend(network) as second:
                assert second is first
                first.layers[0].assign([each + 1 for each in wanted[0]])
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        for layer, values in zip(first.layers, wanted, strict=True):
            assert [*map(np.ndarray.tolist, layer.values())] == [*map(np.ndarray.tolist, values)]
    with lend(network) as another:
        assert another is not first


def test_warnings_number_the_images_as_they_were_given(network):
    """Of images at equal distances only the last is of one colour, and the user's number of it is 4."""
    images = random_images(5)
    images[4] = 0.5
    with pytest.warns(
        tfviz.errors.TfvizWarning, match="image 4 is not defined .NaN.: the image is the same everywhere"
    ):
        found = tfviz.compare(network, images, 0, "gradient", "max_sensitivity", baselines=(), rerun_images=2)
    np.testing.assert_array_equal(np.isfinite(found.table.values["max_sensitivity"]["gradient"]), [1, 0, 0, 0, 0])
