"""A map lies on the image where its layer looked, whatever the model crops, pads, flips or resizes before."""

from __future__ import annotations

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from support.model_zoo import build
from support.thinning import by_day, spread

import tfviz
from tfviz.errors import TfvizError, TfvizWarning
from tfviz.methods.engine.placing import placement_of
from tfviz.network.geometry.places import Places, of_image
from tfviz.network.passes import passes_of
from tfviz.network.passes.biases import find_biases

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*raw outputs are taken for logits:tfviz.errors.TfvizWarning"),
    # Their probabilities are far from those of a trained network.
    pytest.mark.filterwarnings("ignore:score_cam of image 0 is the sum:tfviz.errors.TfvizWarning"),
]

CROPPED = ["center_crop", "letterbox"]
# Score-CAM enlarges its maps inside of its loop, by the geometry that the others enlarge theirs by.
WITH_A_LOOP = [*CROPPED, "turn", "mixed_blocks", "condition"]
CAMS = ["grad_cam", "hires_cam", "layer_cam", "xgrad_cam", "grad_cam_plus_plus", "eigen_cam", "score_cam"]


class Do(layers.Layer):
    """A function of a picture that is no layer of Keras."""

    def __init__(self, function):
        super().__init__(name="do")
        self.function = function

    def call(self, x):
        return self.function(x)


def do(function):
    return Do(function)


def by_condition(x):
    """Crop as older Keras does: which branch is taken follows from the size, at run time."""
    fits = tf.logical_and(tf.shape(x)[1] >= 20, tf.shape(x)[2] >= 20)
    return tf.ensure_shape(
        tf.cond(fits, lambda: x[:, 10:30, 4:24], lambda: tf.image.resize(x, (20, 20))), (None, 20, 20, 1)
    )


def by_brightness(x):
    """Two branches that cut the same; which is taken depends on the pixels."""
    bright = tf.reduce_mean(x) > 0.5
    return tf.cond(bright, lambda: 2 * x[:, 10:30, 4:24], lambda: tf.square(x)[:, 10:30, 4:24])


def by_one_of_three(x):
    """Three branches that turn the picture upside down, one of them inside another condition."""
    count = tf.cast(tf.reduce_sum(x) * 10, tf.int32) % 3
    inner = lambda: tf.cond(count > 1, lambda: 3 * x, lambda: x)[:, ::-1]  # noqa: E731  # one of the branches
    return tf.switch_case(count, [lambda: x[:, ::-1], inner, lambda: tf.reverse(x, [1])])


def by_a_condition_in_a_loop(x):
    """A loop that doubles the picture as long as it is dark, behind a crop."""
    x = x[:, 10:30, 4:24]
    brighter = lambda x: tf.cond(tf.reduce_max(x) > 0.1, lambda: 2 * x, lambda: x + x)  # noqa: E731  # the body
    return tf.while_loop(lambda x: tf.reduce_mean(x) < 0.1, lambda x: (brighter(x),), (x,), maximum_iterations=3)[0]


def by_a_dynamic_size(x):
    top = (tf.shape(x)[1] - 24) // 2
    return tf.ensure_shape(x[:, top : top + 24, 5:29], (None, 24, 24, 1))


# What stands between the picture and a 1 x 1 convolution, by name: the size of the picture and the layers.
BETWEEN = {
    "center_crop": ((48, 40), lambda x: layers.CenterCrop(24, 20)(x)),
    "cropping": ((40, 40), lambda x: layers.Cropping2D(((10, 3), (0, 12)))(x)),
    "slice": ((40, 40), lambda x: x[:, 12:36, 2:30]),
    "dynamic_slice": ((40, 40), lambda x: do(by_a_dynamic_size)(x)),
    "central_crop": ((40, 48), lambda x: do(lambda x: tf.image.central_crop(x, 0.5))(x)),
    "bounding_box": ((40, 40), lambda x: do(lambda x: tf.image.crop_to_bounding_box(x, 8, 3, 20, 30))(x)),
    "condition": ((40, 40), lambda x: do(by_condition)(x)),
    "branches": ((40, 40), lambda x: do(by_brightness)(x)),
    "cases": ((40, 48), lambda x: do(by_one_of_three)(x)),
    "condition_in_a_loop": ((40, 40), lambda x: do(by_a_condition_in_a_loop)(x)),
    "split": ((40, 40), lambda x: do(lambda x: tf.split(x, 2, axis=2)[1])(x)),
    "gather": ((40, 40), lambda x: do(lambda x: tf.gather(x, tf.range(9, 31), axis=1))(x)),
    "padding": ((40, 40), lambda x: layers.ZeroPadding2D(((9, 3), (6, 14)))(x)),
    "reflection": ((40, 40), lambda x: do(lambda x: tf.pad(x, [[0, 0], [7, 1], [2, 9], [0, 0]], "REFLECT"))(x)),
    "joined_padding": ((40, 40), lambda x: do(lambda x: tf.concat([tf.zeros_like(x), x], axis=1))(x)),
    "flip_columns": ((40, 40), lambda x: x[:, :, ::-1]),
    "flip_rows": ((40, 48), lambda x: do(tf.image.flip_up_down)(x)),
    "turn": ((40, 48), lambda x: do(tf.image.rot90)(x)),
    "transpose": ((40, 48), lambda x: layers.Permute((2, 1, 3))(x)),
    "channels_first": ((40, 48), lambda x: layers.Permute((2, 3, 1))(layers.Permute((3, 1, 2))(x))),
    "letterbox": ((24, 48), lambda x: layers.Resizing(36, 36, pad_to_aspect_ratio=True)(x)),
    "resized_crop": ((24, 48), lambda x: layers.Resizing(30, 30, crop_to_aspect_ratio=True)(x)),
    "resized_crop_again": ((40, 40), lambda x: layers.Resizing(30, 30)(layers.Cropping2D(((10, 0), (0, 10)))(x))),
    "pad_by_image": ((40, 24), lambda x: do(lambda x: tf.image.resize_with_pad(x, 44, 44))(x)),
    "crop_or_pad": ((40, 24), lambda x: do(lambda x: tf.image.resize_with_crop_or_pad(x, 20, 48))(x)),
    "antialiased": ((40, 40), lambda x: do(lambda x: tf.image.resize(x[:, 8:], (16, 20), antialias=True))(x)),
    "every_second": ((40, 40), lambda x: x[:, 20::2, 1::2]),
    "blocks": ((40, 40), lambda x: do(lambda x: tf.nn.space_to_depth(x[:, 16:], 2)[..., :1])(x)),
    "mixed_blocks": ((40, 40), lambda x: do(lambda x: tf.nn.depth_to_space(tf.nn.space_to_depth(x[:, 16:], 4), 4))(x)),
    "windows": ((40, 40), lambda x: windows(x[:, 16:])),
    "shifted_windows": ((40, 40), lambda x: do(attended)(x)),
    "rolled_back": ((40, 40), lambda x: do(lambda x: tf.roll(tf.roll(x[:, 16:], 5, 1), [-5], [1]))(x)),
    "repeated": ((40, 40), lambda x: do(lambda x: tf.repeat(tf.repeat(x[:, 16:], 2, axis=1), 2, axis=2))(x)),
    "upsampled": ((40, 40), lambda x: layers.UpSampling2D(2, interpolation="bilinear")(x[:, :, 16:])),
    "convolved_by_batch": ((40, 40), lambda x: do(by_batch)(x)),
}


def windows(x):
    """Cut into windows along the batch and put together again, as Swin does."""
    x = ops.reshape(x, (-1, 4, 6, 5, 8, 1))
    x = ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 48, 1))
    x = ops.transpose(ops.reshape(x, (-1, 4, 5, 6, 8, 1)), (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, 24, 40, 1))


def attended(x):
    """Attention inside windows, as Swin does it: queries, keys and values are one tensor, shifted and put back."""
    x = tf.roll(tf.tile(x[:, 16:], [1, 1, 1, 4]), [-2, -2], [1, 2])
    x = tf.reshape(tf.transpose(tf.reshape(x, (-1, 4, 6, 5, 8, 4)), (0, 1, 3, 2, 4, 5)), (-1, 48, 4))
    qkv = tf.transpose(tf.reshape(tf.concat([0 * x, 0 * x, x], -1), (-1, 48, 3, 2, 2)), (2, 0, 3, 1, 4))
    weights = tf.nn.softmax(1000.0 * tf.eye(48) + tf.matmul(0.5 * qkv[0], qkv[1], transpose_b=True))
    x = tf.reshape(tf.transpose(tf.matmul(weights, qkv[2]), (0, 2, 1, 3)), (-1, 48, 4))
    x = tf.reshape(tf.transpose(tf.reshape(x, (-1, 4, 5, 6, 8, 4)), (0, 1, 3, 2, 4, 5)), (-1, 24, 40, 4))
    return tf.roll(x, [2, 2], [1, 2])


def by_batch(x):
    """A dilated convolution as old TensorFlow made it: places that are a distance apart go to the batch."""
    x = tf.space_to_batch(x[:, 8:], [2, 2], [[2, 2], [2, 2]])
    return tf.batch_to_space(tf.nn.avg_pool2d(x, 3, 1, "VALID"), [2, 2], [[0, 0], [0, 0]])


def network_of(between, size, *, cells=1):
    """What is bright in the picture speaks for class 0, after global pooling."""
    image = keras.Input((*size, 1))
    x = layers.Conv2D(
        1, cells, strides=cells, use_bias=False, kernel_initializer="ones", activation="relu", name="conv"
    )(between(image))
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    model.layers[-1].set_weights([np.array([[1.0, 0.0]]), np.zeros(2)])
    return model


def dotted(size, at):
    image = np.zeros((1, *size, 1), np.float32)
    image[0, at[0] - 1 : at[0] + 2, at[1] - 1 : at[1] + 2] = 1
    return image


def centre(found):
    """The centre of mass of a map (H, W)."""
    return np.array([(found.sum(1 - axis) * np.arange(found.shape[axis])).sum() / found.sum() for axis in (0, 1)])


def at(size):
    return size[0] // 2 + 2, size[1] // 2 + 3


@pytest.mark.parametrize("name", BETWEEN)
def test_a_map_marks_the_dot_that_the_network_saw(name):
    size, between = BETWEEN[name]
    network, image = tfviz.trace(network_of(between, size)), dotted(size, at(size))
    assert network.default_layer == "conv"
    methods = ["saliency", "grad_cam"] + ["score_cam"] * (name in WITH_A_LOOP)
    found = {method: maps[0] for method, maps in tfviz.explain(network, image, 0, methods=methods).maps.items()}
    assert (image[0, ..., 0] * found.pop("saliency")).any(), "the network must see the dot"
    for method, one_map in found.items():
        np.testing.assert_allclose(centre(one_map), at(size), atol=0.75, err_msg=method)


@pytest.mark.parametrize(
    "name, method", by_day(itertools.product(CROPPED, CAMS), [pair[::-1] for pair in spread(CAMS, CROPPED)])
)
def test_what_the_layer_did_not_see_is_zero(name, method):
    size, between = BETWEEN[name]
    network = tfviz.trace(network_of(between, size))
    image = np.random.default_rng(0).uniform(0.5, 1, (1, *size, 1)).astype(np.float32)
    seen = np.abs(tfviz.gradient(network, image, 0)[0, ..., 0]) > 0
    found = getattr(tfviz, method)(network, image, 0)[0]
    # Score-CAM leaves out what is constant; the rest is as large as the picture is bright.
    assert (np.abs(found[~seen]) == 0).all() and (np.abs(found[seen]) > 0).mean() > 0.95


def centres_of(network, layer):
    """The mean coordinates of the pixels that each cell reads, (h, w, 2): the network is linear, its weights positive.

    It is given pictures of the coordinates themselves, and one of ones.
    """
    found = network.find_layer(layer)
    rows, columns = np.meshgrid(*map(np.arange, network.image_shape[:2]), indexing="ij")
    images = np.stack([rows, columns, np.ones_like(rows)])[..., np.newaxis].astype(np.float32)
    features = tf.function(lambda images: found.to_map(network.replay(images)[found.value]))(images)
    rows, columns, ones = features.numpy().sum(-1)
    return np.stack([rows / ones, columns / ones], axis=-1)


def conv(size, **options):
    return layers.Conv2D(1, size, use_bias=False, kernel_initializer="ones", name="last", **options)


CHAINS = {
    "same_stride_2": lambda x: conv(3, strides=2, padding="same")(x),
    "same_stride_2_odd": lambda x: conv(3, strides=2, padding="same")(x[:, :-1, :-1]),
    "valid": lambda x: conv(5)(layers.AveragePooling2D(3, 2)(x)),
    "dilated": lambda x: conv(3, dilation_rate=3)(x),
    "depthwise": lambda x: layers.DepthwiseConv2D(4, 3, "same", depthwise_initializer="ones", name="last")(x),
    "padded_then_valid": lambda x: conv(7, strides=2)(layers.ZeroPadding2D(3)(x)),
    "transposed": lambda x: layers.Conv2DTranspose(
        1, 4, 2, "same", kernel_initializer="ones", use_bias=False, name="last"
    )(layers.AveragePooling2D(4, name="mean")(x)),
    "transposed_valid": lambda x: layers.Conv2DTranspose(
        1, 3, 2, kernel_initializer="ones", use_bias=False, name="last"
    )(layers.AveragePooling2D(4, name="mean")(x)),
    "flipped_stride": lambda x: conv(2, strides=2)(x[:, ::-1]),
    "legacy_resize": lambda x: do(lambda x: tf.compat.v1.image.resize_bilinear(x, (48, 48)))(
        layers.AveragePooling2D(2, name="mean")(x)
    ),
    "corners": lambda x: do(lambda x: tf.compat.v1.image.resize_bilinear(x, (23, 23), align_corners=True))(
        layers.AveragePooling2D(2, name="mean")(x)
    ),
    "patches": lambda x: do(lambda x: tf.image.extract_patches(x, [1, 4, 4, 1], [1, 4, 4, 1], [1, 1, 1, 1], "VALID"))(
        x
    ),
    "channels_first": lambda x: layers.Permute((3, 1, 2))(conv(4, strides=3)(x)),
    "transposed_axes": lambda x: layers.Permute((2, 1, 3))(layers.AveragePooling2D((2, 3))(x)),
    "pool_by_reshape": lambda x: ops.mean(ops.reshape(x, (-1, 6, 4, 12, 2, 1)), (2, 4)),
    "merged_patches": lambda x: ops.concatenate([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 1::2, 1::2]], -1),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_cell_lies_at_the_centre_of_its_receptive_field(name):
    image = keras.Input((24, 24, 1))
    x = CHAINS[name](image)
    network = tfviz.trace(keras.Model(image, layers.Dense(2)(layers.Flatten()(x))))
    layer = list(network.layers)[-1]
    placement, expected = network.layer_index.placement_of(network.find_layer(layer).value), centres_of(network, layer)
    # Cells at the border read padding, which the gradient does not show, and an interpolation stops there.
    inner = [slice(size // 3, size - size // 3) for size in expected.shape[:2]]
    for axis, line in enumerate((placement.height, placement.width)):
        cells = np.arange(expected.shape[axis])
        centres = np.moveaxis(expected[tuple(inner)][..., axis], axis, 0)
        found = (line.first + line.step * cells)[inner[axis]]
        # What is interpolated between two places may read one of them alone.
        np.testing.assert_allclose(found[:, np.newaxis] + 0 * centres, centres, atol=0.55 * abs(line.step))


def test_both_conventions_on_a_network_of_strides():
    image = keras.Input((32, 32, 1))
    x = image
    for number in range(3):
        x = layers.Conv2D(1, 3, 2, "same", use_bias=False, kernel_initializer="ones", name=f"conv{number}")(x)
    network = tfviz.trace(keras.Model(image, layers.GlobalAveragePooling2D()(x)), score=lambda y: y[:, 0])
    images = np.random.default_rng(0).uniform(0, 1, (2, 32, 32, 1)).astype(np.float32)
    raw = tfviz.grad_cam(network, images, upsample=False)
    np.testing.assert_array_equal(
        tfviz.grad_cam(network, images), tf.image.resize(raw[..., None], (32, 32))[..., 0].numpy()
    )
    # The centre of cell i is 8 i + 7.
    found = tfviz.grad_cam(network, images, placement="receptive_field")
    np.testing.assert_allclose(found[:, 7::8, 7::8], raw, rtol=1e-5)
    np.testing.assert_allclose(found[:, 11, 7::8], (raw[:, 0] + raw[:, 1]) / 2, rtol=1e-5)
    np.testing.assert_allclose(found[:, :7], found[:, 7:8] + 0 * found[:, :7], rtol=1e-6)


def test_an_unknown_placement_is_refused():
    network = tfviz.trace(network_of(lambda x: x, (8, 8)))
    with pytest.raises(TfvizError, match="placement is 'center', expected one of 'convention', 'receptive_field'"):
        tfviz.grad_cam(network, np.ones((1, 8, 8, 1), np.float32), 0, placement="center")


@pytest.mark.parametrize("size", [(16, 24), (40, 18), (41, 64)])
def test_an_open_size_is_placed_when_it_is_known(size):
    image = keras.Input((None, None, 1))
    x = conv(3, strides=2)(layers.AveragePooling2D(3, 1)(image))
    model = keras.Model(image, layers.Dense(2, kernel_initializer="ones")(layers.GlobalAveragePooling2D()(x)))
    fixed = tfviz.trace(model, image_shape=(*size, 1))
    images = np.random.default_rng(0).uniform(0, 1, (2, *size, 1)).astype(np.float32)
    for placement in ("convention", "receptive_field"):
        found, expected = (tfviz.grad_cam(each, images, 0, placement=placement) for each in (model, fixed))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_crop_of_an_open_size_is_said():
    image = keras.Input((None, None, 1))
    model = network_of(lambda x: layers.CenterCrop(24, 24)(x), (None, None))
    images = dotted((48, 48), (30, 18))
    if tuple(map(int, keras.__version__.split(".")[:2])) >= (3, 14):  # before, Keras crops no image of an open size
        with pytest.warns(TfvizWarning, match=r"stretched over the whole image, since .* image_shape=\(height, width"):
            tfviz.grad_cam(model, images, 0)
    found = tfviz.grad_cam(tfviz.trace(model, image_shape=(48, 48, 1)), images, 0)[0]
    np.testing.assert_allclose(centre(found), (30, 18), atol=0.5)
    assert image.shape[1] is None


def test_lost_places_are_close_to_none():
    step = next(iter(tfviz.trace(build("functional")).program.steps))
    unplaced, lost = Places(((), ())), Places(((), ()), lost=step)
    image = of_image((1, 4, 6, 3))
    lost_image = replace(image, lost=step)
    assert unplaced.are_close(Places(((), ()))) and image.are_close(of_image((1, 4, 6, 3)))
    for known, other in [(unplaced, lost), (image, lost_image), (lost, lost), (image, unplaced), (image, None)]:
        assert not known.are_close(other) and (other is None or not other.are_close(known))


LOST = {
    "rotation": (
        lambda x: tf.raw_ops.ImageProjectiveTransformV3(
            images=x,
            transforms=tf.constant([[0.7, -0.7, 8.0, 0.7, 0.7, 0.0, 0.0, 0.0]]),
            output_shape=[24, 24],
            fill_value=0.0,
            interpolation="BILINEAR",
        ),
        r"do' \(ImageProjectiveTransformV3\)",
    ),
    "random_crop": (
        lambda x: tf.ensure_shape(
            x[:, (start := tf.random.uniform([], 0, 4, tf.int32)) : start + 20], (None, 20, 24, 1)
        ),
        r"do' \(StridedSlice\)",
    ),
    "boxes": (
        lambda x: tf.image.crop_and_resize(
            x, tf.tile([[0.0, 0.0, 0.5, 0.5]], [tf.shape(x)[0], 1]), tf.range(tf.shape(x)[0]), (24, 24)
        ),
        r"do' \(CropAndResize\)",
    ),
    "two_crops": (
        lambda x: tf.cond(tf.reduce_mean(x) > 0.4, lambda: x[:, :20], lambda: x[:, 4:]),
        r"do' \(StatelessIf\)",
    ),
    "one_branch_flips": (
        lambda x: tf.switch_case(tf.cast(tf.reduce_sum(x), tf.int32) % 2, [lambda: x, lambda: x[:, :, ::-1]]),
        r"do' \(StatelessCase\)",
    ),
    "one_branch_is_blank": (
        lambda x: tf.cond(tf.reduce_mean(x) > 0.4, lambda: x, lambda: tf.ones_like(x)),
        r"do' \(StatelessIf\)",
    ),
    "symmetrised": (lambda x: x + x[:, :, ::-1], r"do' \(AddV2\)"),
    "warped": (lambda x: tf.gather(x, [0, 1, 2, 3, 4, 23], axis=1), "equal distances"),
}


@pytest.mark.filterwarnings("ignore:.*random.*")
@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("method", ["grad_cam", "score_cam", "full_grad"])
def test_a_geometry_that_is_not_followed_is_named(name, method):
    function, message = LOST[name]
    image = keras.Input((24, 24, 1))
    x = layers.Conv2D(1, 1, kernel_initializer="ones", bias_initializer="ones", name="conv")(do(function)(image))
    model = keras.Model(image, layers.Dense(2, kernel_initializer="ones")(layers.GlobalAveragePooling2D()(x)))
    with pytest.warns(TfvizWarning, match=f"maps are stretched over the whole image, since .*{message}"):
        getattr(tfviz, method)(model, np.random.default_rng(0).uniform(0, 1, (1, 24, 24, 1)).astype(np.float32), 0)


def test_tokens_lie_where_their_patches_were():
    image = keras.Input((48, 40, 1))
    x = layers.Conv2D(2, 4, 4, use_bias=False, kernel_initializer="ones")(layers.CenterCrop(24, 20)(image))
    x = layers.Reshape((30, 2), name="tokens")(x)
    model = keras.Model(image, layers.Dense(2, kernel_initializer="ones")(layers.GlobalAveragePooling1D()(x)))
    found = tfviz.grad_cam(model, dotted((48, 40), (30, 18)), 0, layer="tokens")[0]
    np.testing.assert_allclose(centre(found), (30, 18), atol=2)
    assert not found[:12].any() and not found[36:].any() and not found[:, :10].any() and not found[:, 30:].any()


def test_biases_lie_where_they_are_added():
    """A bias before a crop covers the image, one behind it the crop alone."""
    image = keras.Input((32, 32, 1))
    x = layers.Conv2D(1, 1, kernel_initializer="ones", bias_initializer="ones", name="before")(image)
    x = layers.Conv2D(1, 3, padding="same", bias_initializer="ones", name="after")(layers.CenterCrop(16, 16)(x))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(layers.Activation("relu")(x))))
    images = np.random.default_rng(1).uniform(0, 1, (2, 32, 32, 1)).astype(np.float32)
    for method in (tfviz.full_grad, tfviz.simple_full_grad):
        found = method(model, images, 0)
        assert not found[:, :8].any() and not found[:, :, 24:].any() and found[:, 8:24, 8:24].any()


def test_channels_first_maps_are_those_of_channels_last():
    """A transposition before the head is another order of the same map, and no map 1 or 8 high."""
    image = keras.Input((20, 16, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="features")(image)
    first = layers.Permute((3, 1, 2), name="first")(x)
    shifted = layers.Add(name="shifted")([first, ops.ones((1, 8, 1, 1))])
    model = keras.Model(
        image, layers.Dense(3)(layers.Lambda(lambda x: ops.mean(x, (2, 3)), output_shape=(8,))(shifted))
    )
    network = tfviz.trace(model)
    assert network.layers == dict.fromkeys(("features", "first", "shifted"), (20, 16, 8))
    assert network.default_layer == "shifted"
    images = np.random.default_rng(0).normal(size=(2, 20, 16, 3)).astype(np.float32)
    for method in [*CAMS, "ablation_cam"]:
        found, expected = (getattr(tfviz, method)(network, images, 1, layer=name) for name in ("first", "features"))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7, err_msg=method)
        assert found.shape == (2, 20, 16)
    assert {bias.name: bias.is_map for bias in find_biases(network)}["shifted"]
    assert tfviz.full_grad(network, images, 1).shape == (2, 20, 16)


@pytest.mark.parametrize("name", ["center_crop", "letterbox", "condition", "flip_columns", "transpose"])
def test_saved_networks_are_placed_alike(name, tmp_path):
    size, between = BETWEEN[name]
    model, images = network_of(between, size), dotted(size, at(size))
    model.export(tmp_path / "saved", verbose=False)
    found, expected = (tfviz.grad_cam(each, images, 0) for each in (str(tmp_path / "saved"), model))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def squared(x):
    height, width = tf.shape(x)[1], tf.shape(x)[2]
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return x[:, top : top + side, left : left + side]


OF_ANY_SIZE = {
    "cut to a square": squared,
    "cut and resized": lambda x: layers.Resizing(40, 40, crop_to_aspect_ratio=True)(x),
    "resized with pads": lambda x: tf.image.resize_with_pad(x, 40, 40),
    "padded to 32s": lambda x: tf.pad(x, [[0, 0], [-tf.shape(x)[1] % 32, 0], [-tf.shape(x)[2] % 32, 0], [0, 0]]),
    "a margin cut": lambda x: tf.image.resize(x[:, 4:-4, 4:-4], (48, 48)),
}


@pytest.mark.parametrize("name", OF_ANY_SIZE)
def test_what_follows_from_the_size_of_the_image_is_said_where_that_is_open(name):
    """In pictures that are square, large, or multiples of 32, some of these leave everything where it is."""
    model = network_of(do(OF_ANY_SIZE[name]), (None, None))
    picture = dotted((24, 60), (5, 35))
    with pytest.warns(TfvizWarning, match="where they lie depends on the image's size, which trace"):
        tfviz.grad_cam(model, picture, 0)
    fixed = tfviz.trace(model, image_shape=(24, 60, 1))
    np.testing.assert_allclose(centre(tfviz.grad_cam(fixed, picture, 0)[0]), (5, 35), atol=1)


@pytest.mark.parametrize("size", [(20, 24), (None, None)], ids=["its own size", "any size"])
def test_rows_and_columns_that_are_sorted_are_lost(size):
    model = network_of(do(lambda x: tf.sort(x, axis=2)), size)
    with pytest.warns(TfvizWarning, match=r"stretched over the whole image, since"):
        tfviz.grad_cam(model, dotted((20, 24), (13, 7)), 0)


def test_passes_say_once_what_they_say():
    network = tfviz.trace(network_of(lambda x: do(LOST["symmetrised"][0])(x), (24, 24)))

    @tf.function
    def said():
        passes = passes_of(network, tf.ones((1, 24, 24, 1)), tf.zeros((1,), tf.int32))
        assert all(placement_of(passes, network.find_layer(name).value) is None for name in (None, "conv"))
        assert len(passes.warnings) == 1
        return passes.scores

    assert said().shape == (1,)
