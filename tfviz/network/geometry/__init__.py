"""Where in the image the places of a value lie: followed from the image through the program, operation by operation."""

from tfviz.network.geometry.axes import PRODUCTS, Carried, Flow, carry, constant_of, flows_of, row_size, rows_per_image
from tfviz.network.geometry.maps import CHANNELS_LAST, OPEN_SIZE, Maps
from tfviz.network.geometry.placement import Line, Placement
from tfviz.network.geometry.pointwise import POINTWISE
from tfviz.network.geometry.shapes import settled
