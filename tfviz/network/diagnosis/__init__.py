"""What must be said of a network or a result: custom gradients, randomness, gradients of zero, NaN."""

from tfviz.network.diagnosis.custom_gradients import check_custom_gradients
from tfviz.network.diagnosis.expected_range import ADVICE, ExpectedRange, expected_range, objections_to
from tfviz.network.diagnosis.finite import broken_weights, check_scores, check_weights, why_not_finite
from tfviz.network.diagnosis.head_checks import check_head
from tfviz.network.diagnosis.randomness import check_randomness
from tfviz.network.diagnosis.refusal import refusal
from tfviz.network.diagnosis.whole_numbers import check_differentiable
from tfviz.network.diagnosis.zero_gradients import why_zero
