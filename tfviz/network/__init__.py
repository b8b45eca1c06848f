"""Turns any TensorFlow image model into a network that can be explained, a `TracedNetwork`.

The folders are stops on the data's way, opening -> program -> layers -> batches -> replay -> traced -> passes -> trace.
A model is opened as one traced function and read as a list of operations, in which `geometry` finds places, `heads`
scores, and `rewriting` what to change; `passes` run the network that comes of it forward and backward, and `diagnosis`
tells what is wrong with it. Read `trace`, the way in, first, then `traced`, and the others from the start of the way.
"""

from tfviz.network.trace import network_of, open_network, trace
