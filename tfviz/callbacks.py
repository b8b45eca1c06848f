"""Callbacks for `fit` of Keras 3 and tf_keras: explanations on TensorBoard while a model is trained."""

from tfviz.apps.training import ExplainImages

__all__ = ["ExplainImages"]
