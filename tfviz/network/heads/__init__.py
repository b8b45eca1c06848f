"""Finds what scores come from: logits behind a softmax or sigmoid, log odds of probabilities, the user's function.

On the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace, it says at the end of a
program what `traced` scores and what `layers` calls evidence. Read `outputs` and `head` first (targets, scores,
probabilities), then `output_names`, `endings`, `custom_scores` and `score_trial`. Probabilities that were made of
several are read by `probabilities`, on the arithmetic of `log_probabilities`, `log_arithmetic` and `mixtures`, after
`probability_trial` tried them.
"""

from tfviz.network.heads.custom_scores import CustomScore, NamedOutputs, NamedScore
from tfviz.network.heads.endings import LOG_ODDS
from tfviz.network.heads.head import SOFTMAX_OF_RAW, Head, are_of_classes
from tfviz.network.heads.output_names import output_paths
from tfviz.network.heads.outputs import Outputs
