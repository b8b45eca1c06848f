"""Changes a program before it is explained: channels last, the batch opened, randomness removed, files decoded.

Between program and layers on the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace:
`traced` applies these changes once, so that all that follows meets images (N, H, W, C) of any number and a program that
gives the same in every run. Read `channels_first`, then `fixed_batch` with `trial`, and `removal` with `draws` and
`expectation`; `decoding` runs the part of a program in front of the cut.
"""

from tfviz.network.rewriting.channels_first import channels_last, in_format, in_own_order, with_channels_last
from tfviz.network.rewriting.decoding import decoded
from tfviz.network.rewriting.draws import AT_REST, FLIPS, Occurrence, find_batch_statistics, find_draws
from tfviz.network.rewriting.fixed_batch import open_batch
from tfviz.network.rewriting.removal import at_rest
