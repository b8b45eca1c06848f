"""What --model opens: the demo, Keras' own models with weights of every kind, and paths."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from support.places import ROOT

from tfviz.apps.files import imagenet_labels
from tfviz.apps.model.models import open_model
from tfviz.apps.model.preprocessing import applications
from tfviz.errors import UnsupportedModelError

# TensorFlow 2.21's own variables still lack the `copy` argument that NumPy 2 asks for; saving weights meets it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.fixture(scope="module")
def mobilenet():
    keras.utils.set_random_seed(0)
    return keras.applications.MobileNetV2(weights=None)


def same_weights(first, second):
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    "given, name, module, size",
    [
        ("mobilenet_v2", "mobilenetv2", "mobilenet_v2", (224, 224)),
        ("MobileNetV3Small", "mobilenetv3small", "mobilenet_v3", (224, 224)),
        pytest.param("resnet50", "resnet50", "resnet", (224, 224), marks=pytest.mark.slow),
        pytest.param("efficientnetb1", "efficientnetb1", "efficientnet", (240, 240), marks=pytest.mark.slow),
    ],
)
def test_a_model_of_keras(given, name, module, size):
    opened = open_model(given, weights="random")
    assert (opened.name, opened.image_size, opened.model.output_shape) == (name, size, (None, 1000))
    assert opened.class_names == imagenet_labels()
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = getattr(keras.applications, module).preprocess_input(picture.astype(np.float32))
    np.testing.assert_array_equal(opened.preprocessing(picture), expected)
    np.testing.assert_allclose(np.sum(opened.model(expected[np.newaxis])), 1, rtol=1e-5)


def test_every_model_of_keras_has_a_name():
    known = applications()
    names = [name for name in dir(keras.applications) if name[0].isupper()]
    assert len(names) >= 38 and all(known[name.lower()] is getattr(keras.applications, name) for name in names)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", pytest.param(".h5", marks=pytest.mark.slow)])
def test_weights_from_a_file(mobilenet, tmp_path, suffix):
    path = str(tmp_path / f"trained{suffix}")
    if suffix == ".weights.h5":
        mobilenet.save_weights(path)
    else:
        mobilenet.save(path)
    opened = open_model("mobilenetv2", weights=path)
    assert same_weights(opened.model, mobilenet)
    assert not same_weights(open_model("mobilenetv2", weights="random").model, mobilenet)


def test_weights_of_another_model(mobilenet, tmp_path):
    path = str(tmp_path / "other.weights.h5")
    mobilenet.save_weights(path)
    with pytest.raises(
        UnsupportedModelError, match=r"the weights .*other\.weights\.h5 do not fit mobilenet: .+"
    ) as raised:
        open_model("mobilenet", weights=path)
    assert "\n" not in str(raised.value)


def test_weights_that_are_no_weights(tmp_path):
    path = tmp_path / "text.weights.h5"
    path.write_text("not HDF5")
    with pytest.raises(UnsupportedModelError, match=r"text\.weights\.h5 do not fit mobilenet: .+") as raised:
        open_model("mobilenet", weights=str(path))
    assert "\n" not in str(raised.value)


def test_weights_that_do_not_exist(tmp_path):
    with pytest.raises(
        UnsupportedModelError, match=r"no weights 'none\.h5' for vgg16: expected imagenet, random or an exis"
    ):
        open_model("vgg16", weights="none.h5")
    with pytest.raises(UnsupportedModelError, match=r"no weights .* for vgg16"):
        open_model("vgg16", weights=str(tmp_path))


@pytest.mark.parametrize(
    "name, file",
    [
        ("mobilenetv2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"),
        # It is stored under this name and served as NASNet-mobile.h5.
        pytest.param("nasnetmobile", "nasnet_mobile.h5", marks=pytest.mark.slow),
    ],
)
def test_a_download_that_fails_says_which_file_goes_where(tmp_path, name, file):
    """In a process of its own: Keras reads KERAS_HOME once, and a proxy that nothing answers cuts the network."""
    code = (
        "import sys; from tfviz.apps.model.models import open_model\n"
        "try: open_model(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    environment = {"KERAS_HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", code, name]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=True)
    (error,) = [line for line in run.stdout.splitlines() if line.startswith("UnsupportedModelError")]
    assert error.startswith(f"UnsupportedModelError the weights of {name} could not be downloaded (<urlopen error")
    assert f"); put {file} from https://" in error
    assert error.endswith(f" into {tmp_path / 'models'}, or use --weights random or --weights FILE")


def test_the_users_own_model_stays_a_path(tmp_path):
    (tmp_path / "own.keras").touch()
    (tmp_path / "saved").mkdir()
    for name in ("own.keras", "saved"):
        opened = open_model(str(tmp_path / name))
        assert (opened.model, opened.name) == (tmp_path / name, name)
        assert opened.preprocessing is opened.class_names is opened.image_size is None


def test_a_folder_called_like_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mobilenetv2").mkdir()
    assert open_model("./mobilenetv2").model == Path("mobilenetv2")
    assert isinstance(open_model("mobilenetv2", weights="random").model, keras.Model)


@pytest.mark.parametrize("name", ["own.keras", "demo"])
def test_weights_are_for_models_of_keras_alone(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("own.keras").touch()
    with pytest.raises(
        UnsupportedModelError, match=f"weights are for a keras.applications model; {name} brings its own"
    ):
        open_model(name, weights="random")


@pytest.mark.parametrize(
    "name, message",
    [
        (
            "vgg61",
            "there is no model 'vgg61'; did you mean 'vgg1[69]' or 'vgg1[69]'.*expected demo, eff",
        ),
        ("demmo", "there is no model 'demmo'; did you mean 'demo'"),
        ("models/own.h5", r"did you mean 'models/own\.keras'\? expected .* or the path of a \.keras or \.h5 file"),
        ("nowhere/zzz", "there is no model 'nowhere/zzz'; expected demo"),
    ],
)
def test_unknown_models(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    Path("models/own.keras").touch()
    with pytest.raises(UnsupportedModelError, match=message) as raised:
        open_model(name)
    assert "\n" not in str(raised.value)


def test_the_demo():
    demo = pytest.importorskip("tfviz.demo")
    opened = open_model("demo")
    assert opened.image_size == (128, 128) and opened.name == "demo"
    assert opened.class_names == list(demo.CLASS_NAMES) and opened.model.output_shape == (None, len(demo.CLASS_NAMES))
    picture = np.full((128, 128, 3), (255, 0, 7), np.uint8)
    np.testing.assert_array_equal(opened.preprocessing(picture), picture)


def test_these_modules_do_not_import_tensorflow():
    """`tfviz --help` has to answer in under a second."""
    code = (
        "import sys, tfviz.apps.command, tfviz.apps.files\n"
        "print(sorted({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert run.stdout.strip() == "[]"
