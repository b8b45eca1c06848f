"""The forward and backward passes of a batch of images, each made once."""

from tfviz.network.passes.joined_passes import interleaved, joined
from tfviz.network.passes.memory import affordable
from tfviz.network.passes.passes import BIASES, IMAGES, Features, Gradient, Passes
from tfviz.network.passes.rule_checks import check_rules
