"""A mark is planted that decides half of a class: which maps show it is known, and metrics must find that."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from support.places import SCRIPTS

import tfviz
from tfviz.results import energy_inside

sys.path.append(str(SCRIPTS))

from known_causes.planted import MARKED, planted_network, planted_pictures
from meta_evaluation import soft, value_of

pytestmark = pytest.mark.xdist_group("planted causes")


@pytest.fixture(scope="module")
def planted():
    """The network, and the marked ones of its pictures."""
    network = tfviz.trace(planted_network())
    pictures = planted_pictures(64, 1)
    assert (np.argmax(network.logits(pictures.images), axis=1) == pictures.labels).all()
    marked = pictures.kinds == MARKED
    return network, type(pictures)(*(each[marked] for each in pictures))


@pytest.mark.parametrize("metric", ["deletion", "insertion"])
def test_metrics_prefer_the_mark_to_the_object(planted, metric):
    network, pictures = planted
    values = [
        value_of(metric, network, pictures.images, pictures.labels, pictures.causes, soft(masks))
        for masks in (pictures.causes, pictures.objects)
    ]
    sign = -1 if metric == "deletion" else 1
    assert np.mean(sign * values[0] > sign * values[1]) >= 0.9


def test_methods_that_show_the_mark_rank_above_maps_that_do_not(planted):
    network, pictures = planted
    methods = {"occlusion": {"patch": 4}, "saliency": {}}
    found = tfviz.compare(network, pictures.images, 1, methods, ("deletion", "insertion"))
    for name, maps in found.results.maps.items():
        inside = energy_inside(np.abs(maps).reshape(*maps.shape[:3], -1).max(axis=3), pictures.causes)
        assert inside.mean() > 10 * pictures.causes.mean(), name
        for metric in found.metrics:
            assert not found.summaries[metric][name].beaten_by, (metric, name)
