"""The README cannot drift: its tables are those of the code, its examples run, its commands exist."""

import re
import shlex

import keras
import numpy as np
import pytest
import tensorflow as tf
import typer.testing
from support.places import ROOT

import tfviz
from tfviz.methods.engine.registry import METHODS

ESPRESSO = 967
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_it_is_short_enough_to_be_read():
    assert len(README.splitlines()) <= 250
    assert len(README.encode()) <= 16 * 1024


def test_the_table_of_methods_is_the_registry():
    rows = [f"| `{each.name}` | {each.result} | {each.caution} |" for each in METHODS.values()]
    assert re.findall(r"^\| `.*\|$", README, flags=re.MULTILINE) == rows


def test_what_it_links_to_exists():
    linked = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(linked) > 10
    assert [link for link in linked if not (ROOT / link).exists()] == []
    pages = {path.name for path in (ROOT / "notebooks").iterdir() if path.suffix in (".md", ".ipynb")}
    assert pages <= {link.removeprefix("notebooks/") for link in linked}


def test_the_methods_that_it_recommends_exist():
    start = README.partition("**Start here.**")[2].partition("Each is")[0]
    named = re.findall(r"`(?:tfviz\.)?(\w+)`", start)
    assert len(named) >= 9 and all(hasattr(tfviz, name) for name in named)


@pytest.mark.xdist_group("imagenet")
def test_the_examples_run(tmp_path, monkeypatch):
    """VGG16 is thin and random here, since nothing is downloaded in a test; everything else is run as it stands."""
    monkeypatch.chdir(tmp_path)
    names = {}
    *examples, adding = blocks("python")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "VGG16", random_vgg16(keras.applications.VGG16))
        for example in examples:
            exec(compile(example, "README.md", "exec"), names)
    assert names["network"].default_layer == "top_activation" and names["network"].head.kind == "softmax"
    explanation = names["explanation"]
    assert explanation.maps["grad_cam"].shape == (4, 224, 224) and explanation.targets[0] == ESPRESSO
    np.testing.assert_allclose(names["saliency"][0], tfviz.saliency(names["network"], names["pictures"], ESPRESSO)[0])
    assert (tmp_path / "figure.png").exists() and (tmp_path / "explained" / "manifest.json").exists()
    np.testing.assert_allclose(names["cam_of_saved"], names["cam_of_own"], rtol=1e-4, atol=1e-6)
    loaded = tf.saved_model.load(str(tmp_path / "explained_model"))
    assert {"grad_cam", "saliency"} <= {*loaded.signatures}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "strongest_cam", METHODS["grad_cam"])
        exec(compile(adding, "README.md", "exec"), names)
        cam = names["strongest_cam"](names["own"], names["images"], 1, layer="block5_conv3")
        assert cam.shape == (4, 96, 96)
        assert cam.any()


def random_vgg16(build):
    """The layers of VGG16 with an eighth of its channels each, those of 1000 classes as they are."""

    def thin(layer):
        return lambda units, *arguments, **options: layer(
            units if options.get("name") == "predictions" else units // 8, *arguments, **options
        )

    def vgg16(**options):
        keras.utils.set_random_seed(0)
        with pytest.MonkeyPatch.context() as patch:
            for name in ("Conv2D", "Dense"):
                patch.setattr(keras.src.applications.vgg16.layers, name, thin(getattr(keras.layers, name)))
            return build(**{**options, "weights": None})

    return vgg16


def test_the_commands_exist():
    from tfviz.apps.command.app import app

    lines = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("tfviz ")]
    assert len(lines) == 9
    for line in lines:
        _, command, *arguments = shlex.split(line)
        shown = typer.testing.CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
        for option in (argument for argument in arguments if argument.startswith("--")):
            assert re.search(rf"{option}\b", shown), (command, option)


def test_the_two_commands_are_those_of_the_scripts():
    first, second = blocks("bash")[:2]
    assert first.strip().endswith('pip install ".[imagenet]" && tfviz explain')
    assert second.strip().endswith('pip install -e ".[dev]" && scripts/test')
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'pip install -e ".[dev]"\nscripts/test' in run


def test_the_words_are_those_of_the_package():
    for word in ("network", "layer", "rule", "target", "score", "method", "explainer"):
        assert f"| {word} |" in README
    assert callable(tfviz.Explainer)


def test_its_numbers_of_speed_are_those_of_the_benchmark():
    speed = README.partition("## Speed")[2].partition("##")[0]
    numbers = re.findall(r"\b\d\.\d\d\b", speed)
    page = (ROOT / "notebooks" / "benchmark.md").read_text(encoding="utf-8")
    assert len(numbers) == 6 and all(number in page for number in numbers)
