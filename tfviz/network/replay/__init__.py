"""Runs a program again on the caller's tape, with other gradients or faster ones.

On the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace, this is the engine that
`traced` and `passes` drive. Read `replay` first (the loop over the steps), then `rules` (other backward passes as data)
and `waking` (gradients where all units are dead). `shortcuts`, with `folding`, `input_gradients` and `pool_gradients`,
are faster backward passes on CPUs; `quantisation` and `straight_through` let gradients pass roundings; `precision` runs
steps in a shorter type.
"""

from tfviz.network.replay.folding import SUMS, is_of_channels
from tfviz.network.replay.input_gradients import is_pointwise
from tfviz.network.replay.precision import FULL, find_precision, in_precision
from tfviz.network.replay.quantisation import find_straight_through
from tfviz.network.replay.replay import NOTHING, Change, replay, run_step
from tfviz.network.replay.rules import DECONVNET, GUIDED_BACKPROP, RELUS, Backward, Rule
from tfviz.network.replay.shortcuts import NONE, Shortcuts, find_shortcuts, only_cpus
from tfviz.network.replay.straight_through import StraightThrough
from tfviz.network.replay.waking import waking
