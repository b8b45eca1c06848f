"""Which placement of a CAM is nearer the truth: stretched over the image, or cells at receptive fields' centres.

python scripts/placement.py [--pictures 2000] [--grids 100] [--network FILE --photographs FOLDER]

On pictures of the embedded network: the share whose maximum lies in the shape, and the share of the map's sum inside of
it. With a network of photographs (227 x 227, BGR minus its mean) and a folder of them with `labels.json`, the grid
pointing game (Zhang 2018; Bohle 2021): four photographs side by side, the share of the map of each class in its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras
import numpy as np
from known_causes.photographs import SIDE, labelled_photographs

import tfviz
from tfviz import demo
from tfviz.results import energy_inside, pointing_game

METHODS = ("grad_cam", "hires_cam", "layer_cam")
PLACEMENTS = ("convention", "receptive_field")


def embedded(count):
    pictures = demo.generate(count, seed=0)
    network = tfviz.trace(demo.load_network())
    images = pictures.images.astype(np.float32)
    print(f"{count} embedded pictures, layer {network.default_layer}")
    for method in METHODS:
        for placement in PLACEMENTS:
            maps = getattr(tfviz, method)(network, images, pictures.labels, placement=placement)
            hit, energy = pointing_game(maps, pictures.masks, tolerance=0), energy_inside(maps, pictures.masks)
            print(f"  {method:12} {placement:16} pointing {np.mean(hit):.4f}  energy {np.nanmean(energy):.4f}")


def grids(file, folder, count):
    model = keras.models.load_model(file, compile=False)
    large = keras.models.clone_model(model, input_tensors=keras.Input((2 * SIDE, 2 * SIDE, 3)))
    large.set_weights(model.get_weights())
    network = tfviz.trace(large)
    names, seen, classes = labelled_photographs(folder)
    random = np.random.default_rng(0)
    shares = {(method, placement): [] for method in METHODS for placement in PLACEMENTS}
    for _ in range(count):
        four = random.choice(len(names), 4, replace=False)
        grid = np.vstack([np.hstack(seen[four[:2]]), np.hstack(seen[four[2:]])])[np.newaxis]
        for (method, placement), found in shares.items():
            for place, picture in enumerate(four):
                options = {"layer": "fire9_concat", "placement": placement}
                cam = getattr(tfviz, method)(network, grid, classes[picture], **options)[0]
                top, left = SIDE * (place // 2), SIDE * (place % 2)
                found.append(cam[top : top + SIDE, left : left + SIDE].sum() / cam.sum() if cam.any() else np.nan)
    print(f"{count} grids of four photographs, layer fire9_concat")
    for (method, placement), found in shares.items():
        print(f"  {method:12} {placement:16} grid pointing game {np.nanmean(found):.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--grids", type=int, default=100)
    parser.add_argument("--network", type=Path)
    parser.add_argument("--photographs", type=Path)
    arguments = parser.parse_args()
    embedded(arguments.pictures)
    if arguments.network and arguments.photographs:
        grids(arguments.network, arguments.photographs, arguments.grids)


if __name__ == "__main__":
    main()
