"""Runs a network again for images of which a patch was changed, on the windows of its maps that the patch reaches.

Beside `replay` on the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace. That a window
is enough is a property of each operation, not of networks: read `spans` (how a run of places grows from step to step),
`locality` (a rule for each kind of operation) and `plan` (which steps of a program run on windows), then `windows` and
`forward` (how they are run). The idea is that of Nakandala, Kumar and Papakonstantinou, "Incremental and Approximate
Inference for Faster Occlusion-based Deep CNN Explanations", SIGMOD 2019, doi 10.1145/3299869.3319874, who have it in
databases, for three networks.
"""

from tfviz.network.incremental.forward import Incremental
from tfviz.network.incremental.plan import plan_windows
