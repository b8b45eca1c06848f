"""Options that make every method quick, and one method of each way to work."""

from tfviz.methods import METHODS

# One method of each way to work: by day, other tests take these alone.
WAYS = ["saliency", "guided_grad_cam", "full_grad", "integrated_gradients", "ablation_cam", "rise"]


# Fewer runs of the network than by default.
QUICK = {"samples": 4, "steps": 5, "masks": 10, "patch": 6, "stride": 5, "scales": [2e4, 5e4]}


def quick(name):
    return {option: value for option, value in QUICK.items() if option in METHODS[name].options}
