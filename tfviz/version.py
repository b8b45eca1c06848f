"""The version of this package: below all other modules, so that manifests can record it without importing `tfviz`."""

__version__ = "0.2.0"
