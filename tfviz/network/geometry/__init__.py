"""Follows the image through a program: where on it the places of every value lie.

Between program and layers on the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace:
`layers` gives names to the maps that are found here. Read `coordinates` and `places` (where a value's places lie),
`following` (a rule for each kind of operation, with `windows`, `moves` and `cuts`), then `maps` and `placement` (the
result). `axes` follows single axes, which is how tokens are known. `constants`, `conditions` and `shapes` compute what
the image's size settles.
"""

from tfviz.network.geometry.axes import MATRIX_PRODUCTS, Carried, Flow, carry, flows_of, row_size, rows_per_image
from tfviz.network.geometry.constants import Constants
from tfviz.network.geometry.maps import CHANNELS_LAST, OPEN_SIZE, Maps
from tfviz.network.geometry.placement import Line, Placement
from tfviz.network.geometry.pointwise import POINTWISE
from tfviz.network.geometry.shapes import settled
from tfviz.network.geometry.windows import Sliding, sliding
