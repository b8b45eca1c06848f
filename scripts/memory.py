"""Measure the peak memory of the methods that run a network many times, above that of the loaded network.

    python scripts/memory.py --model vgg16                      # the three of them on one image
    python scripts/memory.py --model resnet50 --method score_cam

Each method runs in a process of its own, with random weights, at the default batch_size.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

from tfviz.network.passes import affordable

METHODS = {"integrated_gradients": {"steps": 300}, "rise": {"masks": 4000}, "score_cam": {"max_channels": 512}}
INTERVAL = 0.02  # seconds between two looks at the memory
PAGE = resource.getpagesize()


def resident() -> int:
    """The bytes of this process that lie in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def measure(name: str, method: str) -> None:
    import numpy as np

    import tfviz
    from tfviz.apps.model.models import open_model

    warnings.simplefilter("ignore")
    opened = open_model(name, weights="random")
    network = tfviz.trace(opened.model)
    size = opened.image_size or network.image_shape[:2]
    images = np.random.default_rng(0).uniform(-100, 100, (1, *size, network.image_shape[2])).astype("float32")
    network.logits(images)
    loaded, peak, stop = resident(), [0], threading.Event()

    def watch() -> None:
        while not stop.wait(INTERVAL):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    getattr(tfviz, method)(network, images, **METHODS[method])
    seconds = time.perf_counter() - started
    stop.set()
    watcher.join()
    at_once = min(32, affordable(network, images.shape[1:]))
    options = ", ".join(f"{option}={value}" for option, value in METHODS[method].items())
    above = (peak[0] - loaded) / 1e9
    print(f"{name}: {method}({options}): {above:.2f} GB above the loaded network, {seconds:.0f} s, {at_once} at once")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vgg16")
    parser.add_argument("--method", choices=METHODS, help="all of them, in processes of their own, if not given")
    options = parser.parse_args()
    if options.method:
        measure(options.model, options.method)
        return
    for method in METHODS:
        subprocess.run([sys.executable, __file__, "--model", options.model, "--method", method], check=True)


if __name__ == "__main__":
    main()
