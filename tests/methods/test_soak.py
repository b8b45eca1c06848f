"""Thousands of explanations of networks that come and go: what a process keeps does not grow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = """
import ctypes, gc, random, sys, threading, warnings
import keras, numpy as np
import tfviz
warnings.simplefilter("ignore")
METHODS = ["saliency", "grad_cam", "input_x_gradient", "eigen_cam", "smooth_grad", "integrated_gradients"]
FEW = {"smooth_grad": {"samples": 2}, "integrated_gradients": {"steps": 2}}

def network(number):
    keras.utils.set_random_seed(number)
    size = None if number % 4 == 0 else 12 + number
    layers = [keras.Input((size, size, 3)), keras.layers.Conv2D(2 + number % 5, 3, activation="relu")]
    return keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)])

def memory():
    while gc.collect():  # what a graph held is found only once the graph is gone
        pass
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return 4096 * int(open("/proc/self/statm").read().split()[1])

def explain(model, draw, count):
    side = model.input_shape[1]
    for _ in range(count):
        height, width = (side, side) if side else (draw.randrange(10, 40), draw.randrange(10, 40))
        images = np.random.default_rng(draw.randrange(1000)).uniform(0, 1, (1, height, width, 3)).astype("float32")
        name = draw.choice(METHODS)
        seed = {"seed": draw.randrange(1000)} if name in FEW else {}
        getattr(tfviz, name)(model, images, **FEW.get(name, {}), **seed)

done, before = 0, None
while done < int(sys.argv[1]):
    for number in range(20):
        model = network(number)
        draws = [random.Random(f"{done} {each}") for each in (0, 1)]
        threads = [threading.Thread(target=explain, args=(model, draw, 25)) for draw in draws]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        del model
        done += 50
    print(done, memory(), flush=True)
"""


@pytest.mark.slow
def test_memory_is_flat_over_networks_that_come_and_go():
    if not Path("/proc/self/statm").exists():
        pytest.skip("memory is read as Linux tells it")
    command = [sys.executable, "-c", SOAK, "5000"]
    # oneDNN keeps what it made for each of the last 1,024 sizes, and random ones come all the time.
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    taken = [int(line.split()[1]) for line in done.stdout.splitlines()]
    # The first thousand fills what TensorFlow keeps of every operation.
    assert max(taken[1:]) < 1.03 * taken[0], taken
