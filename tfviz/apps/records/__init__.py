"""Records of `tf.train.Example`, explained one by one: pictures in, maps out."""

from tfviz.apps.records.example_explainer import ERROR, Example, ExampleExplainer, Look, MethodChoice
from tfviz.apps.records.records import (
    DEAD_LETTERS,
    ENCODED,
    OVERLAYS,
    RESULTS,
    DeadLetter,
    MapRecord,
    Origin,
    PictureRecord,
    read_picture,
    read_pictures,
    read_results,
    read_tfrecords,
)
