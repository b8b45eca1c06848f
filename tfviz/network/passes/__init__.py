"""Runs the forward and backward passes of a batch of images, each once for all methods that read it.

The last stop but one on the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace: a
method announces the gradients that it reads, and `traced` replays the network on a tape for them. Read `passes` first
(what a method is given), then `shared_forward` and `forward` (how passes are shared), and `rule_checks` (when a rule
is refused). `patches` hides parts of the images, `biases` finds what full gradients add up; `memory` says how many
images run at once.
"""

from tfviz.network.passes.memory import affordable, affordable_batch
from tfviz.network.passes.passes import Passes, columns_of, passes_of, running
from tfviz.network.passes.patches import Patches
from tfviz.network.passes.rule_checks import check_rules
from tfviz.network.passes.shared_forward import AWAKE, BIASES, IMAGES, Features, Gradient, interleaved
