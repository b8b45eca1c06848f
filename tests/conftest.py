"""What the tests share: a quiet TensorFlow, and SavedModels that are written once a session."""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import runpy
import sys

from support.places import SCRIPTS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
import tensorflow as tf
from support import day_and_night, model_zoo, said

from tfviz import demo
from tfviz.__main__ import main


def pytest_addoption(parser):
    parser.addoption("--day-and-night", action="store_true", help="show which tests are slow and why, and run none")


def pytest_configure(config):
    # TensorFlow's own variables lack the `copy` argument that NumPy 2 asks for; saving weights meets it.
    config.addinivalue_line(
        "filterwarnings", "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
    )
    # Most networks of the tests are not trained and run few masks; `test_perturbation` asks for the warning.
    config.addinivalue_line("filterwarnings", "ignore:rise of image .* grain:tfviz.errors.TfvizWarning")


said.listen()


def pytest_make_parametrize_id(val):
    """Name bytes by their place: Examples order their features anew in each process, and workers must agree."""
    return "bytes" if isinstance(val, bytes) else None


def pytest_collection_modifyitems(config, items):
    """Leave out the slow tests unless an expression asks for them: `-m slow`.

    What one process traces and compiles of a method and a kind of model, the next tests of the two use again: with
    `--dist loadgroup` they all run in one process, as do the tests that a module puts into a group of its own, so that
    what they share is made once.
    """
    left = {*day_and_night.beside_the_nth(item.nodeid for item in items if not item.get_closest_marker("slow"))}
    for item in items:
        if item.nodeid in left:
            item.add_marker(pytest.mark.slow)
    slow = [item.nodeid for item in items if item.get_closest_marker("slow")]
    day = [item.nodeid for item in items if not item.get_closest_marker("slow")]
    config.stash[day_and_night.COLLECTED] = (day, slow)
    # A worker of xdist would end without a word: there test_thinning says it.
    if not hasattr(config, "workerinput") and (unexplained := day_and_night.without_reason(slow)):
        raise pytest.UsageError(f"no reason in support/day_and_night.py for these slow tests: {unexplained}")
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if isinstance(parameters.get("name"), str) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(f"{parameters['name']} {parameters.get('kind', 'functional')}"))
    if config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="slow: run with -m slow, as scripts/nightly does")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


def pytest_runtestloop(session):
    """Show the table of `--day-and-night` instead of running tests."""
    if not session.config.option.day_and_night:
        return None
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    for line in day_and_night.table(*session.config.stash[day_and_night.COLLECTED]):
        reporter.write_line(line)
    return True


TESTS_BETWEEN_FREEZES = 100
# Tracing makes hundreds of thousands of objects that stay: by default their young ones are walked every 700.
gc.set_threshold(50_000, 20, 50)
_finished = itertools.count(1)


def pytest_runtest_teardown():
    """Keep the garbage collector from walking again and again through the graphs that stay until the end."""
    if next(_finished) % TESTS_BETWEEN_FREEZES == 0:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def saved_folder(tmp_path_factory):
    """Return the folder of the SavedModel of a kind of model, written when it is first asked for."""
    root = tmp_path_factory.mktemp("saved")
    written = {}

    def write(kind):
        folder = str(root / kind)
        if kind == "with_signature":
            module = model_zoo.WithSignature()
            tf.saved_model.save(module, folder, signatures={"classify": module.predict})
        elif kind == "with_call":
            tf.saved_model.save(model_zoo.WithCall(), folder)
        else:
            model = model_zoo.nested_vgg16() if kind == "nested_vgg16" else model_zoo.model_of(kind)
            model.export(folder)
        return folder

    def folder_of(kind):
        if kind not in written:
            written[kind] = write(kind)
        return written[kind]

    return folder_of


@pytest.fixture(scope="session")
def loaded(saved_folder):
    """Return the loaded SavedModel of a kind of model."""
    models = {}

    def load(kind):
        if kind not in models:
            models[kind] = tf.saved_model.load(saved_folder(kind))
        return models[kind]

    return load


@pytest.fixture(scope="module")
def shared_networks():
    """Open each file of a network once for all commands of a module, and the embedded network, too."""
    module, kept, embedded = importlib.import_module("tfviz.network.trace"), {}, demo.load_network()
    open_anew = module._traced

    def traced(model, options):
        if not isinstance(model, str | os.PathLike) or not os.path.exists(model):
            return open_anew(model, options)
        key = (os.path.abspath(model), os.stat(model).st_mtime_ns, repr(options))
        if key not in kept:
            kept[key] = open_anew(model, options), options  # which the key may name by its place in memory
        return kept[key][0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "load_network", lambda: embedded)
        patch.setattr(module, "_traced", traced)
        yield


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run the command in a folder of its own; return its exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def command(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return int(ended.value.code or 0), *capsys.readouterr()

    return command


@pytest.fixture
def run_script(monkeypatch):
    """Run a file of `scripts/` as it is typed; return its exit status, None for none, or why it ended."""

    def script(name, *arguments):
        path = str(SCRIPTS / name)
        monkeypatch.setattr(sys, "argv", [path, *map(str, arguments)])
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as ended:
            return ended.code
        return None

    return script


@pytest.fixture(autouse=True)
def untouched_globals():
    """No test may leave Keras set up in another way."""
    before = (keras.backend.floatx(), keras.backend.image_data_format(), keras.config.dtype_policy().name)
    yield
    assert (keras.backend.floatx(), keras.backend.image_data_format(), keras.config.dtype_policy().name) == before


@pytest.fixture(autouse=True)
def explained_warnings():
    """No test may meet a warning without an entry in notebooks/troubleshooting.md."""
    yield
    assert said.unexplained() == []


@pytest.fixture(autouse=True)
def closed_figures():
    """Close what a test drew: pyplot keeps every figure, and warns of the 21st."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
