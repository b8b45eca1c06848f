"""Class names that a network was given: where they may stand for an index, and where not."""

from __future__ import annotations

import pickle
import re
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from keras import Sequential, layers
from support.model_zoo import SHAPE, model_of, random_images

import tfviz
from tfviz import InvalidTargetsError, TfvizError
from tfviz.apps.explanation import manifest_entry
from tfviz.methods.visualization.class_visualization import _classes
from tfviz.network.batches import as_targets

NAMES = ["tench, Tinca tinca", "tiger_cat", "goldfish", "Tabby", "crane, lifting"]
IMAGES = random_images(3)
EXPECTED = "expected a list of names in the order of the classes"


@pytest.fixture(scope="module")
def network():
    return tfviz.trace(model_of("functional"), class_names=NAMES)


@pytest.mark.parametrize(
    ("targets", "classes"),
    [
        ("goldfish", 2),
        ("Tiger cat", 1),
        (["tinca_tinca", "TABBY", "lifting"], [0, 3, 4]),
        (("goldfish", 0, np.int64(4)), [2, 0, 4]),
        (np.array("goldfish"), 2),
        (np.array(["goldfish", "tabby", "tabby"]), [2, 3, 3]),
        (np.array(["goldfish", 1, 1], object), [2, 1, 1]),
    ],
)
def test_names_stand_for_indices(network, targets, classes):
    found, expected = as_targets(network.head, targets), as_targets(network.head, classes)
    np.testing.assert_array_equal(found.table, expected.table)
    assert found.table.dtype == expected.table.dtype


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ("tiger", "no class is called 'tiger'; did you mean 'tiger cat'?"),
        ("zebra", "no class is called 'zebra'; there are 5, such as 'tench, tinca tinca'; an index will do too"),
        (
            ["7", 0],
            "no class is called '7'; there are 5, such as 'tench, tinca tinca'; an index will do too, as an integer",
        ),
        (["tabby", 5], "target 5 is out of range: the network has 5 classes, 0 to 4"),
        (["tabby", -1], "target -1 is out of range: the network has 5 classes, 0 to 4"),
        (["tabby", 1.0], "targets are of type <U32, expected class indices (integers) or class names"),
        (["tabby", True], "targets are of type <U5, expected class indices (integers) or class names"),
        (b"tabby", "targets are of type |S5, expected class indices (integers) or class names"),
        ([[["tabby"]]], "targets are of type <U5, expected class indices (integers) or class names"),
        ([2**70], "targets are of type object, expected class indices (integers) or class names"),
    ],
)
def test_names_that_stand_for_nothing(network, targets, message):
    with pytest.raises(InvalidTargetsError, match=f"^{re.escape(message)}$"):
        as_targets(network.head, targets)


def test_a_network_without_names():
    said = "no class names to find 'tabby' in; give its index, or the names of all classes, in their order: "
    with pytest.raises(InvalidTargetsError, match=re.escape(said + "trace(model, class_names=[...])")):
        tfviz.saliency(model_of("functional"), IMAGES, "tabby")
    scored = tfviz.trace(model_of("functional"), score=lambda outputs: outputs[:, 0])
    with pytest.raises(
        InvalidTargetsError, match="there is no class 'tabby': this network is explained by a score without"
    ):
        tfviz.saliency(scored, IMAGES, "tabby")
    with pytest.raises(
        InvalidTargetsError, match="class_names are given, but this network is explained by a score without"
    ):
        tfviz.trace(scored, class_names=NAMES)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("names.txt", f"class_names is 'names.txt', {EXPECTED}: pathlib.Path('names.txt').read_text().splitlines()"),
        (Path("names.txt"), f"{EXPECTED}: pathlib.Path('names.txt').read_text().splitlines()"),
        (b"names", f"class_names is b'names', {EXPECTED}"),
        ({"tench": 0}, f"class_names is {{'tench': 0}}, {EXPECTED}"),
        ({"tench"}, f"class_names is {{'tench'}}, {EXPECTED}"),
        (["tench", 1], f"class_names is ['tench', 1], {EXPECTED}"),
        ([], f"class_names is [], {EXPECTED}"),
        (5, f"class_names is 5, {EXPECTED}"),
    ],
)
def test_what_are_no_names(names, said):
    with pytest.raises(TfvizError, match=re.escape(said) + "$"):
        tfviz.trace(model_of("functional"), class_names=names)


def test_a_name_for_each_class():
    with pytest.raises(InvalidTargetsError, match=r"there are 4 class_names, but the network has 5 classes$"):
        tfviz.trace(model_of("functional"), class_names=NAMES[:4])
    binary = Sequential([layers.Input(SHAPE), layers.Flatten(), layers.Dense(1, activation="sigmoid")])
    said = "there are 1 class_names, but the network has 2 classes: 0, where its one probability is low, and 1$"
    with pytest.raises(InvalidTargetsError, match=said):
        tfviz.trace(binary, class_names=["cat"])
    assert as_targets(tfviz.trace(binary, class_names=["dog", "cat"]).head, "cat").flat == [1]


def test_names_are_those_of_the_network_that_is_returned():
    """They are no part of the trace, which is neither made again nor given them, and warns no second time."""
    model = model_of("functional")
    unnamed = tfviz.trace(model)
    unnamed.warnings = ("said once",)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = tfviz.trace(unnamed, class_names=NAMES), tfviz.trace(model, class_names=np.array(NAMES[::-1]))
    assert (first.class_names, second.class_names) == (tuple(NAMES), tuple(NAMES[::-1]))
    assert {type(name) for name in second.class_names} == {str}
    assert unnamed.class_names is None and tfviz.trace(model).class_names is None
    assert tfviz.trace(first) is first and first.function is second.function is unnamed.function
    for network, index in ((first, 0), (second, 4)):
        np.testing.assert_array_equal(tfviz.saliency(network, IMAGES, "tench"), tfviz.saliency(model, IMAGES, index))


def test_names_survive_a_pickle(network):
    again = pickle.loads(pickle.dumps(network))
    assert again.class_names == network.class_names == tuple(NAMES)


def test_batches_objectives_and_pictures_of_classes_take_names(network):
    """The attacks read their targets as batches."""
    batch = next(network.batches(IMAGES, ["goldfish", 3, "crane"], 32))
    np.testing.assert_array_equal(batch.targets.flat, [2, 3, 4])
    np.testing.assert_array_equal(tfviz.Class("goldfish").numbers(network, ()), [2])
    assert str(tfviz.Class("goldfish")) == "class goldfish"
    np.testing.assert_array_equal(_classes(network, ["tabby", 0]), [3, 0])


def test_an_explanation_knows_the_names_of_its_network(network):
    found = tfviz.explain(network, IMAGES[:1], "goldfish", methods="saliency")
    assert found.class_names == tuple(NAMES) and found.targets == [2]
    assert found.titles()[0].startswith("goldfish ") and found.select([0]).titles() == found.titles()
    assert found.titles(list("abcde"))[0].startswith("c ")
    entry = partial(manifest_entry, found, 0, image="", files={})
    assert (entry(class_names=None)["class"], entry(class_names=list("abcde"))["class"]) == ("goldfish", "c")
    unnamed = replace(found, class_names=None)
    assert unnamed.titles()[0].startswith("class 2 ")
    assert manifest_entry(unnamed, 0, image="", files={}, class_names=None)["class"] is None
