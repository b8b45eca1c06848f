"""The page of the benchmark: made of its data alone, and never of two machines or releases."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from support.places import ROOT, SCRIPTS

import tfviz

sys.path.append(str(SCRIPTS))

from benchmark import beside, measure, page, report, stamp, table
from benchmark.environments import PEERS
from benchmark.plan import METHODS

NOTEBOOKS = ROOT / "notebooks"
NAMES = ("network", "batch", "what", "against", "ratio")


def made(rate, *rows, **of):
    """A report of one run."""
    rows = [{**dict(zip(NAMES, row, strict=True)), "version": "", "ours_ms": 1.0} for row in rows]
    run = {"date": "2026-01-02", "commit": "abc", "rounds": 7, "rows": rows}
    place = {"machine": "x86_64", "tfviz": "1", "tensorflow": "2", "keras": "3"}
    return {**place, "note": "", "rates": {"vgg16": rate}, "runs": [run], **of}


@pytest.fixture(scope="module")
def kept():
    return report.read(NOTEBOOKS)


def test_the_page_is_that_of_its_data(kept):
    """If this fails, `python scripts/benchmark.py --render --output notebooks` makes the page anew."""
    assert (NOTEBOOKS / report.MARKDOWN).read_text(encoding="utf-8") == page.page(kept)
    assert (NOTEBOOKS / report.JSON).read_text(encoding="utf-8") == report.text(kept)


def test_the_page_reads_well(kept):
    written = page.page(kept)
    for found in re.findall(r"(?:^\|.*\n)+", written, flags=re.MULTILINE):
        assert len({row.count("|") for row in found.splitlines()}) == 1
    # Markdown inside of HTML needs empty lines around it.
    folded = re.findall(r"(?<=\n\n)<details><summary>[^<]+</summary>\n\n(?:\|.*\n)+\n</details>\n(?=\n)", written)
    assert len(folded) == written.count("<details>") == 7
    assert not [each for each in written.splitlines() if len(each) > 120 and each[0] != "|"]
    assert not re.search(r"\b(None|nan)\b", written)


def test_numbers_in_words_are_those_of_the_rows(kept):
    """Medians as NumPy has them, of the numbers in the table that is read, not of the data."""
    written = page.page(kept)
    summary = " ".join(written.split("\n\n")[2].split())
    tables = written.split("## All ratios")[1].split("\n## ")[0]
    rows = [
        [cell.strip(" *") for cell in row.split("|")[1:-1]] for row in re.findall(r"^\| \d.*", tables, re.MULTILINE)
    ]
    assert len(rows) == 151
    for column, name in enumerate(table.SIDE_BY_SIDE):
        if name in PEERS:
            ratios = [float(row[column]) for row in rows if row[0] == "1" and row[column]]
            assert f"{np.median(ratios):.2f} of {name}'s" in summary
            assert f"| {name} | {np.median(ratios):.2f} ({len(ratios)}) |" in written
    of_squeezenet = tables.split("<summary>squeezenet")[1]
    assert "`saliency` takes 0.76 of" in summary and re.search(r"\| 1 \| saliency \|[^*\n]* 0\.76 \|", of_squeezenet)
    assert "`grad_cam` 1.07 of" in summary and re.search(r"\| 1 \| grad_cam \|[^*\n]* 1\.07 \|", of_squeezenet)


def test_every_target_is_counted_once(kept):
    asked = [row for row in table.rows_of(kept) if row["reached"] is not None]
    assert all(sum(belongs(row) for belongs in page.ASKED.values()) == 1 for row in asked)
    shares = [tuple(map(int, cells[2].split(" of "))) for cells in page.targets(asked)]
    assert [sum(each) for each in zip(*shares, strict=True)] == [sum(row["reached"] for row in asked), len(asked)]
    assert sorted(shares, key=lambda each: each[0] / each[1]) == shares
    assert f"Of {len(asked)} targets {sum(row['reached'] for row in asked)} are reached." in page.page(kept)


def test_what_is_lost_comes_first():
    rows = [("vgg16", 1, "saliency", measure.TAPE, 1.25), ("vgg16", 1, "saliency", "captum", 1.5)]
    rows += [("vgg16", 1, "saliency", measure.FORWARD, 2.0), ("vgg16", 1, "saliency", "xplique", 0.4)]
    written = page.page(made(3.0, *rows))
    assert "Of 3 targets 1 is reached." in written
    assert "In 2 of 3 comparisons with a tape by hand or a peer we are slower:" in written
    slower = written.index("| vgg16 | 1 | saliency | captum | 1.50 |  |  |")
    assert slower < written.index("| vgg16 | 1 | saliency | tape by hand | 1.25 |  |  |") < written.index("## Memory")
    assert (
        "| `gradient`, `saliency` / tape by hand | ≤ 0.80 | 0 of 1 | 1.25 for 0.80: vgg16, batch 1, saliency |"
        in written
    )
    assert "the median call with one picture takes 0.40 of xplique's, 1.50 of captum's time." in written
    assert "SqueezeNet" not in written and "- **Rate:** vgg16 3 billion multiply-adds a second." in written


def test_what_was_not_measured_takes_no_room():
    written = page.page(made(3.0, ("vgg16", 1, "grad_cam", measure.FORWARD, 1.0)))
    assert "Of 1 target 1 is reached." in written
    for absent in ("Median", "missed", "we are slower", "Against each library", "What is left", "Rounding", "Beyond"):
        assert absent not in written
    assert "\n\n\n" not in written
    assert page.page({**made(3.0), "runs": []}).split("\n\n")[2] == "## Run it yourself"


def test_a_run_is_added_to_an_earlier_one(tmp_path):
    old, tape = ("vgg16", 1, "gradient", "xplique", 0.1), ("vgg16", 1, "gradient", measure.TAPE, 0.9)
    report.write(made(1.0, old, ("demo", 1, "rise", "xplique", 0.2), note="old"), tmp_path)
    again = made(2.0, ("vgg16", 8, "gradient", "xplique", 0.3), tape, note="")
    report.write(report.added(report.read(tmp_path), again), tmp_path)
    found = report.read(tmp_path)
    assert found["rates"] == {"vgg16": 2.0} and found["note"] == "old"
    assert [len(run["rows"]) for run in found["runs"]] == [1, 2]
    rows = [tuple(row[name] for name in NAMES) for row in table.rows_of(found)]
    assert rows == [("demo", 1, "rise", "xplique", 0.2), tape, ("vgg16", 8, "gradient", "xplique", 0.3)]
    assert [row["reached"] for row in table.rows_of(found)] == [True, False, True]
    # Nothing of the earlier run is left, and so neither is its note.
    alone = report.added(made(1.0, old, note="old"), again)
    assert alone["runs"] == again["runs"] and alone["note"] == ""


@pytest.mark.parametrize("name", stamp.SAME)
def test_two_machines_or_releases_are_not_mixed(name):
    earlier, now = made(1.0, ("vgg16", 1, "gradient", "xplique", 0.1), **{name: "other"}), made(1.0)
    with pytest.raises(report.MixedError, match=r"of another machine or release: .*other.*; this is x86_64; tfviz 1, "):
        report.added(earlier, now)
    assert report.added({**earlier, "runs": []}, now)["runs"] == now["runs"]


def test_an_addition_to_another_machine_is_refused_before_it_runs(run_script, tmp_path):
    report.write(made(1.0, ("vgg16", 1, "gradient", "xplique", 0.1)), tmp_path)
    before = (tmp_path / report.JSON).read_bytes()
    said = run_script("benchmark.py", "--model", "demo", "--add", "--output", tmp_path)
    assert said.startswith("benchmark.py: the rows that are there are of another machine or release: x86_64; tfviz 1, ")
    assert (tmp_path / report.JSON).read_bytes() == before


def test_a_page_is_made_anew_from_its_data(run_script, tmp_path, capsys):
    said = run_script("benchmark.py", "--render", "--output", tmp_path)
    assert said == f"benchmark.py: there is no {tmp_path / report.JSON} to make a page of"
    assert not [*tmp_path.iterdir()]
    written = report.write(made(1.0, ("vgg16", 1, "gradient", "xplique", 0.1)), tmp_path)
    (tmp_path / report.MARKDOWN).write_text("typed by hand")
    assert run_script("benchmark.py", "--render", "--output", tmp_path) is None
    assert (tmp_path / report.MARKDOWN).read_text() == written == capsys.readouterr().out[:-1]


def test_what_other_scripts_measure_stays(tmp_path):
    rates = {"plain loop": 400, "1 worker": 300, "2 workers": 500}
    peaks = {"1 worker": {500: 80.4, 1000: 81}, "2 workers": {500: 82, 1000: 83}}
    report.put("throughput", {"method": "grad_cam", "rounds": 2, "rates": rates, "peaks": peaks}, tmp_path)
    row = {"network": "fused", "gradient": "fast", **dict.fromkeys(beside.SHARES, 3.14e-7), "score": 1e-6}
    report.put("rounding", {"pictures": 60, "rows": [row]}, tmp_path)
    written = report.write(made(1.0, ("vgg16", 1, "gradient", "xplique", 0.1)), tmp_path)
    assert "takes 0.10 of xplique's time" in written
    assert "| 1 worker | 300 | 0.75 | 80 | 81 |" in written and "| plain loop | 400 | 1.00 |  |  |" in written
    assert "| fused | fast | 3.1e-07 | 3.1e-07 | 3.1e-07 | 3.1e-07 |" in written
    # Each part says what it is of: this machine, beside rows of another.
    assert " ".join(written.split()).count(f"; {stamp.said(stamp.stamp())}.") == 2
    assert page.page(report.read(tmp_path)) == written


def test_numbers_are_stamped():
    now = report.new(5)
    assert now["tfviz"] == tfviz.__version__ and now["runs"][0]["rounds"] == 5 and not report.new()["runs"]
    for name in ("tensorflow", "keras"):
        assert now[name] == sys.modules[name].__version__
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    commit = now["runs"][0]["commit"].rstrip("+")
    assert head.stdout.startswith(commit) if head.returncode == 0 else commit == "unknown"


def test_methods_of_the_page_are_planned(kept):
    rows = [row for run in kept["runs"] for row in run["rows"]]
    assert {row["what"] for row in rows if row["against"] in table.CONTENDERS} <= {*METHODS}
    assert json.loads(report.text(kept)) == kept
