"""Sanity checks: gradient and Grad-CAM depend on the weights, guided backpropagation hardly does (Adebayo 2018)."""

import json
import math

import keras
import numpy as np
import pytest
from support.closed_forms import edges
from support.model_zoo import build, random_images
from support.photographs import read
from support.places import SHARED

import tfviz
from tfviz.apps.files import read_image
from tfviz.demo import load_network, sample_paths
from tfviz.results.metrics import SanityVerdict, sanity_verdicts
from tfviz.results.metrics.randomisation.sanity import DEPENDS, HARDLY, HARDLY_DEPENDS, UNKNOWN

SQUEEZENET = SHARED / "models" / "squeezenet_imagenet.keras"
EXPECTED = {"gradient": DEPENDS, "grad_cam": DEPENDS, "guided_backprop": HARDLY_DEPENDS}


def empty(network, images, targets):
    return np.zeros(images.shape[:3])


@pytest.mark.parametrize("seed", [0, 1])
def test_the_embedded_network(seed):
    pictures = np.stack([read_image(path) for path in sample_paths()[:3]]).astype(np.float32)
    model = load_network()
    before = model.get_weights()
    found = sanity_verdicts(model, pictures, seed=seed)
    assert {name: each.verdict for name, each in found.items()} == EXPECTED
    # Far from the bound on either side.
    assert max(found["gradient"].left, found["grad_cam"].left) < HARDLY - 0.1
    assert found["guided_backprop"].left > HARDLY + 0.1
    assert found["gradient"].layers == ("block5_conv3", "block5_conv1", "block4_conv3", "block4_conv1")
    for first, second in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.skipif(not SQUEEZENET.exists(), reason="the network of ../shared is not beside the checkout")
def test_a_real_network():
    names = sorted(json.loads((SHARED / "images" / "labels.json").read_text()))[:2]
    found = sanity_verdicts(keras.models.load_model(SQUEEZENET), read(*names))
    assert {name: each.verdict for name, each in found.items()} == EXPECTED


def test_what_does_not_look_at_the_network_is_found_out():
    network, images = tfviz.trace(build("residual")), random_images(2)
    found = sanity_verdicts(network, images, [0, 1], [edges, empty, "gradient"])
    assert found["edges"].verdict == HARDLY_DEPENDS and found["edges"].left == pytest.approx(1)
    assert found["empty"].verdict == UNKNOWN and math.isnan(found["empty"].left) and found["empty"].images == 0
    assert found["empty"].sentence == "empty cannot be judged: its maps are the same everywhere"
    assert found["gradient"].images == 2 and found["gradient"].left < 0.9
    assert found["gradient"].layers == ("scores", "block2_bn", "block2_conv")


def test_options_and_seeds_count():
    network, images = tfviz.trace(build("residual")), random_images(2)

    def left(**how):
        return sanity_verdicts(network, images, [0, 1], ["grad_cam"], **how)["grad_cam"].left

    own = left()
    assert left() == own
    assert left(seed=1) != own
    assert left(options={"grad_cam": {"layer": "stem"}}) != own


def test_the_sentence():
    about = {"similarity": 0.72, "by_chance": 0.44, "layers": ("conv3", "conv2"), "images": 3, "depth": 6}
    assert SanityVerdict("guided_backprop", 0.5, **about).sentence == (
        "guided_backprop hardly depends on the weights: with random weights from the output up to 'conv2', 50% of the "
        "likeness of its maps beyond chance is left (structural similarity 0.72, by chance 0.44); it may show the "
        "image rather than what the network has learnt"
    )
    assert SanityVerdict("gradient", -0.02, **about).sentence == (
        "gradient depends on the weights: with random weights from the output up to 'conv2', 0% of the likeness of its "
        "maps beyond chance is left (structural similarity 0.72, by chance 0.44)"
    )
    assert SanityVerdict("gradient", HARDLY, **about).depends is False


def test_a_shallow_network_has_no_verdict():
    """Of three layers with weights the upper half is the head alone."""
    network, images = tfviz.trace(build("functional")), random_images(2)
    found = sanity_verdicts(network, images, [0, 1], ["gradient"])["gradient"]
    assert found.verdict == UNKNOWN and found.depth == 3 and np.isfinite(found.left)
    assert found.sentence == (
        "gradient cannot be judged: of a network with fewer than 4 layers of weights (3), random ones in the upper "
        "half say too little"
    )
