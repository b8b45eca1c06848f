"""Explanations on TensorBoard while a network is trained."""

from tfviz.apps.training.tensorboard import ExplainImages
