"""The range of numbers that a network expects of its images, as far as its first operations, type or name tell it.

From the image on, operations that move pixels are passed, and those that scale or shift them are taken together as
scale · x + offset. A scaling that brings pictures of 0..255 to about one, or an offset such as a mean, tells the range
of x. Networks of keras.applications that leave this to their `preprocess_input` are known by the scope of all their
layers. The bounds are such that neither dark pictures nor outliers are objected to.

Images in the wrong range raise no error: a network explains 0..1 as readily as 0..255, and the map is that of a nearly
black picture. A warning must rarely be wrong, so nothing is said of a network that does not tell. A batch normalisation
in front is read if it is written out as arithmetic, as Keras 3 does, and not if it is one fused operation. Nothing
behind the first convolution is read.
"""

from __future__ import annotations

import re
import weakref
from dataclasses import dataclass, field, replace

import numpy as np

from tfviz.network.program import COUNTING, Program, Step, Value, compile_function
from tfviz.network.replay import replay
from tfviz.network.traced import TracedNetwork

TOO_SMALL, TOO_LARGE = 1 / 40, 30
"""Parts of the largest expected number. Dark pictures are above the first, and outliers not beyond the second."""
ROUNDING = 1.02
ALIKE = 5  # times: how far the factors of several channels may lie apart
BY_FAR = 50  # times: what a multiplication does that brings numbers from 0..255 to about one, or from there
LEAST_MEAN = 10  # what is subtracted from pictures of 0..255 alone

# What moves pixels, or fills in some, but keeps their numbers.
MOVING = frozenset(
    {"BroadcastTo", "Cast", "ConcatV2", "EnsureShape", "ExpandDims", "Identity", "IdentityN", "Maximum", "Minimum"}
    | {"MirrorPad", "Pad", "PadV2", "Reshape", "ResizeArea", "ResizeBicubic", "ResizeBilinear", "ReverseV2"}
    | {"ResizeNearestNeighbor", "ScaleAndTranslate", "Squeeze", "StridedSlice", "Tile", "Transpose"}
)
ADDING, MULTIPLYING = frozenset({"Add", "AddV2", "BiasAdd", "Sub"}), frozenset({"Div", "DivNoNan", "Mul", "RealDiv"})

# The networks of keras.applications whose `preprocess_input` lies outside of them, by the scope of all their layers,
# and what it makes of white. The others prepare pictures of 0..255 themselves.
APPLICATIONS = {
    r"vgg(16|19)|resnet(50|101|152)": 151.061,
    r"densenet(121|169|201)": 2.64,
    r"(resnet(50|101|152)v2|inception(_resnet_v2|_v3)|xception|nasnet(_mobile|_large)?|mobilenet(v2)?_[\d._]+)": 1.0,
}
PREPARE_AS_TRAINED = "prepare images as for its training, or the maps are of something else"
IMAGENET = 1000  # classes


@dataclass(frozen=True)
class ExpectedRange:
    """What the images of a network are made of. largest: about the largest absolute number. by: what tells.

    signed: whether an image that holds nothing below zero can hold nothing above `largest`, since its family makes
    black negative. within: a quick first look, before the smallest number of an image is known: it is taken to fit if
    its largest number lies above the first of these and up to the second.
    """

    largest: float
    by: str
    signed: bool = False
    within: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "within", (self.largest * TOO_SMALL, self._limit(0)))

    def __str__(self) -> str:
        """Return what is expected, in words."""
        return f"{self.by} expects numbers up to about {float(f'{self.largest:.3g}'):g}"

    def is_below(self, low: float, high: float) -> bool:
        """Return whether numbers from `low` to `high` are too small by far."""
        return max(-low, high) <= self.largest * TOO_SMALL

    def is_above(self, low: float, high: float) -> bool:
        """Return whether numbers from `low` to `high` are too large by far."""
        return max(-low, high) > self._limit(low)

    def objection(self, black: np.ndarray, white: np.ndarray) -> str | None:
        """Return a warning about the numbers (C,) of black and of white; None if they fit.

        They are what the preprocessing makes of pictures of 0 and of 255.
        """
        low, high = float(black.min()), float(white.max())
        if not (self.is_below(low, high) or self.is_above(low, high)):
            return None
        return f"black is {low:.5g} and white {high:.5g} (--preprocess, pixel_range), but {self}: {PREPARE_AS_TRAINED}"

    def _limit(self, low: float) -> float:
        return self.largest * (ROUNDING if self.signed and low >= 0 else TOO_LARGE)


# Not among a network's compiled functions, of which it keeps few; its program lives as long as it does.
_FOUND: weakref.WeakKeyDictionary[Program, ExpectedRange | None] = weakref.WeakKeyDictionary()


def expected_range(network: TracedNetwork) -> ExpectedRange | None:
    """Return the range of a network's images, None if nothing tells it; found when it is first asked for."""
    if network.program not in _FOUND:
        _FOUND[network.program] = _find(network)
    return _FOUND[network.program]


def objections_to(network: TracedNetwork, black: np.ndarray, white: np.ndarray) -> list[str]:
    """Return warnings if the numbers (C,) of black and of white cannot be what a network expects."""
    expected = expected_range(network)
    objection = None if expected is None else expected.objection(black, white)
    return [] if objection is None else [objection]


def _find(network: TracedNetwork) -> ExpectedRange | None:
    if network.cut:  # it makes the images itself
        return None
    found = _of_first_operations(network)
    if found is None and network.image.dtype.is_integer:
        found = ExpectedRange(min(255.0, network.image.dtype.max), f"a network of {network.image.dtype.name} images")
    return found or _of_name(network)


def _of_name(network: TracedNetwork) -> ExpectedRange | None:
    """Return the range of a network of keras.applications with 1,000 classes, whose layers all stand in its scope.

    Networks with a head of their own may have been trained on other images, whatever their backbone is called.
    """
    follows = network.program.depending_on([network.image])
    steps = [step for step in network.program.steps if follows.intersection(step.outputs)]
    names = {path.partition("/")[0] for step in steps if (path := network.layer_index.path_around(step))}
    if len(names) != 1 or network.num_classes != IMAGENET:
        return None
    (name,) = names
    white = next((white for pattern, white in APPLICATIONS.items() if re.fullmatch(pattern, name)), None)
    return None if white is None else ExpectedRange(white, f"{name!r} of keras.applications", signed=True)


@dataclass(frozen=True)
class _Affine:
    """What the first operations make of a pixel x: scale · x + offset.

    size: about how large that is, None if nothing tells it. shifted: whether something was added just now. by: the
    layer that began it.
    """

    scale: float = 1.0
    offset: float = 0.0
    size: float | None = None
    shifted: bool = False
    by: str = ""

    def plus(self, number: float) -> _Affine:
        offset = self.offset + number
        # Pixels that are scaled and end as x - 1 or x - 0.5 were pictures of 0..1 or 0..255.
        is_end = self.size is None and self.scale != 1 and -3 <= offset <= -0.4
        return replace(self, offset=offset, size=-offset if is_end else self.size, shifted=True)

    def times(self, factor: float) -> _Affine:
        """Return what a multiplication makes of it.

        A factor of at least `BY_FAR` is taken to enlarge numbers of about 1; one of at most 1 / `BY_FAR`, or the first
        after a shift, to bring them to about 1.
        """
        size = None if self.size is None else self.size * abs(factor)
        if abs(factor) >= BY_FAR:
            size = abs(factor)
        elif abs(factor) <= 1 / BY_FAR or (self.size is None and self.shifted):
            size = 1.0
        scale, offset = self.scale * factor, self.offset * factor
        return replace(self, scale=scale, offset=offset, size=size, shifted=False)

    def expected(self) -> ExpectedRange | None:
        """Return the range of x; None if nothing tells it."""
        middle = -self.offset / self.scale
        by = f"the network's {self.by!r}"
        if self.size is not None:
            return ExpectedRange(max(abs(self.size / self.scale), 2 * abs(middle)), by)
        return ExpectedRange(2 * middle, by) if middle >= LEAST_MEAN else None


def _of_first_operations(network: TracedNetwork) -> ExpectedRange | None:
    """Return the range that the first operations tell, None if they tell none.

    They are followed as long as one step alone takes the pixels.
    """
    # Values that other inputs reach are other numbers in each call.
    follows = network.program.depending_on([network.image, *network.inputs.extra_inputs.values()])
    value, affine = network.image, _Affine()
    while (step := _only_use(network, value)) is not None:
        others = [each for each in step.inputs if each is not value]
        if step.type in ADDING | MULTIPLYING:
            is_affine = len(others) == 1 and others[0] not in follows
            number = _number(network, step, others[0]) if is_affine else None
            changed = None if number is None else _after(affine, step, number, is_first=step.inputs[0] is value)
            if changed is None:
                break
            if not affine.by and changed != affine:
                changed = replace(changed, by=network.layer_index.path_around(step).rpartition("/")[2] or step.name)
            affine = changed
        elif step.type not in MOVING or follows.intersection(others):
            break
        value = step.outputs[0]
    return affine.expected() if affine.by else None


def _only_use(network: TracedNetwork, value: Value) -> Step | None:
    """Return the one step that takes the numbers of a value, None if several do, or none."""
    uses = [step for step in network.program.steps if value in step.inputs and step.type not in COUNTING]
    return uses[0] if len(uses) == 1 and value not in network.program.outputs else None


def _after(affine: _Affine, step: Step, number: float, *, is_first: bool) -> _Affine | None:
    """Return what an operation with a number makes of pixels; None if that is not affine, or a multiplication by 0.

    is_first: whether the pixels are the first operand, which tells x - n from n - x, and x / n from n / x.
    """
    if step.type in ADDING:
        if step.type == "Sub" and not is_first:
            affine, number = replace(affine, scale=-affine.scale, offset=-affine.offset), -number
        return affine if number == 0 else affine.plus(-number if step.type == "Sub" else number)
    if number == 0 or (step.type != "Mul" and not is_first):
        return None
    return affine if number == 1 else affine.times(number if step.type == "Mul" else 1 / number)


def _number(network: TracedNetwork, step: Step, operand: Value) -> float | None:
    """Return the number that an operation takes beside the image, the mean of several; None if they differ widely."""
    program = network.program.giving([operand])
    read = compile_function(lambda: replay(program, network._captured)[operand])
    numbers = read().numpy().astype(np.float64)
    least, mean, most = numbers.min(initial=np.inf), numbers.mean(), numbers.max(initial=-np.inf)
    if step.type in ADDING:
        are_alike = numbers.std() <= max(1.0, abs(mean))
    else:
        are_alike = least * most > 0 and max(abs(least), abs(most)) <= ALIKE * min(abs(least), abs(most))
    return float(mean) if np.isfinite(mean) and are_alike else None
