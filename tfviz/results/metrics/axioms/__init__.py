"""Axioms: whether a map keeps what it was derived from.

`axioms` asks whether it adds up to the score and is zero where the network does not look, `invariance` whether it stays
when the images are shifted and the network takes the shift back.
"""

from __future__ import annotations

from tfviz.results.metrics.axioms.axioms import completeness, non_sensitivity
from tfviz.results.metrics.axioms.invariance import input_invariance
