"""Checks images and targets as users give them, and cuts them into the batches that compiled functions take.

The fourth stop on the way opening -> program -> layers -> batches -> replay -> traced -> passes -> trace: `program`
says which inputs a network has and `heads` which targets; `traced` hands both over with what the user gave. Read
`user_images` first (arrays, encoded images and other inputs, checked; `records` are the forms of encoded ones, and
`not_numbers` says how to load what are neither) and `targets` (one table of them), then `batches` (a `Batch` of both at
a time). Errors name the number of the image that is wrong.
"""

from tfviz.network.batches.batches import Batch, batches
from tfviz.network.batches.targets import PREDICTED, Targets, as_targets, best_classes, same_for_all
from tfviz.network.batches.user_images import HALF, Expected
