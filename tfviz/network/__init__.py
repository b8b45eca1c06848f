"""Any model becomes a `TracedNetwork`: sources, replay, rules, layers, scores."""

from tfviz.network.trace import network_of, open_network, trace
