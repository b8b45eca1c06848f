"""The parts of `scripts/references.py`; `workers` holds what runs in environments of other software."""
