"""SavedModels that explain themselves, with one signature a method."""

from tfviz.apps.export.encoded import Decoder
from tfviz.apps.export.export import check_encoded, export, write
from tfviz.apps.export.signatures import ENCODED, Exported, image_input, prepare
