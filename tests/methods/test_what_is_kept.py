"""What is kept from call to call, which must not grow: compiled functions, and what was measured of a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from support.model_zoo import CLASSES, SHAPE, build, random_images

import tfviz
from tfviz.methods import METHODS
from tfviz.methods.engine.arguments import split_options
from tfviz.network.passes import affordable
from tfviz.network.program.compiled_functions import MAXIMUM, CompiledFunctions

IMAGES = random_images(2)
COLOR = np.array([0.1, -0.2, 0.3], np.float32)
OTHER_IMAGE = np.linspace(-1, 1, np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*misses completeness:tfviz.errors.TfvizWarning"),
    pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning"),
]

# Two choices of options that differ in numbers and arrays alone; the second needs no other compiled function.
SAMPLING = {"samples": 3, "noise": 0.1, "seed": 0}, {"samples": 4, "noise": 1, "seed": 2**31 - 1}
# Other methods that sample as the first one does, and other baselines.
ALIKE = (1, 2, 3, 5, 6, 11)
PAIRS = [
    *((name, *SAMPLING) for name in ("smooth_grad", "var_grad", "square_grad", "smooth_full_grad")),
    ("integrated_gradients", {"steps": 3, "seed": 0}, {"steps": np.int64(5), "seed": 9}),
    ("integrated_gradients", {"baseline": 0.5, "steps": 2}, {"baseline": -0.25, "steps": 3}),
    ("integrated_gradients", {"baseline": COLOR, "steps": 2}, {"baseline": 2 * COLOR.astype("float64"), "steps": 2}),
    (
        "integrated_gradients",
        {"baseline": ["uniform", OTHER_IMAGE], "steps": 2, "seed": 1},
        {"baseline": ("uniform", -OTHER_IMAGE), "steps": 2, "seed": 2},
    ),
    ("xrai", {"steps": 2, "scales": (50,)}, {"steps": 3, "scales": [50, 100], "dilation": 2, "smallest_segment": 3}),
    # Patch and stride are constants: the windows that are run follow from them.
    ("occlusion", {"patch": 8, "stride": 4, "fill": 0.5}, {"patch": 8, "stride": 4, "fill": -1}),
    (
        "rise",
        {"masks": 5, "cell_size": 4, "probability": 0.5, "seed": 0},
        {"masks": 7, "cell_size": 6, "probability": 0.3, "seed": 4},
    ),
    ("score_cam", {"max_channels": 2}, {"max_channels": 3}),
    ("ablation_cam", {"max_channels": 2}, {"max_channels": 1000}),
    (
        "smooth_grad",
        {"of": "integrated_gradients", "samples": 2, "options": {"steps": 2, "baseline": 0.0}},
        {"of": "integrated_gradients", "samples": 3, "options": {"steps": 3, "baseline": 1.0}},
    ),
]


@pytest.mark.parametrize(
    "name, first, second",
    [pytest.param(*pair, marks=[pytest.mark.slow] * (place in ALIKE)) for place, pair in enumerate(PAIRS)],
)
def test_numbers_and_arrays_compile_nothing_anew(name, first, second):
    network = tfviz.trace(build("functional"))
    method = getattr(tfviz, name)
    method(network, IMAGES, 1, **first)
    made = network.compiled.made
    found = method(network, IMAGES, 1, **second)
    assert network.compiled.made == made
    # What a function says that was compiled for these options alone.
    alone = tfviz.trace(build("functional"))
    np.testing.assert_array_equal(found, method(alone, IMAGES, 1, **second))
    assert not np.array_equal(found, method(network, IMAGES, 1, **first))


def test_every_number_among_the_options_is_an_argument():
    for name, method in METHODS.items():
        numbers = {
            option
            for option, value in method.options.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        assert numbers <= set(method.arguments) | method.for_host, name


def test_what_is_no_number_is_compiled_for():
    compiled_for, values = split_options("smooth_grad", METHODS["smooth_grad"].complete({"of": "grad_cam"}))
    assert compiled_for["of"] == "grad_cam" and compiled_for["options"] == {
        "layer": None,
        "upsample": True,
        "placement": "convention",
    }
    assert [value.dtype.name for value in values] == ["int32", "float32", "int32"]


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("smooth_grad", {"seed": 2**31}, "seed is 2147483648, expected an integer from 0 to 2147483647"),
        ("smooth_grad", {"seed": -1}, "seed is -1, expected an integer of at least 0"),
        ("integrated_gradients", {"baseline": [[1, 2], [3]]}, "baseline"),
        ("integrated_gradients", {"baseline": np.zeros((2, 3))}, "the baseline has the shape"),
        ("integrated_gradients", {"baseline": "zero"}, "no baseline 'zero'; did you mean"),
        ("rise", {"probability": 1}, "probability is 1, expected a number above 0 and below 1"),
        ("occlusion", {"fill": "median"}, "fill is 'median', expected a number or 'mean'"),
        ("score_cam", {"max_channels": 0}, "max_channels is 0, expected an integer of at least 1"),
    ],
)
def test_a_wrong_option_compiles_nothing(name, options, message):
    network = tfviz.trace(build("functional"))
    with pytest.raises(tfviz.TfvizError, match=message):
        getattr(tfviz, name)(network, IMAGES, **options)
    assert not network.compiled


# The least recently used


def test_what_was_used_longest_ago_is_forgotten():
    kept = CompiledFunctions()
    for key in range(MAXIMUM):
        assert kept.find(key, lambda key=key: str(key)) == str(key)
    assert kept.find(0, lambda: "another") == "0" and kept.made == MAXIMUM
    kept.find("new", lambda: "new")
    assert len(kept) == MAXIMUM and 0 in kept and 1 not in kept
    assert kept.find(1, lambda: "again") == "again" and kept.made == MAXIMUM + 2


def test_what_fails_to_compile_is_not_kept():
    kept = CompiledFunctions()
    with pytest.raises(ZeroDivisionError):
        kept.find("key", lambda: 1 / 0)
    assert not kept and kept.made == 0


def test_a_network_keeps_a_stated_number_of_functions(monkeypatch):
    monkeypatch.setattr("tfviz.network.program.compiled_functions.MAXIMUM", 2)
    network = tfviz.trace(build("functional"))
    for method in (tfviz.saliency, tfviz.gradient, tfviz.input_x_gradient, tfviz.saliency):
        method(network, IMAGES, 1)
    assert len(network.compiled) == 2 and network.compiled.made == 4


# Sizes of networks that leave theirs open


def open_network(least=1):
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(4, least, activation="relu")]
    return tfviz.trace(keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(CLASSES)]))


def test_few_sizes_are_measured_of_a_network_that_takes_any():
    network = open_network()
    sizes = [(height, width) for height in range(2, 60, 3) for width in (5, 17, 33)]
    found = {size: affordable(network, (*size, 3)) for size in sizes}
    assert set(network.needed_bytes) == {(side, side, 3) for side in (8, 16, 32, 64)}
    for (height, width), images in found.items():
        # A value of the image, four of the layer and of its activation, each of four bytes, for each pixel and some.
        exact = 1_600_000_000 / (4 * height * width * (3 + 3 * 4))
        assert 0.5 * exact < images < 1.5 * exact
    assert found == {size: affordable(open_network(), (*size, 3)) for size in sizes}


def test_a_size_that_the_network_does_not_take_is_not_measured():
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3), keras.layers.Reshape((-1, 4 * 22))]
    network = tfviz.trace(keras.Sequential([*layers, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2)]))
    assert affordable(network, (24, 24, 3)) > 1000
    assert set(network.needed_bytes) == {(24, 24, 3)}


GROW = """
import sys, warnings
import keras, numpy as np
import tfviz
warnings.simplefilter("ignore")

def memory():
    return 4096 * int(open("/proc/self/statm").read().split()[1])

def network(size):
    layers = [keras.Input((size, size, 3)), keras.layers.Conv2D(8, 3, activation="relu")]
    return tfviz.trace(keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)]))

draw = np.random.default_rng(0)
fixed, open_one = network(32), network(None)
images = draw.uniform(0, 1, (1, 32, 32, 3)).astype("float32")

def calls(number):
    yield tfviz.smooth_grad(fixed, images, samples=2 + number % 7, seed=number, noise=0.01 * (1 + number % 99))
    yield tfviz.integrated_gradients(fixed, images, steps=2 + number % 20)
    yield tfviz.integrated_gradients(fixed, images, steps=2, baseline=draw.uniform(0, 1, images.shape[1:]))
    yield tfviz.rise(fixed, images, masks=4 + number % 9, seed=number, probability=0.3 + 0.001 * (number % 99))
    yield tfviz.occlusion(fixed, images, fill=float(number), patch=12 + number % 10)
    size = draw.integers(20, 90, 2)
    yield tfviz.smooth_grad(open_one, draw.uniform(0, 1, (1, *size, 3)), samples=2)

for number in range(int(sys.argv[1])):
    for _ in calls(number):
        pass
    if number == 8:
        start, made = memory(), fixed.compiled.made + open_one.compiled.made
print((memory() - start) / 1e6, fixed.compiled.made + open_one.compiled.made - made)
"""


@pytest.mark.slow
def test_a_thousand_calls_grow_by_less_than_60_megabytes():
    if not Path("/proc/self/statm").exists():
        pytest.skip("memory is read as Linux tells it")
    # oneDNN keeps what it made for each of the last 1,024 sizes, of any network: with it a tape by hand grows as much.
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    command = [sys.executable, "-c", GROW, "170"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    grown, compiled = map(float, done.stdout.split())
    assert grown < 60 and compiled == 0
