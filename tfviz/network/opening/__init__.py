"""Any image model opened: files, folders and live models become one traced function."""

from tfviz.network.opening.links import check_weights
from tfviz.network.opening.python_functions import check_no_python
from tfviz.network.opening.reuse import Structure
from tfviz.network.opening.saved_models import read_saved_model
from tfviz.network.opening.sources import Opening, Source, open_source, own_tensor

__all__ = [
    "Opening",
    "Source",
    "Structure",
    "check_no_python",
    "check_weights",
    "open_source",
    "own_tensor",
    "read_saved_model",
]
