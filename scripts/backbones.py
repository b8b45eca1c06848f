"""Checks tfviz on backbones of KerasHub with random weights, in an environment of their own.

    pip install . keras-hub
    python scripts/backbones.py

Of each network: the default layer must be tokens or a map after the last mixing, and the gradient of the difference of
two logits that of a tape through the model itself, to 1e-5. `scripts/nightly` runs it.
"""

from __future__ import annotations

import os
import sys
import warnings

import keras
import keras_hub
import numpy as np
import tensorflow as tf

import tfviz

PIXELS = 64
TOLERANCE = 1e-5


def vit():
    return keras_hub.models.ViTBackbone(
        image_shape=(PIXELS, PIXELS, 3), patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32
    )


def deit():
    return keras_hub.models.DeiTBackbone(
        image_shape=(PIXELS, PIXELS, 3), patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32
    )


def dino_v2():
    return keras_hub.models.DINOV2Backbone(
        image_shape=(PIXELS, PIXELS, 3),
        patch_size=8,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        num_register_tokens=2,
    )


def swin():
    return keras_hub.models.SwinTransformerBackbone(
        image_shape=(PIXELS, PIXELS, 3), patch_size=4, embed_dim=16, depths=(2, 2), num_heads=(2, 4), window_size=4
    )


def mix_transformer():
    return keras_hub.models.MiTBackbone(
        image_shape=(2 * PIXELS, 2 * PIXELS, 3),
        layerwise_num_heads=(1, 2, 2, 4),
        layerwise_sr_ratios=(8, 4, 2, 1),
        max_drop_path_rate=0.0,
        layerwise_patch_sizes=(7, 3, 3, 3),
        layerwise_strides=(4, 2, 2, 2),
        num_layers=4,
        layerwise_depths=(1, 1, 1, 1),
        hidden_dims=(8, 16, 16, 32),
    )


# The layer that must be the default one ends so: what the last attention of a class token reads, or the last map.
HUB = {
    vit: "transformer_block_2/ln_1",
    deit: "transformer_block_2/ln_1",
    dino_v2: "layers_1/norm1",
    swin: "norm",
    mix_transformer: "output_level_3",
}
CLASS_TOKEN = (vit, deit, dino_v2)


def with_classes(build):
    """A classifier on a backbone: of the class token, or of the mean over all places."""
    backbone = build()
    x = backbone.output
    if isinstance(x, dict):
        x = x.get("pooled_output", list(x.values())[-1])
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D()(x)
    elif len(x.shape) == 3:
        x = x[:, 0] if build in CLASS_TOKEN else keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(backbone.input, keras.layers.Dense(3)(x))


def check(name, model, call, expected):
    network = tfviz.trace(model)
    images = np.random.default_rng(0).normal(size=(2, *network.image_shape)).astype(np.float32)
    found = tfviz.gradient(network, images, 1) - tfviz.gradient(network, images, 0)
    variable = tf.Variable(images)
    with tf.GradientTape() as tape:
        logits = call(variable)
        difference = logits[:, 1] - logits[:, 0]
    own = tape.gradient(difference, variable).numpy()
    error = float(np.linalg.norm(found - own) / np.linalg.norm(own))
    tfviz.grad_cam(network, images, 1)
    is_right = error <= TOLERANCE and network.default_layer.endswith(expected)
    print(f"{name:16} default layer {network.default_layer:32} gradient {error:.1e}  {'' if is_right else 'WRONG'}")
    return is_right


def main():
    # Keras and the hub warn of masks and of the structure of inputs on every call.
    warnings.simplefilter("ignore", UserWarning)
    warnings.simplefilter("error", tfviz.TfvizWarning)
    warnings.filterwarnings("ignore", message=".*is zero everywhere", category=tfviz.TfvizWarning)
    right = []
    for build, expected in HUB.items():
        keras.utils.set_random_seed(0)
        model = with_classes(build)
        right.append(check(build.__name__, model, model, expected))
    return 0 if all(right) else 1


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
