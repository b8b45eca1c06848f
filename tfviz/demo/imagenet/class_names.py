"""The names of the 1,000 ImageNet classes: the first WordNet lemma of each, in the order that all networks share.

Written from the lists of synsets and lemmas of ImageNet in the package timm 1.0.31.
"""

from __future__ import annotations

from pathlib import Path

CLASS_NAMES_PATH = Path(__file__).with_name("class_names.txt")


def imagenet_class_names() -> list[str]:
    """Return the 1,000 class names; "crane" (a bird, a machine) and "maillot" occur twice."""
    return CLASS_NAMES_PATH.read_text(encoding="utf-8").splitlines()
