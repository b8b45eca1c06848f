"""Checks tfviz on vision models of Hugging Face's transformers with random weights, in an environment of their own.

    pip install . "transformers==4.46.*" tf_keras
    python scripts/hugging_face.py

Of each network, live and as a SavedModel: it takes channels first, the default layer must be tokens or a map after the
last mixing, and the gradient of the difference of two logits, given the images as they are and as `pixel_values`, that
of a tape through the model itself, to 1e-5. `scripts/nightly` runs it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings

# transformers knows no other Keras.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tf_keras
import transformers

import tfviz

PIXELS = 128
TOLERANCE = 1e-5


def vit():
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    config = transformers.ViTConfig(**sizes, image_size=PIXELS, patch_size=16, num_labels=3)
    return transformers.TFViTForImageClassification(config)


def conv_next():
    config = transformers.ConvNextConfig(
        hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1], image_size=PIXELS, num_labels=3
    )
    return transformers.TFConvNextForImageClassification(config)


def res_net():
    sizes = {"embedding_size": 16, "hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 1, 1]}
    return transformers.TFResNetForImageClassification(transformers.ResNetConfig(**sizes, num_labels=3))


# The layer that must be the default one ends so: what the last attention of the class token reads, or the last map.
DEFAULTS = {vit: "layernorm_before", conv_next: "convnext/transpose", res_net: "stages.3/layers.0"}


def saved(model, folder):
    @tf.function(input_signature=[tf.TensorSpec([None, 3, PIXELS, PIXELS], tf.float32, "pixel_values")])
    def serving_default(pixel_values):
        return {"logits": model(pixel_values, training=False).logits}

    tf.saved_model.save(model, folder, signatures={"serving_default": serving_default})
    return folder


def own_gradient(model, images):
    variable = tf.Variable(images)
    with tf.GradientTape() as tape:
        logits = model(variable, training=False).logits
        difference = logits[:, 1] - logits[:, 0]
    return tape.gradient(difference, variable).numpy()


def check(name, network, images, own, expected):
    errors = []
    for given in (images, {"pixel_values": images}):
        found = tfviz.gradient(network, given, 1) - tfviz.gradient(network, given, 0)
        errors.append(float(np.linalg.norm(found - own) / np.linalg.norm(own)))
    cam = tfviz.grad_cam(network, images)
    is_right = (
        network.data_format == "channels_first"
        and network.image_shape == (PIXELS, PIXELS, 3)
        and cam.shape == (2, PIXELS, PIXELS)
        and max(errors) <= TOLERANCE
        and network.default_layer.endswith(expected)
    )
    print(
        f"{name:16} default layer {network.default_layer:32} gradient {max(errors):.1e}  {'' if is_right else 'WRONG'}"
    )
    return is_right


def main():
    warnings.simplefilter("error", tfviz.TfvizWarning)
    warnings.filterwarnings("ignore", message=".*is zero everywhere", category=tfviz.TfvizWarning)
    images = np.random.default_rng(0).normal(size=(2, 3, PIXELS, PIXELS)).astype(np.float32)
    right = []
    with tempfile.TemporaryDirectory() as folder:
        for build, expected in DEFAULTS.items():
            tf_keras.utils.set_random_seed(0)
            model = build()
            model({"pixel_values": images}, training=False)
            own = own_gradient(model, images)
            for form, opened in (("live", model), ("saved", saved(model, f"{folder}/{build.__name__}"))):
                # A ResNet of transformers says that it takes 224 pixels, whatever it is called with.
                shape = {"image_shape": (PIXELS, PIXELS, 3)} if form == "live" else {}
                network = tfviz.trace(opened, **shape)
                right.append(check(f"{build.__name__} {form}", network, images, own, expected))
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
