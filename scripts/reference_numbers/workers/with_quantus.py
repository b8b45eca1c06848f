"""Quantus's own metrics, by family, each with its default arguments unless the module says otherwise.

    python with_quantus.py FILE

All is computed in float64, and images are given channels first; what is written has channels last.
"""

from __future__ import annotations

import sys
from pathlib import Path

import quantus_axioms
import quantus_faithfulness
import quantus_places
import quantus_randomisation
import quantus_robustness
import torch
from inputs import inputs, write

FAMILIES = (quantus_faithfulness, quantus_robustness, quantus_axioms, quantus_randomisation, quantus_places)


def main() -> None:
    torch.set_default_dtype(torch.float64)
    arrays, found = inputs(), {}
    for family in FAMILIES:
        found |= family.measured(arrays)
    write(Path(sys.argv[1]), ("numpy", "scipy", "torch", "scikit-image", "quantus"), found)


if __name__ == "__main__":
    main()
