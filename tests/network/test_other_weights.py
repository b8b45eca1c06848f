"""A network on other weights is a copy; what the user's own reads stays as it is, bit for bit."""

import gc
import pickle
import re

import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import CLASSES, SHAPE, build, random_images
from support.tf_keras_zoo import zoo as tf_keras_zoo
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import tfviz
from tfviz.network.traced import fingerprint, with_own_weights, with_weights
from tfviz.network.traced.other_weights import LayerWeights

IMAGES = random_images(3)
TARGETS = [0, 1, 2]
RESIDUAL = ["stem", "block1_conv", "block1_bn", "block2_conv", "block2_bn", "scores"]


def drawn(layers, seed=5):
    """The values of the weights of layers in another order, by the layers' names."""
    generator = np.random.default_rng(seed)
    return {
        layer.name: [generator.permuted(each.ravel()).reshape(each.shape) for each in layer.values()]
        for layer in layers
    }


@pytest.mark.parametrize("kind", ["functional", "subclassed", "shared_layer", "depthwise", "bfloat16", "loop"])
def test_the_copy_is_the_model_with_those_weights(kind):
    """The oracle is the model itself, which is given the same weights, and then its own again."""
    model = build(kind)
    network, before = tfviz.trace(model), model.get_weights()
    copy = with_own_weights(network)
    # A layer that is called twice is one.
    assert not any(":" in layer.name for layer in copy.layers)
    # Names of variables need not differ, but their values do.
    of_model = {np.array(each).tobytes(): each for each in network.function.variables}
    own = [of_model[each.tobytes()] for layer in copy.layers for each in layer.values()]
    values = drawn(copy.layers)
    other = with_weights(network, values)
    found, gradient = other.logits(IMAGES), tfviz.gradient(other, IMAGES, TARGETS)
    logits = network.logits(IMAGES)
    assert not np.allclose(found, logits)
    for variable, value in zip(own, (each for arrays in values.values() for each in arrays), strict=True):
        variable.assign(value)
    np.testing.assert_array_equal(network.logits(IMAGES), found)
    np.testing.assert_array_equal(tfviz.gradient(network, IMAGES, TARGETS), gradient)
    model.set_weights(before)
    np.testing.assert_array_equal(network.logits(IMAGES), logits)


def all_forms(tmp_path):
    model = build("residual")
    model.export(tmp_path / "saved", verbose=False)
    yield "live", model
    yield "saved", tmp_path / "saved"
    yield "loaded", tf.saved_model.load(str(tmp_path / "saved"))
    yield "tf_keras", tf_keras_zoo.randomise(tf_keras_zoo.KINDS["residual"]())


def test_every_form_has_the_same_layers_and_no_form_is_changed(tmp_path):
    found = {}
    for form, model in all_forms(tmp_path):
        network = tfviz.trace(model)
        before = [np.array(each) for each in network.function.variables]
        copy = with_own_weights(network)
        assert [layer.name for layer in copy.layers] == RESIDUAL
        assert [len(layer.variables) for layer in copy.layers] == [2, 2, 4, 2, 4, 2]
        own = network.logits(IMAGES)
        np.testing.assert_array_equal(copy.network.logits(IMAGES), own)
        for layer, values in zip(copy.layers, drawn(copy.layers).values(), strict=True):
            layer.assign(values)
        found[form] = copy.network.logits(IMAGES)
        assert not np.allclose(found[form], own)
        np.testing.assert_array_equal(network.logits(IMAGES), own)
        for each, value in zip(network.function.variables, before, strict=True):
            np.testing.assert_array_equal(np.array(each), value)
    np.testing.assert_allclose(found["saved"], found["live"], rtol=1e-5)
    np.testing.assert_allclose(found["loaded"], found["live"], rtol=1e-5)


class OfFunctions(tf.Module):
    """A network without the scopes of layers."""

    def __init__(self):
        super().__init__()
        draw = np.random.default_rng(3).normal
        self.last = tf.Variable(draw(size=(4, CLASSES)).astype(np.float32), name="last")
        self.last_bias = tf.Variable(draw(size=CLASSES).astype(np.float32), name="last_bias")
        self.kernel = tf.Variable(draw(size=(3, 3, 3, 4)).astype(np.float32), name="kernel")
        self.bias = tf.Variable(draw(size=4).astype(np.float32), name="bias")
        self.count = tf.Variable(3)
        self.scale = tf.Variable(np.full((1, 1, 1, 4), 3, np.int8), name="scale")
        self.unused = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32)])
    def __call__(self, images):
        features = tf.nn.relu(tf.nn.conv2d(images, self.kernel, 1, "SAME") + self.bias)
        features *= tf.cast(self.scale, tf.float32)
        pooled = tf.reduce_mean(features, axis=(1, 2)) + tf.cast(self.count, tf.float32) + 0 * self.unused
        return tf.nn.softmax(pooled @ self.last + self.last_bias)


def test_weights_of_a_function_are_grouped_by_their_axes(tmp_path):
    module = OfFunctions()
    tf.saved_model.save(module, str(tmp_path / "functions"))
    network = tfviz.trace(tmp_path / "functions")
    copy = with_own_weights(network)
    names = {layer.name: [each.name.partition(":")[0] for each in layer.variables] for layer in copy.layers}
    # Numbers by channel go with the layer before. A kernel of integers is a weight, and the counter is not.
    expected = {"kernel": ["kernel", "bias"], "scale": ["scale", "Variable"], "last": ["last", "last_bias"]}
    assert names == expected
    np.testing.assert_array_equal(copy.network.logits(IMAGES), network.logits(IMAGES))


def test_a_network_without_variables_is_refused(tmp_path):
    network = tfviz.trace(build("functional"))
    frozen = convert_variables_to_constants_v2(network.function)
    module = tf.Module()
    module.serve = tf.function(
        lambda images: frozen(images)[0], input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32)]
    )
    tf.saved_model.save(module, str(tmp_path / "frozen"), signatures=module.serve)
    told = "the network reads no variables that its output depends on, so there are no weights to replace"
    with pytest.raises(tfviz.UnsupportedModelError, match=told) as refused:
        with_own_weights(tfviz.trace(tmp_path / "frozen"))
    assert "\n" not in str(refused.value)


def test_bad_weights_are_refused():
    network = tfviz.trace(build("functional"))
    with pytest.raises(tfviz.TfvizError, match="no layer 'conv3' with weights; did you mean 'conv"):
        with_weights(network, {"conv3": []})
    told = "expected weights of the shapes [(3, 3, 3, 4), (4,)] for layer 'conv1', got [(4,)]"
    with pytest.raises(tfviz.TfvizError, match=re.escape(told)):
        with_weights(network, {"conv1": [np.zeros(4)]})


def test_an_interrupt_in_the_middle_leaves_nothing_to_put_back(monkeypatch):
    model = build("residual")
    network = tfviz.trace(model)
    before, copy = model.get_weights(), with_own_weights(network)
    counted = []

    def assign(self, values):
        counted.append(self.name)
        if len(counted) == 3:
            raise KeyboardInterrupt
        original(self, values)

    original = LayerWeights.assign
    monkeypatch.setattr(LayerWeights, "assign", assign)

    def assign_all():
        for layer, values in zip(copy.layers, drawn(copy.layers).values(), strict=True):
            layer.assign(values)

    with pytest.raises(KeyboardInterrupt):
        assign_all()
    for own, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, value)


def test_the_copy_has_a_fingerprint_and_a_call_of_its_own():
    network = tfviz.trace(build("functional"))
    copy = with_own_weights(network)
    assert fingerprint(copy.network) == fingerprint(network)
    layer = copy.layers[-1]
    layer.assign([each + 1 for each in layer.values()])
    assert fingerprint(copy.network) != fingerprint(network)
    (probabilities,) = copy.network.call_original(tf.constant(IMAGES))
    logits = copy.network.logits(IMAGES)
    np.testing.assert_allclose(probabilities, tf.nn.softmax(logits), rtol=1e-5)


def test_the_copy_is_not_pickled():
    """What would be opened again is the user's model, with its own weights."""
    with pytest.raises(tfviz.UnsupportedModelError, match="this network cannot be pickled"):
        pickle.dumps(with_own_weights(tfviz.trace(build("functional"))).network)


def test_the_copy_outlives_the_users_model():
    model = build("functional")
    other = with_own_weights(tfviz.trace(model)).network
    expected = other.logits(IMAGES)
    del model
    gc.collect()
    np.testing.assert_array_equal(other.logits(IMAGES), expected)
    np.testing.assert_array_equal(tfviz.trace(other).logits(IMAGES), expected)


def test_weights_that_are_assigned_again_need_no_new_compilation():
    copy = with_own_weights(tfviz.trace(build("functional")))
    found = []
    for seed in range(3):
        for layer, values in zip(copy.layers, drawn(copy.layers, seed).values(), strict=True):
            layer.assign(values)
        found.append(tfviz.gradient(copy.network, IMAGES, TARGETS))
    assert copy.network.compiled.made == 1
    assert not np.allclose(found[0], found[1]) and not np.allclose(found[1], found[2])
