"""Images from files, read and fitted to a network as the command line does: the same files give the same numbers.

    images = np.stack([fit_image(read_image(path), (224, 224)) for path in paths])

Both work on uint8 RGB; what a network needs beyond that, such as a `preprocess_input`, comes after.
"""

from tfviz.apps.files import fit_image, read_image

__all__ = ["fit_image", "read_image"]
