"""Axioms: whether a map keeps what it was derived from, one axiom a file.

`completeness` asks whether it adds up to the score, `non_sensitivity` whether it is zero just where the network does
not look, and `invariance` whether it stays when the images are shifted and the network takes the shift back.
"""

from __future__ import annotations

from tfviz.results.metrics.axioms.completeness import completeness
from tfviz.results.metrics.axioms.invariance import input_invariance
from tfviz.results.metrics.axioms.non_sensitivity import non_sensitivity
