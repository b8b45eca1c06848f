"""A bar appears when work takes longer than a second, and only then."""

import pytest

from tfviz import progress as module
from tfviz.progress import progress


@pytest.mark.parametrize(
    ("patience", "terminal", "is_shown"), [(0.0, True, True), (60.0, True, False), (0.0, False, False)]
)
def test_the_bar_is_shown_on_a_terminal_after_a_while(capsys, monkeypatch, patience, terminal, is_shown):
    monkeypatch.setattr(module, "PATIENCE", patience)
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("drawing", 4) as advance:
        advance(1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("drawing" in captured.err and "25%" in captured.err) == is_shown
    assert bool(captured.err) == is_shown
