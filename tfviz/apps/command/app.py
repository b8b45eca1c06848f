"""The commands and their options. What they do is imported when one runs, so that help needs no TensorFlow."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

import tfviz
from tfviz.apps.command.behaviour import PRESETS, Group, PresetCommand, say, start_tensorflow
from tfviz.apps.output import PICTURE_SUFFIX, check_folder
from tfviz.errors import InvalidImagesError, TfvizWarning

METHOD_NAMES = ", ".join(
    name
    for name, module in tfviz._LAZY.items()
    if module == "tfviz.methods" and name.islower() and name != "class_visualization"
)

app = typer.Typer(
    cls=Group,
    help="See what any TensorFlow image model looks at.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ModelName = Annotated[
    str,
    typer.Option("--model", help="A .keras or .h5 file, a SavedModel folder, demo, or a keras.applications name."),
]
Weights = Annotated[
    str, typer.Option(help="Of a keras.applications model: imagenet, random, or a .h5, .weights.h5 or .keras file.")
]
Preprocess = Annotated[
    str | None,
    typer.Option(
        help="What the model was trained on: 0..1, -1..1, 0..255, a keras.applications family such as resnet50, or "
        "mean=104,117,123;std=1,1,1;order=bgr (on the scale 0..255). Your own model gets 0..255 if nothing is said."
    ),
]
Labels = Annotated[Path | None, typer.Option(help="The class names: a text file with one a line, or JSON.")]
Size = Annotated[int | None, typer.Option(min=2, help="Pixels a side, for a network that leaves it open.")]
Output = Annotated[Path, typer.Option(help="The folder for the files; made where it does not exist.")]
CLIP_PERCENTILE = 99.0
"""A few pixels of a saliency map outshine the rest; pictures stop there, the written maps do not."""
DEFAULT_OUTPUT = Path("tfviz-output")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tfviz {tfviz.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def explain(
    images: Annotated[
        list[str] | None, typer.Argument(help="Image files, folders and patterns; sample pictures if none is given.")
    ] = None,
    model: ModelName = "demo",
    weights: Weights = "imagenet",
    method: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Repeatable: {METHOD_NAMES}; or all that suit the network. "
            "saliency, grad_cam and guided_backprop, as far as they suit it, if nothing is said."
        ),
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Where grad_cam looks; see tfviz layers.")] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Repeatable: index or name of a class to explain, not the predicted one.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Explain so many of the best classes of each image.")] = 1,
    preprocess: Preprocess = None,
    labels: Labels = None,
    size: Size = None,
    fit: Annotated[
        str | None,
        typer.Option(
            help="How images get the network's size: crop keeps their proportions and centre (the default for "
            "keras.applications), stretch all of them (for your own model, as Keras loads images)."
        ),
    ] = None,
    output: Output = DEFAULT_OUTPUT,
    save_maps: Annotated[
        bool, typer.Option("--save-maps", help="Write the raw float32 maps (.npy) and manifest.json, too.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Images computed at once.")] = 8,
    colormap: Annotated[str, typer.Option(help="An OpenCV colour map such as jet, turbo or viridis.")] = "jet",
    blend: Annotated[str, typer.Option(help="How a map is laid over its image: weighted or additive.")] = "weighted",
) -> None:
    """Show what a model looks at in images."""
    if target and top > 1:
        raise typer.BadParameter("--target and --top both say what to explain; give one of them")
    check_folder(output)
    paths = _images(images or [])
    _check_looks(colormap, blend, fit)
    start_tensorflow()
    from tfviz.apps.command.explain import Run
    from tfviz.apps.command.outcome import Request
    from tfviz.apps.command.setup import ModelOptions, set_up
    from tfviz.apps.command.tables import print_outcome
    from tfviz.demo import sample_paths

    look = {"colormap": colormap, "blend": blend, "clip_percentile": CLIP_PERCENTILE}
    request = Request(method or [], layer, target or [], top, batch_size, output, save_maps, look)
    run = Run(set_up(ModelOptions(model, weights, preprocess, labels, size, fit)), request)
    if paths:
        run.explain_files(paths)
    else:
        run.explain_samples(sample_paths(), with_class_pictures=model == "demo" and not method)
    written = run.outcome.write_manifest() if save_maps else None
    print_outcome(run.outcome, written)
    for reason in run.outcome.complaints():
        say(reason)
    if run.outcome.failed:
        raise typer.Exit(1)


@app.command()
def layers(model: Annotated[str, typer.Argument(help="As the --model of explain.")] = "demo") -> None:
    """List the layers that grad_cam can look at."""
    start_tensorflow()
    from tfviz.apps.command.tables import print_layers
    from tfviz.apps.models import open_architecture
    from tfviz.network.trace import trace

    print_layers(trace(open_architecture(model)))


@app.command()
def methods() -> None:
    """List the methods: what they need and cost, and when not to trust them."""
    start_tensorflow()
    from tfviz.apps.command.tables import print_methods

    print_methods()


@app.command(cls=PresetCommand)
def visualize(
    classes: Annotated[list[str], typer.Option("--class", help="Repeatable: index or name of a class.")],
    model: ModelName = "demo",
    weights: Weights = "imagenet",
    preprocess: Preprocess = None,
    labels: Labels = None,
    size: Size = None,
    preset: Annotated[str, typer.Option(help=f"The recipe: {PRESETS}.")] = "jitter-blur",
    iterations: Annotated[int | None, typer.Option(min=1, help="Steps; the preset's own number if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Of the noise and the jitter.")] = 0,
    snapshots: Annotated[str, typer.Option(help="Steps to show beside the last, such as 0,20,50.")] = "",
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Make pictures that a model takes for a class, by gradient ascent on its score."""
    steps = _numbers(snapshots)
    check_folder(output)
    start_tensorflow()
    from tfviz.apps.command.setup import ModelOptions, set_up
    from tfviz.apps.command.visualize import Recipe
    from tfviz.apps.command.visualize import visualize as show

    setup = set_up(ModelOptions(model, weights, preprocess, labels, size))
    show(setup, classes, Recipe(preset, iterations, seed, steps), output)


def _images(arguments: list[str]) -> list[Path]:
    """Return the image files that are named, without the pictures that tfviz made of others."""
    from tfviz.apps.image_files import find_images

    found = find_images(arguments)
    paths = [path for path in found if not path.name.endswith(PICTURE_SUFFIX)]
    if len(paths) < len(found):
        message = f"{len(found) - len(paths)} pictures that tfviz wrote (*{PICTURE_SUFFIX}) are left out"
        if not paths:
            raise InvalidImagesError(f"there are no other images: {message}")
        warnings.warn(message, TfvizWarning, stacklevel=2)
    return paths


def _check_looks(colormap: str, blend: str, fit: str | None) -> None:
    """Raise where one is unknown, before the work that they would show."""
    import numpy as np

    from tfviz.apps.images import WAYS_TO_FIT, fit_image
    from tfviz.results import overlay

    picture = np.zeros((2, 2, 3), np.uint8)
    overlay(picture, np.zeros((2, 2)), colormap=colormap, blend=blend)
    fit_image(picture, (2, 2), fit or WAYS_TO_FIT[0])


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise typer.BadParameter(f"--snapshots takes whole numbers with commas between, not {text!r}") from error
