"""A model as tfviz sees it, and how it is run, copied, pickled and told from another."""

from tfviz.network.traced.fingerprint import fingerprint
from tfviz.network.traced.origin import Origin, explained_part
from tfviz.network.traced.reopening import Reopening
from tfviz.network.traced.traced import TracedNetwork
