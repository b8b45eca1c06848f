"""The options that several commands share, each with its help; those about the model are in `tfviz.model_options`.

Each is a type with its help beside it, so that commands that share an option cannot differ in what they say of it;
defaults stand in the signatures, since they differ. `None` means that an option was not given; its help says what holds
then.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

METHOD_NAMES = (
    "grad_cam",
    "grad_cam_plus_plus",
    "hires_cam",
    "layer_cam",
    "xgrad_cam",
    "eigen_cam",
    "gradient",
    "saliency",
    "input_x_gradient",
    "smooth_grad",
    "var_grad",
    "square_grad",
    "full_grad",
    "simple_full_grad",
    "smooth_full_grad",
    "score_cam",
    "ablation_cam",
    "guided_backprop",
    "deconvnet",
    "guided_grad_cam",
    "integrated_gradients",
    "occlusion",
    "rise",
    "xrai",
)
"""The names in `tfviz.METHODS`, which lies behind TensorFlow; a test keeps them equal."""

ATTACK_NAMES = ("fooling_image", "fgsm", "pgd")
"""The names in `tfviz.methods.adversarial.ATTACKS`, kept likewise."""


def completing(*names: str) -> Callable[[str], list[str]]:
    """Return what lists, for a shell, those of the names that begin as the word typed so far."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete


OutputFolder = Annotated[Path, typer.Option(help="The folder for the files; made where it does not exist.")]
Images = Annotated[
    list[str] | None, typer.Argument(help="Image files, folders and patterns; sample pictures if none is given.")
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        autocompletion=completing(*METHOD_NAMES, "all"),
        help="Repeatable: a name that tfviz methods lists, or all that suit the network. "
        "saliency, grad_cam and guided_backprop, as far as they suit it, if nothing is said.",
    ),
]
MapMethods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        autocompletion=completing(*METHOD_NAMES, "all"),
        help="Repeatable: a name that tfviz methods lists, or all that suit the network. saliency otherwise.",
    ),
]
How = Annotated[
    str,
    typer.Option(
        help="grabcut grows the highest values of the map along the colours of the picture (Simonyan 2013); threshold "
        "takes the map alone (as for Grad-CAM). Both keep the largest connected part."
    ),
]
Foreground = Annotated[
    float | None, typer.Option(help="Of grabcut: the quantile of the map above which all is foreground.")
]
Background = Annotated[
    float | None, typer.Option(help="Of grabcut: the quantile of the map up to which all is background.")
]
Smoothing = Annotated[
    float | None, typer.Option(help="Of grabcut: the blur of the map, in parts of the picture's shorter side.")
]
Threshold = Annotated[float | None, typer.Option(help="Of threshold: the part of the map's maximum that counts.")]
Reduce = Annotated[
    str,
    typer.Option(
        help="How attributions become one number a pixel: max_abs, sum_abs, l2, positive, or with sign sum or mean. A "
        "place that holds as much evidence against the class as for it, or more, is none."
    ),
]
LayerNames = Annotated[
    list[str] | None, typer.Option(help="Repeatable: where grad_cam and the like look; see tfviz layers.")
]
TargetNames = Annotated[
    list[str] | None,
    typer.Option("--target", help="Repeatable: index or name of a class to explain, not the predicted one."),
]
Top = Annotated[int, typer.Option(min=1, help="Explain so many of the best classes of each image.")]
SaveMaps = Annotated[
    bool, typer.Option("--save-maps", help="Write the raw float32 maps (.npy) and manifest.json, too.")
]
SaveScaledMaps = Annotated[
    bool,
    typer.Option("--save-maps", help="Write the maps, scaled to 0..1 as benchmarks read them, and the masks (.npy)."),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Images computed at once.")]
TrueLabels = Annotated[
    Path | None,
    typer.Option(
        "--true",
        help="A CSV file with a row for each image, FILE,CLASS: the titles and the table tell its true class, too.",
    ),
]
Dpi = Annotated[
    int | None,
    typer.Option(min=10, max=1200, help="Dots an inch of the pictures, 2.4 inches for each column; 150 otherwise."),
]
Layout = Annotated[
    str,
    typer.Option(
        help="How a picture is arranged: rows (a target a row), columns, row (all in one), or classes (those of --top "
        "side by side, in one scale)."
    ),
]
ColorBar = Annotated[bool, typer.Option("--colorbar", help="Show which values the colours stand for.")]
Colormap = Annotated[str, typer.Option(help="An OpenCV colour map such as inferno, viridis or jet.")]
Blend = Annotated[str, typer.Option(help="How a map is laid over its image: weighted, additive or multiply.")]

DEFAULT_COLORMAP = "inferno"
"""The name in `tfviz.results.colors`, which needs OpenCV, as the help does not; a test keeps them equal."""

PRESET_NAMES = ("simonyan", "jitter-blur", "fourier", "deep-dream")
"""The names in `tfviz.methods.visualization.PRESETS`, which lies behind TensorFlow; a test keeps them equal."""

Objectives = Annotated[
    list[str] | None,
    typer.Option(
        "--objective",
        help="Repeatable, a picture each: class:NAME, channel:LAYER:NUMBER, neuron:LAYER:NUMBER (in the centre) or "
        "neuron:LAYER:NUMBER:ROW,COLUMN, direction:LAYER:FILE.npy, layer:LAYER, or a sum such as "
        "2*channel:LAYER:3+layer:LAYER.",
    ),
]
Classes = Annotated[
    list[str] | None,
    typer.Option("--class", help="Repeatable: index or name of a class, short for --objective class:…"),
]
Preset = Annotated[
    str | None,
    typer.Option(
        autocompletion=completing(*PRESET_NAMES),
        help=f"The recipe: {', '.join(PRESET_NAMES)}. fourier if not given, deep-dream with --image.",
    ),
]
Iterations = Annotated[int | None, typer.Option(min=1, help="Steps; the preset's own number if not given.")]
Seed = Annotated[int, typer.Option(help="Of the noise, and of how the picture is moved about.")]
StartImage = Annotated[
    Path | None, typer.Option("--image", help="Start from this picture; with layer:LAYER it is deep dream.")
]
ColorImages = Annotated[
    list[str] | None,
    typer.Option(
        "--colors",
        help="Repeatable: files, folders or patterns of pictures such as the model knows, whose colours are taken; the "
        "demo's own if none is given.",
    ),
]
Snapshots = Annotated[str, typer.Option(help="Steps to show beside the last, such as 0,20,50.")]
Gif = Annotated[bool, typer.Option("--gif", help="Write how each picture comes about as an animated GIF, too.")]
