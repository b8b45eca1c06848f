"""Reads the headers of image files: size, orientation and damage, before a pixel is decoded.

A decoder takes the memory that a header asks for, and 38 bytes can ask for gigabytes. So the header of every format
that is read is read here first, and no other format reaches a decoder. If a format leaves readers a choice, the larger
size counts or the file is refused. A good order of reading: `header` (what all formats give), `plain` (the simplest
formats), `jpeg`, `png`, `webp`, `tiff`, then `formats`, which chooses among them.
"""

from tfviz.apps.files.image_headers.formats import is_jpeg, needed_of, read_header
from tfviz.apps.files.image_headers.header import NOT_AN_IMAGE, Header
from tfviz.apps.files.image_headers.tiff import read_orientation
