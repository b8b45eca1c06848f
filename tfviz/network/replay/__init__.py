"""Runs a program again on the caller's tape, with other gradients or faster ones."""

from tfviz.network.replay.folding import SUMS, is_of_channels
from tfviz.network.replay.input_gradients import is_pointwise
from tfviz.network.replay.precision import FULL, find_precision, in_precision
from tfviz.network.replay.quantisation import find_straight_through
from tfviz.network.replay.replay import NOTHING, Change, replay, run
from tfviz.network.replay.rules import DECONVNET, GUIDED_BACKPROP, RELUS, Backward, Rule
from tfviz.network.replay.shortcuts import NONE, Shortcuts, find_shortcuts, only_cpus
from tfviz.network.replay.straight_through import StraightThrough
from tfviz.network.replay.waking import waking
