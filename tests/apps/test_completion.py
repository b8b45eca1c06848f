"""What a shell is told when the key for completion is pressed, by the variables that its script sets."""

from __future__ import annotations

import pytest

from tfviz.apps.command import flags, options
from tfviz.methods import METHODS
from tfviz.methods.adversarial import ATTACKS


@pytest.fixture
def completed(run, monkeypatch):
    """Return what completes the last word of a line; TensorFlow must not be asked."""
    monkeypatch.setattr(flags, "start_tensorflow", lambda: pytest.fail("TensorFlow starts at each press of the key"))

    def complete(line):
        words = line.split(" ")
        monkeypatch.setenv("_TFVIZ_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(words))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        status, printed, complaint = run()
        assert (status, complaint) == (0, "")
        return printed.split()

    return complete


@pytest.mark.parametrize(
    "line, words",
    [
        ("tfviz e", ["explain", "export"]),
        ("tfviz --ins", ["--install-completion"]),
        ("tfviz explain --met", ["--method"]),
        ("tfviz explain --preproc", ["--preprocess"]),
        ("tfviz explain --method sal", ["saliency"]),
        ("tfviz explain --samples 5 --method a", ["ablation_cam", "all"]),
        ("tfviz localize --method xr", ["xrai"]),
        ("tfviz export model folder --method al", ["all"]),
        ("tfviz batch --runner_option x --method guided_g", ["guided_grad_cam"]),
        ("tfviz fool image.png --method f", ["fooling_image", "fgsm"]),
        ("tfviz visualize --preset de", ["deep-dream"]),
        # Nothing: then the shell itself lists files.
        ("tfviz explain --model ", []),
        ("tfviz explain ", []),
    ],
)
def test_what_completes_a_line(completed, line, words):
    assert completed(line) == words


def test_the_names_are_those_that_there_are():
    assert tuple(METHODS) == options.METHOD_NAMES
    assert tuple(ATTACKS) == options.ATTACK_NAMES


def test_it_is_installed_where_bash_reads_it(run, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    status, printed, _ = run("--install-completion")
    script = tmp_path / ".bash_completions" / "tfviz.sh"
    assert status == 0 and str(script) in printed.replace("\n", "")
    assert str(script) in (tmp_path / ".bashrc").read_text()
    assert "_TFVIZ_COMPLETE=complete_bash" in script.read_text() and "tfviz" in script.read_text().split("\n")[-1]
