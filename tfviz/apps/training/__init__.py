"""Shows explanations of fixed images on TensorBoard while a network is trained.

A good order of reading: `fixed_images` (the images, read once), `cards` (explanations as pictures with captions),
`cost` (what they take), `tensorboard` (the Keras callback). Only this folder needs the package `tensorboard`.
"""

from tfviz.apps.training.tensorboard import ExplainImages
