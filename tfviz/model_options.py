"""The options about a model, which all commands and the Beam handler share: a field each, with its flag and its help.

The flags of `tfviz`, the arguments of `AttributionHandler` and what `trace` is given are made from these fields, so an
option is added here and nowhere else. Neither TensorFlow nor typer is imported: help is printed without the first, and
the workers of a pipeline run without the second.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field, fields
from pathlib import Path
from typing import Any

from tfviz.limits import MAXIMUM_IMAGE_BYTES, MAXIMUM_MODEL_BYTES

EMBEDDED = "demo"
"""The name of the network that tfviz ships."""
FLAG = "flag"
TRACED_AS = "traced as"


@dataclass(frozen=True)
class Flag:
    """How an option is written on the command line, and what --help says of it.

    name: None if it is made from the field's name. minimum: the least number that it takes; None for an option that is
    not a number, or that takes any.
    """

    help: str
    name: str | None = None
    minimum: int | None = None


def _flag(
    help: str, *, name: str | None = None, minimum: int | None = None, traced_as: str | None = None
) -> dict[str, Any]:
    """Return the metadata of an option. traced_as: the argument of `trace` that it is."""
    return {FLAG: Flag(help, name, minimum), TRACED_AS: traced_as}


@dataclass(frozen=True)
class ModelOptions:
    """The options about a model, as the user gave them; None for what the user left open.

    Nothing is checked here: `trace` checks its own options, and `apps.model` those about pictures and labels. What a
    field means is said in its help.
    """

    model: str = field(
        default=EMBEDDED,
        metadata=_flag(
            "A .keras or .h5 file, a SavedModel folder, demo, efficientnet-lite0, or a keras.applications name. "
            "If nothing is said, demo, but efficientnet-lite0, if installed, to explain, localize or fool your images."
        ),
    )
    _: KW_ONLY
    weights: str = field(
        default="imagenet",
        metadata=_flag("Of a keras.applications model: imagenet, random, or a .h5, .weights.h5 or .keras file."),
    )
    preprocess: str | None = field(
        default=None,
        metadata=_flag(
            "What the model was trained on: 0..1, -1..1, 0..255, a keras.applications family such as resnet50, or "
            "mean=104,117,123;std=1,1,1;order=bgr (on the scale 0..255). Your own model gets 0..255 if nothing is "
            "said."
        ),
    )
    labels: Path | None = field(default=None, metadata=_flag("The class names: a text file with one a line, or JSON."))
    size: int | None = field(
        default=None, metadata=_flag("Pixels a side, for a network that leaves it open.", minimum=2)
    )
    fit: str | None = field(
        default=None,
        metadata=_flag(
            "How images get the network's size: stretch keeps all of them (for your own model, as Keras loads images), "
            "cover their proportions and the largest centre (Keras' crop_to_aspect_ratio=True), crop 7/8 of that (the "
            "default for keras.applications, as ImageNet networks are evaluated)."
        ),
    )
    interpolation: str | None = field(
        default=None,
        metadata=_flag(
            "How images are resized: keras is bilinear without antialiasing, as Keras' image_dataset_from_directory "
            "(the default); nearest as its load_img; bilinear with antialiasing, as Pillow and torchvision; area as "
            "OpenCV."
        ),
    )
    depth: str = field(
        default="full",
        metadata=_flag(
            "White in image files of 16 bits: full is 65535, 12 (for 12-bit X-rays) is 4095, and so on from 8 to 16; "
            "raw gives the network the numbers themselves, and --preprocess is of those."
        ),
    )
    signature: str | None = field(
        default=None,
        metadata=_flag(
            "Of a SavedModel: the signature; serving_default or the only one that takes images.", traced_as="signature"
        ),
    )
    input_name: str | None = field(
        default=None, metadata=_flag("The input that is the image, where several may be.", traced_as="input")
    )
    output_name: str | None = field(
        default=None, metadata=_flag("The output that is explained, where there are several.", traced_as="output")
    )
    cut: str | None = field(
        default=None,
        metadata=_flag(
            "Of a signature that takes encoded images: the operation that gives the explained ones, see tfviz layers.",
            traced_as="cut",
        ),
    )
    precision: str | None = field(
        default=None,
        metadata=_flag(
            "What the network runs in: bfloat16 or float16, with the error for the first image of each batch; float32 "
            "if nothing is said.",
            traced_as="precision",
        ),
    )
    random: str | None = field(
        default=None,
        metadata=_flag(
            "off removes what is random in the network: dropout, noise and augmentation that an export left on; keep "
            "explains one draw, and says so, if nothing is said.",
            traced_as="random",
        ),
    )
    data_format: str | None = field(
        default=None,
        metadata=_flag(
            "channels_first or channels_last: how the network takes images, where what it does with them does not "
            "say it.",
            traced_as="data_format",
        ),
    )
    safe_mode: bool = field(
        default=True,
        metadata=_flag(
            "Refuse a model file that runs code, touches other files or talks to other machines; --no-safe-mode opens "
            "it with all your rights.",
            traced_as="safe_mode",
        ),
    )
    maximum_model_bytes: int = field(
        default=MAXIMUM_MODEL_BYTES,
        metadata=_flag(
            "Bytes that a .keras or .h5 file may unpack to, or four times its own size where that is more.",
            name="--model-limit",
            minimum=1,
            traced_as="maximum_model_bytes",
        ),
    )
    maximum_image_bytes: int = field(
        default=MAXIMUM_IMAGE_BYTES,
        metadata=_flag(
            "Bytes that an image may take while it is decoded; above 800 MB, set OPENCV_IO_MAX_IMAGE_PIXELS, too.",
            name="--image-limit",
            minimum=1,
        ),
    )

    @property
    def trace_options(self) -> dict[str, Any]:
        """What `trace` is given for them, by its own names.

        An option that has its default is left out: `trace` refuses some of them for a model that comes from no file.
        """
        return {
            each.metadata[TRACED_AS]: getattr(self, each.name)
            for each in fields(self)
            if each.metadata[TRACED_AS] and getattr(self, each.name) != each.default
        }
