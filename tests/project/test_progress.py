"""A bar appears when work takes longer than a second, and only then."""

from threading import Thread

import pytest

from tfviz import progress as module
from tfviz.progress import progress, stretches


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


def test_stretches_cover_every_step_and_end_at_the_stops(monkeypatch):
    """A clock of 0.1 s a step: after the first step, a stretch is the five that half a second holds."""
    clock, found = [0.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    for first, last in stretches(20, "stepping", stops=(4, 17)):
        found.append((first, last))
        clock[0] += 0.1 * (last - first) + 1e-9
    assert found == [(0, 1), (1, 4), (4, 8), (8, 12), (12, 16), (16, 17), (17, 20)]


def test_a_step_longer_than_the_interval_is_a_stretch(monkeypatch):
    clock, found = [0.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    for stretch in stretches(3, "stepping"):
        found.append(stretch)
        clock[0] += 7
    assert found == [(0, 1), (1, 2), (2, 3)]
    assert list(stretches(0, "stepping")) == []


def test_stretches_that_are_broken_off_take_their_bar_away(capsys, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    stopped = []
    monkeypatch.setattr(module.Progress, "stop", lambda bar: stopped.append(bar.live.is_started))
    for first, _ in stretches(1000, "stepping"):
        if first:
            break
    assert stopped == [True]
    assert "stepping" in capsys.readouterr().err


def test_a_bar_inside_another_is_a_line_of_it(capsys, monkeypatch):
    """A terminal has room for one: a second one would raise."""
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    started = []
    monkeypatch.setattr(
        module.Progress, "start", lambda bar, start=module.Progress.start: (started.append(bar), start(bar))
    )
    with progress("files", 2) as advance:
        advance(1)
        for _ in stretches(2, "masks"):
            pass
        advance(1)
    assert len(set(started)) == 1
    shown = capsys.readouterr().err
    assert "files" in shown and "masks" in shown and "50%" in shown
    with progress("more", 1) as advance:
        advance(1)
    assert len(set(started)) == 2 and "more" in capsys.readouterr().err


def test_threads_beside_the_main_one_show_no_bar(capsys, monkeypatch):
    """Bars of several threads would write over each other."""
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    seen = []
    thread = Thread(target=lambda: seen.extend(stretches(2, "beside")))
    thread.start()
    thread.join()
    assert seen == [(0, 1), (1, 2)] and capsys.readouterr().err == ""
