"""A call that repeats another takes a short way through the code: few files, few lines."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from support.code_lines import code_lines
from support.model_zoo import build, model_of, random_images

import tfviz

PACKAGE = Path(tfviz.__file__).parent
MOST_FILES, MOST_LINES = 12, 400


def functions_that_run(call):
    """The first lines of our functions that a call runs, by their file."""
    found = {}

    def look(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if event == "call" and PACKAGE in path.parents:
            found.setdefault(path, set()).add(frame.f_code.co_firstlineno)

    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(None)
    return found


def lines_of(path, firsts):
    """The lines of code of the functions of a file that begin, or whose decorators do, at some lines."""
    source, lines = path.read_text(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and firsts & {node.lineno, *(each.lineno for each in node.decorator_list)}:
            lines |= set(range(node.lineno, node.end_lineno + 1))
    return lines & code_lines(source)


@pytest.mark.parametrize("open_it", [lambda model: model, tfviz.trace], ids=["model", "network"])
def test_a_warm_call_is_short(open_it):
    model, images = open_it(model_of("functional")), random_images(2)
    for _ in range(2):
        tfviz.grad_cam(model, images, [0, 1])
    found = functions_that_run(lambda: tfviz.grad_cam(model, images, [0, 1]))
    lines = {path.relative_to(PACKAGE).as_posix(): len(lines_of(path, firsts)) for path, firsts in found.items()}
    assert "methods/engine/batching.py" in lines, "nothing was seen"
    assert len(lines) <= MOST_FILES and sum(lines.values()) <= MOST_LINES, lines


def test_a_call_in_other_words_is_planned_anew():
    """A call is found again by all that it was asked for, and by the types of that: 1 is not True."""
    network, images = tfviz.trace(model_of("functional")), random_images(2)
    asked = [{}, {"layer": "conv1"}, {"upsample": False}, {"layer": ["conv1", "conv2"]}]
    for options in [*asked, *asked]:
        alone = tfviz.trace(build("functional"))
        found, again = (tfviz.grad_cam(each, images, 1, **options) for each in (network, alone))
        tf.nest.map_structure(np.testing.assert_array_equal, found, again)
    for wrong in (0, 1, 1.0):
        with pytest.raises(tfviz.TfvizError, match=f"upsample is {wrong}"):
            tfviz.grad_cam(network, images, 1, upsample=wrong)
