"""The gradient of the score with respect to the image, and what is read from it directly.

The score is the logit before the softmax or sigmoid. All methods here read the same gradient, so several in one call
cost one forward and one backward pass.
"""

from __future__ import annotations

import tensorflow as tf

from tfviz.methods.engine import method
from tfviz.network.passes import Gradient, Passes

SIMONYAN = "Simonyan 2013, arXiv 1312.6034"
ONE_PASS = "1 forward, 1 backward"


@method(
    Gradient(),
    result="attribution",
    sign="direction",
    paper=SIMONYAN,
    needs="any differentiable network",
    cost=ONE_PASS,
    caution="noisy; says what would change the score, not what made it",
)
def gradient(passes: Passes) -> tf.Tensor:
    """Return ∂s_c/∂x, signed, (N, H, W, C), in units of the logit per unit of the input [1]_.

    References
    ----------
    .. [1] Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks", 2013, arXiv 1312.6034, section 3.
    """
    return passes.gradient()


@method(
    Gradient(),
    result="map",
    sign="magnitude",
    paper=SIMONYAN,
    needs="any differentiable network",
    cost=ONE_PASS,
    caution="noisy; highlights edges of other objects too",
)
def saliency(passes: Passes) -> tf.Tensor:
    """Return the vanilla saliency map max over channels of abs(∂s_c/∂x), (N, H, W), at least 0 [1]_.

    References
    ----------
    .. [1] Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks", 2013, arXiv 1312.6034, section 3.1.
    """
    return tf.reduce_max(tf.abs(passes.gradient()), axis=-1)


@method(
    Gradient(),
    result="attribution",
    sign="evidence",
    paper="Shrikumar 2016, arXiv 1605.01713",
    needs="any differentiable network; an input whose zero means nothing there",
    cost=ONE_PASS,
    caution="depends on what the preprocessing makes zero; dark pixels get nothing",
    when_zero="at every pixel the image is zero, or the score does not change with it",
)
def input_x_gradient(passes: Passes) -> tf.Tensor:
    """Return x · ∂s_c/∂x, signed, (N, H, W, C), in units of the logit [1]_.

    References
    ----------
    .. [1] Shrikumar et al., "Not Just a Black Box", 2016, arXiv 1605.01713.
    """
    return passes.images * passes.gradient()
