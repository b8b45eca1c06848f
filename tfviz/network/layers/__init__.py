"""Names the feature maps of a network, and its tokens as maps, by the layers that give them.

The third stop on the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace: `program`
gives steps with scoped names and `geometry` says which values are maps; here the two meet, and the layer is chosen that
is looked at when none is named. Read `feature_map`, then `scopes` with `shared_calls` (names), `tokens` with
`arrangement` (tokens as maps), `default_layer`, and at last `layers`, which holds them together.
"""

from tfviz.network.layers.arrangement import TokensToMap
from tfviz.network.layers.feature_map import FeatureMap, Shape
from tfviz.network.layers.layers import Layers, short_names
