"""Models opened by the options about them: the network, its images, its class names."""

from tfviz.apps.model.example_format import ExampleFormat, find_example_format
from tfviz.apps.model.examples import find_picture, picture_in, read_features, serialise, trial_record
from tfviz.apps.model.models import OpenedModel, open_architecture, open_model
from tfviz.apps.model.preprocessing import Preprocessing, find_preprocessing
from tfviz.apps.model.setup import (
    ASSUMED_PREPROCESSING,
    Sample,
    Setup,
    complete_choice,
    network_size,
    set_up,
    set_up_opened,
    with_baselines,
)
