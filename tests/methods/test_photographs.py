"""A real ImageNet network on real photographs. Both lie beside the checkout; skipped where they do not."""

import json

import keras
import numpy as np
import pytest
from support.photographs import read
from support.places import SHARED

import tfviz

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")

BULL_MASTIFF, TIGER_CAT = 243, 282


@pytest.fixture(scope="module")
def network():
    try:
        return tfviz.trace(SHARED / "models" / "squeezenet_imagenet.keras")
    except tfviz.UnsupportedModelError as error:
        pytest.skip(f"this Keras ({keras.__version__}) is older than the file's: {error}")


def test_the_predictions_are_right(network):
    labels = json.loads((SHARED / "images" / "labels.json").read_text())
    explanation = tfviz.explain(network, read(*labels), methods=("grad_cam",))
    np.testing.assert_array_equal(explanation.targets, [label["class"] for label in labels.values()])
    np.testing.assert_allclose(explanation.probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("layer", [None, pytest.param("fire9_concat", marks=pytest.mark.slow)])
def test_grad_cam_lies_on_what_decides(network, layer):
    """Blanking the tenth of a photograph with the highest values costs more of its score than the lowest tenth."""
    labels = json.loads((SHARED / "images" / "labels.json").read_text())
    images, targets = read(*labels), [label["class"] for label in labels.values()]
    maps = tfviz.grad_cam(network, images, targets, layer=layer)
    order = maps.reshape(len(maps), -1).argsort(axis=1).argsort(axis=1).reshape(maps.shape) / maps[0].size
    scores = [
        network.logits(np.where(blanked[..., np.newaxis], 0, images))[range(len(targets)), targets]
        for blanked in (order > 0.9, order < 0.1)
    ]
    assert np.mean(scores[0] < scores[1]) >= 0.9


@pytest.mark.parametrize("layer", [None, "fire9_concat"])
def test_the_map_follows_its_class(network, layer):
    """In the picture the dog sits in the upper half and the cat lies in the lower right."""
    images = np.repeat(read("dog_and_cat.png"), 2, axis=0)
    check_dog_and_cat(tfviz.grad_cam(network, images, [BULL_MASTIFF, TIGER_CAT], layer=layer))


@pytest.mark.slow
def test_the_regions_follow_their_class(network):
    """Each map is higher in the place of its animal, on the mean: a region of few pixels may lie beside it."""
    images = np.repeat(read("dog_and_cat.png"), 2, axis=0)
    maps = tfviz.xrai(network, images, [BULL_MASTIFF, TIGER_CAT])
    dog, cat = maps[:, :113, 60:140].mean(axis=(1, 2)), maps[:, 110:, 110:].mean(axis=(1, 2))
    assert dog[0] > 2 * cat[0] and cat[1] > 2 * dog[1]


def check_dog_and_cat(maps):
    """Each map is highest in the place of its animal."""
    dog, cat = maps
    for cam, rows, columns in ((dog, (0, 113), (60, 140)), (cat, (110, 227), (110, 227))):
        row, column = np.unravel_index(cam.argmax(), cam.shape)
        assert rows[0] <= row < rows[1]
        assert columns[0] <= column < columns[1]
