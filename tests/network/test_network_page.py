"""What a notebook shows of a network: what goes in and comes out, its layers, how it was opened, what is doubtful."""

from __future__ import annotations

from copy import copy
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, SHAPE, model_of
from support.pages import ATTACKS, Page

import tfviz
from tfviz.network.traced.html import UNFOLDED
from tfviz.printable import printable


def page_of(network):
    html = network._repr_html_()
    assert len(html.encode()) < 300_000 and html == network._repr_html_()
    return Page(html)


@pytest.fixture(scope="module")
def network():
    return tfviz.trace(model_of("nested"))


def test_the_page_of_a_network(network):
    assert page_of(network).texts == [
        "TracedNetwork nested",
        *("opened from", "a model in memory, Sequential"),
        *("image", "16 × 16 × 3, float32"),
        *("head", "softmax of 5 classes", "the score is the logit before the softmax"),
        "4 layers with a spatial map, by default conv2",
        *("rescale", "16 × 16 × 3", "conv1", "16 × 16 × 4", "norm", "16 × 16 × 4", "conv2", "14 × 14 × 6", "default"),
    ]
    assert "summary" in page_of(network).tags


def test_every_layer_is_there_and_the_default_is_marked(network):
    page = page_of(network)
    assert [name for name in page.texts if name in network.layers] == list(network.layers)
    assert page.texts[page.texts.index("default") - 2] == network.default_layer


@pytest.mark.parametrize("count", [UNFOLDED, UNFOLDED + 1])
def test_long_lists_of_layers_are_folded(network, count):
    shapes = {f"layer{number}": (None, 4, 8) for number in range(count)}
    shown = copy(network)
    shown.layer_index = SimpleNamespace(shapes=lambda: shapes, default=None)
    html = shown._repr_html_()
    assert ("<details open=" in html) == (count == UNFOLDED)
    assert f"{count} layers with a spatial map" in Page(html).texts
    assert Page(html).texts.count("any × 4 × 8") == count


def test_lists_of_layers_without_end(network):
    shapes = {f'"{"&" * 300}{number}': (1, 1, 1) for number in range(2000)}
    shown = copy(network)
    shown.layer_index = SimpleNamespace(shapes=lambda: shapes, default=None)
    texts = page_of(shown).texts
    assert texts[-1] == f"and {2000 - texts.count('1 × 1 × 1')} more" and texts.count("1 × 1 × 1") > 100


def test_a_network_without_layers(network):
    shown = copy(network)
    shown.layer_index = SimpleNamespace(shapes=dict, default=None)
    assert page_of(shown).texts[-1] == "0 layers with a spatial map"


@pytest.fixture(scope="module")
def two_inputs():
    image, age = layers.Input((None, 16, 1), name="scan"), layers.Input((4,), name="age")
    x = layers.Conv2D(2, 3, name="conv")(layers.Rescaling(1 / 255, name="scale")(image))
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), age])
    model = keras.Model([image, age], layers.Dense(1, activation="sigmoid")(x), name="two_inputs")
    return tfviz.trace(model, input="scan", precision="bfloat16", maximum_model_bytes=1000)


def test_inputs_range_and_options(two_inputs):
    text = page_of(two_inputs).text
    assert "image\nany × 16 × 1, float32\nthe network's 'scale' expects numbers up to about 255\n" in text
    assert "other inputs\nage: any × 4, float32\n" in text
    assert "head\nsigmoid of one logit: classes 0 and 1\nthe score is the logit before the sigmoid\n" in text
    assert "options\ninput='scan'\nprecision='bfloat16'\nmaximum_model_bytes=1000\n" in text


def test_a_score_of_ones_own_is_named():
    def brightness(outputs):
        return tf.reduce_sum(outputs, axis=1)

    text = page_of(tfviz.trace(model_of("functional"), score=brightness)).text
    assert "head\na score of your own\nthe score is the score that was given to trace" in text
    assert "brightness" in text.partition("options\n")[2].partition("\n")[0]


@pytest.mark.parametrize(
    "units, activation, expected",
    [(1, None, "one number, not of a class"), (CLASSES, None, "raw outputs of 5 classes"), (0, None, "no classifier")],
)
def test_heads(units, activation, expected):
    image = layers.Input(SHAPE)
    x = layers.Conv2D(2, 3, name="conv")(image)
    x = layers.Dense(units)(layers.GlobalAveragePooling2D()(x)) if units else x
    assert expected in page_of(tfviz.trace(keras.Model(image, x))).texts


def test_channels_first_are_named(tmp_path):
    class First(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 3, 8, 9])])
        def __call__(self, images):
            maps = tf.nn.conv2d(tf.transpose(images, [0, 2, 3, 1]), tf.ones([3, 3, 3, 2]), 1, "SAME", name="conv")
            return tf.nn.softmax(tf.reduce_mean(maps, [1, 2]))

    path = tmp_path / "first <b>"
    tf.saved_model.save(First(), str(path))
    text = page_of(tfviz.trace(path)).text
    assert f"opened from\n{path}\nimage\n3 × 8 × 9 (channels first), float32\n" in text


def test_images_that_the_network_decodes(tmp_path):
    class Served(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="records")])
        def __call__(self, records):
            decode = lambda each: tf.ensure_shape(tf.io.decode_png(each, 3), [8, 8, 3])  # noqa: E731 - one line
            images = tf.cast(tf.map_fn(decode, records, fn_output_signature=tf.uint8), tf.float32)
            return tf.nn.softmax(tf.reduce_mean(tf.nn.conv2d(images, tf.ones([3, 3, 3, 2]), 1, "SAME"), [1, 2]))

    tf.saved_model.save(Served(), str(tmp_path))
    network = tfviz.trace(tmp_path)
    assert f"decoded by the network itself, explained from {network.cut} on" in page_of(network).texts


@pytest.mark.parametrize("attack", ATTACKS)
def test_names_of_strangers_are_shown_and_not_obeyed(network, two_inputs, attack):
    shown = copy(two_inputs)
    shown.name, shown.warnings = attack, (attack, "another")
    shown.inputs = SimpleNamespace(specs={attack: tf.TensorSpec(None)}, decoding=SimpleNamespace(cut=attack))
    shown.layer_index = SimpleNamespace(shapes=lambda: {attack: (1, 2, 3)}, default=attack, name=str)
    shown.about_range = lambda network: attack
    text, name = page_of(shown).text, printable(attack)
    assert text.startswith(f"TracedNetwork {name}\n")
    assert f"explained from {name} on\n{name}\nother inputs\n{name}: any shape, float32\n" in text
    assert f"Warnings\n{name}\nanother\n" in text
    assert text.endswith(f"by default {name}\n{name}\n1 × 2 × 3\ndefault")


def test_what_trace_warns_of_is_shown():
    image = layers.Input(SHAPE)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3, name="conv")(image))
    model = keras.Model(image, layers.Softmax()(layers.Dense(3, activation="softmax")(x)))
    with pytest.warns(tfviz.TfvizWarning) as caught:
        network = tfviz.trace(model)
    texts = page_of(network).texts
    assert texts[texts.index("Warnings") + 1].startswith(str(caught[0].message)[:300])


def test_copies_show_the_same(network):
    assert copy(network)._repr_html_() == network._repr_html_()
    assert np.array_equal(page_of(tfviz.trace(model_of("nested"))).texts, page_of(network).texts)
