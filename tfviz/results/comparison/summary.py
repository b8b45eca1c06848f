"""What a metric says of a method or baseline over all images.

Of most metrics, a method that is no better than a map that does not know the network says nothing. Of robustness and
complexity that is no verdict: a map that is the same for every image is perfectly robust, and a single point perfectly
sparse, so that maps which know nothing may well be the best. There the baselines are shown, and nothing is marked.
"""

from __future__ import annotations

from dataclasses import dataclass

BEST, LIKE_BEST, NO_BETTER, PARTIAL = "*", "=", "!", "~"
LEGEND = {
    BEST: "the best mean",
    LIKE_BEST: "cannot be told from the best on these images",
    NO_BETTER: "no better than a map that does not know the network",
    PARTIAL: "has values of less than half of the images, and so no rank",
}
"""The meanings of the marks beside a mean."""
WON_BY_KNOWING_NOTHING = ("robustness", "complexity")
"""The families of metrics by which a map that does not know the network can be perfect."""


@dataclass(frozen=True)
class Summary:
    """The mean of `count` images, its interval (low, high), and the rank among the methods, 1 for the best.

    is_best: whether no method is better. like_best: whether it cannot be told from the best method's. beaten_by: the
    baselines that are at least as good. why: why there is no value. must_beat: whether a baseline that is as good is a
    verdict, see above. is_partial: whether it has values of less than half of the images that any row has one of; then
    the mean is of another sample, and has no rank. NaN is what is not defined: the interval of one image, the rank of a
    baseline.
    """

    mean: float
    low: float
    high: float
    count: int
    rank: float
    is_best: bool
    like_best: bool
    beaten_by: tuple[str, ...]
    why: str
    must_beat: bool = True
    is_partial: bool = False

    @property
    def is_no_better(self) -> bool:
        """Whether it is no better than a map that does not know the network, and should be."""
        return self.must_beat and bool(self.beaten_by) and not self.is_partial

    @property
    def is_defined(self) -> bool:
        """Whether there is a value of any image."""
        return self.mean == self.mean

    @property
    def marks(self) -> str:
        """The marks beside the mean, see `LEGEND`."""
        if self.is_defined and self.is_partial:
            return PARTIAL
        if not self.is_defined or self.rank != self.rank:
            return ""
        best = BEST if self.is_best else LIKE_BEST if self.like_best else ""
        return best + (NO_BETTER if self.is_no_better else "")

    @property
    def mean_text(self) -> str:
        """The mean in three digits, or a dash."""
        return number_text(self.mean) if self.is_defined else "–"

    @property
    def interval_text(self) -> str:
        """The interval in three digits; empty if there is none."""
        return f"{number_text(self.low)} to {number_text(self.high)}" if self.low == self.low else ""


def number_text(value: float) -> str:
    """Return a number in three digits, or in all before the point."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")
