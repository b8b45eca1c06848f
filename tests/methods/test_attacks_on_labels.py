"""Attacks on independent labels and on one raw logit, against linear networks whose every probability is known."""

from __future__ import annotations

import itertools

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.thinning import by_day, spread

import tfviz
from tfviz.methods.adversarial import fgsm, fooling_image, pgd

RANGE = (0, 1)
ATTACKS = (fooling_image, fgsm, pgd)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def linear(kernel, bias, activation=None):
    """Of the mean colour."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(bias), activation=activation, name="labels"),
        ]
    )
    model.get_layer("labels").set_weights([np.array(kernel, np.float32), np.array(bias, np.float32)])
    return model


@pytest.fixture(scope="module")
def labels():
    """Red, green and a third label that is always the most probable."""
    return linear([[8, 0, 0], [0, 8, 0], [0, 0, 0]], [-4, -4, 5], "sigmoid")


@pytest.fixture(scope="module")
def forms(labels, tmp_path_factory):
    """Live, and saved."""
    folder = str(tmp_path_factory.mktemp("labels"))
    labels.export(folder)
    return {"live": labels, "saved": folder}


def colored(*colors):
    return np.broadcast_to(np.array(colors, np.float32)[:, None, None], (len(colors), 8, 8, 3)).copy()


def probabilities(images):
    means = images.mean(axis=(1, 2), dtype=np.float64)
    return sigmoid(np.stack([8 * means[:, 0] - 4, 8 * means[:, 1] - 4, np.full(len(means), 5)], axis=1))


@pytest.mark.parametrize("form", ["live", "saved"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_label_is_switched_on(forms, form, attack):
    """Though another is more probable before and after; one that is on already takes no step."""
    images = colored([0.45, 0.3, 0.2], [0.2, 0.45, 0.9], [0.9, 0.1, 0.5])
    options = {"rate": 50.0} if attack is fooling_image else {"epsilon": 20.0}
    result = attack(forms[form], images, [0, 1, 0], pixel_range=RANGE, **options)
    after = probabilities(result.images)
    assert result.success.all() and (after[[0, 1, 2], [0, 1, 0]] > 0.5).all()
    np.testing.assert_array_equal(result.steps > 0, [True, True, False])
    np.testing.assert_array_equal(result.images[2], images[2])
    np.testing.assert_array_equal(result.predictions_after, [2, 2, 2])
    np.testing.assert_allclose(result.probabilities_before, probabilities(images), rtol=1e-4)
    np.testing.assert_allclose(result.probabilities_after, after, rtol=1e-4)


@pytest.mark.parametrize("form", ["live", "saved"])
@pytest.mark.parametrize("attack", [fgsm, pgd])
def test_a_label_is_switched_off(forms, form, attack):
    """It is left where it is at most 0.5, not where another label is more probable."""
    images = colored([0.52, 0.53, 0.2], [0.1, 0.9, 0.2])
    result = attack(forms[form], images, pixel_range=RANGE, away_from=0, epsilon=8.0)
    assert result.success.all() and (probabilities(result.images)[:, 0] <= 0.5).all()
    np.testing.assert_array_equal(result.steps > 0, [True, False])
    np.testing.assert_array_equal(result.images[1], images[1])


def test_a_label_that_stays_on_is_no_success(labels):
    images = colored([0.8, 0.81, 0.2])
    with pytest.warns(tfviz.TfvizWarning, match="pgd did not switch off the label of image 0 in 40 steps"):
        result = pgd(labels, images, pixel_range=RANGE, away_from=0)
    # 8 units of 255 are 0.25 of the logit.
    assert not result.success.any() and probabilities(result.images)[0, 0] == pytest.approx(sigmoid(2.149), abs=0.01)
    with pytest.warns(tfviz.TfvizWarning, match="fooling_image did not switch on the label of image 0 in 1 steps"):
        assert not fooling_image(labels, 1 - images, 0, pixel_range=RANGE, iterations=1).success.any()
    with pytest.warns(tfviz.TfvizWarning, match="fgsm did not switch off the label of image 0"):
        assert fgsm(labels, images, pixel_range=RANGE).targets == [2]  # the most probable one, which nothing moves


@pytest.mark.parametrize(
    "attack, form", by_day(itertools.product(ATTACKS, ["live", "saved"]), spread(ATTACKS, ["live", "saved"]))
)
def test_one_raw_logit_is_a_class_above_zero(tmp_path, form, attack):
    """A network that is trained `from_logits` of one output."""
    source = model = linear([[8], [-8], [0]], [0.5])
    if form == "saved":
        model.export(str(tmp_path))
        source = str(tmp_path)
    images = colored([0.5, 0.6, 0.1], [0.6, 0.5, 0.1])
    logits = model.predict(images, verbose=0)[:, 0]
    np.testing.assert_array_equal(logits > 0, [False, True])
    options = {"rate": 50.0} if attack is fooling_image else {"epsilon": 40.0}
    result = attack(source, images, [1, 0], pixel_range=RANGE, **options)
    np.testing.assert_array_equal(result.predictions_before, [0, 1])
    np.testing.assert_array_equal(result.predictions_after, [1, 0])
    np.testing.assert_array_equal(model.predict(result.images, verbose=0)[:, 0] > 0, [True, False])
    assert result.success.all() and (result.steps > 0).all()
    expected = np.stack([sigmoid(-logits), sigmoid(logits)], axis=1)
    np.testing.assert_allclose(result.probabilities_before, expected, rtol=1e-4)
    if attack is not fooling_image:
        left = attack(source, images, pixel_range=RANGE, **options)
        np.testing.assert_array_equal(left.targets, [0, 1])
        np.testing.assert_array_equal(left.predictions_after, [1, 0])
    there = attack(source, images, [0, 1], pixel_range=RANGE, **options)
    assert there.success.all() and not there.steps.any()


def test_one_raw_logit_has_two_classes():
    model = linear([[8], [-8], [0]], [0.5])
    with pytest.raises(tfviz.InvalidTargetsError, match="target 2 is out of range: the network has 2 classes, 0 to 1"):
        pgd(model, colored([0.5, 0.6, 0.1]), 2, pixel_range=RANGE)
    assert tfviz.trace(model).num_classes == 1  # for all that explains it


def test_one_class_alone_is_refused():
    with pytest.raises(tfviz.InvalidTargetsError, match="at least two classes: it has one output"):
        pgd(linear([[1], [1], [1]], [0], tf.nn.softmax), colored([0.5, 0.6, 0.1]), pixel_range=RANGE)


@pytest.mark.parametrize("attack", ATTACKS)
def test_images_of_another_range_are_warned_about(labels, attack):
    """Numbers from 0 to 1 where black and white are said to be 0 and 255; in their own range nothing is said."""
    images = np.random.default_rng(0).uniform(0, 1, (3, 8, 8, 3)).astype(np.float32)
    images[1] *= 255
    options = {"targets": 2, "batch_size": 2}  # which all images are of already
    message = r"less than 1% of pixel_range \(0.0, 255.0\) is filled by image 0, 2: .*expected \(0, 1\) for numbers"
    with pytest.warns(tfviz.TfvizWarning, match=message) as caught:
        attack(labels, images, pixel_range=(0, 255), **options)
    assert caught[0].filename == __file__
    attack(labels, images[[0, 2]], pixel_range=RANGE, **options)
    ends = np.array([0, 1, 2]), np.array([255, 256, 257])
    with pytest.warns(
        tfviz.TfvizWarning, match=r"\(\[0.0, 1.0, 2.0\], \[255.0, 256.0, 257.0\]\) is filled by image 0:"
    ):
        attack(labels, images[:1] + ends[0], pixel_range=ends, **options)


def test_a_picture_of_one_color_is_no_sign_of_another_range(labels):
    """Unless it is as dark as a picture from 0 to 1 would be."""
    pgd(labels, 255 * colored([0.5, 0.501, 0.502]), 2, pixel_range=(0, 255))
    with pytest.warns(tfviz.TfvizWarning, match="filled by image 0"):
        pgd(labels, colored([0.5, 0.501, 0.502]), 2, pixel_range=(0, 255))
    with pytest.warns(tfviz.TfvizWarning, match="filled by image 0"):
        pgd(labels, 128 + np.eye(8)[None, ..., None] * np.ones(3), 2, pixel_range=(0, 255))


@pytest.fixture
def on_disk(labels, tmp_path):
    labels.save(tmp_path / "labels.keras")
    linear([[8], [-8], [0]], [0.5]).save(tmp_path / "raw.keras")
    (tmp_path / "names.txt").write_text("red\ngreen\nsky")
    (tmp_path / "two.txt").write_text("leaf\nrose")
    cv2.imwrite(str(tmp_path / "one.png"), np.full((8, 8, 3), (51, 140, 133), np.uint8))  # blue, green, red
    return ["one.png", "--preprocess", "0..1"]


def test_labels_on_the_command_line(run, on_disk):
    of_labels = [*on_disk, "--model", "labels.keras", "--labels", "names.txt", "--method", "pgd"]
    status, out, err = run("fool", *of_labels, "--away-from", "red", "--epsilon", 12)
    assert (status, err) == (0, "")
    assert "pgd: red switched off, " in out
    lines = {line.split("  ")[0].strip(): " ".join(line.split()) for line in out.splitlines()}
    assert lines["image"].startswith("image labels on highest red")
    assert lines["original"].startswith("original sky, green, red 0.9933 0.5430")
    assert lines["changed"].startswith("changed sky") and "red" not in lines["changed"]
    status, out, err = run("fool", *of_labels, "--away-from", "red", "--epsilon", 1)
    assert status == 1
    assert "pgd: red not switched off, 40 steps" in out
    assert err.startswith("tfviz: warning: pgd did not switch off the label of image 0")
    status, out, _ = run("fool", *of_labels, "--target", "green")
    assert (status, "pgd: green switched on, 0 steps" in out) == (0, True)


def test_no_and_many_labels_are_named(run, on_disk, tmp_path):
    linear(np.zeros((3, 6)), [5, 4, 3, 2, 1, -1], "sigmoid").save(tmp_path / "many.keras")
    linear(np.zeros((3, 2)), [-1, -2], "sigmoid").save(tmp_path / "none.keras")
    out = run("fool", *on_disk, "--model", "many.keras", "--target", 0)[1]
    assert "class 0, class 1, class 2 and 2 more" in " ".join(out.split())
    out = run("fool", *on_disk, "--model", "none.keras", "--away-from", 0, "--method", "pgd")[1]
    assert "original no label 0.2689" in " ".join(out.split())


def test_one_raw_logit_on_the_command_line(run, on_disk):
    of_raw = [*on_disk, "--model", "raw.keras", "--labels", "two.txt", "--method", "pgd"]
    status, out, err = run("fool", *of_raw, "--target", "leaf", "--epsilon", 20)
    assert (status, err) == (0, "")
    assert "pgd: leaf reached, " in out
    assert "original rose 0.5696 0.4304" in " ".join(out.split())
