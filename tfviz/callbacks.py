"""What `fit` of Keras 3 and tf_keras takes as `callbacks`."""

from tfviz.apps.training import ExplainImages

__all__ = ["ExplainImages"]
