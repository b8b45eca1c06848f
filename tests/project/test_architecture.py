"""The rules of the house that a machine can check: who imports whom, and how long things are."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest
from support.code_lines import code_lines
from support.places import ROOT, SCRIPTS

sys.path.append(str(SCRIPTS))

from house.imports import MODULES, file_of, files_imported, folder_of, imported_by, imports, imports_for_types

WINGS = ["network", "methods", "results", "apps"]  # data flows from left to right
GROUND = (
    "arrays",
    "class_names",
    "data_format",
    "errors",
    "limits",
    "markup",
    "model_options",
    "paths",
    "printable",
    "progress",
    "quiet",
    "terminal",
    "version",
)
OF_ALL = {f"tfviz.{name}" for name in GROUND}
EXTRAS = ("tfviz.apps.beam", "tfviz.apps.training")
PUBLIC = ("tfviz", "tfviz/methods", "tfviz/results", "tfviz/results/metrics", "tfviz/apps/beam", "tfviz/apps/records")
# What may be defined twice: a command is its flags, what it runs and the function for that, each on its floor of apps/;
# the demo imports nothing of tfviz; and the pointing game is a check of places and, as a metric, what is made of it.
SHARED_NAMES = {
    "explain": {"tfviz/apps/command/explain.py", "tfviz/apps/explanation/explain.py"},
    "export": {"tfviz/apps/command/export.py", "tfviz/apps/runs/export.py", "tfviz/apps/export/export.py"},
    "compare": {"tfviz/apps/command/compare.py", "tfviz/apps/comparison/compare.py"},
    "fool": {"tfviz/apps/command/fool.py", "tfviz/apps/runs/fool.py"},
    "visualize": {"tfviz/apps/command/visualize.py", "tfviz/apps/runs/visualize.py"},
    "pointing_game": {"tfviz/results/places.py", "tfviz/results/metrics/localisation/masks.py"},
    "report": {"tfviz/apps/command/report.py", "tfviz/apps/runs/report.py"},
    "Doubles": {"tfviz/arrays.py", "tfviz/demo/drawing.py"},
}


def importers(package):
    """The modules that import `package` or something in it when they run."""
    return {
        name
        for name in MODULES
        if any(
            full == package or full.startswith(package + ".") for full in {*imports(name)} - {*imports_for_types(name)}
        )
    }


def wing_of(name):
    parts = name.split("/")
    return parts[1] if len(parts) > 2 else ""


def test_the_folders_of_the_design_are_all_there_is():
    assert {wing_of(name) for name in MODULES} == {"", "demo", *WINGS}


@pytest.mark.parametrize("name", [name for name in MODULES if wing_of(name) in WINGS])
def test_imports_go_one_way(name):
    allowed = WINGS[: WINGS.index(wing_of(name)) + 1]
    if wing_of(name) == "apps":
        allowed = [*allowed, "demo"]
    for full in imports(name):
        if full.split(".")[0] == "tfviz" and not any(full.startswith(common) for common in OF_ALL):
            assert ".".join(full.split(".")[1:2]) in allowed, f"{name} imports {full}"


def test_no_two_files_import_each_other_even_for_types():
    graph = {name: {*files_imported(name)} - {name} for name in MODULES}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_two_folders_import_each_other():
    """Beside those that hold both what all import and what imports all: the files of tfviz itself."""
    graph = defaultdict(set)
    for name in MODULES:
        graph[folder_of(name)] |= {folder_of(other) for other in files_imported(name)} - {folder_of(name), "tfviz"}
    del graph["tfviz"]
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("name", MODULES)
def test_other_folders_are_entered_by_their_face(name):
    """A file imports from the files beside it, from those on the ground floor, and from the `__init__` of a folder."""
    for module in files_imported(name):
        assert module.endswith("__init__.py") or folder_of(module) in (folder_of(name), "tfviz"), (
            f"{name} imports {module}"
        )


FACES = [
    name
    for name in MODULES
    if name.endswith("__init__.py")
    and folder_of(name) not in (*PUBLIC, "tfviz/apps", "tfviz/apps/command", "tfviz/demo")
]


@cache
def words_of_the_tests():
    """The words in the tests and scripts, which may look at a face, too."""
    files = [path for place in ("tests", "scripts") for path in (ROOT / place).rglob("*.py")]
    return {word for path in files for word in re.findall(r"\w+", path.read_text())}


@pytest.mark.parametrize("face", FACES)
def test_a_face_shows_nothing_that_nobody_looks_at(face):
    shown = {full.rpartition(".")[2] for full in imports(face)}
    folder = folder_of(face).replace("/", ".")
    looked_at = {full for name in MODULES if folder_of(name) != folder_of(face) for full in imports(name)}
    unused = {name for name in shown if f"{folder}.{name}" not in looked_at} - words_of_the_tests()
    assert shown and not unused


@pytest.mark.parametrize("face", FACES)
def test_no_name_of_a_face_is_hidden_by_a_file(face):
    """Python sets a folder's attribute to the file of that name once anything imports it."""
    for node in ast.walk(MODULES[face]):
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            hiding = f"{folder_of(face)}/{alias.asname or alias.name}.py"
            assert hiding not in MODULES or hiding == f"{node.module.replace('.', '/')}.py", hiding


def names_defined(name):
    """The public classes, functions, types and constants at the top of a module."""
    for node in MODULES[name].body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names = [node.name]
        else:
            targets = [*getattr(node, "targets", []), *filter(None, [getattr(node, "target", None)])]
            names = [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
        yield from (each for each in names if not each.startswith("_"))


def test_a_name_has_one_meaning():
    """Who searches for a name finds one definition. Only constants that no face shows are their module's own."""
    files = defaultdict(set)
    for name in MODULES:
        for each in names_defined(name):
            files[each].add(name)
    shown = {full.rpartition(".")[2] for name in MODULES if name.endswith("__init__.py") for full in imports(name)}
    several = {each: files[each] for each in files if len(files[each]) > 1 and (not each.isupper() or each in shown)}
    assert several == SHARED_NAMES


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("tfviz/apps/command/")])
def test_flags_know_no_tensorflow(name):
    """What the commands do is in apps/runs/, imported once a command runs."""
    assert not {full for full in imports(name) if full.split(".")[0] in ("tensorflow", "keras", "cv2")}
    at_once = {full for node in MODULES[name].body for full in imported_by(node, name) if full.startswith("tfviz")}
    assert {folder_of(file_of(full, name)) for full in at_once} <= {"tfviz", "tfviz/apps/command"}


@pytest.mark.parametrize("name", [name for name in MODULES if wing_of(name) == "demo"])
def test_the_demo_knows_only_numpy_keras_and_errors(name):
    known = {*sys.stdlib_module_names, "numpy", "keras", "tfviz.errors"}
    for full in imports(name):
        assert {full.split(".")[0], full.rpartition(".")[0]} & known or full.startswith("tfviz.demo"), (
            f"{name} imports {full}"
        )


@pytest.mark.parametrize("name", [f"tfviz/{name}.py" for name in GROUND])
def test_what_everyone_imports_imports_nothing_else_of_tfviz(name):
    found = [full for full in imports(name) if full.startswith("tfviz.")]
    assert all(any(full.startswith(common) for common in OF_ALL) for full in found), found


def test_private_tensorflow_stands_in_one_module():
    assert importers("tensorflow.python") == {"tfviz/network/program/internals.py"}
    dotted = {name for name in MODULES if "tf.python" in (ROOT / name).read_text()}
    assert not dotted | importers("tensorflow.core") | importers("tensorflow.compiler")


def test_private_keras_stands_nowhere():
    assert not importers("keras.src")
    assert not {name for name in MODULES if "keras.src" in (ROOT / name).read_text()}


@pytest.mark.parametrize(
    "package, allowed",
    [
        ("matplotlib", {"tfviz/results"}),
        ("cv2", {"tfviz/results", "tfviz/apps"}),
        ("PIL", {"tfviz/apps"}),
        ("apache_beam", {"tfviz/apps/beam/"}),
        ("tensorboard", {"tfviz/apps/training/tensorboard.py"}),
        ("jinja2", {"tfviz/apps/report/page.py"}),
        ("markupsafe", {"tfviz/apps/report/page.py"}),
        ("skimage", {"tfviz/methods/engine/regions.py"}),
        ("scipy", {"tfviz/methods/engine/regions.py"}),
        (
            "tensorflow",
            {"tfviz/network", "tfviz/methods", "tfviz/results", "tfviz/apps", "tfviz/scores.py", "tfviz/quiet.py"},
        ),
    ],
)
def test_where_heavy_packages_are_imported(package, allowed):
    found = importers(package)
    assert found and all(any(name.startswith(place) for place in allowed) for name in found), found
    assert package not in ("matplotlib", "tensorboard") or len(found) == 1, found


EMITTING = {
    "tfviz/network/trace.py": "trace",
    "tfviz/network/traced/origin.py": "the fingerprint of a result, and pickling one",
    "tfviz/methods/engine/explainer.py": "the functions of the methods, and Explainer",
    "tfviz/methods/full_grad.py": "full_grad_decomposition",
    "tfviz/methods/adversarial/run.py": "fooling_image, fgsm, pgd",
    "tfviz/methods/visualization/feature_visualization.py": "feature_visualization",
    "tfviz/results/evidence.py": "supported_mask",
    "tfviz/results/localize.py": "grabcut_mask, threshold_mask",
    "tfviz/results/metrics/measuring/registry.py": "the functions of the metrics",
    "tfviz/apps/comparison/compare.py": "compare",
    "tfviz/apps/explanation/explain.py": "explain",
    "tfviz/apps/export/export.py": "export",
    "tfviz/apps/records/example_explainer.py": "ExampleExplainer, of the files that it is given",
    "tfviz/apps/training/tensorboard.py": "ExplainImages",
    "tfviz/apps/files/images.py": "read_image, for commands and scripts",
    "tfviz/apps/beam/batch.py": "tfviz batch",
    "tfviz/apps/beam/pipeline.py": "tfviz batch",
    "tfviz/apps/command/networks.py": "network_for",
    "tfviz/apps/command/arguments.py": "the commands that take pictures",
    "tfviz/apps/runs/compare.py": "tfviz compare",
    "tfviz/apps/runs/explain.py": "tfviz explain, tfviz localize",
    "tfviz/apps/runs/export.py": "tfviz export",
    "tfviz/apps/runs/fool.py": "tfviz fool",
    "tfviz/apps/runs/visualize.py": "tfviz visualize",
}


def test_warnings_are_data_inside():
    """Public functions, commands and the app emit them, by one function, so that nobody has a reason to silence them.

    The filters of warnings belong to the process with all its threads. The command sets them for its own process;
    scikit-image can be called in no other way on images of more than three channels.
    """
    assert importers("tfviz.errors.emit_warnings") == {*EMITTING}
    assert modules_with(r"warnings\.warn\b|warn_explicit") == {"tfviz/errors.py"}
    filters = r"catch_warnings|simplefilter|filterwarnings|showwarning"
    assert modules_with(filters) == {"tfviz/apps/command/behaviour.py", "tfviz/methods/engine/regions.py"}


def modules_with(pattern):
    return {name for name in MODULES if re.search(pattern, (ROOT / name).read_text())}


def test_what_needs_an_extra_is_entered_by_who_asks_for_it():
    """Beam and TensorBoard may not be installed, and say things on import."""
    by = {place: {name for name in importers(place) if place.replace(".", "/") not in name} for place in EXTRAS}
    assert by == {"tfviz.apps.beam": {"tfviz/apps/command/batch.py"}, "tfviz.apps.training": {"tfviz/callbacks.py"}}


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_short(name):
    assert len((ROOT / name).read_text().splitlines()) <= 250


def functions(node, inside=""):
    """The functions in a syntax tree with their names: `Passes.__init__`, `trace.inner`."""
    for inner in ast.iter_child_nodes(node):
        named = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if named and not isinstance(inner, ast.ClassDef):
            yield f"{inside}{inner.name}", inner
        yield from functions(inner, f"{inside}{inner.name}." if named else inside)


def lengths(name):
    """How many lines of code the bodies of a module's functions have."""
    code = code_lines((ROOT / name).read_text())
    for function, node in functions(MODULES[name]):
        yield f"{name} {function}", len(code & {*range(node.body[0].lineno, node.end_lineno + 1)})


def parameters(name):
    """How many parameters a module's functions have, without `self`, `cls` and those that are given by name alone."""
    for function, node in functions(MODULES[name]):
        found = [argument.arg for argument in node.args.posonlyargs + node.args.args]
        yield f"{name} {function}", len({*found} - {"self", "cls"})


@pytest.mark.parametrize("measure, limit", [(lengths, 25), (parameters, 5)])
def test_functions_are_short_and_take_few_parameters(measure, limit):
    """Lines of code, without docstrings, comments and blank lines; parameters that may be given by position."""
    above = {function: count for name in MODULES for function, count in measure(name) if count > limit}
    assert not above


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_silenced_without_a_reason(name):
    for line in (ROOT / name).read_text().splitlines():
        for mark in ("# noqa", "# type: ignore", "# pragma"):
            if mark in line:
                assert line.split(mark)[1].count("#") == 1, line


def test_importing_tfviz_imports_no_tensorflow():
    code = (
        "import sys, tfviz\n"
        "print(sorted({'tensorflow', 'keras', 'cv2', 'matplotlib', 'apache_beam', 'skimage'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={"PATH": ""}, check=False)
    assert done.stdout.strip() == "[]", done.stderr
