"""Correlations of many rows of numbers at once, which are NaN where one of the two never changes."""

from __future__ import annotations

import numpy as np

from tfviz.arrays import Doubles

ROUNDING = 1e-12
"""The relative spread of numbers that are equal but for the rounding of float64."""


def correlation(first: Doubles, second: Doubles) -> Doubles:
    """Return Pearson's correlation (...,) along the last axis of two arrays (..., P), -1..1."""
    varies = np.logical_and(*(np.ptp(each, axis=-1) > ROUNDING * np.abs(each).max(axis=-1) for each in (first, second)))
    one, other = (each - each.mean(axis=-1, keepdims=True) for each in (first, second))
    scale = np.sqrt(np.square(one).sum(axis=-1)) * np.sqrt(np.square(other).sum(axis=-1))
    found = np.full(varies.shape, np.nan)
    np.divide((one * other).sum(axis=-1), scale, out=found, where=varies)
    return found.clip(-1, 1)


def ranks_of(values: Doubles) -> Doubles:
    """Return the rank of each number in its row (N, P), from 0; equal ones share the mean of theirs."""
    found = np.empty(values.shape)
    for row, each in zip(found, values, strict=True):
        _, place, counts = np.unique(each, return_inverse=True, return_counts=True)
        row[:] = (np.cumsum(counts) - (counts + 1) / 2)[place.reshape(-1)]
    return found


def mean_of_known(values: Doubles) -> Doubles:
    """Return the mean (N,) of the numbers in each row (N, P) that are not NaN; NaN if all of them are."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    return np.where(count, np.where(known, values, 0).sum(axis=1) / np.maximum(count, 1), np.nan)
