"""Recipes: how an image is made, as data, and the presets.

All distances are in units of the pixel range, so that a recipe means the same under any preprocessing. Raw gradients
differ by orders of magnitude between networks; recipes that are meant for all of them are `normalised`. A preset does
not move the image of a neuron: on the embedded network 8 neurons of `block3_conv1` reach 14 to 25, but 5 to 14 if the
place that is read follows the moved image, and 0 to 5 if it does not, since such a neuron differs from one pixel to the
next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from tfviz.errors import TfvizError, UnknownMethodError
from tfviz.methods.engine import integer, number

Start = Literal["zeros", "noise"]
ParametrizationName = Literal["pixels", "fourier"]
OptimizerName = Literal["momentum", "adam"]


@dataclass(frozen=True)
class Recipe:
    """How the image is changed in each step. Distances are in units of the pixel range.

    Where it starts: `start` (`zeros`, the zero of the parameters: with `pixels` that of the network's input space, with
    `fourier` an even mean colour; or `noise`, normal, with the standard deviation `noise`).

    What is changed: `parametrization`: `pixels`, or the spectrum of decorrelated colours, `fourier`, which stays within
    the pixel range; `clamp`: whether pixels are kept there.

    How: `iterations`: the number of steps. `rate`: the length of a step: times the gradient, or with `normalised` times
    the gradient divided by its root mean square over the parameters of the image. `optimizer` and `momentum`: what is
    left of the last step, or with `adam` of the mean gradient, and `decay` of its mean square. `redirect`: whether
    ReLUs, clips and thresholds that block the whole gradient let through what would wake them.

    What is subtracted: `l2` times the sum of squares, `total_variation` times the sum of the absolute differences of
    neighbouring pixels. `blur_every`: steps between two Gaussian blurs of `blur` pixels, 0 for none.

    What the network is shown in each step, at random: the image with a grey border of `pad` pixels, rolled by at most
    `jitter` pixels, turned by at most `rotate` degrees, scaled by 1 ± `scale`, and cut to its size. A preset does not
    move an image of which one place is read (`Neuron`), whose best image differs from one pixel to the next; if you
    give one of the four yourself, it is moved, and the place with it.
    """

    start: Start
    iterations: int
    rate: float
    l2: float
    momentum: float = 0.0
    normalised: bool = False
    jitter: int = 0
    clamp: bool = False
    blur_every: int = 0
    blur: float = 0.5
    noise: float = 0.4
    parametrization: ParametrizationName = "pixels"
    optimizer: OptimizerName = "momentum"
    decay: float = 0.999
    redirect: bool = False
    total_variation: float = 0.0
    pad: int = 0
    rotate: float = 0.0
    scale: float = 0.0

    def __post_init__(self) -> None:
        """Raise `TfvizError` for a value that is unknown or out of range."""
        for name, known in (("start", Start), ("parametrization", ParametrizationName), ("optimizer", OptimizerName)):
            value = getattr(self, name)
            if value not in get_args(known):
                raise TfvizError(f"{name} is {value!r}, expected {' or '.join(map(repr, get_args(known)))}")
        for field in fields(self):
            if field.type == "int":
                integer(field.name, getattr(self, field.name), 0)
            if field.type == "float":
                above = 0 if field.name == "blur" else -math.inf
                below = 1 if field.name in ("momentum", "decay", "scale") else math.inf
                number(field.name, getattr(self, field.name), 0, above=above, below=below)

    @property
    def is_bounded(self) -> bool:
        """Whether the image stays within the pixel range."""
        return self.clamp or self.parametrization == "fourier"


_FOURIER = Recipe(
    start="noise",
    noise=0.4,
    iterations=256,
    rate=0.05,
    l2=0.0,
    normalised=True,
    momentum=0.5,
    parametrization="fourier",
    optimizer="adam",
    redirect=True,
    pad=12,
    jitter=12,
    rotate=5.0,
    scale=0.1,
)
PRESETS = {
    "simonyan": Recipe(start="zeros", iterations=200, rate=0.01, momentum=0.9, l2=0.1),
    "jitter-blur": Recipe(
        start="noise", iterations=200, rate=0.02, normalised=True, l2=1e-3, jitter=16, clamp=True, blur_every=10
    ),
    "fourier": _FOURIER,
    # Fewer and shorter steps, so that what the image shows can still be seen.
    "deep-dream": replace(_FOURIER, iterations=40, rate=0.03),
}


MOVEMENTS = frozenset({"pad", "jitter", "rotate", "scale"})
"""The fields that describe how an image is moved."""


def find_recipe(preset: str, changes: dict[str, Any]) -> Recipe:
    """Return a preset with other values for some fields; raise `UnknownMethodError` if one of them does not exist."""
    if preset not in PRESETS:
        raise UnknownMethodError(f"no preset {preset!r}; they are {', '.join(PRESETS)}")
    known = vars(PRESETS[preset])
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise UnknownMethodError(f"a recipe has no {unknown[0]!r}; it has {', '.join(known)}")
    return replace(PRESETS[preset], **changes)
