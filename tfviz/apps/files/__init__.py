"""Reads and writes files: pictures, class names, maps, animations, folders of results.

A good order of reading: `image_files` (which files a user means), `image_headers` (what a file asks for, before it is
decoded), `images` (decode, with `depth` for 16 bits), `fitting` (to a network's size), `labels` and `json_texts` (class
names), `true_labels` (which image is of which class), `true_places` (where it shows it: `true_masks`, `true_boxes`);
then writing: `output` (whole files and their names), `pages`, `map_files`, `animation`, `folders` and
`saved_model_folder` (whole folders). A file of a stranger costs at most the memory that the limits allow; a file of
ours is complete or not there.
"""

from tfviz.apps.files.animation import encode_gif
from tfviz.apps.files.depth import FULL_DEPTH, check_depth, picture_of
from tfviz.apps.files.fitting import (
    CROP_FRACTION,
    KERAS,
    WAYS_TO_FIT,
    check_fit,
    check_interpolation,
    fit_image,
    image_size,
)
from tfviz.apps.files.folders import replace_folder
from tfviz.apps.files.image_files import SUFFIXES, check_patterns, find_images
from tfviz.apps.files.images import Image, decode_image, read_bytes, read_image
from tfviz.apps.files.json_texts import read_json, strict_json
from tfviz.apps.files.labels import class_name, imagenet_labels, keras_cache, read_labels, resolve_target
from tfviz.apps.files.map_files import write_maps
from tfviz.apps.files.output import (
    ANIMATION_SUFFIX,
    LONGEST_STEM,
    MANIFEST_NAME,
    MOST_NAMED,
    PICTURE_SUFFIX,
    check_file_names,
    check_folder,
    encode_picture,
    file_names,
    file_part,
    replacing,
    short_name,
    write_array,
    write_figure,
    write_file,
    write_picture,
    written_together,
)
from tfviz.apps.files.pages import check_report_place, report_files
from tfviz.apps.files.saved_model_folder import EXTRA, METADATA, carry_over, check_place, write_folder
from tfviz.apps.files.true_labels import TrueLabel, read_true_labels
from tfviz.apps.files.true_places import TruePlaces, find_true_places
