"""Changes of a program before it is explained: the batch opened, channels last, randomness removed, files decoded."""

from tfviz.network.rewriting.channels_first import channels_last, in_format, in_own_order, with_channels_last
from tfviz.network.rewriting.decoding import decoded
from tfviz.network.rewriting.draws import AT_REST, FLIPS, Found, find_batch_statistics, find_draws
from tfviz.network.rewriting.fixed_batch import open_batch
from tfviz.network.rewriting.removal import at_rest
