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
    "apps/test_command_line.py::test_all_leaves_out_what_the_network_has_no_place_for": "every method once more",
    "apps/test_depth.py": PAIRS,
    "apps/test_edges_of_runs.py": ALIKE,
    "apps/test_edges_of_runs.py::test_a_pipeline_that_is_interrupted_ends_with_130": "waits for processes",
    "apps/test_edges_of_runs.py::test_processes_that_are_spawned_find_the_same": "two processes that start TensorFlow",
    "apps/test_encoded.py": PAIRS,
    "apps/test_explanation_metadata.py": ALIKE,
    "apps/test_explanation_metadata.py::test_batch_and_handler_follow_the_baselines_as_explain_does": "a Beam pipeline",
    "apps/test_export.py": "exports every kind of model; by day a part of them",
    "apps/test_export.py::test_the_exported_model_runs_where_only_tensorflow_is_installed": "installs TensorFlow",
    "apps/test_folders.py": ALIKE,
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
    "methods/test_integrated_gradients.py": ALIKE,
    "methods/test_noise.py": PAIRS,
    "methods/test_perturbation.py": ALIKE,
    "methods/test_photographs.py": "photographs by SqueezeNet, seconds each",
    "methods/test_real_network.py": "exports a network of 106 layers",
    "methods/test_shared_passes.py": ALIKE,
    "methods/test_shared_passes.py::test_methods_of_many_runs_take_each_target": "every method of many runs once more",
    "methods/test_soak.py": "5,000 explanations of networks that come and go",
    "methods/test_stopping.py": ALIKE,
    "methods/test_two_devices.py": "compiles everything for two devices",
    "methods/test_what_is_kept.py": ALIKE,
    "methods/test_what_is_kept.py::test_a_thousand_calls_grow_by_less_than_60_megabytes": "1,000 calls",
    "methods/test_xrai.py": ALIKE,
    "methods/test_xrai.py::test_a_pipeline_has_it_like_any_other_method": "a Beam pipeline",
    "methods/test_zero_maps.py": PAIRS,
    "network/test_channels_first.py::test_beam": "a Beam pipeline",
    "network/test_channels_first.py::test_the_command_line": "explain, localize and fool of the twin once more",
    "network/test_default_layer.py": FORMS,
    "network/test_fingerprint.py": ALIKE,
    "network/test_finite.py": ALIKE,
    "network/test_fixed_batch.py": ALIKE,
    "network/test_incremental.py": "more random networks",
    "network/test_inputs.py": ALIKE,
    "network/test_internals.py": ALIKE,
    "network/test_jit_compile.py": "XLA compiles for seconds; by day two methods",
    "network/test_layers.py": ALIKE,
    "network/test_logits.py": FORMS,
    "network/test_placement.py": PAIRS,
    "network/test_precision.py": ALIKE,
    "network/test_probabilities.py": ALIKE,
    "network/test_quantisation.py": ALIKE,
    "network/test_quantisation.py::test_every_way_to_run_a_quantised_network": "exports and XLA; by day each network",
    "network/test_randomness.py": PAIRS,
    "network/test_reopening.py": ALIKE,
    "network/test_replay.py": ALIKE,
    "network/test_replay.py::test_the_networks_of_keras": APPLICATIONS,
    "network/test_rounding.py": "a whole run of the script, 60 gradients in float64",
    "network/test_rules.py": FORMS,
    "network/test_safety.py": APPLICATIONS,
    "network/test_score_functions.py": FORMS,
    "network/test_shortcuts.py": PAIRS,
    "network/test_sources.py": ALIKE,
    "network/test_tf_keras.py": ALIKE,
    "network/test_tokens.py": ALIKE,
    "network/test_waking.py": PAIRS,
    "network/test_without_classifier.py": FORMS,
    "project/test_benchmark.py": "a whole run of the script; its parts by day",
    "project/test_kernels.py": "a whole run of the script",
    "project/test_notebooks.py": "three minutes of notebooks",
    "project/test_types.py": "mypy reads NumPy and matplotlib anew: nine seconds",
    "results/test_evidence.py": ALIKE,
    "results/test_grids.py": "every method once more",
}

# Of their cases, which are alike, each so many-th runs by day, counted as they are collected.
EVERY_NTH = {
    "apps/test_callbacks.py::test_a_copy_is_as_new": 2,
    "apps/test_callbacks.py::test_a_training_is_as_without": 2,
    "apps/test_callbacks.py::test_cards_are_the_overlays_of_the_weights_at_that_moment": 2,
    "apps/test_callbacks.py::test_datasets": 2,
    "apps/test_callbacks.py::test_the_cost_is_told_unless_the_training_is_silent": 2,
    "apps/test_command_batch.py::test_results_are_those_of_one_process": 2,
    "apps/test_command_flags.py::test_flags_reach_the_method": 2,
    "apps/test_command_served.py::test_what_is_typed_wins_over_the_metadata": 2,
    "apps/test_depth.py::test_each_command_says_once_what_white_is": 2,
    "apps/test_edges_of_runs.py::test_what_another_run_wrote_is_not_replaced_in_silence": 2,
    "apps/test_export.py::test_a_batch_of_one_stays_one": 2,
    "apps/test_export.py::test_a_saved_model": 2,
    "apps/test_export.py::test_a_signature_gives_what_the_method_gives": 3,
    "apps/test_export.py::test_methods_of_many_runs_take_so_many_images_at_once": 2,
    "apps/test_models.py::test_weights_from_a_file": 3,
    "apps/test_safety_of_apps.py::test_the_commands_refuse_and_take_the_flag": 2,
    "apps/test_steered_examples.py::test_a_number_that_steers": 2,
    "apps/test_tf_examples.py::test_what_a_network_parses": 2,
    "apps/test_two_manifests.py::test_both_say_the_same": 2,
    "apps/test_two_manifests.py::test_both_warn_of_the_method": 2,
    "methods/test_adversarial.py::test_every_kind_of_model": 3,
    "methods/test_adversarial.py::test_fgsm_is_one_step_of_the_cross_entropy": 2,
    "methods/test_adversarial.py::test_pgd_is_the_projected_loop_by_hand": 2,
    "methods/test_attacks_on_labels.py::test_a_label_is_switched_off": 2,
    "methods/test_attacks_on_labels.py::test_a_label_is_switched_on": 2,
    "methods/test_attacks_on_labels.py::test_one_raw_logit_is_a_class_above_zero": 2,
    "methods/test_class_visualization.py::test_an_image_depends_on_its_seed_alone": 2,
    "methods/test_contract.py::test_a_batch_is_its_images_one_by_one": 2,
    "methods/test_contract.py::test_a_saved_model_agrees_with_the_live_one": 3,
    "methods/test_contract.py::test_an_explainer_is_the_function": 2,
    "methods/test_contract.py::test_datasets": 3,
    "methods/test_contract.py::test_every_form_of_a_network_gives_its_maps": 3,
    "methods/test_contract.py::test_every_option_changes_the_result": 3,
    "methods/test_contract.py::test_images_and_targets_of_the_user_stay_as_they_are": 3,
    "methods/test_contract.py::test_one_trace_serves_all_batch_sizes": 3,
    "methods/test_contract.py::test_results_are_finite_float32_of_the_documented_shape": 2,
    "methods/test_contract.py::test_results_repeat": 2,
    "methods/test_contract.py::test_targets_in_every_form": 3,
    "methods/test_contract.py::test_the_batch_size_does_not_change_the_numbers": 3,
    "methods/test_contract.py::test_the_model_and_the_process_stay_untouched": 2,
    "methods/test_feature_visualization.py::test_an_ascent_starts_from_a_given_image": 2,
    "methods/test_feature_visualization.py::test_an_image_does_not_depend_on_the_others": 2,
    "methods/test_feature_visualization.py::test_an_objective_is_what_it_says": 2,
    "methods/test_feature_visualization.py::test_every_field_changes_the_image": 3,
    "methods/test_full_grad.py::test_a_saved_model_has_the_same_terms": 2,
    "methods/test_full_grad.py::test_the_terms_add_up": 2,
    "methods/test_full_grad.py::test_what_is_not_piecewise_linear_is_said": 2,
    "methods/test_gradients.py::test_the_gradient_of_the_logit_and_not_of_the_softmax": 2,
    "methods/test_image_ranges.py::test_black_and_white_of_attacks_and_visualisations": 2,
    "methods/test_image_ranges.py::test_every_call_says_it": 2,
    "methods/test_image_ranges.py::test_the_command_line_says_it_once": 3,
    "methods/test_image_ranges.py::test_what_networks_expect": 2,
    "methods/test_integrated_gradients.py::test_a_quadratic_is_exact_with_one_midpoint": 2,
    "methods/test_loops_in_graphs.py::test_what_a_loop_runs_is_a_graph_of_its_own": 2,
    "methods/test_noise.py::test_over_any_method": 3,
    "methods/test_noise.py::test_over_methods_that_are_loops_themselves": 2,
    "methods/test_perturbation.py::test_occlusion": 2,
    "methods/test_shared_passes.py::test_a_loop_does_not_repeat_the_first_passes": 2,
    "methods/test_shared_passes.py::test_one_forward_and_one_backward_a_rule": 2,
    "methods/test_silent_mistakes.py::test_an_operation_without_a_gradient_is_named": 2,
    "methods/test_visualization_parts.py::test_a_neuron_is_read_where_its_place_has_moved": 2,
    "methods/test_what_is_kept.py::test_numbers_and_arrays_compile_nothing_anew": 3,
    "methods/test_zero_maps.py::test_a_zero_map_says_why": 2,
    "network/test_biases.py::test_what_an_operation_adds": 3,
    "network/test_channels_first.py::test_a_baseline_that_is_an_image": 2,
    "network/test_channels_first.py::test_a_map_is_where_the_dot_is": 2,
    "network/test_channels_first.py::test_every_method_is_that_of_the_twin": 2,
    "network/test_default_layer.py::test_the_default_layer_and_what_is_said_of_it": 3,
    "network/test_fingerprint.py::test_a_model_built_again_under_other_names_has_the_same_fingerprint": 2,
    "network/test_fingerprint.py::test_a_saved_model_has_that_of_the_model_it_was_saved_from": 2,
    "network/test_fingerprint.py::test_another_computation_has_another_fingerprint": 2,
    "network/test_finite.py::test_an_export_answers_an_image_of_no_numbers_with_nan": 3,
    "network/test_finite.py::test_every_method_refuses": 3,
    "network/test_finite.py::test_the_reason_is_said": 2,
    "network/test_fixed_batch.py::test_n_images_are_n_runs": 3,
    "network/test_inputs.py::test_every_way_of_serving_gives_the_maps_of_float_images": 2,
    "network/test_inputs.py::test_other_inputs_are_held_in_methods_within_methods": 2,
    "network/test_internals.py::test_replayed_operations_do_what_they_did": 2,
    "network/test_jit_compile.py::test_every_method_gives_the_same": 2,
    "network/test_layers.py::test_a_saved_model_has_the_layers_of_the_live_one": 2,
    "network/test_logits.py::test_logits": 3,
    "network/test_logits.py::test_probabilities_are_what_the_model_says": 2,
    "network/test_logits.py::test_the_logit_of_the_target_is_explained": 2,
    "network/test_placement.py::test_a_cell_lies_at_the_centre_of_its_receptive_field": 2,
    "network/test_placement.py::test_a_geometry_that_is_not_followed_is_named": 2,
    "network/test_placement.py::test_a_map_marks_the_dot_that_the_network_saw": 3,
    "network/test_placement.py::test_an_open_size_is_placed_when_it_is_known": 2,
    "network/test_placement.py::test_saved_networks_are_placed_alike": 2,
    "network/test_placement.py::test_what_follows_from_the_size_of_the_image_is_said_where_that_is_open": 2,
    "network/test_placement.py::test_what_the_layer_did_not_see_is_zero": 2,
    "network/test_precision.py::test_every_method_gives_what_it_gives_on_a_model_built_in_that_type": 2,
    "network/test_precision.py::test_saved_models": 2,
    "network/test_precision.py::test_the_logits_of_every_kind_are_as_far_as_their_rounding": 2,
    "network/test_probabilities.py::test_an_export_scores_as_its_network": 2,
    "network/test_probabilities.py::test_gradients_of_log_odds": 2,
    "network/test_probabilities.py::test_log_odds_and_probabilities": 3,
    "network/test_probabilities.py::test_no_softmax_is_applied_to_probabilities": 2,
    "network/test_probabilities.py::test_other_methods_watch_the_probability_itself": 2,
    "network/test_probabilities.py::test_the_command_line_says_what_the_model_says": 2,
    "network/test_probabilities.py::test_the_logits_of_labels_that_are_put_together": 2,
    "network/test_quantisation.py::test_keras_own_quantisation": 2,
    "network/test_quantisation.py::test_roundings_that_arithmetic_follows_pass_the_gradient": 2,
    "network/test_quantisation.py::test_what_the_tape_knows_stays_as_it_is": 2,
    "network/test_randomness.py::test_augmentation_of_an_export_goes": 3,
    "network/test_randomness.py::test_chance_that_averages_out_goes": 2,
    "network/test_randomness.py::test_live_layers_that_train_go": 2,
    "network/test_randomness.py::test_monte_carlo_dropout_of_keras": 2,
    "network/test_replay.py::test_a_live_model": 3,
    "network/test_replay.py::test_a_saved_model": 3,
    "network/test_replay.py::test_rules_reach_inside": 2,
    "network/test_rules.py::test_a_saved_model_is_guided_like_the_live_one": 2,
    "network/test_rules.py::test_deconvnet": 2,
    "network/test_rules.py::test_guided_backprop": 3,
    "network/test_rules.py::test_networks_without_relus_are_refused": 2,
    "network/test_rules.py::test_relus_inside": 3,
    "network/test_score_functions.py::test_logits_are_those_that_targets_explain": 2,
    "network/test_score_functions.py::test_nested_outputs_are_called_by_their_paths": 2,
    "network/test_score_functions.py::test_outputs_are_called_as_trace_calls_them": 2,
    "network/test_score_functions.py::test_the_region_of_an_output_with_channels_first": 2,
    "network/test_shortcuts.py::test_results_are_the_same_without_shortcuts": 2,
    "network/test_shortcuts.py::test_the_forward_pass_is_the_same_bit_for_bit": 2,
    "network/test_slice_update.py::test_methods_without_a_gradient_run_before_it": 2,
    "network/test_sources.py::test_a_saved_model_with_functions_that_xla_compiles": 2,
    "network/test_sources.py::test_an_explained_model_can_be_forgotten": 2,
    "network/test_sources.py::test_another_value_of_an_attribute_is_another_trace": 3,
    "network/test_tf_keras.py::test_every_kind_has_the_maps_of_its_keras_twin": 3,
    "network/test_tf_keras.py::test_what_tf_keras_saved": 2,
    "network/test_tokens.py::test_a_function_that_makes_no_map": 2,
    "network/test_tokens.py::test_a_patch_is_followed_wherever_it_goes": 3,
    "network/test_tokens.py::test_grad_cam_of_the_default_layer_is_the_one_by_hand": 2,
    "network/test_waking.py::test_an_ascent_on_a_sleeping_network": 2,
    "network/test_waking.py::test_what_is_dead_above_wakes": 2,
    "network/test_waking.py::test_what_is_dead_below_wakes": 3,
    "network/test_waking.py::test_what_is_never_dead_keeps_its_gradient": 2,
    "network/test_without_classifier.py::test_eigen_cam_needs_no_score": 2,
    "results/test_evidence.py::test_pictures_show_a_sign_where_the_method_has_one": 2,
    "results/test_evidence.py::test_the_command": 2,
    "results/test_evidence.py::test_what_a_sign_means": 3,
    "results/test_localize.py::test_grabcut_finds_the_shapes_and_beats_the_best_threshold": 3,
    "results/test_plot.py::test_long_titles_overlap_nothing": 2,
}


def function_of(node: str) -> str:
    """Return the file and function of a test, below `tests`."""
    path, _, name = node.removeprefix("tests/").partition("::")
    # Workers of xdist add the group: `test_name@group`.
    return f"{path}::{name.partition('[')[0].partition('@')[0]}"


def beside_the_nth(day: Iterable[str]) -> Iterator[str]:
    """Yield those of the tests by day that `EVERY_NTH` leaves to the night."""
    seen: Counter[str] = Counter()
    for node in day:
        function = function_of(node)
        if seen[function] % EVERY_NTH.get(function, 1):
            yield node
        seen[function] += 1


def key_of(node: str) -> str:
    """Return what a test's reason stands by: its function, or else its file."""
    function = function_of(node)
    return function if function in REASONS or function in EVERY_NTH else function.partition("::")[0]


def without_reason(slow: Iterable[str]) -> list[str]:
    """Return the slow tests that have no reason."""
    return [node for node in slow if not _reason(key_of(node))]


def left_over(day: Iterable[str], slow: Iterable[str]) -> set[str]:
    """Return the reasons that no slow test has, of the files that these tests are from."""
    slow = [*slow]
    files = {node.removeprefix("tests/").partition("::")[0] for node in (*day, *slow)}
    met = {*map(key_of, slow), *(function_of(node).partition("::")[0] for node in slow)}
    return {key for key in {*REASONS, *EVERY_NTH} if key.partition("::")[0] in files} - met


def table(day: Iterable[str], slow: Iterable[str]) -> Iterator[str]:
    """Yield the lines of the table: how many tests of a file or function run by day and by night, and why."""
    by_day, by_night = Counter(map(key_of, day)), Counter(map(key_of, slow))
    width = max(map(len, {*by_day, *by_night}), default=0)
    yield f"{'':{width}}  {'day':>5}  {'night':>5}  why not by day"
    for key in sorted({*by_day, *by_night}):
        yield f"{key:{width}}  {by_day[key]:5}  {by_night[key]:5}  {_reason(key)}".rstrip()
    yield f"{'all':{width}}  {by_day.total():5}  {by_night.total():5}"


def _reason(key: str) -> str:
    if key in EVERY_NTH:
        return f"cases that are alike; by day each {'second' if EVERY_NTH[key] == 2 else 'third'}"
    return REASONS.get(key, "")
