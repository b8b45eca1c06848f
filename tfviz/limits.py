"""Limits on the size of files, beyond which they are refused. An option raises each limit.

Both are compared with what a file's own headers ask for, before anything is decoded or unpacked: 38 bytes can ask a
decoder for gigabytes.
"""

MAXIMUM_MODEL_BYTES = 100_000_000
"""What a .keras or .h5 file may unpack to, or four times its own size if that is more (`--model-limit`)."""
MAXIMUM_IMAGE_BYTES = 195_000_000
"""What the pixels of an image may take while it is decoded: 65 million in RGB with 8 bits (`--image-limit`)."""
