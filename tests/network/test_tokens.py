"""Tokens of vision transformers as maps: which token is which patch, where to look, and Grad-CAM by hand."""

from __future__ import annotations

from fractions import Fraction

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from support.model_zoo import CLASSES, KINDS, distance, model_of, random_images, randomise
from support.thinning import by_day, every

import tfviz
from tfviz.errors import TfvizError, UnknownLayerError
from tfviz.network.layers.arrangement import UserFunction

# With random weights nothing may speak for a target; that is tested in test_cam.
pytestmark = pytest.mark.filterwarnings("ignore:.*is zero everywhere:tfviz.errors.TfvizWarning")

# Patches of 6 x 6 pixels make a grid of 2 x 3, which tells rows from columns.
IMAGE, GRID, PATCHES, DEPTH = (12, 18, 3), (2, 3), 6, 8


class Extra(layers.Layer):
    """Puts learned tokens in front of the patches or behind them."""

    def __init__(self, front=1, back=0, **options):
        super().__init__(**options)
        self.front, self.back = front, back

    def build(self, shape):
        size = (1, self.front + self.back, shape[-1])
        self.tokens = self.add_weight(shape=size, initializer="random_normal", name="tokens")
        self.position = self.add_weight(shape=(1, shape[1] + size[1], shape[2]), initializer="zeros", name="position")

    def call(self, x):
        extra = tf.repeat(self.tokens, tf.shape(x)[0], axis=0)
        return tf.concat([extra[:, : self.front], x, extra[:, self.front :]], axis=1) + self.position


def multi_head(x, block):
    return layers.MultiHeadAttention(2, DEPTH // 2, name=f"attention{block}")(x, x)


def by_hand(x, block):
    query, key, value = (layers.Dense(DEPTH, name=f"{name}{block}")(x) for name in ("query", "key", "value"))
    weights = layers.Softmax(name=f"weights{block}")(layers.Dot((2, 2), name=f"products{block}")([query, key]))
    return layers.Dense(DEPTH, name=f"out{block}")(layers.Dot((2, 1), name=f"mix{block}")([weights, value]))


def fused(x, block):
    """Query, key and value from one product, cut apart afterwards."""

    def attend(x):
        query, key, value = tf.unstack(tf.transpose(tf.reshape(x, (-1, x.shape[1], 3, 2, 4)), (2, 0, 3, 1, 4)))
        mixed = tf.nn.softmax(tf.matmul(query, key, transpose_b=True)) @ value
        return tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), (-1, x.shape[1], 8))

    return layers.Lambda(attend, name=f"fused{block}")(layers.Dense(3 * DEPTH, name=f"all{block}")(x))


def patches_of(image):
    return layers.Reshape((PATCHES, DEPTH), name="tokens")(layers.Conv2D(DEPTH, 6, strides=6, name="patches")(image))


def transformer(attention=multi_head, extra=None, pool=None, blocks=1):
    """A vision transformer whose head reads its class token, or what `pool` makes of all."""
    image = layers.Input(IMAGE)
    x = (extra or (lambda x: x))(patches_of(image))
    for block in range(blocks):
        y = layers.LayerNormalization(name=f"before{block}")(x)
        x = layers.Add(name=f"attended{block}")([x, attention(y, block)])
        y = layers.LayerNormalization(name=f"between{block}")(x)
        y = layers.Dense(DEPTH, name=f"narrow{block}")(layers.Dense(13, activation="gelu", name=f"wide{block}")(y))
        x = layers.Add(name=f"block{block}")([x, y])
    x = layers.LayerNormalization(name="norm")(x)
    return randomise(keras.Model(image, layers.Dense(CLASSES, name="scores")(pool(x))), seed=3)


def token(index):
    return layers.Lambda(lambda x: x[:, index], name="pick")


def class_token(attention=multi_head, blocks=1):
    return transformer(attention, Extra(name="extra"), token(0), blocks)


def mean_pool(attention=multi_head):
    return transformer(attention, None, layers.GlobalAveragePooling1D(name="pool"))


class Subclassed(keras.Model):
    """A transformer whose operations are no layers: additions, a class token picked by an index."""

    def __init__(self):
        super().__init__(name="subclassed")
        self.patches = layers.Conv2D(DEPTH, 6, strides=6, name="patches")
        self.extra = Extra(name="extra")
        self.before = [layers.LayerNormalization(name=f"before{block}") for block in (0, 1)]
        self.attention = [layers.MultiHeadAttention(2, 4, name=f"attention{block}") for block in (0, 1)]
        self.scores = layers.Dense(CLASSES, name="scores")

    def rest(self, normal, x, block):
        return x + self.attention[block](normal, normal)

    def call(self, images):
        x = self.patches(images)
        x = self.extra(tf.reshape(x, (-1, PATCHES, DEPTH)))
        for block in (0, 1):
            x = self.rest(self.before[block](x), x, block)
        return self.scores(x[:, 0])


def subclassed():
    model = Subclassed()
    model(np.zeros((1, *IMAGE), np.float32))
    return randomise(model)


def slow_map(tokens, first=0):
    """Tokens (N, T, D) laid out row by row, loop by loop; `first` is the token of the first patch."""
    result = np.zeros((len(tokens), *GRID, tokens.shape[-1]))
    for row in range(GRID[0]):
        for column in range(GRID[1]):
            result[:, row, column] = tokens[:, first + row * GRID[1] + column]
    return result


def cams_by_hand(model, name, images, first):
    """Grad-CAM of every class at a layer of tokens."""
    inner = keras.Model(model.inputs, [model.get_layer(name).output, model.outputs[0]])
    with tf.GradientTape(persistent=True) as tape:
        images = tf.constant(images)
        tape.watch(images)
        tokens, scores = inner(images)
        targets = tf.unstack(scores, axis=1)
    features, cams = slow_map(tokens.numpy(), first), []
    for score in targets:
        gradient = slow_map(tape.gradient(score, tokens).numpy(), first)
        assert np.abs(gradient).max(axis=(1, 2, 3)).min() > 1e-6
        cams.append(np.maximum((gradient.mean(axis=(1, 2), keepdims=True) * features).sum(axis=-1), 0))
    return cams


@pytest.fixture(scope="module")
def images():
    return random_images(4, IMAGE)


MODELS = {
    "class token": (class_token, "before0", 1),
    "class token, by hand": (lambda: class_token(by_hand), "before0", 1),
    "class token, fused": (lambda: class_token(fused), "before0", 1),
    "two blocks": (lambda: class_token(blocks=2), "before1", 1),
    "mean": (mean_pool, "norm", 0),
    "mean, by hand": (lambda: mean_pool(by_hand), "norm", 0),
    "maximum": (lambda: transformer(pool=layers.GlobalMaxPooling1D()), "norm", 0),
    "flattened": (lambda: transformer(pool=layers.Flatten()), "norm", 0),
    "class token last": (lambda: transformer(extra=Extra(0, 1), pool=token(-1)), "before0", 0),
    "registers": (lambda: transformer(extra=Extra(3, 2), pool=token(0)), "before0", 3),
    "distilled": (
        lambda: transformer(extra=Extra(2), pool=lambda x: layers.Add()([token(0)(x), layers.Lambda(second)(x)])),
        "before0",
        2,
    ),
    "mean without the class token": (
        lambda: transformer(extra=Extra(1), pool=layers.Lambda(lambda x: tf.reduce_mean(x[:, 1:], axis=1))),
        "norm",
        1,
    ),
}


def second(x):
    return x[:, 1]


# Attention by hand and the mean are halves of two others.
@pytest.mark.parametrize(
    "name", by_day(MODELS, ["class token, by hand", "class token, fused", "mean", "registers", "distilled"])
)
def test_grad_cam_of_the_default_layer_is_the_one_by_hand(name, images):
    build, layer, first = MODELS[name]
    model = build()
    network = tfviz.trace(model)
    assert network.default_layer == layer
    assert network.layers[layer] == (*GRID, DEPTH)
    expected = cams_by_hand(model, layer, images, first)
    target = int(np.argmax([cam.any(axis=(1, 2)).sum() for cam in expected]))
    assert distance(tfviz.grad_cam(network, images, target, upsample=False), expected[target]) < 1e-4


def values_at(network, name, images):
    layer = network.find_layer(name)
    return tf.function(lambda images: layer.to_map(network.replay(images)[layer.value]))(images).numpy()


def test_the_layers_of_a_transformer():
    expected = dict.fromkeys(("patches", "tokens", "extra", "before0", "query0", "key0", "value0"), (*GRID, DEPTH))
    expected |= dict.fromkeys(("mix0", "out0", "attended0", "between0"), (*GRID, DEPTH))
    expected |= {"wide0": (*GRID, 13), "narrow0": (*GRID, DEPTH), "block0": (*GRID, DEPTH), "norm": (*GRID, DEPTH)}
    assert list(tfviz.trace(class_token(by_hand)).layers.items()) == list(expected.items())


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: class_token(fused), id="functional", marks=pytest.mark.slow),
        pytest.param(subclassed, id="subclassed"),
    ],
)
def test_a_saved_transformer_has_the_layers_of_the_live_one(build, images, tmp_path):
    model = build()
    model.export(str(tmp_path))
    live, saved = tfviz.trace(model), tfviz.trace(tmp_path)
    assert list(saved.layers.items()) == list(live.layers.items())
    assert saved.default_layer == live.default_layer != "patches"
    last = list(live.layers)[-1]
    for name in (live.default_layer, last):
        np.testing.assert_allclose(values_at(saved, name, images), values_at(live, name, images), rtol=1e-4, atol=1e-5)


def test_operations_of_a_subclassed_transformer_are_layers(images):
    model = subclassed()
    network = tfviz.trace(model)
    assert network.default_layer == "before1"
    x = model.extra(tf.reshape(model.patches(images), (-1, PATCHES, DEPTH)))
    x = model.rest(model.before[0](x), x, 0)
    normal = model.before[1](x)
    last = model.rest(normal, x, 1)
    names = ["patches", "Reshape", "extra", "before0", "attention0/attention_output", "add", "before1"]
    names += ["attention1/attention_output", "add_1"]
    assert list(network.layers) == names
    np.testing.assert_allclose(values_at(network, "before1", images), slow_map(normal, 1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(values_at(network, names[-1], images), slow_map(last, 1), rtol=1e-4, atol=1e-5)


def evidence_network(read):
    """Attention without a choice: the class token takes the mean brightness of all patches, and that is the logit."""
    image = layers.Input(IMAGE)
    x = Extra(name="extra")(layers.Reshape((PATCHES, 1))(layers.Conv2D(1, 6, strides=6, name="patches")(image)))
    y = layers.MultiHeadAttention(1, 1, use_bias=False, name="attention")(x, x)
    model = keras.Model(image, layers.Dense(2, use_bias=False, name="scores")(read(layers.Add()([x, y]))))
    for weight in model.weights:
        weight.assign(tf.zeros_like(weight) if "query" in weight.path else tf.ones_like(weight))
    model.get_layer("patches").bias.assign([0.0])
    model.get_layer("scores").kernel.assign([[1.0, -1.0]])
    return model


@pytest.mark.parametrize("read", [token(0), layers.GlobalAveragePooling1D()], ids=["class token", "mean"])
def test_grad_cam_finds_the_patch_that_is_bright(read):
    """A picture for each patch."""
    pictures = np.full((PATCHES, *IMAGE), -0.1, np.float32)
    places = [(row, column) for row in range(2) for column in range(3)]
    for picture, (row, column) in zip(pictures, places, strict=True):
        picture[6 * row : 6 * row + 6, 6 * column : 6 * column + 6] = 1
    model = evidence_network(read)
    for part in model.get_layer("extra").weights:
        part.assign(tf.zeros_like(part))
    raw, upsampled = tfviz.grad_cam(model, pictures, 0, upsample=False), tfviz.grad_cam(model, pictures, 0)
    assert upsampled.shape == (PATCHES, *IMAGE[:2])
    for (row, column), small, large in zip(places, raw, upsampled, strict=True):
        assert small[row, column] > 0 and np.count_nonzero(small) == 1
        at = np.unravel_index(large.argmax(), large.shape)
        assert (at[0] // 6, at[1] // 6) == (row, column)


def numbered(change, back=lambda x: x):
    """A network whose patches hold their own number, 0 to 5; its tokens are changed, and changed back to (N, T, D)."""
    image = layers.Input(IMAGE)
    x = layers.Reshape((PATCHES, 1), name="tokens")(layers.AveragePooling2D(6, name="patches")(image[..., :1]))
    x = layers.Lambda(back, name="back")(layers.Lambda(change, name="changed")(keras.ops.repeat(x, 4, axis=2)))
    return tfviz.trace(keras.Model(image, layers.Dense(2)(layers.Flatten()(x))))


NUMBERED = np.repeat(np.repeat(np.arange(6.0).reshape(1, *GRID, 1), 6, axis=1), 6, axis=2) * np.ones(3)

KEPT = {
    "reversed": lambda x: x[:, ::-1],
    "reversed by an operation": lambda x: tf.reverse(x, [1]),
    "rolled": lambda x: tf.roll(x, 2, 1),
    "gathered": lambda x: tf.gather(x, [3, 1, 0, 2, 5, 4], axis=1),
    "padded": lambda x: tf.pad(x, [[0, 0], [2, 1], [0, 0]]),
    "padded and cut": lambda x: tf.pad(x, [[0, 0], [2, 1], [0, 0]])[:, 1:],
    "split and joined": lambda x: tf.concat(tf.split(x, 3, axis=1)[::-1], axis=1),
    "split by channels": lambda x: tf.split(x, [1, 3], axis=2)[1],
    "joined channels": lambda x: tf.concat([tf.zeros_like(x), x], axis=2)[:, :, 4:],
    "stacked and unstacked": lambda x: tf.unstack(tf.stack([x, 2 * x], axis=1), axis=1)[0],
    "transposed twice": lambda x: tf.transpose(tf.nn.relu(tf.transpose(x, (0, 2, 1))), (0, 2, 1)),
    "squeezed": lambda x: tf.squeeze(tf.expand_dims(x, 1), [1]),
    "heads": lambda x: tf.reshape(tf.reshape(x, (-1, 6, 2, 2)), (-1, 6, 4)),
    "einsum": lambda x: tf.einsum("ntd,de->nte", x, tf.eye(4)),
    "product": lambda x: tf.matmul(x, tf.eye(4)),
    "transposed product": lambda x: tf.matmul(tf.transpose(x, (0, 2, 1)), tf.eye(4)[tf.newaxis], transpose_a=True),
    "product for each token": lambda x: tf.reduce_mean(tf.matmul(x[..., tf.newaxis], tf.ones((1, 1, 1, 3))), axis=-1),
    "second factor": lambda x: tf.transpose(tf.matmul(tf.eye(4), x, transpose_b=True), (0, 2, 1)),
    "tensordot": lambda x: tf.tensordot(x, tf.eye(4), 1),
    "mean of heads": lambda x: tf.reduce_mean(tf.reshape(x, (-1, 6, 2, 2)), axis=2),
    "mean before": lambda x: tf.reduce_mean(tf.stack([x, x], axis=1), axis=1),
    "mean before that stays": lambda x: tf.reduce_mean(tf.stack([x, x], axis=1), axis=1, keepdims=True)[:, 0],
    "mean that stays": lambda x: tf.reduce_mean(x, axis=-1, keepdims=True),
    "broadcast": lambda x: tf.reduce_mean(x, axis=-1, keepdims=True) * tf.ones([5]),
    "grid": lambda x: tf.reshape(tf.reshape(x, (-1, 2, 3, 4)), (-1, 6, 4)),
    "condition": lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x + 0, lambda: x - 1),
}


@pytest.mark.parametrize("change", by_day(KEPT, every(KEPT, 2)))
def test_a_patch_is_followed_wherever_it_goes(change):
    network = numbered(KEPT[change])
    found = values_at(network, "changed", NUMBERED.astype(np.float32))
    assert network.layers["changed"] == found.shape[1:]
    np.testing.assert_allclose(found, np.broadcast_to(NUMBERED[:, ::6, ::6, :1], found.shape), atol=1e-6)


LOST = {
    "transposed": lambda x: tf.transpose(x, (0, 2, 1)),
    "every other": lambda x: x[:, ::2],
    "one left out": lambda x: x[:, 1:],
    "twice": lambda x: tf.concat([x, x], axis=1),
    "pairs merged": lambda x: tf.reshape(x, (-1, 3, 8)),
    "windows": lambda x: tf.reshape(x, (-1, 3, 4)),
    "weights": lambda x: tf.nn.softmax(tf.matmul(x, x, transpose_b=True)),
    "mixed tokens": lambda x: tf.matmul(tf.eye(6), x),
    "sum over tokens": lambda x: tf.reduce_sum(x, axis=1, keepdims=True),
    "chosen by the image": lambda x: tf.gather(x, tf.argsort(x[:, :, 0]), axis=1, batch_dims=1),
}


@pytest.mark.parametrize("change", LOST.values(), ids=LOST)
def test_what_is_not_every_patch_in_its_place_is_no_layer(change):
    network = numbered(change)
    assert "changed" not in network.layers
    with pytest.raises(UnknownLayerError, match=r"^'changed' has no spatial map \(its shape is"):
        network.find_layer("changed")


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"vision_transformer"}))
def test_networks_without_tokens_have_none(kind):
    index = tfviz.trace(model_of(kind)).layer_index
    assert index.listed and not [layer for layer in index.listed if layer.arrangement is not None]


def test_a_sequence_of_another_length_is_no_map():
    with pytest.raises(UnknownLayerError, match=r"'rows' has no spatial map \(its shape is \(7, 28\)\), unless trace"):
        tfviz.trace(model_of("recurrent")).find_layer("rows")


def test_a_reshaped_map_keeps_its_default_layer():
    image = layers.Input(IMAGE)
    pooled = layers.GlobalAveragePooling1D()(patches_of(image))
    network = tfviz.trace(keras.Model(image, layers.Dense(2)(pooled)))
    assert network.default_layer == "patches" and list(network.layers) == ["patches", "tokens"]


def test_an_open_image_size_has_no_tokens():
    image = layers.Input((None, None, 3))
    tokens = layers.Reshape((-1, DEPTH), name="tokens")(layers.Conv2D(DEPTH, 6, strides=6, name="patches")(image))
    network = tfviz.trace(keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling1D()(tokens))))
    assert list(network.layers) == ["patches"] and network.default_layer == "patches"


def cut(image, size=6):
    """Patches (N, T, size · size · 3) of an image, without an operation made for it."""
    x = tf.reshape(image, (-1, 12 // size, size, 18 // size, size, 3))
    return tf.reshape(tf.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 12 // size * (18 // size), size * size * 3))


def test_patches_that_are_cut_by_reshaping(images):
    image = layers.Input(IMAGE)
    x = layers.Dense(DEPTH, name="embedded")(layers.Lambda(cut, name="cut")(image))
    network = tfviz.trace(keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling1D()(x))))
    assert network.layers == {"cut": (*GRID, 108), "embedded": (*GRID, DEPTH)}
    assert network.default_layer == "embedded"
    expected = [[images[:, 6 * i : 6 * i + 6, 6 * j : 6 * j + 6].reshape(4, -1) for j in range(3)] for i in range(2)]
    np.testing.assert_array_equal(values_at(network, "cut", images), np.transpose(expected, (2, 0, 1, 3)))


def test_rows_of_pixels_are_no_patches():
    """Two rows of two halves each are cut and joined again otherwise than into patches."""

    def rows(image):
        x = tf.transpose(tf.reshape(image, (-1, 2, 6, 3, 6, 3)), (0, 1, 2, 4, 3, 5))
        return tf.reshape(x, (-1, 12, 54))

    image = layers.Input(IMAGE)
    pooled = layers.GlobalAveragePooling1D()(layers.Lambda(rows, name="rows")(image))
    assert tfviz.trace(keras.Model(image, layers.Dense(2)(pooled))).layers == {}


def test_integers_are_not_a_layer():
    network = numbered(lambda x: tf.cast(x, tf.int32), back=lambda x: tf.cast(x, tf.float32))
    assert network.find_layer("back").shape == (*GRID, 4)
    with pytest.raises(UnknownLayerError, match=r"'changed/Cast' has no spatial map \(its shape is \(6, 4\)\); its"):
        network.find_layer("changed/Cast")


def test_a_mixer_has_tokens_where_they_are_not_transposed():
    """Six channels as there are six patches, so that the transposed tokens have the same shape."""
    image = layers.Input(IMAGE)
    x = layers.Reshape((PATCHES, 6), name="tokens")(layers.Conv2D(6, 6, strides=6, name="patches")(image))
    y = layers.Permute((2, 1), name="turned")(layers.LayerNormalization(name="before")(x))
    y = layers.Permute((2, 1), name="back")(layers.Dense(6, name="mixing")(layers.Dense(6, name="hidden")(y)))
    x = layers.Add(name="block")([x, y])
    network = tfviz.trace(keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling1D()(x))))
    assert list(network.layers) == ["patches", "tokens", "before", "block"]
    assert network.default_layer == "block"


def windowed():
    """Attention inside two windows of 2 x 3 places each, of a map of 4 x 3, as Swin does."""

    def into(x):
        return tf.reshape(tf.reshape(x, (-1, 2, 3, DEPTH)), (-1, 6, DEPTH))

    image = layers.Input((24, 18, 3))
    x = layers.Conv2D(DEPTH, 6, strides=6, name="patches")(image)
    x = layers.Lambda(into, output_shape=(6, DEPTH), name="windows")(x)
    x = layers.Add(name="attended")([x, multi_head(x, 0)])
    y = layers.Lambda(lambda x: tf.reshape(x, (-1, 4, 3, DEPTH)), output_shape=(4, 3, DEPTH), name="map")(x)
    return randomise(keras.Model(image, layers.Dense(3, name="scores")(layers.GlobalAveragePooling2D()(y))))


def test_windows_are_layers_only_by_the_users_function():
    model, images = windowed(), random_images(3, (24, 18, 3))
    assert list(tfviz.trace(model).layers) == ["patches", "map"]
    network = tfviz.trace(model, tokens_to_map=lambda x: tf.reshape(x, (-1, 4, 3, x.shape[-1])))
    assert network.layers["attended"] == (4, 3, DEPTH) and network.default_layer == "map"
    np.testing.assert_array_equal(values_at(network, "attended", images), values_at(network, "map", images))
    expected = [tfviz.grad_cam(network, images, target, layer="map") for target in range(3)]
    found = [tfviz.grad_cam(network, images, target, layer="attended") for target in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


class Channels(layers.Layer):
    """Tokens made over channels first, which are not followed, and a class token behind them."""

    def call(self, x):
        x = tf.transpose(tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (-1, DEPTH, PATCHES)), (0, 2, 1))
        return tf.concat([x, tf.zeros_like(x[:, :1])], axis=1)


def unfollowed():
    image = layers.Input(IMAGE)
    x = Channels(name="tokens")(layers.Conv2D(DEPTH, 6, strides=6, name="patches")(image))
    x = layers.LayerNormalization(name="before")(x)
    x = layers.Add(name="attended")([x, multi_head(x, 0)])
    return randomise(keras.Model(image, layers.Dense(3, name="scores")(token(-1)(x))))


def test_tokens_that_are_not_followed_are_arranged_by_the_user(images):
    model = unfollowed()
    assert list(tfviz.trace(model).layers) == ["patches"]
    network = tfviz.trace(model, tokens_to_map=lambda x: tf.reshape(x[:, :-1], (-1, *GRID, x.shape[-1])))
    assert network.layers["before"] == network.layers["attended"] == (*GRID, DEPTH)
    assert network.default_layer == "before"
    np.testing.assert_allclose(
        values_at(network, "tokens", images), values_at(network, "patches", images), rtol=1e-4, atol=1e-5
    )
    expected = cams_by_hand(model, "before", images, 0)
    target = int(np.argmax([cam.any(axis=(1, 2)).sum() for cam in expected]))
    assert distance(tfviz.grad_cam(network, images, target, upsample=False), expected[target]) < 1e-4


def test_the_users_function_goes_before_what_is_known(images):
    def upside_down(tokens):
        return tf.reshape(tokens, (-1, *GRID, tokens.shape[-1]))[:, ::-1]

    model = class_token()
    plain, turned = tfviz.trace(model), tfviz.trace(model, tokens_to_map=upside_down)
    assert turned.layers == plain.layers and tfviz.trace(model) is not turned
    np.testing.assert_array_equal(
        values_at(turned, "tokens", images), values_at(plain, "tokens", images)[:, ::-1], strict=True
    )
    np.testing.assert_array_equal(values_at(turned, "norm", images), values_at(plain, "norm", images))


def test_the_users_function_may_do_more_than_arrange():
    """Numbers that are changed are no patches; the default layer is then what enters the head's step."""
    model = unfollowed()
    network = tfviz.trace(model, tokens_to_map=lambda x: tf.reshape(x[:, 1:5] - 50, (-1, 2, 2, x.shape[-1])))
    assert network.layers["attended"] == (2, 2, DEPTH) and network.default_layer == "attended"


def square(tokens):
    return tf.reshape(tokens, [-1, 2, 2, tokens.shape[-1]])


@pytest.mark.parametrize(
    "function, places",
    [
        (lambda x: square(x[:, 1:5]), (-1, 0, 1, 2, 3, -1)),
        (lambda x: square(x[:, 2:])[:, ::-1], (-1, -1, 2, 3, 0, 1)),
        (
            lambda x: tf.transpose(square(tf.gather(x, [5, 0, 1, 2], axis=1))[..., ::-1], [0, 2, 1, 3]),
            (2, 1, 3, -1, -1, 0),
        ),
        (lambda x: square(x[:, 1:5])[..., :1], (-1, 0, 1, 2, 3, -1)),
        (lambda x: square((x[:, :4] + x[:, 2:6]) / 2), None),
        (lambda x: square(x[:, :4] * 1.02), None),
        (lambda x: square(x[:, :4] + 0.3), None),
        (lambda x: square(x[:, :4] + 1), None),
        (lambda x: square(tf.nn.relu(x[:, :4])), None),
        (lambda x: square(tf.sort(x, axis=1)[:, 1:5]), None),
        (lambda x: square(tf.round(x[:, :4])), None),
        (lambda x: square(tf.concat([x[:, :4, :4], x[:, 1:5, 4:]], axis=2)), None),
        (lambda x: square(x[:, :4] / 0), None),
    ],
)
def test_only_tokens_that_keep_their_numbers_are_followed(function, places):
    found = UserFunction(function).grid(Fraction(1), 6, 8)
    assert (found and (found.height, found.width, found.places)) == (places and (2, 2, places))


def test_layers_behind_tokens_that_overlap_are_not_followed():
    """Behind what the user's function averages, no layer is arranged by the places of what was averaged."""
    image = layers.Input(IMAGE)
    x = Channels(name="tokens")(layers.Conv2D(DEPTH, 6, strides=6, name="patches")(image))
    x = layers.Dense(5, name="behind")(x)
    model = randomise(keras.Model(image, layers.Dense(3)(token(-1)(x))))

    def overlapping(tokens):
        if tokens.shape[-1] != DEPTH:
            raise ValueError
        return square((tokens[:, :4] + tokens[:, 2:6]) / 2)

    network = tfviz.trace(model, tokens_to_map=overlapping)
    assert network.layers["tokens"] == (2, 2, DEPTH) and "behind" not in network.layers


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda x: x[:, 1:], r"tokens_to_map returns the shape \(1, 5, 8\) for tokens \(1, 6, 8\), expected a map"),
        (lambda x: 1 / 0, r"tokens_to_map makes no map here: of tokens \(1, 6, .*\) it raises division by zero$"),
        (lambda x: tf.reshape(x, (-1, 3, 1, x.shape[-1])), r"of tokens \(1, 6, 13\) it makes \(2, 3, 1, 13\)$"),
        (lambda x: tf.reshape(x, (-1, 1, 1, x.shape[-1])), r"of tokens \(1, 6, 13\) it makes \(6, 1, 1, 13\)$"),
    ],
)
def test_a_function_that_makes_no_map(function, message):
    with pytest.raises(TfvizError, match=message) as caught:
        tfviz.trace(mean_pool(), tokens_to_map=function)
    assert "\n" not in str(caught.value)


def test_a_function_where_there_are_no_tokens():
    with pytest.raises(TfvizError, match=r"this network has no sequence of tokens \(N, T, D\) of known length"):
        tfviz.trace(model_of("functional"), tokens_to_map=tf.identity)


def test_the_options_of_a_trace_that_is_there_already():
    network = tfviz.trace(model_of("functional"))
    with pytest.raises(TfvizError, match="options must be given when its model is traced"):
        tfviz.trace(network, tokens_to_map=tf.identity)
