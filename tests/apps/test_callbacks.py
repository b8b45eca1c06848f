"""Explanations on TensorBoard while a network is trained, with both Kerases: what is written, and what stays."""

from __future__ import annotations

import copy
import dataclasses
import functools
import gc
import importlib
import os
import pickle
import random
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import CLASSES, SHAPE, SIZE, random_images
from support.thinning import by_day, every
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tfviz
from tfviz.apps.training import ExplainImages
from tfviz.methods import METHODS
from tfviz.results import montage, normalise, overlay, tiles, to_picture

# Networks that learned nothing have zero maps now and then, which is tested elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning")

IMAGES = random_images(3, seed=5)
PICTURES = to_picture(IMAGES)
X, Y = random_images(24), np.arange(24) % CLASSES
ENLARGED = 14  # 16 pixels become 224
WIDTH = SIZE * ENLARGED

LIBRARIES = ["keras", "tf_keras"]
of_both = pytest.mark.parametrize("library", LIBRARIES)
# What tfviz does there hangs on no call of the library that others do not show to be the same in both.
of_keras = pytest.mark.parametrize("library", by_day(LIBRARIES, ["keras"]))


def network(library, policy="float32"):
    """Everything that differs between training and inference, or holds state that is not trained."""
    layers = importlib.import_module(f"{library}.layers")
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu", name="conv1", dtype=policy)(image)
    x = layers.BatchNormalization(dtype=policy)(x)
    x = layers.Dropout(0.3, dtype=policy)(layers.GaussianNoise(0.1, dtype=policy)(x))
    x = layers.Conv2D(6, 3, activation="relu", name="conv2", dtype=policy)(x)
    x = layers.Dense(CLASSES, dtype=policy)(layers.GlobalAveragePooling2D(dtype=policy)(x))
    x = layers.Activation("softmax", dtype="float32")(x)
    return importlib.import_module(library).Model(image, x)


def compiled(library, model=None, **options):
    model = model or network(library)
    model.compile("adam", "sparse_categorical_crossentropy", **options)
    return model


def fit(model, *callbacks, epochs=3, verbose=0, **options):
    return model.fit(X, Y, batch_size=8, epochs=epochs, verbose=verbose, callbacks=list(callbacks), **options)


def spy(library, **hooks):
    """A callback that calls the hooks with (model, index)."""
    base = importlib.import_module(f"{library}.callbacks").Callback
    methods = {
        name: lambda self, index=None, logs=None, hook=hook: hook(self.model, index) for name, hook in hooks.items()
    }
    return type("Spy", (base,), methods)()


def events(folder):
    """What a run holds, as TensorBoard reads it: {tag: {step: array}}, pictures (N, H, W, 3)."""
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return {
        tag: {event.step: decoded(tf.make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(tag)}
        for tag in accumulator.Tags()["tensors"]
    }


def decoded(array):
    if array.dtype != object:
        return array
    (width, height), cards = map(int, array[:2]), [tf.io.decode_png(png).numpy() for png in array[2:]]
    assert all(card.shape == (height, width, 3) for card in cards)
    return np.stack(cards)


def explanations(folder):
    return events(Path(folder) / "explanations")


def picture_part(card):
    """A card without its caption, at the size of the images."""
    part = card[:, :WIDTH]
    np.testing.assert_array_equal(part, part[:, ::ENLARGED, ::ENLARGED].repeat(ENLARGED, 1).repeat(ENLARGED, 2))
    return part[:, ::ENLARGED, ::ENLARGED]


@of_both
def test_cards_are_the_overlays_of_the_weights_at_that_moment(tmp_path, library):
    maps, explained = {}, {}

    def remember(model, epoch):
        maps[epoch] = tfviz.grad_cam(model, IMAGES, layer="conv2")
        explained[epoch] = tfviz.explain(model, IMAGES, methods="gradient")

    callback = ExplainImages(
        tmp_path, IMAGES, methods=("grad_cam", "gradient"), options={"grad_cam": {"layer": "conv2"}}
    )
    fit(compiled(library), callback, spy(library, on_epoch_end=remember))
    found = explanations(tmp_path)
    assert set(found) == {"images", "grad_cam", "gradient", "seconds"}
    for name in ("grad_cam", "gradient", "seconds"):
        assert list(found[name]) == [0, 1, 2]
    assert all(seconds > 0 for seconds in found["seconds"].values())
    for epoch, expected in maps.items():
        shown = overlay(PICTURES, normalise(expected, "positive"))
        np.testing.assert_array_equal(picture_part(found["grad_cam"][epoch]), shown)
        shown = np.stack(tiles(PICTURES, explained[epoch].maps["gradient"], own_colors=True))
        np.testing.assert_array_equal(picture_part(found["gradient"][epoch]), shown)
    assert not np.array_equal(found["grad_cam"][0][:, :WIDTH], found["grad_cam"][2][:, :WIDTH])
    assert list(found["images"]) == [0]
    np.testing.assert_array_equal(picture_part(found["images"][0]), PICTURES)
    assert found["images"][0].shape == (3, WIDTH, WIDTH, 3)


def test_captions_are_titles_and_take_as_many_lines_for_every_image(tmp_path):
    names = ["a", "a very long name of a class that takes several lines", "c", "d", "e"]
    titles = {}

    def remember(model, epoch):
        titles[epoch] = tfviz.explain(model, IMAGES, [0, 1, 2], methods="saliency").titles(names)

    callback = ExplainImages(tmp_path, IMAGES, names[:3], methods="saliency", class_names=names)
    fit(compiled("keras"), callback, spy("keras", on_epoch_end=remember), epochs=1)
    card = explanations(tmp_path)["saliency"][0]
    assert titles[0][0].startswith("a 0.")
    white = [np.full((WIDTH, WIDTH, 3), 255, np.uint8)] * 3
    row = montage(white, columns=3, captions=titles[0], padding=0)
    np.testing.assert_array_equal(card[:, WIDTH:], np.stack(np.split(row, 3, axis=1))[:, WIDTH:])
    assert (card[0, WIDTH:] != card[1, WIDTH:]).any()


def test_the_caption_of_a_regression_is_its_value(tmp_path):
    image = keras.Input(IMAGES.shape[1:])
    model = keras.Model(image, keras.layers.Dense(1)(keras.layers.Flatten()(image)))
    run_once(model, ExplainImages(tmp_path, IMAGES, methods="saliency"))
    card = explanations(tmp_path)["saliency"][0]
    captions = [
        f"raw\N{NO-BREAK SPACE}output\N{NO-BREAK SPACE}{value:.3g}" for value in tfviz.trace(model).logits(IMAGES)[:, 0]
    ]
    white = [np.full((WIDTH, WIDTH, 3), 255, np.uint8)] * 3
    row = montage(white, columns=3, captions=captions, padding=0)
    np.testing.assert_array_equal(card[:, WIDTH:], np.stack(np.split(row, 3, axis=1))[:, WIDTH:])


@of_keras
def test_the_model_is_traced_and_the_methods_compiled_once(tmp_path, monkeypatch, library):
    counted = {"models": 0, "methods": 0}
    # The folder's attribute of that name is the function.
    trace_module, method = sys.modules["tfviz.network.trace"], METHODS["grad_cam"]
    opened = trace_module.open_source

    def open_source(*arguments):
        counted["models"] += 1
        return opened(*arguments)

    @functools.wraps(method.compute)
    def compute(passes, *arguments, **options):
        counted["methods"] += 1
        return method.compute(passes, *arguments, **options)

    monkeypatch.setattr(trace_module, "open_source", open_source)
    monkeypatch.setitem(METHODS, "grad_cam", dataclasses.replace(method, compute=compute))
    seen = []
    model = compiled(library, metrics=["accuracy"])
    callback = ExplainImages(tmp_path, IMAGES, methods="grad_cam")
    fit(model, callback, spy(library, on_train_batch_begin=lambda model, index: seen.append({**counted})))
    assert seen[0] == counted == {"models": 1, "methods": 1}
    assert list(explanations(tmp_path)["grad_cam"]) == [0, 1, 2]


@pytest.mark.parametrize(
    "library, policy, options",
    [
        ("keras", "float32", {"validation_split": 0.25}),
        ("tf_keras", "float32", {"unit": "batch", "every": 2}),
        pytest.param("keras", "mixed_bfloat16", {"shuffle": False}, marks=pytest.mark.slow),
        pytest.param("keras", "float32", {"unit": "batch", "every": 2}, marks=pytest.mark.slow),
        pytest.param("tf_keras", "float32", {"validation_split": 0.25}, marks=pytest.mark.slow),
        pytest.param("tf_keras", "mixed_bfloat16", {"shuffle": False}, marks=pytest.mark.slow),
    ],
)
def test_a_training_is_as_without(tmp_path, library, policy, options):
    moments = {name: options[name] for name in ("unit", "every") if name in options}
    others = {name: value for name, value in options.items() if name not in moments}

    def train(*callbacks):
        importlib.import_module(library).utils.set_random_seed(3)
        model = compiled(library, network(library, policy))
        history = fit(model, *callbacks, epochs=2, **others).history
        later = (random.random(), np.random.rand(), tf.random.uniform([]).numpy())  # noqa: NPY002  # the one that is seeded
        return history, model.get_weights(), later

    callback = ExplainImages(tmp_path, IMAGES, methods=("grad_cam", "smooth_grad"), **moments)
    history, weights, later = train()
    history_beside, weights_beside, later_beside = train(callback)
    assert history == history_beside and later == later_beside
    for ours, theirs in zip(weights_beside, weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert explanations(tmp_path)["smooth_grad"]


@pytest.mark.slow
def test_mixed_float16(tmp_path):
    model = compiled("keras", network("keras", "mixed_float16"))
    fit(model, ExplainImages(tmp_path, IMAGES, methods="grad_cam"), epochs=2)
    assert list(explanations(tmp_path)["grad_cam"]) == [0, 1]


@pytest.mark.parametrize("library", by_day(LIBRARIES, ["tf_keras"]))
@pytest.mark.parametrize("update_freq", [pytest.param("epoch", marks=pytest.mark.slow), 5])
def test_beside_the_callback_of_keras(tmp_path, library, update_freq):
    """Its runs hold the same, and while it records only some batches, ours are recorded all the same."""
    board = importlib.import_module(f"{library}.callbacks").TensorBoard
    # tf_keras tells its own callback of batches only where another one wants to be told.
    other = spy(library, on_train_batch_end=lambda model, index: None)
    alone, both = tmp_path / "alone", tmp_path / "both"
    ours = ExplainImages(both, IMAGES, methods="saliency", unit="batch", every=2)
    for folder, callbacks in ((alone, [other]), (both, [other, ours])):
        importlib.import_module(library).utils.set_random_seed(0)
        fit(
            compiled(library),
            board(folder, update_freq=update_freq, write_graph=False),
            *callbacks,
            validation_split=0.5,
        )
    assert {path.name for path in both.iterdir()} == {"train", "validation", "explanations"}
    for run in ("train", "validation"):
        theirs, beside = events(alone / run), events(both / run)
        assert theirs or run == "validation"
        assert theirs == beside
    assert list(explanations(both)["saliency"]) == [2, 4, 6]


@of_keras
def test_every_so_many_epochs_or_batches(tmp_path, library):
    """Several batches that are run at once are explained once; that they are counted over epochs is tested above."""
    epochs = ExplainImages(tmp_path / "epochs", IMAGES, methods="saliency", every=2)
    fit(compiled(library), epochs, epochs=7, initial_epoch=2)
    assert list(explanations(tmp_path / "epochs")["saliency"]) == [3, 5]
    at_once = ExplainImages(tmp_path / "at_once", IMAGES, methods="saliency", every=1, unit="batch")
    fit(compiled(library, steps_per_execution=3), at_once, epochs=2)
    # Keras 3.10 says which execution has ended, not which batch.
    of_executions = library == "keras" and keras.__version__.startswith("3.10.")
    assert list(explanations(tmp_path / "at_once")["saliency"]) == ([1, 2] if of_executions else [3, 6])


def test_no_keras_needs_to_wait_for_batches_that_are_not_explained():
    """Keras 3 calls back beside the training if all callbacks allow it, tf_keras calls only those that it must."""
    import tf_keras

    of_epochs, of_batches = ExplainImages("logs", IMAGES), ExplainImages("logs", IMAGES, unit="batch")
    assert of_epochs.async_safe and not of_batches.async_safe
    for callback in (of_epochs, of_batches):
        called = tf_keras.callbacks.CallbackList([callback])
        assert called._supports_tf_logs and called._should_call_train_batch_hooks == (callback is of_batches)
        assert not called._should_call_test_batch_hooks and not called._should_call_predict_batch_hooks


def open_event_files(folder):
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]
    return [link for link in links if str(folder) in os.path.realpath(link)]


@of_keras
def test_a_training_that_is_interrupted(tmp_path, library):
    def interrupt(model, epoch):
        if epoch == 1:
            raise KeyboardInterrupt

    model = compiled(library)
    callback = ExplainImages(tmp_path, IMAGES, methods="saliency")
    with pytest.raises(KeyboardInterrupt):
        fit(model, callback, spy(library, on_epoch_end=interrupt))
    assert list(explanations(tmp_path)["saliency"]) == [0, 1]
    assert len(open_event_files(tmp_path)) == 1
    fit(model, callback, epochs=3, initial_epoch=2)
    assert not open_event_files(tmp_path)
    assert list(explanations(tmp_path)["saliency"]) == [0, 1, 2]
    with pytest.raises(KeyboardInterrupt):
        fit(model, callback, spy(library, on_epoch_end=interrupt))
    del callback, model
    gc.collect()
    assert not open_event_files(tmp_path)


def dataset(*parts, batch=2):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0]).batch(batch)


LABELS = np.array([4, 0, 2])
DATASETS = {
    "images": (lambda: dataset(IMAGES), [4, 0, 2]),
    "images and labels": (lambda: dataset(IMAGES, LABELS), "labels"),
    "a column of labels": (lambda: dataset(IMAGES, LABELS[:, np.newaxis]), "labels"),
    "one-hot rows": (lambda: dataset(IMAGES, np.eye(CLASSES, dtype=np.float32)[LABELS]), "labels"),
    "with weights of samples": (lambda: dataset(IMAGES, LABELS, np.ones(3)), "labels"),
    "labels that are not asked for": (lambda: dataset(IMAGES, 0 * LABELS), [4, 0, 2]),
    "single images": (lambda: tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)), "labels"),
    "shuffled at every reading": (lambda: dataset(IMAGES, LABELS).shuffle(1), "labels"),
}


@pytest.fixture(scope="module")
def trained():
    model = compiled("keras")
    fit(model, epochs=1)
    return model


def run_once(model, callback):
    """The moments of a training without the training."""
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_end(0)
    callback.on_train_end()


@pytest.mark.parametrize("kind", by_day(DATASETS, every(DATASETS, 2)))
def test_datasets(tmp_path, trained, kind):
    make, targets = DATASETS[kind]
    run_once(trained, ExplainImages(tmp_path / "dataset", make(), targets, methods="grad_cam"))
    run_once(trained, ExplainImages(tmp_path / "arrays", IMAGES, LABELS, methods="grad_cam"))
    ours, theirs = (explanations(tmp_path / name)["grad_cam"][0] for name in ("dataset", "arrays"))
    np.testing.assert_array_equal(ours, theirs)
    run_once(trained, ExplainImages(tmp_path / "predicted", IMAGES, methods="grad_cam"))
    assert not np.array_equal(ours, explanations(tmp_path / "predicted")["grad_cam"][0])


def test_a_dataset_is_read_once(tmp_path, trained):
    count = []

    def images():
        count.append(1)
        yield IMAGES

    source = tf.data.Dataset.from_generator(images, output_signature=tf.TensorSpec([None, *SHAPE]))
    callback = ExplainImages(tmp_path, source, methods="saliency")
    run_once(trained, callback)
    run_once(trained, callback)
    assert count == [1]


def of_channels(channels, scale=255.0):
    layers = keras.layers
    image = layers.Input((SIZE, SIZE, channels))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(layers.Rescaling(1 / scale)(image))
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def shown_images(folder, model, images, **options):
    run_once(model, ExplainImages(folder, images, methods=("saliency", "gradient"), **options))
    found = explanations(folder)
    return picture_part(found["images"][0]), picture_part(found["gradient"][0])


def test_what_the_images_look_like(tmp_path):
    keras.utils.set_random_seed(0)
    pixels = np.random.default_rng(0).integers(40, 200, (3, *SHAPE)).astype(np.uint8)
    white = np.array([199, 199, 60])
    color, grey = of_channels(3), of_channels(1)
    tiled = np.stack(tiles(pixels, tfviz.gradient(color, pixels), own_colors=True))
    for number, (images, options, expected) in enumerate(
        [
            (pixels, {}, pixels),
            (pixels.astype(np.float32), {}, to_picture(pixels.astype(np.float32))),
            (pixels.astype(np.float32), {"pixel_range": (0, 255)}, pixels),
            (pixels, {"pixel_range": (40, white)}, np.rint(np.clip((pixels - 40.0) / (white - 40), 0, 1) * 255)),
            (pixels / 2, {"pictures": pixels[::-1]}, pixels[::-1]),
        ]
    ):
        shown, _ = shown_images(tmp_path / str(number), color, images, **options)
        np.testing.assert_array_equal(shown, expected)
    shown, attributions = shown_images(tmp_path / "rgb", color, pixels)
    np.testing.assert_array_equal(attributions, tiled)
    shown, attributions = shown_images(tmp_path / "bgr", color, pixels, order="bgr")
    np.testing.assert_array_equal(shown, pixels[..., ::-1])
    np.testing.assert_array_equal(attributions, tiled[..., ::-1])
    shown, _ = shown_images(tmp_path / "grey", grey, pixels[..., :1])
    np.testing.assert_array_equal(shown, pixels[..., :1].repeat(3, -1))


def test_large_pictures_keep_their_size_and_colors_can_be_chosen(tmp_path, trained):
    pictures = np.random.default_rng(0).integers(0, 255, (3, 230, 240, 3)).astype(np.uint8)
    options = {"methods": "grad_cam", "pictures": pictures, "colormap": "viridis", "blend": "additive"}
    run_once(trained, ExplainImages(tmp_path, IMAGES, clip_percentile=90, **options))
    look = {"colormap": "viridis", "blend": "additive", "clip_percentile": 90}
    expected = tiles(pictures, tfviz.grad_cam(trained, IMAGES), **look)
    found = explanations(tmp_path)
    np.testing.assert_array_equal(found["images"][0], pictures)
    np.testing.assert_array_equal(found["grad_cam"][0][:, :230], expected)


def test_layers_options_and_batches(tmp_path, trained):
    options = {"rise": {"masks": 8}}
    callback = ExplainImages(
        tmp_path, IMAGES, 1, methods=("grad_cam", "rise"), layer=["conv1", "conv2"], options=options, batch_size=2
    )
    run_once(trained, callback)
    found = explanations(tmp_path)
    assert set(found) == {"images", "grad_cam@conv1", "grad_cam@conv2", "rise", "seconds"}
    explanation = tfviz.explain(trained, IMAGES, 1, methods="rise", options=options, batch_size=2)
    expected = tiles(PICTURES, explanation.shown()["rise"])
    np.testing.assert_array_equal(picture_part(found["rise"][0]), expected)


def test_another_model_than_the_one_that_is_trained(tmp_path):
    """One that shares its layers, such as one output of several, or a score of one's own."""
    model = network("keras")
    features = model.get_layer("conv2").output
    both = keras.Model(model.input, {"classes": model.output, "features": features})
    both.compile("adam", {"classes": "sparse_categorical_crossentropy", "features": "mse"})
    wanted = {"classes": Y, "features": np.zeros((len(Y), *features.shape[1:]), np.float32)}
    scored = tfviz.trace(both, score=lambda outputs: tf.reduce_sum(outputs["features"], [1, 2, 3]))
    expected = {}

    def remember(_, epoch):
        for name, each in (("inner", model), ("scored", scored)):
            expected[name] = overlay(PICTURES, normalise(tfviz.saliency(each, IMAGES), "positive"))

    callbacks = [
        ExplainImages(tmp_path / name, IMAGES, methods="saliency", model=each)
        for name, each in (("inner", model), ("scored", scored))
    ]
    both.fit(X, wanted, epochs=2, verbose=0, callbacks=[*callbacks, spy("keras", on_epoch_end=remember)])
    for name, shown in expected.items():
        np.testing.assert_array_equal(picture_part(explanations(tmp_path / name)["saliency"][1]), shown)
    with pytest.raises(tfviz.UnsupportedModelError, match="several outputs"):
        both.fit(X, wanted, verbose=0, callbacks=[ExplainImages(tmp_path, IMAGES)])


@pytest.mark.parametrize(
    "by, images",
    [
        (copy.deepcopy, IMAGES),
        pytest.param(copy.copy, tf.constant(IMAGES), marks=pytest.mark.slow),
        (lambda callback: pickle.loads(pickle.dumps(callback)), {"images": IMAGES}),
    ],
    ids=["deepcopy", "copy", "pickle"],
)
def test_a_copy_is_as_new(tmp_path, trained, by, images):
    """A tuner copies the callbacks for each trial, which may have been through a training of their own."""
    used = ExplainImages(tmp_path / "logs", images, [1, 2, 3], methods="saliency", class_names=list("abcde"))
    fit(trained, used, epochs=1)
    copied = by(used)
    assert copied.model is None and copied._network is None
    model = compiled("keras")
    fit(model, copied, epochs=1)
    shown = overlay(PICTURES, normalise(tfviz.saliency(model, IMAGES, [1, 2, 3]), "positive"))
    np.testing.assert_array_equal(picture_part(explanations(tmp_path / "logs")["saliency"][0]), shown)


def test_a_copy_in_the_middle_of_a_training(tmp_path, trained):
    watched, copies = ExplainImages(tmp_path / "a", IMAGES, methods="saliency", every=1, unit="batch"), []
    fit(trained, watched, spy("keras", on_train_batch_end=lambda *_: copies.append(copy.deepcopy(watched))), epochs=1)
    fit(trained, copies[1], epochs=1)
    assert len(copies) == 3 and copies[1]._writer is None


def test_copies_explain_the_very_model_that_they_are_given(tmp_path, trained):
    """It shares layers with the one that is trained; a pickle could not, and says so."""
    watched = ExplainImages(tmp_path, IMAGES, methods="saliency", model=tfviz.trace(trained))
    assert copy.deepcopy(watched)._explained.model is watched._explained.model
    with pytest.raises(tfviz.TfvizError, match=r"^ExplainImages cannot be pickled with model=, which shares layers"):
        pickle.dumps(watched)
    of_path = ExplainImages(tmp_path, IMAGES, methods="saliency", model="a.keras")
    assert pickle.loads(pickle.dumps(of_path))._explained.model == "a.keras"


@pytest.mark.parametrize(
    "library, kind",
    [
        pytest.param("keras", "subclassed", marks=pytest.mark.slow),
        ("tf_keras", "subclassed"),
        pytest.param("keras", "sequential", marks=pytest.mark.slow),
        pytest.param("tf_keras", "sequential", marks=pytest.mark.slow),
    ],
)
def test_models_that_are_built_by_the_training(tmp_path, library, kind):
    layers = importlib.import_module(f"{library}.layers")
    model_class = importlib.import_module(library).Model

    class Subclassed(model_class):
        def __init__(self):
            super().__init__()
            self.inner = [layers.Conv2D(4, 3, name="conv"), layers.GlobalAveragePooling2D(), layers.Dense(CLASSES)]

        def call(self, images):
            for layer in self.inner:
                images = layer(images)
            return tf.nn.softmax(images)

    def sequential():
        inner = [layers.Conv2D(4, 3, activation="relu"), layers.GlobalAveragePooling2D()]
        return importlib.import_module(library).Sequential([*inner, layers.Dense(CLASSES, activation="softmax")])

    def train(*callbacks):
        importlib.import_module(library).utils.set_random_seed(0)
        model = compiled(library, {"sequential": sequential, "subclassed": Subclassed}[kind]())
        fit(model, *callbacks, epochs=2)
        return model

    model = train(ExplainImages(tmp_path, IMAGES, methods="saliency"))
    shown = overlay(PICTURES, normalise(tfviz.saliency(model, IMAGES), "positive"))
    np.testing.assert_array_equal(picture_part(explanations(tmp_path)["saliency"][1]), shown)
    for ours, theirs in zip(model.get_weights(), train().get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@of_keras
def test_gradients_that_overflow_stop_no_training(tmp_path, library):
    def spoil(model, epoch):
        if epoch == 1:
            model.layers[-2].set_weights([np.nan * values for values in model.layers[-2].get_weights()])

    model, seen = compiled(library), []
    callbacks = [spy(library, on_epoch_begin=spoil, on_epoch_end=lambda model, epoch: seen.append(epoch))]
    with pytest.warns(tfviz.TfvizWarning, match=r"nothing is shown of epoch [12]: .*NaN"):
        fit(model, ExplainImages(tmp_path, IMAGES), *callbacks)
    assert seen == [0, 1, 2] and list(explanations(tmp_path)["saliency"]) == [0]


@pytest.mark.slow
def test_memory_that_is_short_later_stops_no_training(tmp_path):
    """A score that asks for 4 EB in the second epoch; TensorFlow waits 10 s for them."""
    model, seen = compiled("keras"), []
    more = tf.Variable(0, dtype=tf.int64)

    def score(outputs):
        return outputs[:, 0] + tf.reduce_sum(tf.random.stateless_uniform([more], (0, 0)))

    def use_up(model, epoch):
        more.assign(2**60 if epoch == 1 else 0)

    network = tfviz.trace(model, score=score)
    callbacks = [spy("keras", on_epoch_begin=use_up, on_epoch_end=lambda model, epoch: seen.append(epoch))]
    with pytest.warns(tfviz.TfvizWarning, match="nothing is shown of epoch 1: OOM when allocating") as said:
        fit(model, ExplainImages(tmp_path, IMAGES, methods="saliency", model=network), *callbacks)
    assert len(said) == 1 and "\n" not in str(said[0].message)
    assert seen == [0, 1, 2] and list(explanations(tmp_path)["saliency"]) == [0, 2]


@pytest.mark.parametrize("verbose", [0, 2])
def test_the_cost_is_told_unless_the_training_is_silent(tmp_path, capsys, verbose):
    model = compiled("keras")
    fit(model, ExplainImages(tmp_path, IMAGES, methods="saliency"), epochs=2, verbose=verbose)
    told = [line for line in capsys.readouterr().out.splitlines() if "ExplainImages" in line]
    assert len(told) == bool(verbose)
    if told:
        pattern = r"ExplainImages took (\S+) s each of 2 times, \S+ s to compile: \d+% of the training; see (.*)"
        seconds, command = re.fullmatch(pattern, told[0]).groups()
        assert command == f"tensorboard --logdir {tmp_path}"
        written = [*explanations(tmp_path)["seconds"].values()]
        assert float(seconds) == pytest.approx(np.mean(written), rel=0.1)


def test_a_file_system_of_tensorflow(tmp_path, trained, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_once(trained, ExplainImages("ram://logs", IMAGES, methods="saliency"))
    assert len(tf.io.gfile.listdir("ram://logs/explanations")) == 1 and not [*tmp_path.iterdir()]


def test_a_model_that_is_not_built_after_a_training_of_another_was_interrupted(tmp_path, trained):
    import tf_keras

    layers = tf_keras.layers
    inner = [layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(CLASSES, activation="softmax")]
    model = tf_keras.Sequential(inner)
    callback = ExplainImages(tmp_path, IMAGES, methods="saliency")
    callback.set_model(trained)
    callback.on_train_begin()
    callback.set_model(model)
    callback.on_train_begin()
    model(IMAGES)
    callback.on_epoch_end(0)
    shown = overlay(PICTURES, normalise(tfviz.saliency(model, IMAGES), "positive"))
    np.testing.assert_array_equal(picture_part(explanations(tmp_path)["saliency"][0]), shown)


WRONG = {
    "a method that does not exist": ({"methods": "grad_camm"}, tfviz.UnknownMethodError, "did you mean 'grad_cam'"),
    "an option that does not exist": ({"options": {"grad_cam": {"lair": 1}}}, tfviz.UnknownMethodError, "'lair'"),
    "a layer for no method": ({"methods": "saliency", "layer": "conv1"}, tfviz.UnknownMethodError, "layer is given"),
    "every": ({"every": 0}, tfviz.TfvizError, "every is 0, expected an integer of at least 1"),
    "every as a fraction": ({"every": 0.5}, tfviz.TfvizError, "every is 0.5"),
    "every as a truth": ({"every": True}, tfviz.TfvizError, "every is True"),
    "unit": ({"unit": "step"}, tfviz.TfvizError, "unit is 'step', expected one of epoch, batch"),
    "order": ({"order": "gbr"}, tfviz.TfvizError, "order must be one of rgb, bgr, grey, got 'gbr'"),
    "labels of an array": ({"targets": "labels"}, tfviz.InvalidTargetsError, "needs a tf.data.Dataset"),
}
WRONG_DATASETS = {
    "no labels": (lambda: dataset(IMAGES), "labels", "holds images alone"),
    "no images": (lambda: dataset(IMAGES).take(0), None, "is empty"),
    "no end": (lambda: dataset(IMAGES).repeat(), None, r"repeats for ever: .* dataset.take\(1\)"),
    "several shapes": (
        lambda: tf.data.Dataset.from_generator(
            lambda: iter([IMAGES, IMAGES[:, 1:]]), output_signature=tf.TensorSpec([None, None, SIZE, 3])
        ),
        None,
        "images of different shapes",
    ),
}
WRONG_WITH_THE_MODEL = {
    "no such layer": ({"layer": "conv3"}, tfviz.UnknownLayerError, "conv3"),
    "images of another shape": ({"images": IMAGES[:, 1:]}, tfviz.InvalidImagesError, "the network takes"),
    "images that hold NaN": ({"images": IMAGES * np.nan}, tfviz.InvalidImagesError, "NaN"),
    "a target out of range": ({"targets": [0, 1, 5]}, tfviz.InvalidTargetsError, "target 5 is out of range"),
    "another number of targets": ({"targets": [0, 1]}, tfviz.InvalidTargetsError, "there are 2 targets for 3 images"),
    "a colour map that does not exist": ({"colormap": "yet"}, tfviz.TfvizError, "yet"),
    "a look that does not exist": ({"color": "jet"}, TypeError, "color"),
    "another number of pictures": ({"pictures": PICTURES[:2]}, tfviz.InvalidImagesError, "expected one for each of 3"),
    "pictures that are none": ({"pictures": IMAGES}, tfviz.InvalidImagesError, "uint8"),
    "a range upside down": ({"pixel_range": (1, 0)}, tfviz.InvalidImagesError, "black below white"),
    "a batch size": ({"batch_size": 0}, tfviz.InvalidImagesError, "batch_size is 0"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_at_once(tmp_path, kind):
    options, error, told = WRONG[kind]
    with pytest.raises(error, match=told):
        ExplainImages(tmp_path, IMAGES, **options)


@pytest.mark.parametrize("kind", WRONG_DATASETS)
def test_datasets_that_are_wrong(tmp_path, kind):
    make, targets, told = WRONG_DATASETS[kind]
    with pytest.raises(tfviz.TfvizError, match=told):
        ExplainImages(tmp_path, make(), targets)


@pytest.mark.parametrize("kind", WRONG_WITH_THE_MODEL)
def test_what_is_wrong_before_the_first_step(tmp_path, trained, kind):
    options, error, told = WRONG_WITH_THE_MODEL[kind]
    callback = ExplainImages(tmp_path / "logs", **{"images": IMAGES, "methods": "grad_cam", **options})
    before = int(trained.optimizer.iterations)
    with pytest.raises(error, match=told):
        fit(trained, callback, epochs=1)
    assert int(trained.optimizer.iterations) == before and not (tmp_path / "logs").exists()


def test_a_folder_that_cannot_be_written(tmp_path, trained):
    (tmp_path / "file").write_text("")
    before = int(trained.optimizer.iterations)
    with pytest.raises(tfviz.TfvizError, match="cannot be written"):
        fit(trained, ExplainImages(tmp_path / "file" / "logs", IMAGES), epochs=1)
    assert int(trained.optimizer.iterations) == before


def test_without_tensorboard(tmp_path, monkeypatch):
    for name in ("tensorboard", "tensorboard.summary"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(tfviz.TfvizError, match=r"^ExplainImages needs .*: pip install tensorboard$"):
        ExplainImages(tmp_path, IMAGES)
