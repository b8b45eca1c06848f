"""What image files say of themselves before a pixel of them is decoded.

Every format that is read has its header read here, since a decoder takes the memory that a header asks for: 38 bytes
can ask for gigabytes. Where a format leaves readers a choice, the larger size counts or the file is refused.
"""

from tfviz.apps.files.image_headers.formats import is_jpeg, needed_of, read_header
from tfviz.apps.files.image_headers.header import NO_IMAGE, Header
from tfviz.apps.files.image_headers.tiff import read_orientation
