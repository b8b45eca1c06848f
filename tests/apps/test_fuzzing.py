"""Files that were changed at random: each becomes a result or an error of one line, in little memory and time.

`scripts/nightly` runs more of them, and others each night: FUZZ_PICTURES, FUZZ_MODELS and FUZZ_SEED say how many and
which.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import os
import random
import shutil
import struct
import unicodedata
import warnings
from pathlib import Path

import cv2
import h5py
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.attacks import rewrite
from support.mutation import Opener, mutated, mutated_json, mutated_message, mutated_zip

from tfviz import trace
from tfviz.apps.files.images import decode_image
from tfviz.apps.files.labels import read_labels
from tfviz.errors import InvalidImagesError, TfvizError, UnsupportedModelError
from tfviz.printable import JOINERS, printable

PIL = pytest.importorskip("PIL.Image")
PICTURES, MODELS = int(os.environ.get("FUZZ_PICTURES", "500")), int(os.environ.get("FUZZ_MODELS", "50"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
needs_linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the limit is set as Linux has it")
few = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def encoded(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def tiled_tiff():
    """A TIFF file of 32x16 pixels in two tiles, which neither library writes; OpenCV 5 reads those with alpha alone."""
    short, long = 3, 4
    after = 8 + 2 + 11 * 12 + 4
    entries = [(256, short, 1, 32), (257, short, 1, 16), (258, short, 4, after + 16), (259, short, 1, 1)]
    entries += [(262, short, 1, 2), (277, short, 1, 4), (322, short, 1, 16), (323, short, 1, 16)]
    entries += [(324, long, 2, after), (325, long, 2, after + 8), (338, short, 1, 2)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    beside = struct.pack("<4I4H", after + 24, after + 24 + 1024, 1024, 1024, 8, 8, 8, 8)
    return struct.pack("<2sHIH", b"II", 42, 8, 11) + directory + bytes(4) + beside + bytes(range(256)) * 8


def pictures():
    """A small file of every kind that is read, by its name."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 4), np.uint8)
    color, transparent = PIL.fromarray(pixels[..., :3]), PIL.fromarray(pixels)
    exif = PIL.Exif()
    exif[0x0112] = 6
    moving = {"save_all": True, "append_images": [transparent.rotate(90), transparent.rotate(180)]}
    deep = pixels.astype(np.uint16) * 257
    found = {
        "plain.png": encoded(color, "PNG"),
        "turned.png": encoded(transparent, "PNG", exif=exif),
        "palette.png": encoded(color.convert("P"), "PNG", transparency=3),
        "deep.png": cv2.imencode(".png", deep)[1].tobytes(),
        "moving.png": encoded(transparent, "PNG", **moving),
        "baseline.jpg": encoded(color, "JPEG", exif=exif),
        "progressive.jpg": encoded(color, "JPEG", progressive=True, subsampling=0),
        "print.jpg": encoded(color.convert("CMYK"), "JPEG"),
        "moving.gif": encoded(color.convert("P"), "GIF", **moving),
        "plain.bmp": encoded(color, "BMP"),
        "palette.bmp": encoded(color.convert("P"), "BMP"),
        "deep.tif": cv2.imencode(".tif", deep[..., :3])[1].tobytes(),
        "big.tif": encoded(color, "TIFF", big_tiff=True),
        "pages.tif": encoded(color, "TIFF", save_all=True, append_images=[transparent]),
        "moving.webp": encoded(transparent, "WEBP", **moving),
        "lossy.webp": encoded(color, "WEBP"),
        "lossless.webp": encoded(transparent, "WEBP", lossless=True, exif=exif),
        "color.ppm": encoded(color, "PPM"),
        "digits.pgm": b"P2\n# grey\n4 3\n255\n" + b" ".join(b"%d" % number for number in range(12)) + b"\n",
    }
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        found[f"{compression}.tif"] = encoded(color, "TIFF", compression=compression)
    found["tiles.tif"] = tiled_tiff()
    found["bits.tif"] = encoded(color.convert("1"), "TIFF", compression="group4")
    return found


def complaints(kind, files, count, change):
    """What is wrong with files that were changed by `change(name, number, draw)`, by the seed and number of each."""
    found = {}
    with Opener(kind) as opener:
        for number in range(count):
            draw = random.Random(f"{SEED} {number}")
            name = files[number % len(files)]
            if wrong := opener.open(change(name, number, draw)):
                found[f"{name}, FUZZ_SEED={SEED}, number {number}"] = wrong
    # Some changes do no harm, others do.
    assert min(opener.came["result"], opener.came["error"]) > count / 20
    return found


@needs_linux
def test_changed_pictures(tmp_path):
    whole = pictures()
    for name in ("moving.gif", "moving.webp"):  # which OpenCV reads from 4.11 on
        if cv2.imdecode(np.frombuffer(whole[name], np.uint8), cv2.IMREAD_COLOR) is None:
            del whole[name]

    def change(name, number, draw):
        path = tmp_path / f"{number}-{name}"
        path.write_bytes(mutated(whole[name], draw, list(whole.values())))
        return path

    assert all(decode_image(data, name).image.ndim == 3 for name, data in whole.items())
    assert not complaints("image", list(whole), PICTURES, change)


def test_lack_of_memory_is_not_taken_for_damage(monkeypatch):
    def without_memory(*arguments):
        error = cv2.error("Insufficient memory")
        error.code = cv2.Error.StsNoMem
        raise error

    monkeypatch.setattr(cv2, "imdecode", without_memory)
    with pytest.raises(InvalidImagesError, match=r"^plain\.bmp takes more memory than there is"):
        decode_image(pictures()["plain.bmp"], "plain.bmp")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A small network in each kind of file, a file of class names, and metadata beside a SavedModel."""
    folder = tmp_path_factory.mktemp("models")
    layers = [keras.Input((12, 12, 3)), keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.BatchNormalization()]
    model = keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, "softmax")])
    model.save(folder / "whole.keras")
    model.save(folder / "whole.h5")
    model.export(folder / "saved", verbose=False)
    if importlib.util.find_spec("tf_keras"):
        tf_keras = importlib.import_module("tf_keras")
        layers = [tf_keras.layers.Input((12, 12, 3)), tf_keras.layers.Conv2D(2, 3, activation="relu")]
        older = tf_keras.Sequential([*layers, tf_keras.layers.Flatten(), tf_keras.layers.Dense(3)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an old format
            older.save(folder / "older.h5")
    image = {"modality": "image", "input_baselines": [0, [0.1, 0.2, 0.3]], "visualization": {"type": "outlines"}}
    scores = {"index_display_name_mapping": ["a", "b", "c"]}
    metadata = {"inputs": {"images": image}, "outputs": {"scores": scores}}
    (folder / "saved" / "explanation_metadata.json").write_text(json.dumps(metadata))
    (folder / "labels.json").write_text(json.dumps({"0": ["n1", "cat"], "1": ["n2", "dog"], "2": ["n3", "猫"]}))
    return folder


@needs_linux
def test_changed_models(models, tmp_path):
    others = [path.read_bytes() for path in models.rglob("*") if path.is_file()]
    names = [*sorted(path.name for path in models.iterdir()), "described"]

    def change(name, number, draw):
        path = tmp_path / f"{number}-{name}"
        if name in ("saved", "described"):
            change_folder(models / "saved", path, name == "described", draw, others)
        elif name.endswith(".h5") and draw.random() < 0.5:
            shutil.copy(models / name, path)
            with h5py.File(path, "a") as file:
                text = json_or_bytes(file.attrs["model_config"].encode(), draw, others)
                file.attrs["model_config"] = text.decode("utf-8", "replace").replace("\0", "?")
        elif name.endswith(".json"):
            path.write_bytes(json_or_bytes((models / name).read_bytes(), draw, others))
        else:
            is_zip = name == "whole.keras" and draw.random() < 0.7
            path.write_bytes((mutated_zip if is_zip else mutated)((models / name).read_bytes(), draw, others))
        return path

    assert not complaints("model", names, MODELS, change)


def json_or_bytes(data, draw, others):
    """JSON with other values, or bytes that may be none any more."""
    return mutated_json(data, draw) if draw.random() < 0.7 else mutated(data, draw, others)


def change_folder(whole, path, is_described, draw, others):
    """Write a SavedModel with one file changed: what describes it, or another."""
    shutil.copytree(whole, path)
    about = path / "explanation_metadata.json"
    if is_described:
        about.write_bytes(json_or_bytes(about.read_bytes(), draw, others))
        return
    inside = draw.choice(sorted(each for each in path.rglob("*") if each.is_file() and each != about))
    if inside.name == "saved_model.pb" and draw.random() < 0.7:
        inside.write_bytes(mutated_message(inside.read_bytes(), draw, others))
    else:
        inside.write_bytes(mutated(inside.read_bytes(), draw, others))


def test_inputs_that_a_signature_does_not_describe(models, tmp_path):
    """Found with FUZZ_SEED=20261127, number 332: the function captures one weight less than it takes."""
    folder = shutil.copytree(models / "saved", tmp_path / "saved")

    def drop_weight(graph):
        for function in graph.object_graph_def.concrete_functions.values():
            if function.bound_inputs:
                function.bound_inputs.pop()

    rewrite(folder, drop_weight)
    with pytest.raises(UnsupportedModelError, match="describes 1 inputs, but its function takes 2"):
        trace(folder)


# Anything at all


def result_of(action, kind=TfvizError):
    """What came of it, or None and what an error of that kind said, which is one line."""
    try:
        return action(), ""
    except kind as error:
        return None, str(error) if str(error).isprintable() else ""


STARTS = sorted({data[:length] for data in pictures().values() for length in (4, 12, 33)})


@few
@given(st.sampled_from([b"", *STARTS]), st.binary(max_size=200))
def test_any_bytes(start, rest):
    image, said = result_of(lambda: decode_image(start + rest, "name").image, InvalidImagesError)
    assert said.startswith("name ") or (image.dtype == np.uint8 and image.shape[2] == 3)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)


@few
@given(ANYTHING)
def test_any_class_names(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    names, said = result_of(lambda: read_labels(path))
    assert "labels.json" in said or (names and all(isinstance(name, str) for name in names))


@few
@given(st.text(st.characters() | st.characters(categories=["Cc", "Cf", "Cs"]), max_size=40))
def test_any_text(text):
    shown = printable(text)
    shown.encode()
    assert not [each for each in shown if unicodedata.category(each)[0] == "C" and each not in JOINERS]
    assert printable(shown) == shown
