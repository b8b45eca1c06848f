"""`tfviz explain` and `tfviz localize`: what a model looks at in images.

Both are one run that differs in what is kept of it (`Outcome`, `Localized`). The picture files are looked up, and the
output folder tried, before TensorFlow is imported here. Without images they explain sample pictures. The bare
`tfviz explain` shows what there is: photographs, if their network is installed, and the embedded shapes with a class
visualisation beside each.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tfviz.apps.command import options
from tfviz.apps.command.arguments import DEFAULT_OUTPUT, check_looks, find_pictures
from tfviz.apps.command.flags import chosen
from tfviz.apps.command.networks import network_for, networks_for_samples, samples_for, typed
from tfviz.model_options import EMBEDDED, ModelOptions
from tfviz.quiet import start_tensorflow
from tfviz.terminal import say

if TYPE_CHECKING:
    from tfviz.apps.files import TrueLabel
    from tfviz.apps.runs import Finder, Outcome, Request


def explain(
    context: typer.Context,
    images: options.Images = None,
    *,
    method: options.Methods = None,
    layer: options.LayerNames = None,
    target: options.TargetNames = None,
    top: options.Top = 1,
    output: options.OutputFolder = DEFAULT_OUTPUT,
    save_maps: options.SaveMaps = False,
    batch_size: options.BatchSize = 8,
    colormap: options.Colormap = options.DEFAULT_COLORMAP,
    blend: options.Blend = "weighted",
    colorbar: options.ColorBar = False,
    layout: options.Layout = "rows",
    dpi: options.Dpi = None,
    true: options.TrueLabels = None,
) -> None:
    """Show what a model looks at in images."""
    paths = check_request(images, target, top, output)
    check_looks(colormap, blend, layout)
    labels = true_labels(true, paths)
    start_tensorflow()
    from tfviz.apps.explanation import CLIP_PERCENTILE
    from tfviz.apps.runs import Request, print_outcome

    look = {"colormap": colormap, "blend": blend, "clip_percentile": CLIP_PERCENTILE}
    look |= {"layout": layout, **({"colorbar": True} if colorbar else {}), **_dpi(dpi)}
    shared = shared_options(context, layer)
    request = Request(method or [], shared, target or [], top, batch_size, output, save_maps, look, labels)
    networks = [network_for(context, paths)] if paths else networks_for_samples(context)
    outcomes = []
    for about_model in networks:
        outcome = _run(
            paths,
            about_model,
            request,
            with_class_pictures=about_model.model == EMBEDDED and not method,
            with_highlights=not typed(context, "colormap", "blend"),
        )
        print_outcome(outcome, outcome.write_manifest() if save_maps else None)
        outcomes.append(outcome)
    complain(*outcomes)


def localize(
    context: typer.Context,
    images: options.Images = None,
    *,
    method: options.MapMethods = None,
    layer: options.LayerNames = None,
    how: options.How = "grabcut",
    foreground: options.Foreground = None,
    background: options.Background = None,
    smoothing: options.Smoothing = None,
    threshold: options.Threshold = None,
    reduce: options.Reduce = "max_abs",
    target: options.TargetNames = None,
    top: options.Top = 1,
    output: options.OutputFolder = DEFAULT_OUTPUT,
    save_maps: options.SaveScaledMaps = False,
    batch_size: options.BatchSize = 8,
    dpi: options.Dpi = None,
) -> None:
    """Find the place in images that a model's maps mark: a mask and a box."""
    paths = check_request(images, target, top, output)
    about_model = network_for(context, paths)
    start_tensorflow()
    from tfviz.apps.explanation import CLIP_PERCENTILE
    from tfviz.apps.runs import Finder, Request, print_places

    quantiles = {"foreground": foreground, "background": background, "smoothing": smoothing}
    finder = Finder(how, {**quantiles, "threshold": threshold}, reduce)
    methods, look = method or ["saliency"], {"clip_percentile": CLIP_PERCENTILE, **_dpi(dpi)}
    shared = shared_options(context, layer)
    request = Request(methods, shared, target or [], top, batch_size, output, save_maps, look)
    outcome = _run(paths, about_model, request, finder)
    print_places(outcome, outcome.write_manifest())
    complain(outcome)


def check_request(images: list[str] | None, target: list[str] | None, top: int, output: Path) -> list[Path]:
    """Return the image files; raise for what can be known to be wrong before TensorFlow is imported."""
    if target and top > 1:
        raise typer.BadParameter("--target and --top both say what to explain; give one of them")
    return find_pictures(images or [], output)


def true_labels(file: Path | None, paths: list[Path]) -> dict[Path, TrueLabel]:
    """Return the true label of each image file, none without a file of labels."""
    from tfviz.apps.files import read_true_labels

    if file is not None and not paths:
        raise typer.BadParameter("--true is about image files; name them, too")
    return {} if file is None else read_true_labels(file, paths)


def _dpi(dpi: int | None) -> dict[str, int]:
    """Return the option of `plot` if it is given."""
    return {} if dpi is None else {"dpi": dpi}


def _run(
    paths: list[Path],
    about_model: ModelOptions,
    request: Request,
    finder: Finder | None = None,
    *,
    with_class_pictures: bool = False,
    with_highlights: bool = False,
) -> Outcome:
    """Explain the images, or the sample pictures if there are none, and return what came of it.

    finder: how places are found in the maps, for `tfviz localize`. with_class_pictures: show the class visualisation
    beside each sample picture. with_highlights: show maps as the explanation metadata beside the model says.
    """
    from tfviz.apps.model import set_up
    from tfviz.apps.runs import ExplainRun, Localized, Outcome

    kind = Outcome if finder is None else Localized.by(finder)
    setup = set_up(about_model)
    if with_highlights and setup.metadata and setup.metadata.highlight:
        request = replace(request, look={**request.look, "highlights": setup.metadata.highlight})
    run = ExplainRun(setup, request, kind)
    if paths:
        run.explain_files(paths)
    else:
        run.explain_samples(samples_for(about_model), with_class_pictures=with_class_pictures)
    return run.outcome


def shared_options(context: typer.Context, layers: list[str] | None) -> dict[str, Any]:
    """Return the options for every method that knows them; one layer gives a method's own name to its result."""
    named = {} if not layers else {"layer": layers[0] if len(layers) == 1 else layers}
    return {**named, **chosen(context)}


def complain(*outcomes: Outcome) -> None:
    """Report what went wrong on the way, and exit with 1 if a picture failed."""
    for outcome in outcomes:
        for reason in outcome.complaints():
            say(reason)
    if any(outcome.failed for outcome in outcomes):
        raise typer.Exit(1)
