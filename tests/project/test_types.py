"""Type checkers know what tfviz takes and returns, and what they are told is so."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from support.model_zoo import model_of, random_images
from support.places import ROOT, SCRIPTS

import tfviz

sys.path.append(str(SCRIPTS))

from signatures import STUB, stub

EXAMPLE = Path(__file__).with_name("typed_example.py")
IMAGES = random_images(2)


def test_the_stub_has_the_signatures_of_the_methods():
    assert STUB.read_text(encoding="utf-8") == stub(), "run: python scripts/signatures.py"


@pytest.mark.parametrize(
    "run",
    [
        lambda model: tfviz.explain(model, IMAGES),
        lambda model: tfviz.fgsm(model, IMAGES, pixel_range=(-1, 1)),
        lambda model: tfviz.full_grad_decomposition(model, IMAGES),
        lambda model: tfviz.class_visualization(model, [1], pixel_range=(-1, 1), preset="simonyan", iterations=1),
    ],
    ids=["explain", "fgsm", "full_grad_decomposition", "class_visualization"],
)
def test_arrays_have_the_types_that_their_fields_promise(run):
    found = run(model_of("functional"))
    hints = get_type_hints(type(found))
    checked = 0
    for field in dataclasses.fields(found):
        value = getattr(found, field.name)
        arrays = value.values() if isinstance(value, dict) else [value]
        hint = get_args(hints[field.name])[-1] if isinstance(value, dict) else hints[field.name]
        for array in arrays:
            if isinstance(array, np.ndarray) and hint is not np.ndarray:
                assert array.dtype == get_args(get_args(hint)[1])[0], field.name
                checked += 1
    assert checked >= 4


@pytest.mark.slow
def test_the_example_has_the_errors_that_it_says_and_no_other(tmp_path):
    """In a folder of its own, so that it is read as the program of a user, and tfviz as a package that is installed."""
    pytest.importorskip("mypy")
    options = ["--strict", "--python-version", "3.11", "--config-file", os.devnull, "--cache-dir", str(tmp_path)]
    command = [sys.executable, "-m", "mypy", *options, "--no-error-summary", "--hide-error-codes", str(EXAMPLE)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    said = re.findall(r":(\d+): error: (.*)", done.stdout)
    lines = enumerate(EXAMPLE.read_text().splitlines(), 1)
    expected = {number: line.partition("# error: ")[2] for number, line in lines if "# error: " in line}
    assert {int(number) for number, _ in said} == {*expected}, done.stdout + done.stderr
    for number, text in expected.items():
        assert any(text in message for line, message in said if int(line) == number), text
