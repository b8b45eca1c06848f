"""Images made from the network, by gradient ascent on what it computes."""

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
