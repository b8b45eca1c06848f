"""Images and targets as users give them, and the batches that compiled functions take."""

from tfviz.network.batches.batches import PREDICTED, Batch, batches, check_targets
from tfviz.network.batches.user_images import HALF, Expected
