"""`tfviz fool` as a person runs it: what it writes, what it prints, and how it ends."""

import functools

import cv2
import keras
import numpy as np
import pytest
from support.model_zoo import randomise
from support.places import SHARED

import tfviz
from tfviz.methods.adversarial import ATTACKS, defaults, fooling_image, pgd
from tfviz.results import difference_picture

# What opens the same network again is in the process where it is open.
pytestmark = [pytest.mark.usefixtures("shared_networks"), pytest.mark.xdist_group("tfviz fool")]

NAMES = ("ant", "bee", "cow", "dog", "emu")
HOW = "mean=100,110,120;std=50;order=bgr"
LOW = (0 - np.array([100.0, 110, 120])) / 50


@pytest.fixture
def run(run, monkeypatch):
    """Run `tfviz fool` as `run` does, on a wider terminal."""
    monkeypatch.setenv("COLUMNS", "140")
    return functools.partial(run, "fool")


LOGITS = (0.0, 0.01, -1.0, -2.0, -3.0)  # of the image: it is a bee, and nearly an ant


@pytest.fixture(scope="module")
def inputs():
    """The image as the network takes it: in OpenCV's order."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3))
    return ((pixels - [100, 110, 120]) / 50).astype(np.float32)


@pytest.fixture(scope="module")
def model(inputs):
    """A linear model, which every attack can turn."""
    image = keras.Input((16, 16, 3))
    x = keras.layers.Dense(len(NAMES), activation="softmax")(keras.layers.Flatten()(image))
    model = randomise(keras.Model(image, x))
    kernel, _ = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, np.array(LOGITS) - (inputs.reshape(1, -1) @ kernel)[0]])
    return model


@pytest.fixture(scope="module")
def own(model, inputs, tmp_path_factory):
    """The image and the options of the model."""
    folder = tmp_path_factory.mktemp("own")
    model.save(folder / "own.keras")
    (folder / "names.txt").write_text("\n".join(NAMES))
    cv2.imwrite(str(folder / "one.png"), np.rint(inputs[0] * 50 + [100, 110, 120]).astype(np.uint8))
    return [folder / "one.png", "--model", folder / "own.keras", "--preprocess", HOW, "--labels", folder / "names.txt"]


def distances(found, inputs):
    change = (np.asarray(found, np.float64) - inputs) * 50
    return f"{np.linalg.norm(change):.2f}", f"{np.abs(change).max():.2f}"


def line_of(out, name):
    return next(line for line in out.splitlines() if line.strip().startswith(f"{name}  "))


def test_what_is_written_and_printed(run, model, inputs, own, tmp_path):
    target = NAMES.index("cow")
    status, out, err = run(*own, "--target", "cow", "--save-array", "--rate", 2, "--output", "found")
    expected = fooling_image(model, inputs, target, pixel_range=(LOW, LOW + 5.1), rate=2.0)
    fooled = np.load(tmp_path / "found" / "one.fooled.npy")
    np.testing.assert_allclose(fooled, expected.images[0], atol=1e-5)
    assert status == 0
    assert f"fooling_image: cow reached, {expected.steps[0]} steps\n" in out
    for name in ("one.fooled.tfviz.png", "one.fooled.png", "one.fooled.npy"):
        assert f"found/{name}\n" in out
    picture = cv2.imread(str(tmp_path / "found" / "one.fooled.png"))
    np.testing.assert_array_equal(picture, np.rint(fooled * 50 + [100, 110, 120]).astype(np.uint8))
    as_written = ((picture.astype(np.float32) - [100, 110, 120]) / 50).astype(np.float32)[np.newaxis]
    stages = {"original": inputs, "changed": fooled[np.newaxis], "changed, as PNG": as_written}
    for name, image in stages.items():
        probabilities = model(image).numpy()[0]
        best = int(probabilities.argmax())
        shown = [NAMES[best], f"{probabilities[best]:.4f}", f"{probabilities[target]:.4f}", *distances(image, inputs)]
        assert line_of(out, name).replace(name, "").split() == shown
    assert ("rounded to the 8 bits of a PNG file" in err) == (model(as_written).numpy().argmax() != target)


def test_a_change_that_rounding_undoes_is_said(run, own):
    """No pixel changes by half of its unit, and so nothing is left in 8 bits."""
    status, out, err = run(*own, "--target", "ant", "--rate", 0.5)
    assert status == 0
    assert line_of(out, "changed").split()[1] == "ant"
    assert line_of(out, "changed, as PNG").split()[3:] == line_of(out, "original").split()[1:]
    expected = "the image is taken for bee; --save-array keeps what fools the network"
    assert err == f"tfviz: warning: rounded to the 8 bits of a PNG file, {expected}\n"


def test_the_picture_shows_both_images_and_the_change(run, inputs, own, tmp_path):
    assert run(*own, "--method", "fgsm", "--epsilon", 12)[0] == 0
    drawn = cv2.imread(str(tmp_path / "tfviz-output" / "one.fooled.tfviz.png"))
    written = cv2.imread(str(tmp_path / "tfviz-output" / "one.fooled.png")).astype(int)
    original = np.rint(inputs[0] * 50 + [100, 110, 120]).astype(int)
    cell, padding = 112, 8  # pictures stand in cells as wide as a caption needs
    left = [padding + number * (cell + padding) + (cell - 16) // 2 for number in range(3)]
    shown = [drawn[padding : padding + 16, start : start + 16].astype(int) for start in left]
    np.testing.assert_array_equal(shown[0], original)
    np.testing.assert_array_equal(shown[1], written)
    # The change is not rounded before it is magnified.
    assert np.abs(shown[2] - np.clip(127.5 + 10 * (written - original), 0, 255)).max() <= 5.5
    assert shown[2].std() > 50


def test_the_options_are_those_of_the_method(run, model, inputs, own):
    given = {"epsilon": 30.0, "norm": "l2", "rate": 4.0, "iterations": 3, "seed": 5}
    flags = [part for name, value in given.items() for part in (f"--{name}", value)]
    status, out, err = run(*own, "--method", "pgd", "--away-from", "bee", *flags)
    found = pgd(model, inputs, pixel_range=(LOW, LOW + 5.1), away_from=1, **given)
    assert (status, err) == (0, "")
    assert line_of(out, "changed").split()[-2:] == list(distances(found.images, inputs))
    assert f"pgd: bee left, {found.steps[0]} steps" in out
    status, out, _ = run(*own, "--method", "pgd", "--away-from", "cow", *flags)
    assert status == 0
    assert "pgd: cow left, 0 steps" in out


def test_a_target_that_is_not_reached_ends_with_one(run, own, tmp_path):
    status, out, err = run(*own, "--target", "emu", "--rate", 0.001, "--iterations", 1)
    assert status == 1
    assert "fooling_image: emu not reached, 1 steps" in out
    assert err.startswith("tfviz: warning: fooling_image did not reach the class of image 0 in 1 steps")
    assert err.count("\n") == 1
    assert (tmp_path / "tfviz-output" / "one.fooled.png").exists()
    assert not (tmp_path / "tfviz-output" / "one.fooled.npy").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "targets is None, expected the classes to reach"),
        (["--target", "cat"], "no class is called 'cat'"),
        (["--target", "ant", "--method", "bgd"], "there is no method 'bgd'; did you mean 'pgd'?"),
        (["--target", "ant", "--epsilon", 3], "fooling_image has no --epsilon; its options are: --rate, --iterations"),
        (["--target", "ant", "--away-from", "cow"], "fooling_image has no --away-from"),
        (["--target", "ant", "--rate", -1], "rate is -1, expected a number above 0"),
        (["--method", "fgsm", "--norm", "l1"], "no norm 'l1'"),
    ],
)
def test_mistakes_are_one_line(run, own, flags, message):
    status, out, err = run(*own, *flags)
    assert (status, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1


def test_one_image_is_taken(run, tmp_path):
    folder = tmp_path / "more"
    folder.mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(folder / f"{name}.png"), np.zeros((4, 4, 3), np.uint8))
    status, _, err = run(folder, "--target", "1")
    assert status == 2
    assert "holds 2 images; give one" in " ".join(err.split())
    assert run("nowhere.png", "--target", "1")[0] == 1


def test_help_gives_the_defaults_of_the_methods(run):
    _, out, _ = run("--help")
    shown = " ".join(out.replace("│", " ").split())
    for text in (
        "Default: 10.0. Of fooling_image, pgd.",
        "Default: fooling_image 200, pgd 40.",
        "Default: 8.0. Of fgsm, pgd.",
        "Default: linf. Of fgsm, pgd.",
    ):
        assert text in shown
    assert all(
        f"--{name.replace('_', '-')}" in shown for each in ATTACKS for name in defaults(each) if "batch" not in name
    )


def test_a_grey_network(run, tmp_path):
    """Its distances are those of its one channel."""
    image = keras.Input((8, 8, 1))
    x = keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(image))
    keras.utils.set_random_seed(1)
    keras.Model(image, x).save(tmp_path / "grey.keras")
    cv2.imwrite(str(tmp_path / "one.png"), np.random.default_rng(0).integers(80, 180, (8, 8, 3), np.uint8))
    status, out, _ = run(
        "one.png", "--model", "grey.keras", "--preprocess", "0..1", "--method", "fgsm", "--epsilon", 70
    )
    assert status == 0
    assert [float(text) for text in line_of(out, "changed").split()[-2:]] == pytest.approx([560, 70], abs=0.01)


def test_a_difference_picture_is_grey_where_nothing_changed():
    differences = np.array([[[0, 1, -1], [12.75, -12.75, 100]]])
    expected = [[[128, 138, 118], [255, 0, 255]]]
    np.testing.assert_allclose(difference_picture(differences), expected, atol=0.5)
    np.testing.assert_array_equal(difference_picture(np.zeros((2, 3, 3, 1))), np.full((2, 3, 3, 3), 128))
    np.testing.assert_allclose(difference_picture(differences, 2.0)[0, 0], [127.5, 129.5, 125.5], atol=0.5)
    with pytest.raises(tfviz.InvalidImagesError, match="1 or 3 channels"):
        difference_picture(np.zeros((4, 4, 2)))


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_the_dog_becomes_a_tabby(run):
    network, names = SHARED / "models" / "squeezenet_imagenet.keras", SHARED / "models" / "imagenet_classes.txt"
    try:
        tfviz.trace(network)
    except tfviz.UnsupportedModelError as error:
        pytest.skip(f"this Keras ({keras.__version__}) is older than the file's: {error}")
    status, out, _ = run(
        SHARED / "images" / "dog_and_cat.png", "--model", network, "--labels", names, "--target", "tabby",
        "--preprocess", "mean=104,117,123;std=1;order=bgr", "--fit", "crop",
    )  # fmt: skip
    assert status == 0
    assert "bull mastiff" in line_of(out, "original")
    assert "tabby" in line_of(out, "changed")
    assert float(line_of(out, "changed").split()[-1]) < 5


def test_what_is_assumed_of_model_and_image_is_said(run, own, tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((16, 16, 3), 4000, np.uint16))
    _, _, err = run(tmp_path / "deep.png", "--model", own[2], "--away-from", "0", "--iterations", "1")
    assumed, depth = err.splitlines()[:2]
    assert assumed.endswith("own.keras gets pixels of 0..255 in the order rgb, as no --preprocess says otherwise")
    assert "deep.png has 16 bits, but its largest value is 4000" in depth
