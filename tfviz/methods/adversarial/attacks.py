"""The attacks, as users call them.

Each is one setting of the same loop: an objective to climb, a norm for its steps, a bound and a number of steps. FGSM
is a single step as long as its bound; PGD takes several and is projected back into it.
"""

from __future__ import annotations

from typing import Any

from tfviz.errors import InvalidTargetsError
from tfviz.methods.adversarial.ascent import Attack
from tfviz.methods.adversarial.decision import deciding
from tfviz.methods.adversarial.run import Adversarial, Limits, run_attack
from tfviz.network import trace


def fooling_image(
    model: Any,
    images: Any,
    targets: Any,
    *,
    pixel_range: tuple[Any, Any],
    rate: float = 10.0,
    iterations: int = 200,
    objective: str = "logit",
    batch_size: int = 32,
) -> Adversarial:
    """Change each image until the network predicts its target: gradient ascent on the target's score [1]_.

    A step is rate · g / ‖g‖, where g is the gradient with respect to the picture's pixels. Each image stops by itself.

    Parameters
    ----------
    targets
        The class that each image is to be taken for, or the label that is to be on, see `Adversarial`. An image that is
        of it already stays as it is.
    pixel_range
        What black and white are in the model's input space: two numbers, or two arrays (C,).
    rate
        The L2 length of a step, in pixel units (of 255).
    iterations
        The maximum of steps; an image that needs more is returned as it is then, with a warning, and without success.
    objective
        `logit` of the target. `log_odds`, log(p / (1 − p)) of its probability p, also lowers the other logits, and so
        gets there in about half the distance.

    Returns
    -------
    Adversarial

    Raises
    ------
    InvalidTargetsError
        There are no targets, one is out of range, or the network has fewer than two classes or was traced with a score
        of your own.
    InvalidImagesError
        Images leave the pixel range or hold NaN or infinite values, or the range is invalid.
    TfvizError
        The objective does not exist, an option is out of range, or the ascent met NaN or infinite values.
    UnsupportedModelError
        The network has no classifier, or takes other inputs beside the image.

    References
    ----------
    .. [1] Szegedy et al., "Intriguing properties of neural networks", 2013, arXiv 1312.6199; by the gradient of
       Simonyan, Vedaldi, Zisserman, 2013, arXiv 1312.6034.
    """
    if targets is None:
        raise InvalidTargetsError("targets is None, expected the classes to reach: indices (N,), or one")
    attack = Attack("fooling_image", objective, norm="l2", towards=True)
    network, limits = deciding(trace(model)), Limits(iterations, rate=rate)
    return run_attack(network, attack, limits, network.batches(images, targets, batch_size), pixel_range)


def fgsm(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    pixel_range: tuple[Any, Any],
    epsilon: float = 8.0,
    norm: str = "linf",
    away_from: Any = None,
    batch_size: int = 32,
) -> Adversarial:
    """Change each image by one step along the sign of the gradient of the class's cross-entropy [1]_.

    Parameters
    ----------
    targets
        The class that each image is to be taken for, or the label that is to be on, see `Adversarial`. An image that is
        of it already stays as it is. None: any but `away_from`.
    pixel_range
        What black and white are in the model's input space: two numbers, or two arrays (C,).
    epsilon
        The length of the step in the norm, in pixel units (of 255). 8 is usual for L-infinity; for L2, hundreds are.
    norm
        `linf`: epsilon · sign(g). `l2`: epsilon · g / ‖g‖.
    away_from
        Class indices that the images are to lose, such as the true ones, or labels to be off; None is the predicted
        class. An image that is not of it already stays as it is. Not together with targets.

    Returns
    -------
    Adversarial

    Raises
    ------
    InvalidTargetsError
        Both targets and `away_from` are given, a class is out of range, or the network has fewer than two classes or
        was traced with a score of your own.
    InvalidImagesError
        Images leave the pixel range or hold NaN or infinite values, or the range is invalid.
    TfvizError
        The norm does not exist, epsilon is not above 0, or the step met NaN or infinite values.
    UnsupportedModelError
        The network has no classifier, or takes other inputs beside the image.

    References
    ----------
    .. [1] Goodfellow, Shlens, Szegedy, "Explaining and Harnessing Adversarial Examples", 2014, arXiv 1412.6572,
       section 3.
    """
    attack, classes = _aim("fgsm", norm, targets, away_from)
    network, limits = deciding(trace(model)), Limits(1, epsilon, rate=epsilon)
    return run_attack(network, attack, limits, network.batches(images, classes, batch_size), pixel_range)


def pgd(
    model: Any,
    images: Any,
    targets: Any = None,
    *,
    pixel_range: tuple[Any, Any],
    epsilon: float = 8.0,
    norm: str = "linf",
    rate: float | None = None,
    iterations: int = 40,
    seed: int | None = 0,
    away_from: Any = None,
    batch_size: int = 32,
) -> Adversarial:
    """Change each image by steps as of `fgsm`, projected back into the bound, from a random start in it [1]_.

    Each image stops by itself as soon as it is there. `targets`, `pixel_range`, `norm` and `away_from` are those of
    `fgsm`.

    Parameters
    ----------
    epsilon
        The bound on the norm of the whole change, in pixel units (of 255).
    rate
        The length of a step in the norm, in pixel units; None is 2.5 · epsilon / iterations, by which the steps
        reach every place within the bound from every other.
    iterations
        The most steps.
    seed
        Of the random start, the same for every image; None starts from the images themselves.

    Returns
    -------
    Adversarial

    Raises
    ------
    InvalidTargetsError, InvalidImagesError, TfvizError, UnsupportedModelError
        As `fgsm`; `TfvizError` also for a rate, a number of steps or a seed that is out of range.

    References
    ----------
    .. [1] Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", 2017, arXiv 1706.06083,
       section 2.1.
    """
    attack, classes = _aim("pgd", norm, targets, away_from)
    network, limits = deciding(trace(model)), Limits(iterations, epsilon, rate, seed)
    return run_attack(network, attack, limits, network.batches(images, classes, batch_size), pixel_range)


def _aim(name: str, norm: str, targets: Any, away_from: Any) -> tuple[Attack, Any]:
    """Return the attack on the cross-entropy, and the classes to reach or to leave."""
    if targets is not None and away_from is not None:
        raise InvalidTargetsError("give either targets, what to reach, or away_from, what to leave")
    attack = Attack(name, objective="log_odds", norm=norm, towards=targets is not None)
    return attack, away_from if targets is None else targets
