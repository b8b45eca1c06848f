"""Any image model opened: files, folders and live models become one traced function."""

from tfviz.network.opening.reuse import Structure
from tfviz.network.opening.sources import Opening, Source, open_source, own_tensor

__all__ = ["Opening", "Source", "Structure", "open_source", "own_tensor"]
