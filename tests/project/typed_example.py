"""A program of a user, as `mypy --strict` reads it: what tfviz returns has a type wherever one is known."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import tfviz

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]

model = tfviz.demo.load_network()
pictures = tfviz.demo.generate(2, 0).images
assert_type(pictures, NDArray[np.uint8])
images = pictures.astype(np.float32)

network = tfviz.trace(model)
assert_type(network, tfviz.TracedNetwork)
assert_type(network.logits(images), Floats)
assert_type(network.num_classes, int | None)
assert_type(network.default_layer, str | None)
assert_type(network.layers, dict[str, tuple[int | None, ...]])
scored = tfviz.trace(model, score=tfviz.scores.contrast_score(1, 2))
assert_type(scored, tfviz.TracedNetwork)

assert_type(tfviz.saliency(network, images), Floats)
assert_type(tfviz.grad_cam(network, images, 1, layer="block4_conv3", batch_size=2), Floats)
assert_type(tfviz.grad_cam(network, images, layer=["block4_conv3", "block5_conv3"]), dict[str, Floats])
assert_type(tfviz.smooth_grad(network, images, of="saliency", samples=5, noise=0.1), Floats)
assert_type(tfviz.METHODS["grad_cam"].caution, str)
tfviz.grad_cam(network, images, upsample="no")  # error: No overload variant
tfviz.grad_cam(network, images, sample=5)  # error: Unexpected keyword argument "sample"
tfviz.rise(network, images, mask=5)  # error: Unexpected keyword argument "mask"
tfviz.saliency(network)  # error: Missing positional argument "images"
tfviz.grad_camm(network, images)  # error: Module has no attribute "grad_camm"
tfviz.results.overlays(pictures, images)  # error: Module has no attribute "overlays"

explainer = tfviz.Explainer(model, "grad_cam", layer="block5_conv3")
assert_type(explainer(images, [1, 2]), Floats)
at_two = tfviz.Explainer(model, "grad_cam", layer=["block4_conv3", "block5_conv3"])
assert_type(at_two(images), dict[str, Floats])

explanation = tfviz.explain(network, images, methods=["grad_cam", "saliency"], top=2)
assert_type(explanation, tfviz.Explanation)
assert_type(explanation.maps, dict[str, Floats])
assert_type(explanation.targets, Indices)
assert_type(explanation.scores, Floats)
assert_type(explanation.probabilities, Floats)
assert_type(explanation.warnings, tuple[str, ...])
assert_type(explanation.plot(class_names=tfviz.demo.CLASS_NAMES), Figure)
assert_type(explanation.save("explained"), Path)
assert_type(tfviz.export(model, "exported", methods=["grad_cam"]), Path)

heat = tfviz.results.normalise(explanation.maps["grad_cam"])
assert_type(heat, Floats)
assert_type(tfviz.results.overlay(pictures, heat), NDArray[np.uint8])
assert_type(tfviz.results.threshold_mask(heat), NDArray[np.bool_])
assert_type(tfviz.results.plot(pictures, {"grad_cam": heat}), Figure)

fooled = tfviz.pgd(network, images, pixel_range=(0, 255), epsilon=4)
assert_type(fooled, tfviz.Adversarial)
assert_type(fooled.images, Floats)
assert_type(fooled.success, NDArray[np.bool_])
assert_type(fooled.l2, NDArray[np.float64])
assert_type(tfviz.full_grad_decomposition(network, images).bias_terms, dict[str, NDArray[np.float64]])

dreamt = tfviz.class_visualization(network, [1], pixel_range=(0, 255), iterations=10)
assert_type(dreamt.images, Floats)
assert_type(dreamt.targets, Indices)
objective = 2 * tfviz.Channel("block4_conv3", 3) + tfviz.Class(1)
assert_type(objective, tfviz.Objective)
assert_type(tfviz.feature_visualization(network, objective, pixel_range=(0, 255)).history, Floats)

callback = tfviz.callbacks.ExplainImages("logs", images, methods="grad_cam", every=2)
assert_type(callback, tfviz.callbacks.ExplainImages)
try:
    tfviz.trace("no/such/model")
except tfviz.TfvizError as error:
    assert_type(error, tfviz.TfvizError)
