"""Times the first explanation of a fresh network in a fresh process, and its warm ones: a line of JSON, in seconds.

python first_call.py MODEL METHOD
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import numpy as np
from networks import open_model

import tfviz


def main() -> None:
    name, method = sys.argv[1:]
    model = open_model(name)
    images = np.random.default_rng(0).uniform(0, 255, (1, *model.inputs[0].shape[1:])).astype(np.float32)
    model(images[:, :, :, :], training=False)  # TensorFlow's own start is not tfviz's
    times = []
    for _ in range(8):
        started = time.perf_counter()
        getattr(tfviz, method)(model, images, 0)
        times.append(time.perf_counter() - started)
    print(json.dumps({"first": times[0], "warm": statistics.median(times[1:])}))


if __name__ == "__main__":
    main()
