"""The benchmark: its medians, its count of multiply-adds, its networks rebuilt for the peers, and one short run."""

import importlib.util
import inspect
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from support.places import SCRIPTS

import tfviz

sys.path.append(str(SCRIPTS))

import virtual_environment
from benchmark import environments, measure, page, plan, rounds, table, worker
from benchmark.compare import compare, same_logits


def of_workers(name):
    """A module that runs in a worker, under a name that no other has."""
    spec = importlib.util.spec_from_file_location(f"workers_{name}", SCRIPTS / "benchmark" / "workers" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = keras.Input((16, 12, 3))
    features = layers.Rescaling(1 / 100, offset=-1)(image)
    features = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="wide")(features)
    deep = layers.ReLU(max_value=6)(layers.BatchNormalization(epsilon=0.01)(layers.DepthwiseConv2D(3)(features)))
    deep = layers.ZeroPadding2D(((0, 1), (2, 0)))(layers.Dropout(0.5)(deep))
    both = layers.Concatenate()([layers.MaxPooling2D(2)(deep), layers.AveragePooling2D(2)(deep)])
    both = layers.Add()([both, layers.Activation("relu")(both)])
    made = keras.Model(image, layers.Dense(5, activation="softmax")(layers.Flatten()(both)))
    made.layers[4].set_weights([np.linspace(0.5, 2, 8) + shift for shift in range(4)])
    return made


def test_every_contender_runs_once_a_round_in_alternating_order():
    order = []

    def contender(name, milliseconds):
        return lambda: order.append(name) or milliseconds.pop(0)

    times = rounds.alternate({"a": contender("a", [1, 6, 2]), "b": contender("b", [2, 2, 8])}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    # Ratios 0.5, 3, 0.25: their median is not the ratio of the medians (1).
    assert rounds.medians(times, "a", "b") == (2, 2, -1, 0.5)


def test_multiply_adds_are_those_of_the_closed_form(model):
    convolution = 8 * 6 * 8 * 3 * 3 * 3
    depthwise = 6 * 4 * 8 * 3 * 3
    dense = 3 * 3 * 16 * 5
    assert of_workers("arithmetic").multiply_adds(tfviz.trace(model)) == convolution + depthwise + dense


def test_a_network_is_rebuilt_up_to_its_logits(model, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS / "benchmark" / "workers")
    of_workers("portable").write(model, tmp_path, {"layer": "wide"})
    assert json.loads((tmp_path / "network.json").read_text())["unknown"] == []
    rebuilt = of_workers("keras_network").load(tmp_path)
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 12, 3)).astype(np.float32)
    logits = tfviz.trace(model).logits(images)
    assert same_logits(logits, rebuilt.logits(images)) and not same_logits(logits, 1.001 * logits)
    np.testing.assert_allclose(rebuilt.probabilities(images), model(images), rtol=1e-5)


def test_what_cannot_be_rebuilt_is_named(tmp_path):
    unknown = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.SeparableConv2D(2, 3, name="own")])
    of_workers("portable").write(unknown, tmp_path, {})
    assert json.loads((tmp_path / "network.json").read_text())["unknown"] == ["SeparableConv2D 'own'"]


def test_results_are_compared_honestly():
    maps = np.random.default_rng(0).standard_normal((2, 6, 5)).astype(np.float32)
    assert compare(maps, maps) == "equal (0e+00)"
    assert compare(maps, maps * (1 + 2e-4)) == "equal (2e-04)"
    assert compare(maps, maps * (1 + 2e-3)) == "nearly equal (2e-03)"
    assert compare(maps, 3 * maps + 1) == "equal but for scale, r = 1.0000"
    assert compare(maps, maps[::-1]).startswith("r = ")
    assert compare(maps, np.zeros_like(maps)) == "constant"
    assert compare(maps, maps[:, :3]) == "another shape, (2, 3, 5) beside (2, 6, 5)"


@pytest.mark.parametrize(
    "network, batch, what, against, target",
    [
        ("squeezenet", 1, "saliency", measure.TAPE, 0.7),
        ("squeezenet", 8, "gradient", measure.TAPE, 0.75),
        ("vgg16", 8, "gradient", measure.TAPE, 0.8),
        ("resnet50", 1, "saliency", measure.TAPE, 0.95),
        ("demo", 32, "saliency", measure.TAPE, 1.0),
        ("demo", 1, "input_x_gradient", measure.TAPE, None),
        ("demo", 8, "grad_cam", measure.FORWARD, 1.15),
        ("demo", 32, "grad_cam", measure.FORWARD, None),
        ("demo", 1, "saliency", measure.FLOOR, None),
        ("vgg16", 1, "rise", "xplique", 0.5),
        ("vgg16", 1, "rise", "fastest TensorFlow peer (xplique)", 0.75),
        ("vgg16", 1, "gradient", "captum", 1.0),
        ("squeezenet", 8, "gradient", "captum", 0.85),
        ("demo", 1, "gradient", "captum", None),
        ("demo", 8, "four", "saliency alone", 1.5),
        ("demo", 1, "smooth_grad, a sample of 25", "gradient, an image of a batch of 8", 1.1),
        ("demo", 10, "saliency, an image of 1000", "an image of 10", 1.1),
        ("demo", 10, "saliency, an image of 1000: peak memory of the process", "an image of 10", 1.05),
        ("vgg16", 1, "saliency, the first call", "3 warm calls + 1 s", 1.0),
        ("demo", 1, "saliency, the first call", "3 warm calls + 1 s", None),
    ],
)
def test_targets_are_those_of_the_issue(network, batch, what, against, target):
    row = {"network": network, "batch": batch, "what": what, "against": against, "ratio": 0.9}
    judged = table.judged(row)
    assert judged["target"] == target
    assert judged["reached"] is (None if target is None else target >= 0.9)


def test_the_places_of_the_patch_are_those_of_the_method():
    # Occluding one of 8 x 8 places of 18 pixels in 128, and of 7 x 7 places of 32 in 224.
    assert plan.places({"image_shape": [128, 128, 3]}) == 64
    assert plan.places({"image_shape": [224, 224, 3]}) == 49


def test_a_peer_that_fails_says_why(tmp_path):
    with worker.Worker(Path(sys.executable), "no_such_library", tmp_path, {}) as started:
        with pytest.raises(worker.WorkerError, match="ModuleNotFoundError: No module named 'no_such_library'"):
            started.ask("hello")
        started.process.kill()
        started.process.wait()
        with pytest.raises(worker.WorkerError, match="its process ended"):
            started.ask("hello")
    failed = subprocess.CalledProcessError(1, ["pip"], stderr="WARNING: x\nERROR: no such release\n")
    assert measure.reason_of(failed) == "could not be installed: ERROR: no such release"


def test_a_batch_larger_than_the_images_kept_takes_them_again(tmp_path):
    images = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2, 1)
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "network.json").write_text(json.dumps({"target": 7}))

    class Library:
        """What a module `with_*` has."""

        load = staticmethod(lambda folder: None)
        prepare = staticmethod(
            lambda network, method, images, targets, options: lambda: (images.sum((1, 2, 3)), targets)
        )

    server = of_workers("serve").Server(Library, tmp_path)
    sums, targets = np.load(server.prepare("any", "any", 5, {})["file"])
    np.testing.assert_array_equal(sums, images.sum((1, 2, 3))[[0, 1, 2, 0, 1]])
    np.testing.assert_array_equal(targets, [7] * 5)


@pytest.mark.parametrize("name, installs", [("captum", 1), ("xplique", 2)])
def test_an_environment_is_made_once(tmp_path, monkeypatch, name, installs):
    commands = []

    def run(*command):
        commands.append(command)
        (tmp_path / name).mkdir(exist_ok=True)

    monkeypatch.setattr(virtual_environment, "run", run)  # installing takes minutes and the network
    python = environments.python_of(name, tmp_path)
    assert python == tmp_path / name / "bin" / "python"
    assert [command[1:3] for command in commands] == [("-m", "venv"), *[("-m", "pip")] * installs]
    environments.python_of(name, tmp_path)
    assert len(commands) == 1 + installs
    assert ("--no-deps" in commands[-1]) == (installs == 2)


def test_every_method_is_planned():
    assert {*plan.METHODS} == {*tfviz.METHODS}
    for name, work in plan.METHODS.items():
        assert {*work.options(128)} <= {*tfviz.METHODS[name].options}
    for peer in environments.PEERS.values():
        assert {*peer.methods} <= {*plan.METHODS}


@pytest.mark.parametrize("name, counted", [("smooth_full_grad", "samples"), ("integrated_gradients", "steps")])
def test_methods_of_many_gradients_pass_once_for_each(name, counted):
    work = plan.METHODS[name]
    assert work.loop and work.passes({}) == (work.options(128)[counted],) * 2


def test_xrai_passes_once_for_each_step_and_baseline():
    work, parameters = plan.METHODS["xrai"], inspect.signature(tfviz.xrai).parameters
    options = work.options(128)
    assert "baseline" not in options
    expected = options["steps"] * len(parameters["baseline"].default)
    assert work.loop and work.passes({}) == (expected, expected)


def test_the_ratios_of_a_method_stand_side_by_side():
    row = {"network": "vgg16", "batch": 1, "what": "gradient", "ours_ms": 3.0, "ours_mb": 8.2}
    ratios = {measure.FLOOR: 2.0, measure.TAPE: 1.04, "captum": 0.5, "xplique": None}
    rows = [{**row, "against": against, "ratio": ratio} for against, ratio in ratios.items()]
    rows += [{**row, "what": "rise", "against": "saliency alone", "ratio": 1.2}]
    titles, _, *lines = table.overview(rows)
    assert titles.startswith("| batch | what | ms | arithmetic floor | forward pass | tape by hand | ")
    assert lines == ["| 1 | gradient | 3.0 | 2.00 |  | **1.04** |  |  |  | 0.50 |  | 8 |"]


def test_rows_stand_in_the_order_of_the_plan():
    names = ("network", "batch", "what", "against")
    rows = [("own", 1, "rise", "x"), ("demo", "", "import tfviz", "0.1 s"), ("demo", 8, "gradient", "x")]
    rows += [("vgg16", 1, "grad_cam", "x"), ("demo", 1, "rise", "x")]
    rows += [("demo", 1, "gradient", "y"), ("demo", 1, "gradient", "x")]
    runs = [{"rows": [dict(zip(names, row, strict=True)) for row in part]} for part in (rows[:3], rows[3:])]
    found = [tuple(row[name] for name in names) for row in table.rows_of({"runs": runs})]
    assert found == [rows[place] for place in (5, 6, 4, 2, 1, 3, 0)]


@pytest.mark.slow
def test_a_short_run_writes_both_files(tmp_path):
    command = [sys.executable, str(SCRIPTS / "benchmark.py"), "--model", "demo", "--batch", "1", "--rounds", "1"]
    command += ["--method", "gradient", "--output", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads((tmp_path / "benchmark.json").read_text())
    (run,) = report["runs"]
    rows = {row["against"]: row for row in run["rows"]}
    assert [*rows] == [measure.FLOOR, measure.FORWARD, measure.TAPE]
    assert rows[measure.TAPE]["same"].startswith("equal") and rows[measure.TAPE]["theirs_mb"] > 0
    for row in rows.values():
        assert row["ratio"] == pytest.approx(row["ours_ms"] / row["theirs_ms"]) and row["ours_mb"] > 0
    written = (tmp_path / "benchmark.md").read_text()
    assert written in done.stdout
    assert written == page.page(report) and "<summary>demo: 1 row</summary>" in written
    assert "demo, batch 1, gradient (1 of 1)" in done.stderr
    assert f"written: {tmp_path / 'benchmark.md'} and {tmp_path / 'benchmark.json'}" in done.stderr.splitlines()
