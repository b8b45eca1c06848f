"""Input invariance: whether a map stays when images are shifted, and the network takes the shift back.

The authors shift the images by a constant and take it out of the bias of the first layer, so that nothing that the
network computes is changed. That needs a first layer with a bias and without padding. tfviz leaves the weights alone:
the network is replayed as f'(x) = f(x − shift), which any network allows and which is the same where their way is
possible. What a method finds for f' in shifted images is compared with what it finds for f in the images.

tfviz's own choice: the shift is minus a power of two near the range of the images, so that pixels of whole numbers are
shifted and back without rounding; the change is relative to the map, and not all or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfviz.methods.engine import number, optional
from tfviz.network.program import CompiledFunctions, Value
from tfviz.network.traced import TracedNetwork
from tfviz.results.metrics.measuring import (
    ZERO,
    Definitions,
    Explain,
    Explaining,
    Measurement,
    choose,
    made_of,
    metric,
    norms,
    set_undefined,
    subject_of,
)

LIKE: Definitions = {"tfviz": {"shift": None}, "quantus": {"shift": -1.0}}
ABSOLUTE, RELATIVE = 1e-4, 1e-5  # the differences that Quantus takes for none


class ShiftedNetwork(TracedNetwork):
    """A network that subtracts a number from its images before anything else; it shares all else with the original."""

    def __init__(self, network: TracedNetwork, shift: float) -> None:
        vars(self).update(vars(network))
        self.shift, self.reopening, self.compiled = shift, None, CompiledFunctions()

    def replay(
        self, images: tf.Tensor, extra_inputs: Mapping[str, tf.Tensor] | None = None, **how: Any
    ) -> dict[Value, tf.Tensor]:
        """Run the network on images (N, H, W, C) less the shift, see `TracedNetwork.replay`."""
        return super().replay(images - self.shift, extra_inputs, **how)


@metric(
    family="axioms",
    takes="method",
    better="lower",
    bounds=(0.0, np.inf),
    paper="Kindermans 2017, arXiv 1711.00867, section 2",
    cost="the method on 2 images, and its compilation for another network",
    caution="what multiplies by the image, or compares it with a fixed colour, is not invariant by its definition",
)
def input_invariance(
    model: Any,
    images: Any,
    targets: Any,
    method: str | Explain,
    *,
    options: Mapping[str, Any] | None = None,
    like: str = "tfviz",
    shift: float | None = None,
    collapse: str | None = None,
    batch_size: int = 32,
) -> Measurement:
    """Return the change of the map, relative to its norm, if images are shifted and the network shifts them back [1]_.

    Parameters
    ----------
    like
        ``"tfviz"``: as above. ``"quantus"``: 1 if all attributions, not collapsed, are close and else 0, so the higher
        the better; the shift is -1, of all but the first channel of the first pixel, which Quantus leaves out, so that
        it finds the gradient to be dependent, too. Its network shifts back by the first layer's bias.
    shift
        What is added to all values of the images, in the network's input space. None is minus the power of two that is
        nearest to the range of all images.

    Returns
    -------
    Measurement of (N,), 0 or more, the lower the better; float32 leaves about 1e-6. NaN if the map is zero everywhere.

    References
    ----------
    .. [1] Kindermans, Hooker, Adebayo, Alber, Schütt, Dähne, Erhan, Kim, "The (Un)reliability of saliency methods",
       2017, arXiv 1711.00867, section 2.
    """
    chosen = choose(LIKE, like, {"shift": optional(number)}, shift=shift)
    explaining = Explaining(subject_of(model, images, targets, batch_size), method, options or {}, collapse)
    subject, rows = explaining.subject, np.arange(len(explaining.subject))
    if chosen["shift"] is None:
        chosen["shift"] = -(2.0 ** np.rint(np.log2(np.ptp(subject.images) or 1)))
    moved = subject.images + np.float32(chosen["shift"])
    if like == "quantus":
        moved[:, 0, 0, 0] = subject.images[:, 0, 0, 0]
    found = explaining.found(subject.images, rows)
    shifted = made_of(subject.network, chosen["shift"], lambda: ShiftedNetwork(subject.network, chosen["shift"]))
    again = explaining.found(moved, rows, network=shifted)
    if like == "quantus":
        is_close = np.isclose(found, again, RELATIVE, ABSOLUTE).reshape(len(rows), -1).all(axis=1)
        values = is_close.astype(np.float64)
        return Measurement("input_invariance", values, None, chosen, better="higher", bounds=(0.0, 1.0))
    maps, how = subject.maps(found, explaining.how)
    others, _ = subject.maps(again, explaining.how)
    sizes = norms(maps)
    values = norms(others - maps) / np.where(sizes, sizes, 1)
    warnings = set_undefined("input_invariance", values, sizes == 0, since=ZERO)
    return Measurement("input_invariance", values, how, chosen, warnings=warnings)
