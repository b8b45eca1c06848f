"""The public API as a tested list."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tfviz

ERRORS = {
    "InvalidImagesError",
    "InvalidTargetsError",
    "RuleError",
    "TfvizError",
    "TfvizWarning",
    "UnknownLayerError",
    "UnknownMethodError",
    "UnsafeModelError",
    "UnsupportedModelError",
}
METHODS = {
    "ablation_cam",
    "deconvnet",
    "eigen_cam",
    "full_grad",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient",
    "guided_backprop",
    "guided_grad_cam",
    "hires_cam",
    "input_x_gradient",
    "integrated_gradients",
    "layer_cam",
    "occlusion",
    "rise",
    "saliency",
    "score_cam",
    "simple_full_grad",
    "smooth_full_grad",
    "smooth_grad",
    "square_grad",
    "var_grad",
    "xgrad_cam",
    "xrai",
}
OTHERS = {
    "export",
    "feature_visualization",
    "color_statistics",
    "compare",
    "Comparison",
    "Recipe",
    "Objective",
    "Neuron",
    "Layer",
    "FeatureVisualization",
    "Direction",
    "ColorStatistics",
    "Class",
    "Channel",
    "METHODS",
    "Adversarial",
    "ClassVisualization",
    "Decomposition",
    "Explainer",
    "Explanation",
    "TracedNetwork",
    "class_visualization",
    "explain",
    "fgsm",
    "fooling_image",
    "full_grad_decomposition",
    "pgd",
    "trace",
}

# One process, since TensorFlow takes seconds to import: the statements go from those that import least to the others.
FRESH = """
import sys
import tfviz
assert set(tfviz.__all__) <= set(dir(tfviz)), set(tfviz.__all__) - set(dir(tfviz))
assert len(set(tfviz.__all__)) == len(tfviz.__all__)
assert issubclass(tfviz.TfvizError, ValueError)
try: tfviz.GradCAM
except AttributeError as error: print(error)
assert not hasattr(tfviz, "grad_camm")
assert not {"tensorflow", "tensorboard"} & {*sys.modules}
tfviz.results.fuse; tfviz.demo.CLASS_NAMES; tfviz.methods.METHODS
import tfviz.callbacks
assert not {"tf_keras", "tensorboard"} & {*sys.modules}
things = {name: getattr(tfviz, name) for name in tfviz.__all__}
assert set(tfviz.METHODS) <= set(things), set(tfviz.METHODS) - set(things)
assert all(things[name].__name__ == name and things[name].__doc__ for name in tfviz.METHODS)
"""


def test_the_list():
    assert set(tfviz.__all__) == ERRORS | METHODS | OTHERS
    assert len(tfviz.__all__) == len(set(tfviz.__all__))


def test_every_name_leads_somewhere():
    for name in tfviz.__all__:
        assert getattr(tfviz, name) is not None and name in dir(tfviz)


def test_every_method_is_public():
    assert set(tfviz.METHODS) == METHODS
    for name in tfviz.METHODS:
        function = getattr(tfviz, name)
        assert function.__name__ == name and function.__doc__
        assert list(inspect.signature(function).parameters)[:3] == ["model", "images", "targets"]


def test_all_errors_can_be_caught_as_one():
    for name in ERRORS - {"TfvizWarning"}:
        assert issubclass(getattr(tfviz, name), tfviz.TfvizError) and issubclass(tfviz.TfvizError, ValueError)
    assert issubclass(tfviz.TfvizWarning, UserWarning)


def test_type_checkers_see_what_is_imported_later():
    """The imports under TYPE_CHECKING are the lazy table in other words; what is imported as itself is exported."""
    tree = ast.parse(Path(tfviz.__file__).read_text())
    seen = {
        alias.asname: node.module
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        for alias in node.names
    }
    assert seen == {**tfviz._LAZY, **dict.fromkeys(tfviz._FOLDERS, "tfviz")}


def test_a_process_that_has_imported_nothing_else():
    """Its names are known before TensorFlow, its folders need no import of their own, and nothing imports too much."""
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "module 'tfviz' has no attribute 'GradCAM'; did you mean 'grad_cam'?\n"


@pytest.mark.parametrize("name", ["explain", "demo"])
def test_a_backend_of_keras_that_is_not_there(name, monkeypatch):
    """Its import fails in Keras, before any model is looked at."""

    def without_torch(module):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.delitem(vars(tfviz), name, raising=False)
    monkeypatch.setattr(tfviz, "import_module", without_torch)
    with pytest.raises(tfviz.UnsupportedModelError, match="a backend that needs torch, expected tensorflow: unset"):
        getattr(tfviz, name)


def test_another_package_that_is_not_there(monkeypatch):
    def without_tensorflow(module):
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")

    monkeypatch.delitem(vars(tfviz), "explain", raising=False)
    monkeypatch.setattr(tfviz, "import_module", without_tensorflow)
    with pytest.raises(ModuleNotFoundError, match="tensorflow"):
        tfviz.explain  # noqa: B018  # the look-up is the test


@pytest.mark.parametrize(
    "name, meant",
    [
        *[(name, ["grad_cam"]) for name in ("Gradcam", "gradcam", "GradCAM", "GradCam", "GRAD_CAM")],
        ("grad_camm", ["grad_cam", "xgrad_cam", "guided_grad_cam"]),
        ("GradCAMPlusPlus", ["grad_cam_plus_plus"]),
        ("SmoothGrad", ["smooth_grad"]),
        ("guided_backpropagation", ["guided_backprop"]),
        ("vanilla_saliency", ["saliency"]),
        ("IG", ["integrated_gradients"]),
        ("callback", ["callbacks"]),
        ("shap", []),
        ("_grad_cam", []),
    ],
)
def test_a_name_that_does_not_exist(name, meant):
    hint = f"; did you mean {' or '.join(map(repr, meant))}?" if meant else ""
    with pytest.raises(
        AttributeError, match=f"^{re.escape(f'module {tfviz.__name__!r} has no attribute {name!r}{hint}')}$"
    ):
        getattr(tfviz, name)
    assert not hasattr(tfviz, name) and name not in dir(tfviz)


@pytest.mark.parametrize("folder, name, meant", [("methods", "GradCAM", "grad_cam"), ("results", "Heatmap", "heatmap")])
def test_folders_know_what_a_name_could_have_meant(folder, name, meant):
    with pytest.raises(
        AttributeError, match=f"^module 'tfviz.{folder}' has no attribute '{name}'; did you mean '{meant}'"
    ):
        getattr(getattr(tfviz, folder), name)


def test_what_is_pickled_by_its_name_is_found_again():
    for thing in (tfviz.grad_cam, tfviz.TracedNetwork, tfviz.TfvizError):
        assert pickle.loads(pickle.dumps(thing)) is thing
