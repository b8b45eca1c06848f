"""Draw what every method finds in the same images, side by side.

On the embedded network and its sample pictures, or on a model and images of yours (options as of `tfviz explain`):

    python scripts/gallery.py photo.jpg --model efficientnet-lite0 --output gallery.png
    python scripts/gallery.py photo.jpg --method grad_cam --method xrai
"""

from __future__ import annotations

import argparse
import dataclasses
import time
import warnings
from pathlib import Path

import numpy as np

from tfviz.apps.explanation.explain import explain
from tfviz.apps.explanation.explanation import Explanation
from tfviz.apps.files import class_name
from tfviz.apps.files.output import write_picture
from tfviz.apps.model.setup import Setup, set_up
from tfviz.apps.runs.explain import ALL, find_methods
from tfviz.demo import sample_paths
from tfviz.errors import TfvizError, TfvizWarning
from tfviz.model_options import ModelOptions
from tfviz.results import montage, tiles

COLUMNS = 5  # which a picture and its 24 maps fill
CLIP_PERCENTILE = 99.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", type=Path, help="sample pictures of the embedded network if none is given")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--preprocess")
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--size", type=int)
    parser.add_argument("--fit")
    parser.add_argument("--method", action="append", help="several times (default all that suit the network)")
    parser.add_argument("--layer", help="for all methods that look at one")
    parser.add_argument("--target", help="the class to explain, instead of the predicted one")
    parser.add_argument("--output", type=Path, default=Path("gallery.tfviz.png"), help="(default %(default)s)")
    return parser.parse_args()


def run_all(setup: Setup, inputs: np.ndarray, options: argparse.Namespace) -> Explanation:
    """Run the methods that were named, or all that suit the network, and print how long each took."""
    shared = {"layer": options.layer} if options.layer else {}
    chosen, left_out = find_methods(setup.network, options.method or [ALL], shared)
    for reason in left_out:
        print(reason)
    targets = setup.targets([options.target])[0] if options.target else None
    found = {}
    for name, given in chosen.items():
        started = time.perf_counter()
        found[name] = explain(setup.network, inputs, targets, methods=name, options={name: given})
        print(f"{name}: {time.perf_counter() - started:.1f} s")
    options = {name: each.options[name] for name, each in found.items()}
    return dataclasses.replace(
        found[name], maps={name: each.maps[name] for name, each in found.items()}, options=options
    )


def draw(options: argparse.Namespace) -> None:
    """Write the gallery that the options ask for."""
    setup = set_up(
        ModelOptions(
            options.model,
            weights=options.weights,
            preprocess=options.preprocess,
            labels=options.labels,
            size=options.size,
            fit=options.fit,
        )
    )
    samples = [setup.read(path) for path in options.images or sample_paths()]
    pictures = np.stack([sample.picture for sample in samples])
    explanation = run_all(setup, np.stack([sample.input for sample in samples]), options)
    drawn = {
        name: tiles(
            pictures,
            values,
            clip_percentile=CLIP_PERCENTILE,
            signed=explanation.signed[name],
            own_colors=explanation.own_colors[name],
        )
        for name, values in explanation.shown(setup.preprocessing.order).items()
    }
    rows, names = [], []
    for row, picture in enumerate(pictures):
        rows += [picture, *(each[row] for each in drawn.values())]
        names.append(class_name(int(explanation.targets[row]), setup.class_names))
        names += [name if explanation.maps[name][row].any() else f"{name}: zero" for name in drawn]
        missing = -len(rows) % COLUMNS
        rows += [np.full_like(picture, 255)] * missing
        names += [" "] * missing
    write_picture(options.output, montage(rows, columns=COLUMNS, captions=names))
    print(options.output)


def main() -> None:
    warnings.simplefilter("ignore", TfvizWarning)
    options = arguments()
    try:
        draw(options)
    except TfvizError as error:
        raise SystemExit(f"gallery.py: {error}") from error


if __name__ == "__main__":
    main()
