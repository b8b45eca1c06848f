"""What a notebook shows of a measurement: small, escaped, and with the numbers that it holds."""

from __future__ import annotations

import re

import numpy as np

from tfviz.results.metrics import Curves, Measurement


def measurement(count, points=33, text="probability of the target"):
    scores = np.linspace(0, 1, count)[:, np.newaxis] * np.linspace(1, 0, points)
    curves = Curves(np.linspace(0, 1, points), scores, "share of the pixels", text)
    return Measurement("deletion", scores.mean(axis=1), "sum", {"steps": points - 1}, curves, ("one <is> not",))


def test_the_values_and_how_they_were_measured():
    page = measurement(3)._repr_html_()
    assert "<b>deletion</b>: 0.25, the mean of 3 images; attributions reduced by sum" in page and "steps=32" in page
    assert [float(each) for each in re.findall(r"image \d</th><td[^>]*>([\d.]+)", page)] == [0, 0.25, 0.5]
    assert "one &lt;is&gt; not" in page


def test_a_line_for_each_image_and_one_for_the_mean():
    lines = re.findall(r'<polyline points="([^"]*)"', measurement(3, 3)._repr_html_())
    heights = [[float(point.split(",")[1]) for point in line.split()] for line in lines]
    # The second image's curve is the mean of all: from 0.5 to 0, in a picture whose axis is that of probabilities.
    assert len(lines) == 4 and heights[3] == heights[1] and heights[2][0] < heights[1][0] < heights[0][0]
    assert heights[2][2] == heights[0][0]
    places = [float(point.split(",")[0]) for point in lines[0].split()]
    assert places[1] - places[0] == places[2] - places[1] > 0


def test_it_stays_small_and_says_what_is_left_out():
    page = measurement(5000, text="<script>" * 500)._repr_html_()
    assert len(page.encode()) < 300_000 and "<script" not in page and "4980 more images are not shown" in page


def test_what_is_not_defined():
    page = Measurement("deletion", np.array([np.nan]))._repr_html_()
    assert "not defined" in page and "svg" not in page
    scores = np.array([[1, np.nan, 0.6], [0.6, 0.8, np.nan]])
    page = Curves(np.linspace(0, 1, 3), scores, "x", "y")._repr_html_()
    lines = re.findall(r'<polyline points="([^"]*)"', page)
    assert "nan" not in page and [len(line.split()) for line in lines] == [2, 2, 3]
    assert lines[2].split()[1:] == [lines[1].split()[1], lines[0].split()[1]]
    assert "nan" not in Curves(np.linspace(0, 1, 3), np.full((1, 3), np.nan), "x", "y")._repr_html_()
