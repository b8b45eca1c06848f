"""Opens any image model: files, folders and live models become one traced function.

The first stop on the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace. Read `sources`
(what `trace` calls) and `files`, then `keras_models`, `keras_files` and `saved_models`, the three kinds. A file is
judged as data before anything of it is built or run: names in Keras files by `configuration`, `library` and
`op_layers`, operations by `effects`, `stateful_operations`, `saved_graphs` and `python_functions`, what unpacks and
where it leads by `sizes` and `links`; `trust` says what was found. `reuse` tells whether the trace of a live model
still holds.
"""

from tfviz.network.opening.links import check_weights_file
from tfviz.network.opening.python_functions import check_no_python
from tfviz.network.opening.reuse import Structure
from tfviz.network.opening.saved_models import read_saved_model
from tfviz.network.opening.sources import Source, open_source, own_tensor
from tfviz.network.opening.trace_options import KEEP, OFF, TraceOptions

__all__ = [
    "KEEP",
    "OFF",
    "Source",
    "Structure",
    "TraceOptions",
    "check_no_python",
    "check_weights_file",
    "open_source",
    "own_tensor",
    "read_saved_model",
]
