"""Checks images and targets as users give them, and cuts them into the batches that compiled functions take.

The fourth stop on the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace: `program`
says which inputs a network has and `heads` which targets; `traced` hands both over with what the user gave. Read
`user_images` first (arrays, encoded images and other inputs, checked), then `batches` (a `Batch` at a time, with its
targets). Errors name the number of the image that is wrong.
"""

from tfviz.network.batches.batches import PREDICTED, Batch, batches, check_targets
from tfviz.network.batches.user_images import HALF, Expected
