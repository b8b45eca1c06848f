"""Why tests are slow, and the table of what runs by day and what by night: `python -m pytest --day-and-night`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

COLLECTED = pytest.StashKey[tuple[list[str], list[str]]]()
"""The tests by day and the slow ones that were collected, deselected ones too."""

PAIRS = "all pairs of two lists; by day each of either list is in one"
ALIKE = "more cases of the same kind; by day a part of them"
FORMS = "the model live and saved; by day each case in one form"
APPLICATIONS = "networks of keras.applications, up to a minute each"

# By file, or by function where the slow tests of a file have several reasons.
REASONS = {
    "apps/test_callbacks.py": "training with Keras and tf_keras alike; by day each with one of them",
    "apps/test_callbacks.py::test_memory_that_is_short_later_stops_no_training": "TensorFlow waits 10 s for memory",
    "apps/test_callbacks.py::test_mixed_float16": "bfloat16 by day",
    "apps/test_command_batch.py": ALIKE,
    "apps/test_command_batch.py::test_a_process_that_is_killed_in_the_middle": "three pipelines of processes",
    "apps/test_command_batch.py::test_two_thousand_pictures_of_which_twenty_are_broken": "2,000 pictures",
    "apps/test_command_export.py": "TensorFlow's own command, seconds a call",
    "apps/test_command_export.py::test_all_methods_that_suit_a_network": "exports every method once more",
    "apps/test_command_flags.py": ALIKE,
    "apps/test_depth.py": PAIRS,
    "apps/test_edges_of_runs.py": ALIKE,
    "apps/test_edges_of_runs.py::test_a_pipeline_that_is_interrupted_ends_with_130": "waits for processes",
    "apps/test_encoded.py": PAIRS,
    "apps/test_explanation_metadata.py": ALIKE,
    "apps/test_export.py": "exports every kind of model; by day a part of them",
    "apps/test_export.py::test_the_exported_model_runs_where_only_tensorflow_is_installed": "installs TensorFlow",
    "apps/test_folders.py": ALIKE,
    "apps/test_labels.py": ALIKE,
    "apps/test_models.py": ALIKE,
    "apps/test_printable.py": ALIKE,
    "apps/test_safety_of_apps.py": ALIKE,
    "methods/test_adversarial.py": ALIKE,
    "methods/test_attacks_on_labels.py": PAIRS,
    "methods/test_cam.py": FORMS,
    "methods/test_cam_family.py": ALIKE,
    "methods/test_contract.py": "every method on every kind of model; by day each on one kind and each kind with one",
    "methods/test_feature_visualization.py": ALIKE,
    "methods/test_full_grad.py": APPLICATIONS,
    "methods/test_image_ranges.py": ALIKE,
    "methods/test_noise.py": PAIRS,
    "methods/test_perturbation.py": ALIKE,
    "methods/test_photographs.py": "photographs by SqueezeNet, seconds each",
    "methods/test_shared_passes.py": ALIKE,
    "methods/test_soak.py": "5,000 explanations of networks that come and go",
    "methods/test_two_devices.py": "compiles everything for two devices",
    "methods/test_what_is_kept.py": ALIKE,
    "methods/test_what_is_kept.py::test_a_thousand_calls_grow_by_less_than_60_megabytes": "1,000 calls",
    "methods/test_xrai.py": ALIKE,
    "methods/test_zero_maps.py": PAIRS,
    "network/test_default_layer.py": FORMS,
    "network/test_fingerprint.py": ALIKE,
    "network/test_finite.py": ALIKE,
    "network/test_fixed_batch.py": ALIKE,
    "network/test_inputs.py": ALIKE,
    "network/test_internals.py": ALIKE,
    "network/test_jit_compile.py": "XLA compiles for seconds; by day two methods",
    "network/test_layers.py": ALIKE,
    "network/test_logits.py": FORMS,
    "network/test_placement.py": PAIRS,
    "network/test_precision.py": ALIKE,
    "network/test_probabilities.py": ALIKE,
    "network/test_quantisation.py": ALIKE,
    "network/test_randomness.py": PAIRS,
    "network/test_reopening.py": ALIKE,
    "network/test_replay.py": ALIKE,
    "network/test_replay.py::test_the_networks_of_keras": APPLICATIONS,
    "network/test_rounding.py": ALIKE,
    "network/test_rules.py": FORMS,
    "network/test_safety.py": APPLICATIONS,
    "network/test_score_functions.py": FORMS,
    "network/test_shortcuts.py": PAIRS,
    "network/test_sources.py": ALIKE,
    "network/test_tf_keras.py": ALIKE,
    "network/test_tokens.py": ALIKE,
    "network/test_waking.py": PAIRS,
    "network/test_without_classifier.py": FORMS,
    "project/test_notebooks.py": "three minutes of notebooks",
    "results/test_evidence.py": ALIKE,
}


def key_of(node: str) -> str:
    """Return what a test's reason stands by: its function, or else its file."""
    path, _, name = node.removeprefix("tests/").partition("::")
    # Workers of xdist add the group: `test_name@group`.
    function = f"{path}::{name.partition('[')[0].partition('@')[0]}"
    return function if function in REASONS else path


def without_reason(slow: Iterable[str]) -> list[str]:
    """Return the slow tests that have no reason."""
    return [node for node in slow if key_of(node) not in REASONS]


def left_over(day: Iterable[str], slow: Iterable[str]) -> set[str]:
    """Return the reasons that no slow test has, of the files that these tests are from."""
    slow = [*slow]
    files = {node.removeprefix("tests/").partition("::")[0] for node in (*day, *slow)}
    return {key for key in REASONS if key.partition("::")[0] in files} - {*map(key_of, slow)}


def table(day: Iterable[str], slow: Iterable[str]) -> Iterator[str]:
    """Yield the lines of the table: how many tests of a file or function run by day and by night, and why."""
    by_day, by_night = Counter(map(key_of, day)), Counter(map(key_of, slow))
    width = max(map(len, {*by_day, *by_night}), default=0)
    yield f"{'':{width}}  {'day':>5}  {'night':>5}  why not by day"
    for key in sorted({*by_day, *by_night}):
        yield f"{key:{width}}  {by_day[key]:5}  {by_night[key]:5}  {REASONS.get(key, '')}".rstrip()
    yield f"{'all':{width}}  {by_day.total():5}  {by_night.total():5}"
