"""The numbers of other software: what their files say of themselves, and the script that writes them."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from support.places import ROOT, SCRIPTS

sys.path.append(str(SCRIPTS))

from reference_numbers.software import SOFTWARE, WORKERS
from references import commit_of

FOLDER = ROOT / "tests" / "references"
INPUTS = {"images", "maps", "masks", "targets", "weights", "bias", "kernel", "kernel_bias", "dense", "dense_bias"}


def numbers_of(name):
    with np.load(FOLDER / f"{name}.npz") as file:  # no pickles: nothing in it can run
        return dict(file)


@pytest.fixture(scope="module")
def worker_inputs():
    """The module `inputs` of the workers, under a name that no other has."""
    spec = importlib.util.spec_from_file_location("reference_inputs", WORKERS / "inputs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_software_has_its_file_and_its_worker():
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.npz" for name in SOFTWARE}
    assert {path.stem for path in WORKERS.glob("with_*.py")} == {f"with_{name}" for name in SOFTWARE}


def test_files_are_small():
    sizes = [(FOLDER / f"{name}.npz").stat().st_size for name in SOFTWARE]
    assert max(sizes) < 100_000 and sum(sizes) < 250_000


@pytest.mark.parametrize("name", SOFTWARE)
def test_versions_are_those_that_the_script_pins(name):
    software, arrays = SOFTWARE[name], numbers_of(name)
    found = {key.removeprefix("version_"): str(arrays[key]) for key in arrays if key.startswith("version_")}
    commit = {"commit": software.commit} if software.commit else {}
    assert found == software.versions | commit
    pins = {*software.requirements, *software.alone}
    assert {f"{package}=={number}" for package, number in software.versions.items() if package != "python"} <= pins


@pytest.mark.parametrize("name", SOFTWARE)
def test_numbers_are_finite_and_all_have_the_same_inputs(name):
    arrays, others = numbers_of(name), numbers_of("rise")
    for key, array in arrays.items():
        assert array.size and (array.dtype.kind in "bU" or np.isfinite(array).all()), key
    assert all(np.array_equal(arrays[key], others[key]) for key in INPUTS)


def test_inputs_have_no_ties_and_both_signs():
    """A tie would make an order a matter of the sorting; what is almost one, of the precision."""
    arrays = numbers_of("rise")
    sorted_values = np.sort(arrays["maps"].reshape(len(arrays["maps"]), -1), axis=1)
    assert np.diff(sorted_values).min() > 0.001 and (sorted_values[:, 0] < 0).all() and (sorted_values[:, -1] > 0).all()
    assert arrays["masks"].any((1, 2)).all() and not arrays["masks"].all((1, 2)).any()
    assert len({*arrays["images"].min((1, 2, 3))}) == len(arrays["images"])


def test_inputs_are_those_that_the_script_makes(worker_inputs):
    arrays, made = numbers_of("rise"), worker_inputs.inputs()
    assert {*made} == INPUTS
    for key, array in made.items():
        assert array.dtype == arrays[key].dtype
        np.testing.assert_allclose(array, arrays[key], atol=2 / worker_inputs.GRAIN, err_msg=key)


def test_a_file_tells_its_versions_beside_its_numbers(worker_inputs, tmp_path):
    worker_inputs.write(tmp_path / "new" / "file.npz", ("numpy",), {"number": 3}, "abc")
    with np.load(tmp_path / "new" / "file.npz") as file:
        assert {*file} - INPUTS == {"number", "version_numpy", "version_python", "version_commit"}
        assert file["number"] == 3 and file["version_numpy"] == np.__version__ and file["version_commit"] == "abc"


@pytest.mark.parametrize(
    "given, said",
    [
        (("captum",), "invalid choice"),
        (("rise",), "github.com/eclique/RISE"),
        (("road", "quantus", "--checkout", "."), "road alone"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_line(given, said):
    command = [sys.executable, str(SCRIPTS / "references.py"), *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and said in done.stderr.splitlines()[-1]


def test_a_checkout_of_another_commit_is_refused(tmp_path):
    """The numbers of another commit are other numbers."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "other"], check=True)
    with pytest.raises(SystemExit, match="the numbers are of d91ea006"):
        commit_of("rise", tmp_path)
