"""The peers: what each needs to run, what it has of tfviz's methods, and its virtual environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from virtual_environment import python_in

TENSORFLOW = ("tensorflow==2.21.0", "tf_keras==2.21.0")
NOISE = "its own noise"
NO_RELU6 = "leaves ReLU6 as it is"
OWN_MASKS = "its own masks"


@dataclass(frozen=True)
class Peer:
    """A library of the same kind.

    module: of `workers`. requirements: for pip; alone: those installed without what they ask for. methods: those of
    tfviz that it has, and in a few words what it computes otherwise, if anything.
    """

    module: str
    requirements: tuple[str, ...]
    methods: dict[str, str]
    alone: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    uses_tensorflow: bool = True


PEERS = {
    "tf-keras-vis": Peer(
        "with_tf_keras_vis",
        (*TENSORFLOW, "tf-keras-vis==0.8.7"),
        {
            "saliency": "",
            "smooth_grad": NOISE,
            "grad_cam": "resized by scipy's zoom",
            "grad_cam_plus_plus": "resized by scipy's zoom; scales α by its sum",
            "layer_cam": "resized by scipy's zoom",
            "score_cam": "resized by scipy's zoom; not scaled by the minimum",
        },
    ),
    "tf-explain": Peer(
        "with_tf_explain",
        (*TENSORFLOW, "opencv-python-headless", "tf-explain==0.3.1"),
        {
            "gradient": "",
            "input_x_gradient": "",
            "grad_cam": "without relu",
            "smooth_grad": f"{NOISE}; of the cross-entropy",
            "integrated_gradients": "end points, not midpoints",
            "occlusion": "1 − p; grey patch",
        },
        # It reads a layer that Keras 3 no longer has.
        environment={"TF_USE_LEGACY_KERAS": "1"},
    ),
    "xplique": Peer(
        "with_xplique",
        (
            # All that it asks for except CUDA.
            *("tensorflow==2.20.0", "tf_keras==2.20.1", "tensorflow-probability==0.25.0", "einops", "deprecated"),
            *("matplotlib", "opencv-python-headless", "scikit-image<=0.25.2", "scikit-learn<=1.7.2", "scipy<=1.15.3"),
        ),
        {
            "saliency": "",
            "input_x_gradient": "",
            "guided_backprop": "",
            "deconvnet": "",
            "grad_cam": "bicubic",
            "grad_cam_plus_plus": "bicubic; mean in place of the sum",
            "smooth_grad": NOISE,
            "var_grad": NOISE,
            "square_grad": NOISE,
            "integrated_gradients": "trapezoids, not midpoints",
            "rise": OWN_MASKS,
            "occlusion": "sum, not mean; the edge is left out",
        },
        alone=("xplique==2.0.2",),
    ),
    "captum": Peer(
        "with_captum",
        ("torch==2.13.0", "captum==0.9.0"),
        {
            "gradient": "",
            "saliency": "",
            "input_x_gradient": "",
            "guided_backprop": NO_RELU6,
            "deconvnet": NO_RELU6,
            "integrated_gradients": "",
            "smooth_grad": NOISE,
            "var_grad": NOISE,
            "square_grad": NOISE,
            "grad_cam": "",
            "occlusion": "",
        },
        uses_tensorflow=False,
    ),
    "pytorch-grad-cam": Peer(
        "with_pytorch_grad_cam",
        (
            *("torch==2.13.0", "ttach", "tqdm", "opencv-python-headless", "matplotlib", "scikit-learn", "scipy"),
            *("numpy", "pillow"),
        ),
        {
            "grad_cam": "scaled to 0..1",
            "grad_cam_plus_plus": "scaled to 0..1",
            "layer_cam": "scaled to 0..1",
            "hires_cam": "scaled to 0..1",
            "xgrad_cam": "scaled to 0..1",
            "eigen_cam": "scaled to 0..1; of centred features",
            "score_cam": "scaled to 0..1; softmax over channels",
            "ablation_cam": "scaled to 0..1",
        },
        # torchvision asks for PyTorch built for CUDA.
        alone=("torchvision==0.28.0", "grad-cam==1.5.7"),
        uses_tensorflow=False,
    ),
}


def python_of(name: str, folder: Path) -> Path:
    """Return the Python of a peer's environment under `folder`, see `python_in`."""
    return python_in(folder / name, PEERS[name].requirements, PEERS[name].alone)
