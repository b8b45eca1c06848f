"""The README cannot drift: its tables are those of the code, its examples run, its commands exist."""

import re
import shlex

import keras
import numpy as np
import pytest
import typer.testing
from support.places import ROOT

import tfviz
from tfviz.methods.engine.registry import METHODS
from tfviz.network.traced.fingerprint import stamp
from tfviz.results import box_iou, largest_box

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_table_of_methods_is_the_registry():
    rows = [
        f"| `{each.name}` | {each.result} | {each.paper} | {each.needs} | {each.cost} | {each.caution} |"
        for each in METHODS.values()
    ]
    assert re.findall(r"^\| `.*\|$", README, flags=re.MULTILINE) == rows


def test_the_examples_run(tmp_path, monkeypatch):
    """VGG16 is thin and random here, since nothing is downloaded in a test; everything else is run as it stands."""
    monkeypatch.chdir(tmp_path)
    keras.utils.save_img("photo.jpg", np.random.default_rng(0).uniform(0, 255, (90, 120, 3)))
    names = {}
    *examples, adding = blocks("python")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "VGG16", random_vgg16(keras.applications.VGG16))
        for example in examples:
            exec(compile(example, "README.md", "exec"), names)
    assert tfviz.trace(names["model"]).default_layer == "block5_conv3"
    assert tfviz.trace(names["model"]).head.kind == "softmax"
    assert names["fooled"].success.all()
    assert names["shown"].snapshots[10].shape == names["shown"].images.shape == (2, 128, 128, 3)
    assert box_iou(names["boxes"], largest_box(names["pictures"].masks)).min() > 0.5
    np.testing.assert_allclose(names["cam_of_the_saved"], names["cam"], rtol=1e-4, atol=1e-6)
    assert (tmp_path / "explained" / "manifest.json").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "strongest_cam", METHODS["grad_cam"])
        exec(compile(adding, "README.md", "exec"), names)
        cam = names["strongest_cam"](names["model"], names["images"], 1, layer="block5_conv3")
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
    assert len(lines) == 16
    for line in lines:
        _, command, *arguments = shlex.split(line)
        shown = typer.testing.CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
        for option in (argument for argument in arguments if argument.startswith("--")):
            assert re.search(rf"{option}\b", shown), (command, option)


def test_the_two_commands_are_those_of_the_scripts():
    first, second = blocks("bash")[:2]
    assert first.strip().endswith("pip install . && tfviz explain")
    assert second.strip().endswith('pip install -e ".[dev]" && scripts/test')
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'pip install -e ".[dev]"\nscripts/test' in run


def test_the_words_are_those_of_the_package():
    for word in ("network", "layer", "rule", "target", "score", "method", "explainer"):
        assert f"| {word} |" in README
    assert callable(tfviz.Explainer)


def test_the_time_that_a_stamp_takes_is_that_of_the_code():
    (time,) = re.findall(r"a stamp of the weights\s+\((.+ s for VGG16)\)", README)
    assert time in stamp.__doc__
