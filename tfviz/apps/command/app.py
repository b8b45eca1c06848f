"""The commands and their options. What they do is imported when one runs, so that help needs no TensorFlow."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import tfviz
from tfviz.apps.command import options
from tfviz.apps.command.behaviour import PRESETS, AttackCommand, Group, PresetCommand, say, start_tensorflow
from tfviz.apps.output import PICTURE_SUFFIX, check_folder
from tfviz.errors import InvalidImagesError, TfvizWarning

if TYPE_CHECKING:
    from tfviz.apps.command.outcome import Outcome

app = typer.Typer(
    cls=Group,
    help="See what any TensorFlow image model looks at.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

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
    images: options.Images = None,
    model: options.ModelName = "demo",
    weights: options.Weights = "imagenet",
    method: options.Methods = None,
    layer: options.Layer = None,
    target: options.Targets = None,
    top: options.Top = 1,
    preprocess: options.Preprocess = None,
    labels: options.Labels = None,
    size: options.Size = None,
    fit: options.Fit = None,
    output: options.Output = DEFAULT_OUTPUT,
    save_maps: options.SaveMaps = False,
    batch_size: options.BatchSize = 8,
    colormap: options.Colormap = "jet",
    blend: options.Blend = "weighted",
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
    print_outcome(run.outcome, run.outcome.write_manifest() if save_maps else None)
    _complain(run.outcome)


@app.command()
def localize(
    images: options.Images = None,
    model: options.ModelName = "demo",
    weights: options.Weights = "imagenet",
    method: options.MapMethods = None,
    layer: options.Layer = None,
    how: options.How = "grabcut",
    foreground: options.Foreground = None,
    background: options.Background = None,
    smoothing: options.Smoothing = None,
    threshold: options.Threshold = None,
    target: options.Targets = None,
    top: options.Top = 1,
    preprocess: options.Preprocess = None,
    labels: options.Labels = None,
    size: options.Size = None,
    fit: options.Fit = None,
    output: options.Output = DEFAULT_OUTPUT,
    save_maps: options.SaveScaledMaps = False,
    batch_size: options.BatchSize = 8,
) -> None:
    """Find the place in images that a model's maps mark: a mask and a box."""
    from tfviz.apps.places import Finder

    quantiles = {"foreground": foreground, "background": background, "smoothing": smoothing}
    finder = Finder(how, {**quantiles, "threshold": threshold})
    if target and top > 1:
        raise typer.BadParameter("--target and --top both say what to explain; give one of them")
    check_folder(output)
    paths = _images(images or [])
    start_tensorflow()
    from tfviz.apps.command.explain import Run
    from tfviz.apps.command.localize import Localized
    from tfviz.apps.command.outcome import Request
    from tfviz.apps.command.setup import ModelOptions, set_up
    from tfviz.apps.command.tables import print_places
    from tfviz.demo import sample_paths

    methods = method or ["saliency"]
    request = Request(
        methods, layer, target or [], top, batch_size, output, save_maps, {"clip_percentile": CLIP_PERCENTILE}
    )
    run = Run(set_up(ModelOptions(model, weights, preprocess, labels, size, fit)), request, Localized.by(finder))
    if paths:
        run.explain_files(paths)
    else:
        run.explain_samples(sample_paths(), with_class_pictures=False)
    print_places(run.outcome, run.outcome.write_manifest())
    _complain(run.outcome)


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
    model: options.ModelName = "demo",
    weights: options.Weights = "imagenet",
    preprocess: options.Preprocess = None,
    labels: options.Labels = None,
    size: options.Size = None,
    preset: Annotated[str, typer.Option(help=f"The recipe: {PRESETS}.")] = "jitter-blur",
    iterations: Annotated[int | None, typer.Option(min=1, help="Steps; the preset's own number if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Of the noise and the jitter.")] = 0,
    snapshots: Annotated[str, typer.Option(help="Steps to show beside the last, such as 0,20,50.")] = "",
    output: options.Output = DEFAULT_OUTPUT,
) -> None:
    """Make pictures that a model takes for a class, by gradient ascent on its score."""
    steps = _numbers(snapshots)
    check_folder(output)
    start_tensorflow()
    from tfviz.apps.command.setup import ModelOptions, set_up
    from tfviz.apps.command.visualize import VisualizeOptions
    from tfviz.apps.command.visualize import visualize as show

    setup = set_up(ModelOptions(model, weights, preprocess, labels, size))
    show(setup, classes, VisualizeOptions(preset, iterations, seed, steps), output)


@app.command(cls=AttackCommand)
def fool(
    image: Annotated[str, typer.Argument(help="An image file.")],
    target: Annotated[str | None, typer.Option(help="The class to reach: its index or name.")] = None,
    away_from: Annotated[str | None, typer.Option(help="Without a target: the class to leave; the predicted.")] = None,
    method: Annotated[str, typer.Option(help="fooling_image, fgsm or pgd.")] = "fooling_image",
    epsilon: Annotated[float | None, typer.Option(help="Bound on the change, in units of 255.")] = None,
    norm: Annotated[str | None, typer.Option(help="Of the bound: linf or l2.")] = None,
    rate: Annotated[
        float | None, typer.Option(help="Length of a step, in units of 255; of pgd, 2.5 epsilon / iterations.")
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="The most steps.")] = None,
    objective: Annotated[str | None, typer.Option(help="What is climbed: logit or log_odds.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the random start.")] = None,
    model: options.ModelName = "demo",
    weights: options.Weights = "imagenet",
    preprocess: options.Preprocess = None,
    labels: options.Labels = None,
    size: options.Size = None,
    fit: options.Fit = None,
    output: options.Output = DEFAULT_OUTPUT,
    save_array: Annotated[bool, typer.Option("--save-array", help="Write the float32 input (.npy), too.")] = False,
) -> None:
    """Change an image a little, so that a model takes it for another class."""
    given = {"epsilon": epsilon, "norm": norm, "rate": rate, "iterations": iterations, "objective": objective}
    chosen = {name: value for name, value in {**given, "seed": seed}.items() if value is not None}
    check_folder(output)
    paths = _images([image])
    if len(paths) > 1:
        raise typer.BadParameter(f"{image} holds {len(paths)} images; give one of them")
    start_tensorflow()
    from tfviz.apps.command.fool import FoolOptions
    from tfviz.apps.command.fool import fool as change
    from tfviz.apps.command.setup import ModelOptions, set_up

    setup = set_up(ModelOptions(model, weights, preprocess, labels, size, fit))
    if not change(setup, paths[0], FoolOptions(method, target, away_from, chosen, save_array), output):
        raise typer.Exit(1)


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


def _complain(outcome: Outcome) -> None:
    """Say what went wrong on the way, and exit with 1 where a picture failed."""
    for reason in outcome.complaints():
        say(reason)
    if outcome.failed:
        raise typer.Exit(1)


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
