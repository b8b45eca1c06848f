"""The forward and backward passes of a batch of images, each made once."""

from tfviz.network.passes.memory import affordable
from tfviz.network.passes.passes import Passes, columns_of, passes_of, running
from tfviz.network.passes.rule_checks import check_rules
from tfviz.network.passes.shared_forward import BIASES, IMAGES, Features, Gradient, interleaved
