"""Tells users what is wrong with a network or a result: custom gradients, randomness, gradients of zero, NaN.

Beside the last stops on the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace: all of
it looks at a traced network. `trace` runs `custom_gradients`, `integer_images`, `head_checks` and `randomness` once,
when a model is opened; methods ask `finite`, `zero_maps` and `refusal` only after something went wrong, and
`expected_range` about the images that they are given. Each returns messages, or raises; none prints or warns by itself.
"""

from tfviz.network.diagnosis.custom_gradients import check_custom_gradients
from tfviz.network.diagnosis.expected_range import PREPARE_AS_TRAINED, ExpectedRange, expected_range, objections_to
from tfviz.network.diagnosis.finite import OVERFLOW, broken_weights, check_scores, check_weights, why_not_finite
from tfviz.network.diagnosis.head_checks import check_head
from tfviz.network.diagnosis.integer_images import check_differentiable
from tfviz.network.diagnosis.randomness import check_randomness
from tfviz.network.diagnosis.refusal import refusal
from tfviz.network.diagnosis.zero_maps import zeros_at, zeros_of_gradient
