"""The options about a model: each is a flag, and what `trace` is given of them is what it takes."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace

import pytest

import tfviz
from tfviz.apps.files import FULL_DEPTH
from tfviz.model_options import FLAG, TRACED_AS, ModelOptions

TRACED = [each for each in fields(ModelOptions) if each.metadata[TRACED_AS]]


def test_each_is_a_flag_of_the_commands(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    _, out, _ = run("visualize", "--help")
    shown = " ".join(out.replace("│", " ").split())
    for each in fields(ModelOptions):
        flag = each.metadata[FLAG]
        assert f"{flag.name or '--' + each.name.replace('_', '-')} " in shown
        assert flag.help in shown and (each.default in (None, True) or f"[default: {each.default}]" in shown)


def test_a_command_refuses_what_is_below_the_least(run):
    for flag, text in ("--size", "1"), ("--model-limit", "0"), ("--image-limit", "0"):
        status, _, err = run("visualize", "--class", "0", flag, text)
        assert status == 2 and f"Invalid value for '{flag}'" in err


def test_nothing_is_said_to_trace_unless_the_user_says_it():
    assert ModelOptions("model", weights="random", size=5, depth="raw", maximum_image_bytes=1).trace_options == {}


@pytest.mark.parametrize("option", TRACED, ids=lambda option: option.name)
def test_what_trace_is_given(option):
    given = not option.default if isinstance(option.default, bool) else 7
    assert replace(ModelOptions(), **{option.name: given}).trace_options == {option.metadata[TRACED_AS]: given}


def test_an_option_of_trace_has_the_default_of_trace():
    arguments = inspect.signature(tfviz.trace).parameters
    assert {each.metadata[TRACED_AS] for each in TRACED} <= set(arguments)
    for each in TRACED:
        # Of None, `trace` makes what it does by default.
        assert each.default in (None, arguments[each.metadata[TRACED_AS]].default)


def test_the_depth_is_what_images_have_unless_the_user_says_it():
    assert ModelOptions().depth == FULL_DEPTH
