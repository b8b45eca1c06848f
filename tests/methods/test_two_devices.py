"""Batches are split over the devices of a `MirroredStrategy`: `two_devices` says what holds, in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import tensorflow as tf
from support.places import ROOT
from support.two_devices import CHECKS

from tfviz.network.program import internals


def failures_on_two_devices(names):
    command = [sys.executable, "-m", "support.two_devices", *names]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    tracebacks = json.loads(done.stdout.splitlines()[-1])
    assert list(tracebacks) == names
    return "\n".join(filter(None, tracebacks.values()))


def test_two_devices():
    """All in one test, because each process would start TensorFlow and build the models again."""
    failed = failures_on_two_devices([name for name in CHECKS if name.startswith("check_")])
    assert not failed, failed


@pytest.mark.slow
def test_two_devices_at_length():
    failed = failures_on_two_devices([name for name in CHECKS if name.startswith("slow_")])
    assert not failed, failed


def test_the_copies_of_a_variable():
    """On one device; the private name is that of the handle's reference."""
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        mirrored = tf.Variable(1.0)
    (copy,) = mirrored.values
    assert internals.distributed_variable(mirrored) is mirrored
    assert internals.distributed_variable(copy) is mirrored
    assert internals.distributed_variable(tf.Variable(1.0)) is None
