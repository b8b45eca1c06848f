"""Makes images of what a network looks for, by gradient ascent on what it computes.

A good order of reading: `objectives` (what is made large) and `readout` (how a batch of them is read), `recipe` (how an
image is changed, as data), then its parts `parametrization`, `colors`, `transformations`, `regularizers` and
`optimizers`, `ascent` (the compiled loop), and last the public functions in `feature_visualization` and
`class_visualization`.
"""

from tfviz.methods.visualization.class_visualization import ClassVisualization, class_visualization
from tfviz.methods.visualization.colors import ColorStatistics, color_statistics
from tfviz.methods.visualization.feature_visualization import FeatureVisualization, feature_visualization
from tfviz.methods.visualization.objectives import Channel, Class, Direction, Layer, Neuron, Objective
from tfviz.methods.visualization.recipe import PRESETS, Recipe, find_recipe

__all__ = [
    "PRESETS",
    "Channel",
    "Class",
    "ClassVisualization",
    "ColorStatistics",
    "Direction",
    "FeatureVisualization",
    "Layer",
    "Neuron",
    "Objective",
    "Recipe",
    "class_visualization",
    "color_statistics",
    "feature_visualization",
]
