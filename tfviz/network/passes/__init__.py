"""The forward and backward passes of a batch of images, each made once."""
