"""Models opened by the options about them: the network, its images, its class names.

A good order of reading: `preprocessing` (from pictures to inputs and back), `models` (what a name stands for), then
what is read beside a model: `example_format` and `examples` (signatures of `tf.train.Example`s), `saved_signatures` and
`explanation_metadata` (files of a SavedModel, and in `metadata_choices` what follows from them), `measuring` (what a
network that decodes pictures does with them), `picture_options`; last `setup`, which puts all of it together.
"""

from tfviz.apps.model.example_format import ExampleFormat, find_example_format
from tfviz.apps.model.examples import find_picture, picture_in, read_features, serialise, trial_record
from tfviz.apps.model.metadata_choices import complete_choice, with_baselines
from tfviz.apps.model.models import OpenedModel, open_architecture
from tfviz.apps.model.picture_options import check_picture_options, network_size
from tfviz.apps.model.preprocessing import Preprocessing, find_preprocessing
from tfviz.apps.model.setup import (
    ASSUMED_PREPROCESSING,
    Sample,
    Setup,
    open_chosen,
    set_up,
    set_up_opened,
)
