"""The network that is explained, and how it is run, copied, pickled and told from others.

The sixth stop on the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace: here all of
those before meet in one object, `TracedNetwork`, that methods and `passes` work with. Read `traced` first (how it is
made and run), then `running` with `last_layer` (precision and shortcuts), `reopening` (copies and pickles),
`other_weights` (copies on random weights), `html` (what a notebook shows), and at last `fingerprint` and `origin`,
which say which network made a result.
"""

from tfviz.network.traced.fingerprint import fingerprint
from tfviz.network.traced.origin import NetworkOrigin, explained_part
from tfviz.network.traced.other_weights import LayerWeights, OtherWeights, with_own_weights, with_weights
from tfviz.network.traced.reopening import Reopening
from tfviz.network.traced.traced import TracedNetwork
