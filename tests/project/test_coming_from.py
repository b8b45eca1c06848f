"""The page for people from other libraries: what it says to do here runs, gives what a tape gives, and exists."""

import re
from operator import attrgetter

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.places import ROOT

import tfviz

PAGE = (ROOT / "notebooks" / "coming_from.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
LIBRARIES = ["tf-keras-vis", "tf-explain", "xplique", "eli5", "SHAP", "captum"]


def section(library):
    return re.search(rf"^## {library}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE).group(1)


def test_every_block_is_of_one_side():
    first = [block.splitlines()[0] for block in BLOCKS]
    assert set(first) == {"# here", *(f"# there: {library}" for library in LIBRARIES)}


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_library_has_both_sides_and_a_table(library):
    text = section(library)
    assert f"```python\n# there: {library}\n" in text
    assert "```python\n# here\n" in text
    assert "| there | here |\n| --- | --- |\n" in text


def test_what_is_named_here_exists():
    for name in set(re.findall(r"\btfviz\.([A-Za-z_.]*[A-Za-z_])", PAGE)):
        attrgetter(name)(tfviz)


def test_the_options_in_the_tables_are_those_of_the_methods():
    cells = " ".join(row.rsplit(" | ", 1)[1] for row in re.findall(r"^\| .* \|$", PAGE, re.MULTILINE))
    named = re.findall(r"`tfviz\.(\w+)\(((?:\w+=[^,)]+(?:, )?)+)\)", cells)
    assert len(named) >= 8
    for method, options in named:
        assert set(re.findall(r"(\w+)=", options)) <= set(tfviz.METHODS[method].options), method


def test_here_gives_what_a_tape_gives(tmp_path, monkeypatch):
    """Each block leaves its results behind for the next, and is judged before that."""
    monkeypatch.chdir(tmp_path)
    blocks = [each for each in BLOCKS if each.startswith("# here\n")]
    with pytest.warns(tfviz.TfvizWarning, match="misses completeness by up to 57% for image 0, 1"):
        left = run_all(blocks)
    start, script, saliency, explained, xplique, eli5, shap, captum = left
    gradient, cam = by_tape(start["model"], start["images"], start["targets"])
    of_class_7 = by_tape(start["model"], start["images"], [7, 7])[1]
    near(saliency["raw"], np.abs(gradient).max(axis=-1))
    for found in (script, xplique, captum):
        near(found["maps" if found is xplique else "cam"], cam)
    near(explained["cam"], of_class_7)
    near(eli5["cam"], of_class_7[:1])
    assert script["overlays"].shape == (2, 128, 128, 3)
    assert script["smooth"].min() >= 0
    assert (tmp_path / "here.png").stat().st_size > 10_000
    assert explained["grid"].shape == (128, 256, 3)
    assert eli5["picture"].shape == (128, 128, 3)
    assert shap["values"].shape == (4, 128, 128, 3)
    assert [f"{each:.2f}" for each in shap["explanation"].scores[1::2]] == ["0.18", "0.03"]
    assert len(shap["figure"].axes) >= 6


def run_all(blocks):
    names, left = {}, []
    for block in blocks:
        exec(compile(block, "coming_from.md", "exec"), names)
        left.append(dict(names))
    return left


def by_tape(model, images, targets):
    """The gradient (N, H, W, C) of the logits, and Grad-CAM at the last convolution, enlarged by TensorFlow."""
    last = model.layers[-1]
    both = keras.Model(model.inputs, [model.get_layer("block5_conv3").output, last.input])
    pixels = tf.constant(images)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(pixels)
        features, mean = both(pixels)
        score = tf.gather(mean @ last.kernel + last.bias, targets, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2), keepdims=True)
    cam = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1, keepdims=True))
    return tape.gradient(score, pixels).numpy(), tf.image.resize(cam, images.shape[1:3])[..., 0].numpy()


def near(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
