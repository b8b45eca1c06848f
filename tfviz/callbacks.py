"""Callbacks for `fit` of Keras 3 and tf_keras: explanations on TensorBoard while a model is trained.

    model.fit(pictures, labels, callbacks=[ExplainImages("logs", images, targets)])

The package `tensorboard` is needed when a callback is made, not when this module is imported.
"""

from tfviz.apps.training import ExplainImages

__all__ = ["ExplainImages"]
