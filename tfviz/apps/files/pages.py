"""Checks the places of pages that users name, so that nothing is replaced which tfviz did not write.

A picture of ours has an ending of its own, but a page has that of all pages: the name that a user gives may be that of
another. So a file that is there is replaced only if it says near its beginning that tfviz made it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tfviz.apps.files.output import check_folder
from tfviz.errors import TfvizError

PAGE_SUFFIXES = (".html", ".htm")
CARD_NAME = "explanation_card"
"""Of the files beside a report, which say the same for machines (.json) and as plain text (.md)."""
MARK = b"tfviz report"
"""What each file of a report has near its beginning, as the program that made it."""
HEAD = 2048  # bytes, within which the mark is


def report_files(page: Path) -> tuple[Path, Path, Path]:
    """Return the paths of the files of a report: its page, and the cards beside it."""
    return page, page.with_name(f"{CARD_NAME}.json"), page.with_name(f"{CARD_NAME}.md")


def check_report_place(page: Path) -> None:
    """Raise `TfvizError` if the files of a report could not be written, before the work of making them.

    The page must end in .html or .htm, and its path and those of the cards lead to no folder, and to no file but one of
    an older report.
    """
    if page.suffix.lower() not in PAGE_SUFFIXES:
        raise TfvizError(f"the report is an HTML file, so its name must end in .html, got {page}")
    check_folder(page.parent)
    _check_ours(report_files(page))


def _check_ours(paths: Sequence[Path]) -> None:
    for path in paths:
        if not os.path.lexists(path):
            continue
        if not path.is_file():
            raise TfvizError(f"{path} is not a file, so it is not replaced; choose another place for the report")
        with path.open("rb") as file:
            if MARK not in file.read(HEAD):
                raise TfvizError(f"{path} was not made by tfviz report, so it is not replaced; choose another place")
