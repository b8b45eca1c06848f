"""Compares methods by metrics: what to compare with, and what the differences are worth.

`baselines` are maps that know nothing of the network, `statistics` the intervals, ranks and agreement of the values of
several methods. `tfviz.compare` runs them.
"""

from tfviz.results.comparison.baselines import BASELINES, Baseline, find_baselines
from tfviz.results.comparison.findings import Findings
from tfviz.results.comparison.measuring import Measured, Row, measure, spread
from tfviz.results.comparison.statistics import bootstrap_means, differ, interval, kendall_tau, ranks
from tfviz.results.comparison.summary import LEGEND, NO_BETTER, PARTIAL, Summary, number_text

__all__ = ["BASELINES", "Findings", "Measured", "Summary"]
