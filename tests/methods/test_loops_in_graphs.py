"""Loops in compiled functions: what they run stays a graph of its own."""

from __future__ import annotations

import copy

import pytest
from support.model_zoo import model_of, random_images

import tfviz
from tfviz.methods.engine.compiled import Functions
from tfviz.network.program.compiled_functions import CompiledFunctions

IMAGES = random_images(2)
INSIDE = {"of": "integrated_gradients", "options": {"steps": 2}}


def smooth(network):
    tfviz.smooth_grad(network, IMAGES, 1, samples=2)


def smooth_another_loop(network):
    tfviz.smooth_grad(network, IMAGES, 1, samples=2, **INSIDE)


def visualize(network):
    tfviz.class_visualization(network, 1, pixel_range=(-1, 1), iterations=2)


def fool(network):
    tfviz.fooling_image(network, IMAGES, 1, pixel_range=(-1, 1), iterations=2)


@pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning")
@pytest.mark.filterwarnings("ignore:fooling_image did not reach:tfviz.errors.TfvizWarning")
@pytest.mark.parametrize("run", [smooth, smooth_another_loop, visualize, fool])
def test_what_a_loop_runs_is_a_graph_of_its_own(run):
    """Or TensorFlow may meet the gradient of a max pooling before the pooling, by chance, and run it slowly."""
    network = copy.copy(tfviz.trace(model_of("functional")))
    network.compiled = CompiledFunctions()
    run(network)
    functions = [
        function
        for compiled in network.compiled.values()
        for function in (compiled.loops.values() if isinstance(compiled, Functions) else [compiled])
        if hasattr(function, "graph")
    ]
    library = [each for function in functions for each in function.graph.as_graph_def().library.function]
    pooling = [each for each in library if any(node.op == "MaxPoolGrad" for node in each.node_def)]
    assert pooling and all(each.attr["_noinline"].b for each in pooling)
