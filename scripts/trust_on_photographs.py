#!/usr/bin/env python
"""Compare all methods by all metrics on photographs: what notebooks/trust_on_photographs.md shows.

    python scripts/trust_on_photographs.py --network FILE --photographs FOLDER [--images 20] [--method NAME ...]
        [--metric NAME ...] [--output FOLDER]

FILE is a Keras model of 227 x 227 pixels in BGR minus its mean, such as SqueezeNet; FOLDER holds pictures and their
classes in `labels.json`. Printed are the table, how long it took and how many passes were shared; the folder
gets comparison.json, .csv and .md.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import keras
from known_causes.photographs import labelled_photographs

import tfviz
from tfviz.apps.comparison import COMPARED, MEASURED_BY


def main() -> None:
    """Run the comparison, print and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", type=Path, required=True)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--method", nargs="*", default=COMPARED)
    parser.add_argument("--metric", nargs="*", default=MEASURED_BY)
    parser.add_argument("--layer")
    parser.add_argument("--output", type=Path, default=Path("trust-on-photographs"))
    given = parser.parse_args()
    _, images, classes = labelled_photographs(given.photographs, given.images)
    network = tfviz.trace(keras.models.load_model(given.network, compile=False))
    started = time.monotonic()
    found = tfviz.compare(network, images, classes, given.method, given.metric, layer=given.layer)
    print(found)
    took = time.monotonic() - started
    print(f"{took:.0f} s: {len(found.rows)} rows, {len(found.metrics)} metrics, {len(images)} images")
    for ending in ("json", "csv", "md"):
        print(found.save(given.output / f"comparison.{ending}"))


if __name__ == "__main__":
    main()
