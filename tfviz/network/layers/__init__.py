"""The feature maps of a network, and its tokens as maps, by the names of the layers that give them."""

from tfviz.network.layers.arrangement import TokensToMap
from tfviz.network.layers.layer import Layer, Shape
from tfviz.network.layers.layers import Layers, short_names
