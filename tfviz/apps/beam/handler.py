"""`AttributionHandler`, a method for Beam's `RunInference`.

It holds options alone, since Beam pickles it to every worker, and opens the model there. Examples are explained by
`tfviz.apps.records`, which knows nothing of Beam; here are counters, batching and the sharing of models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from tfviz.apps.beam.files import local_copy
from tfviz.apps.beam.handler_options import MODEL_OPTIONS, BeamOptions, take, with_options
from tfviz.apps.model import check_picture_options
from tfviz.apps.records import ERROR, Example, ExampleExplainer, MethodChoice
from tfviz.errors import TfvizError
from tfviz.model_options import ModelOptions

NAMESPACE = "tfviz"
"""Of all metrics."""
UNUSABLE, ZERO_MAPS, DOUBTFUL = "unusable", "zero_maps", "doubtful"


class AttributionHandler(ModelHandler[Example, PredictionResult, ExampleExplainer]):  # type: ignore[misc]  # Beam is untyped
    """A method for Beam's `RunInference`, alone or in a `KeyedModelHandler`.

    An example is an image in the model's own input space and data format; or the bytes of an image file or, for a
    signature that takes those, of a `tf.train.Example`, which the model is given as it is; or a pair of one and the
    class to explain. The `inference` of its `PredictionResult` is a dict of `map`, float32 (H, W) or as the image,
    `target`, `score` and, of some methods, `diagnostics`; and, if the scores are of classes, `prediction`, the class
    that the model predicts, its `probability` and, if it is known, its `name`. An example that cannot be explained,
    whatever it is, does not stop the others of its batch: its `inference` is a dict of `error`, the reason. The
    counters `unusable`, `zero_maps` and `doubtful` of the namespace `tfviz` count those, the maps that are zero, and
    the results whose diagnostics warn of them.

    Parameters
    ----------
    model_path
        A .keras or .h5 file or a SavedModel folder, which every worker can read; or on a file system of Beam's, such as
        gs://bucket/model, which a worker copies for as long as it loads. It is the `model_id` of the results, and model
        updates of `RunInference` change it.
    method, **options
        The name of one of `tfviz.METHODS`, and its own options.
    target
        The class to explain; None is the one that the model predicts.
    class_names
        In the order of the classes; None are those that a network of keras.applications or a file beside the model has.
    weights, preprocess, size, fit, interpolation, depth
        As the options of `tfviz explain`: a name that its --model takes is a model here, too, and all but the first say
        how an encoded picture becomes an image.
    signature, input_name, output_name, cut, precision, random, data_format, safe_mode
        As `trace` takes `signature`, `input`, `output`, `cut`, `precision`, `random`, `data_format` and `safe_mode`. A
        signature of encoded images decodes them itself.
    maximum_model_bytes, maximum_image_bytes
        As `trace` takes the first; and what an encoded image may take while it is decoded. More is refused.
    min_batch_size, max_batch_size, max_batch_duration_secs, max_batch_weight, element_size_fn, batch_length_fn,
    batch_bucket_boundaries, large_model, model_copies, env_vars
        As Beam's own handlers take them: images at once, as Beam chooses between the first two; whether the processes
        of a machine share one copy of the model, or so many; and what a worker's environment gets before it loads it.

    Raises
    ------
    UnknownMethodError, UnknownLayerError
        There is no such method or option, or several layers are named.
    InvalidImagesError
        There is no such `fit` or `interpolation`.
    TfvizError
        There is no such `depth`, or the installed Beam does not batch by one of these.
    """

    @with_options
    def __init__(
        self,
        model_path: str,
        method: str,
        *,
        target: int | None = None,
        class_names: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self._model = ModelOptions(str(model_path), **take(options, MODEL_OPTIONS))
        about_beam = BeamOptions(**take(options, fields(BeamOptions)))
        check_picture_options(self._model)
        self._choice = MethodChoice(method, options, target)
        self._class_names = class_names
        self._batching = about_beam.batching()
        # Under the name by which Beam sets them, and hands them on from handler to handler.
        self._env_vars = dict(about_beam.env_vars or {})
        self._is_shared = about_beam.large_model or about_beam.model_copies is not None
        self._copies = about_beam.model_copies or 1

    def load_model(self) -> ExampleExplainer:
        """Open the model and compile the method, in each worker or once for all that share the model.

        A model on a remote file system is copied for as long as it takes to open it. Raises as `ExampleExplainer`.
        """
        with local_copy(self._model.model) as path:
            model, batch_size = replace(self._model, model=path), self._batching["max_batch_size"]
            return ExampleExplainer(model, self._choice, batch_size, self._class_names)

    def run_inference(
        self, batch: Sequence[Example], model: ExampleExplainer, inference_args: Mapping[str, Any] | None = None
    ) -> Iterable[PredictionResult]:
        """Return a `PredictionResult` for each example, in their order; count those unusable, zero or doubtful."""
        found = model(list(batch))
        Metrics.counter(NAMESPACE, UNUSABLE).inc(sum(ERROR in each for each in found))
        Metrics.counter(NAMESPACE, ZERO_MAPS).inc(sum(ERROR not in each and not each["map"].any() for each in found))
        Metrics.counter(NAMESPACE, DOUBTFUL).inc(sum(map(self._choice.doubts, found)))
        return [PredictionResult(*pair, self._model.model) for pair in zip(batch, found, strict=True)]

    def validate_inference_args(self, inference_args: Mapping[str, Any] | None) -> None:
        """Raise `TfvizError` for any: options are the handler's own."""
        if inference_args:
            raise TfvizError(f"options are given to AttributionHandler, not as inference_args: {dict(inference_args)}")

    def update_model_path(self, model_path: str | None = None) -> None:
        """Load this model from now on, None for the same one; the method and all other options stay as they are."""
        self._model = replace(self._model, model=model_path or self._model.model)

    def get_num_bytes(self, batch: Sequence[Example]) -> int:
        """Return the bytes of a batch for Beam's metrics: of images as given, encoded or not, 0 for anything else."""
        contents = [each[0] if isinstance(each, tuple) and each else each for each in batch]
        # An example may be anything, of which its inference says that it is not an image.
        return sum(len(each) if isinstance(each, bytes) else getattr(each, "nbytes", 0) for each in contents)

    def get_metrics_namespace(self) -> str:
        """Return the namespace of the metrics."""
        return NAMESPACE

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        """Return how Beam batches examples."""
        return self._batching

    def share_model_across_processes(self) -> bool:
        """Return whether the processes of a machine share the model."""
        return self._is_shared

    def model_copies(self) -> int:
        """Return how many models the processes of a machine share."""
        return self._copies
