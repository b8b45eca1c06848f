"""What would be published, as far as it can be told without building it: `scripts/distribution` does that by night."""

from __future__ import annotations

import configparser
import re
from fnmatch import fnmatch

from support.places import ROOT

import tfviz

CONFIGURATION = configparser.ConfigParser(interpolation=None)
CONFIGURATION.read(ROOT / "setup.cfg")


def files_below(folder):
    return [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_the_wheel_holds_every_file_of_the_package():
    """Those that are not modules have to be named, folder by folder."""
    named = {
        folder.replace(".", "/") + "/" + pattern
        for folder, patterns in CONFIGURATION["options.package_data"].items()
        for pattern in re.split(r"[,\s]+", patterns.strip())
    }
    names = [str(path.relative_to(ROOT)) for path in files_below("tfviz") if path.suffix != ".py"]
    assert [name for name in names if not any(fnmatch(name, pattern) for pattern in named)] == []
    assert [pattern for pattern in named if not any(fnmatch(name, pattern) for name in names)] == []
    for path in files_below("tfviz"):
        assert (path.parent / "__init__.py").is_file() or path.parent.name in ("samples", "templates"), path


def test_the_sources_hold_what_the_tests_read():
    given = {line.split()[1] for line in (ROOT / "MANIFEST.in").read_text().splitlines() if line[0] not in "#\n"}
    assert {"tests", "scripts", "notebooks", ".ci/run"} <= given
    assert all((ROOT / name).exists() for name in given if "*" not in name)


def test_what_an_index_shows():
    about = CONFIGURATION["metadata"]
    assert tfviz.__version__ == "0.2.0" and about["version"] == "attr: tfviz.version.__version__"
    # A field `license` would be the old one, which index and tools no longer read.
    assert about["license_expression"] == "Apache-2.0" and "license" not in about
    lowest, below = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", CONFIGURATION["options"]["python_requires"]).groups()
    claimed = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", about["classifiers"])]
    assert claimed == list(range(int(lowest), int(below)))
