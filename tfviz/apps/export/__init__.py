"""Exports SavedModels that explain themselves, with one signature per method.

They run without tfviz, in TensorFlow Serving or any TensorFlow. A good order of reading: `decoding` and `encoded`
(image files become images inside the graph), `signatures` (methods traced as functions), `saving` (what must be written
with them), `export` (the public function, which writes the folder).
"""

from tfviz.apps.export.encoded import Decoder
from tfviz.apps.export.export import check_encoded, export, write
from tfviz.apps.export.signatures import ENCODED_INPUT, Exported, image_input, prepare
