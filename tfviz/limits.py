"""How much of a stranger's files is read before they are refused. An option raises each limit."""

MAXIMUM_MODEL_BYTES = 100_000_000
"""A .keras or .h5 file may unpack to so much, or to four times its own size where that is more."""
MAXIMUM_IMAGE_BYTES = 195_000_000
"""What an image may take while it is decoded: 65 million pixels of 8 bits and three colours."""
