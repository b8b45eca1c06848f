"""The options of the commands, each with its help. No TensorFlow is imported for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MODEL_PANEL = "The model"
ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        help="A .keras or .h5 file, a SavedModel folder, demo, or a keras.applications name.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        help="Of a keras.applications model: imagenet, random, or a .h5, .weights.h5 or .keras file.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Preprocess = Annotated[
    str | None,
    typer.Option(
        help="What the model was trained on: 0..1, -1..1, 0..255, a keras.applications family such as resnet50, or "
        "mean=104,117,123;std=1,1,1;order=bgr (on the scale 0..255). Your own model gets 0..255 if nothing is said.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(help="The class names: a text file with one a line, or JSON.", rich_help_panel=MODEL_PANEL),
]
Size = Annotated[
    int | None,
    typer.Option(min=2, help="Pixels a side, for a network that leaves it open.", rich_help_panel=MODEL_PANEL),
]
Fit = Annotated[
    str | None,
    typer.Option(
        help="How images get the network's size: crop keeps their proportions and centre (the default for "
        "keras.applications), stretch all of them (for your own model, as Keras loads images).",
        rich_help_panel=MODEL_PANEL,
    ),
]
Depth = Annotated[
    str,
    typer.Option(
        help="White in image files of 16 bits: full is 65535, 12 (for 12-bit X-rays) is 4095, and so on from 8 to 16; "
        "raw gives the network the numbers themselves, and --preprocess is of those.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Signature = Annotated[
    str | None,
    typer.Option(
        help="Of a SavedModel: the signature; serving_default or the only one that takes images.",
        rich_help_panel=MODEL_PANEL,
    ),
]
InputName = Annotated[
    str | None, typer.Option(help="The input that is the image, where several may be.", rich_help_panel=MODEL_PANEL)
]
OutputName = Annotated[
    str | None, typer.Option(help="The output that is explained, where there are several.", rich_help_panel=MODEL_PANEL)
]
Cut = Annotated[
    str | None,
    typer.Option(
        help="Of a signature that takes encoded images: the operation that gives the explained ones, see tfviz layers.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        help="What the network runs in: bfloat16 or float16, with the error for the first image of each batch; float32 "
        "if nothing is said.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Random = Annotated[
    str | None,
    typer.Option(
        help="off removes what is random in the network: dropout, noise and augmentation that an export left on; keep "
        "explains one draw, and says so, if nothing is said.",
        rich_help_panel=MODEL_PANEL,
    ),
]
DataFormat = Annotated[
    str | None,
    typer.Option(
        help="channels_first or channels_last: how the network takes images, where what it does with them does not "
        "say it.",
        rich_help_panel=MODEL_PANEL,
    ),
]
SafeMode = Annotated[
    bool,
    typer.Option(
        "--safe-mode/--no-safe-mode",
        help="Refuse a model file that runs code, touches other files or talks to other machines; --no-safe-mode opens "
        "it with all your rights.",
        rich_help_panel=MODEL_PANEL,
    ),
]
MaximumModelBytes = Annotated[
    int,
    typer.Option(
        "--model-limit",
        min=1,
        help="Bytes that a .keras or .h5 file may unpack to, or four times its own size where that is more.",
        rich_help_panel=MODEL_PANEL,
    ),
]
MaximumImageBytes = Annotated[
    int,
    typer.Option(
        "--image-limit",
        min=1,
        help="Bytes that an image may take while it is decoded; above 800 MB, set OPENCV_IO_MAX_IMAGE_PIXELS, too.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Output = Annotated[Path, typer.Option(help="The folder for the files; made where it does not exist.")]
Images = Annotated[
    list[str] | None, typer.Argument(help="Image files, folders and patterns; sample pictures if none is given.")
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="Repeatable: a name that tfviz methods lists, or all that suit the network. "
        "saliency, grad_cam and guided_backprop, as far as they suit it, if nothing is said.",
    ),
]
MapMethods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
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
Layer = Annotated[
    list[str] | None, typer.Option(help="Repeatable: where grad_cam and the like look; see tfviz layers.")
]
Targets = Annotated[
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
Colormap = Annotated[str, typer.Option(help="An OpenCV colour map such as jet, turbo or viridis.")]
Blend = Annotated[str, typer.Option(help="How a map is laid over its image: weighted or additive.")]

PRESETS = ("simonyan", "jitter-blur", "fourier", "deep-dream")
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
    typer.Option(help=f"The recipe: {', '.join(PRESETS)}. fourier if not given, deep-dream with --image."),
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
