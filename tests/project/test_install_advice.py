"""No advice anywhere installs a package of someone else: on the public index, `tfviz` is another project."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest
from support.places import ROOT

BY_NAME = re.compile(
    r"""tf-?viz\s?\[|pip3?\s+install\s+(?:-\S+\s+)*\\?["'`]?tfviz\b(?!-)|uv (?:add|pip install) tfviz\b(?!-)"""
)


@pytest.mark.parametrize(
    "text, is_advice",
    [
        ('pip install "tfviz[xrai]"', True),
        (r"pip install \"tfviz[beam]\"", True),
        ("pip install -U tfviz", True),
        ("`pip install tfviz`", True),
        ("install tfviz[gpu]", True),
        ("pip install . && tfviz explain", False),
        ('pip install ".[xrai]"', False),
        ("pip install scikit-image", False),
        ("pip install tfviz-explain", False),
    ],
)
def test_what_is_looked_for(text, is_advice):
    assert bool(BY_NAME.search(text)) == is_advice


def test_nothing_says_to_install_it():
    """Help texts and docstrings stand in the modules, and notebooks are text, too."""
    found = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = (
        found.stdout.split("\n") if found.returncode == 0 else [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
    )
    texts = {".py", ".md", ".cfg", ".toml", ".ipynb", ".txt", ".yml", ".yaml", ""}
    paths = [
        ROOT / name
        for name in names
        if name and Path(name).suffix in texts and name != "tests/project/test_install_advice.py"
    ]
    wrong = [
        f"{path}: {line.strip()[:100]}"
        for path in paths
        if path.is_file() and not {".venv", ".git"} & {*path.parts}
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if BY_NAME.search(line)
    ]
    assert len(paths) > 100 and not wrong


def test_the_distribution_has_a_name_of_its_own():
    about = configparser.ConfigParser(interpolation=None)
    about.read(ROOT / "setup.cfg")
    assert about["metadata"]["name"] == "tfviz-explain"
    assert "tfviz*" in about["options.packages.find"]["include"]
