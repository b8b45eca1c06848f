"""The parts of `scripts/benchmark.py`; `workers` holds what runs in processes of its own."""
