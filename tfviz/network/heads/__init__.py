"""The logits behind a softmax or sigmoid, probabilities made of several, scores that the user gives."""

from tfviz.network.heads.custom_scores import CustomScore, NamedOutputs, NamedScore
from tfviz.network.heads.endings import LOG_ODDS
from tfviz.network.heads.head import SOFTMAX_OF_RAW, Head, are_of_classes
from tfviz.network.heads.outputs import Outputs
