"""Images that a small change makes a network take for something else.

`fooling_image` climbs until it is there; `fgsm` and `pgd` stay within a bound. Rates, bounds and distances are in
**pixel units** (of 255), the values of a picture, whatever the preprocessing makes of them. Every step is kept within
`pixel_range`, so that each result is a picture again. A good order of reading: `decision` (what counts as predicted),
`ascent` (the compiled loop), `run` (batches and their results), `attacks` (the public functions).
"""

import inspect
from typing import Any

from tfviz.methods.adversarial.attacks import fgsm, fooling_image, pgd
from tfviz.methods.adversarial.decision import deciding, has_labels
from tfviz.methods.adversarial.run import Adversarial

ATTACKS = {attack.__name__: attack for attack in (fooling_image, fgsm, pgd)}

__all__ = ["ATTACKS", "Adversarial", "defaults", "fgsm", "fooling_image", "pgd"]


def defaults(name: str) -> dict[str, Any]:
    """Return the defaults of an attack's options by their names; what has none, such as `pixel_range`, is left out."""
    parameters = inspect.signature(ATTACKS[name]).parameters.values()
    return {
        each.name: each.default
        for each in parameters
        if each.kind is each.KEYWORD_ONLY and each.default is not each.empty
    }
