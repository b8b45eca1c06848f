"""The embedded default: its generator's ground truth, its network's topology, and how well it does."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import keras
import numpy
import pytest
import tensorflow
from numpy.typing import NDArray

from tfviz.demo import CLASS_NAMES, generate, load_network, sample_paths
from tfviz.demo.drawing import background, draw
from tfviz.demo.network import WEIGHTS_PATH, build_network
from tfviz.demo.pictures import Pictures
from tfviz.demo.scene import CLASS_KINDS, COLOURS, DISTRACTOR_KINDS, Item, Scene, ShapeKind, compose

# In one process, so that its pictures are made once.
pytestmark = pytest.mark.xdist_group("demo")

HELD_OUT_SEED = 20_000


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return generate(500, HELD_OUT_SEED)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    random = numpy.random.default_rng(HELD_OUT_SEED)
    return [compose(random) for _ in range(2000)]


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return load_network()


def classify(network: keras.Model, images: NDArray[numpy.uint8]) -> NDArray[numpy.float32]:
    return numpy.asarray(network.predict(images.astype(numpy.float32), verbose=0))


def test_making_pictures_leaves_tensorflow_alone() -> None:
    code = "import sys, tfviz.demo; tfviz.demo.generate(1, 0); sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_seed_makes_the_same_pictures_and_another_seed_others() -> None:
    first, again, other = generate(4, 5), generate(6, 5), generate(4, 6)
    for field in Pictures._fields:
        numpy.testing.assert_array_equal(getattr(first, field), getattr(again, field)[:4])
    assert (first.images != other.images).any(axis=(1, 2, 3)).all()


def test_pictures_have_the_promised_form(pictures: Pictures) -> None:
    assert pictures.images.shape == (500, 128, 128, 3) and pictures.images.dtype == numpy.uint8
    assert pictures.labels.shape == (500,) and pictures.labels.dtype == numpy.int64
    assert pictures.masks.shape == (500, 128, 128) and pictures.masks.dtype == bool


def test_every_class_is_as_likely(pictures: Pictures) -> None:
    counts = Counter(pictures.labels.tolist())
    assert len(CLASS_NAMES) == len(set(CLASS_NAMES)) == 9
    assert sorted(counts) == list(range(9)) and min(counts.values()) > 30


def test_each_mask_is_one_whole_shape(pictures: Pictures) -> None:
    for mask in pictures.masks:
        pieces, _ = cv2.connectedComponents(mask.astype(numpy.uint8))
        assert pieces == 2  # OpenCV counts the background
        assert 550 < mask.sum() < 1700
        assert not (mask[[0, -1]].any() or mask[:, [0, -1]].any())


def test_masks_lie_on_the_colour_and_the_pale_marks_of_the_class(pictures: Pictures) -> None:
    for image, label, mask in zip(pictures.images, pictures.labels, pictures.masks, strict=True):
        inside = cv2.erode(mask.astype(numpy.uint8), numpy.ones((7, 7), numpy.uint8)) > 0
        pixels = image[inside]
        channel = list(COLOURS).index(CLASS_KINDS[label].colour)
        assert (pixels.argmax(1) == channel).mean() > 0.95
        assert 0.1 < (pixels.min(1) > 190).mean() < 0.7


@pytest.mark.parametrize(
    ("shape", "area"),
    [("circle", math.pi), ("square", 2 * 1.25**2), ("star", 5 * 1.35**2 * 0.52 * math.sin(math.pi / 5))],
)
def test_a_shape_changes_nothing_but_its_own_area(shape: str, area: float) -> None:
    canvas = numpy.full((128, 128, 3), 128.0)
    mask = draw(canvas, Item(ShapeKind("red", "dotted", shape), 60.3, 70.8, 20.0), numpy.random.default_rng(0))
    assert mask.sum() == pytest.approx(area * 20.0**2, rel=0.02)
    rows, columns = numpy.nonzero(mask)
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == pytest.approx((60.3, 70.8), abs=0.5)
    # The soft edge reaches half a pixel beyond the mask, and somewhat farther at the star's sharp tips.
    around = cv2.dilate(mask.astype(numpy.uint8), numpy.ones((5, 5), numpy.uint8)) > 0
    assert (canvas[~around] == 128).all() and (canvas[mask] != 128).any(axis=1).all()


def test_textures_differ_in_more_than_their_amount() -> None:
    def marks(texture: str) -> NDArray[numpy.float64]:
        canvas = numpy.zeros((128, 128, 3))
        mask = draw(canvas, Item(ShapeKind("red", texture, "square"), 64, 64, 40.0), numpy.random.default_rng(0))
        return numpy.asarray(canvas[mask][:, 1] > 150, numpy.float64)

    drawn = [marks(texture) for texture in ("striped", "dotted", "checked")]
    for one, other in itertools.combinations(drawn, 2):
        assert abs(numpy.corrcoef(one, other)[0, 1]) < 0.6


def test_backgrounds_have_noise_confetti_and_colours() -> None:
    random = numpy.random.default_rng(0)
    canvases = numpy.array([background(random) for _ in range(20)])
    steps = numpy.abs(numpy.diff(canvases, axis=2))
    assert 1.5 < numpy.median(steps) < 5
    assert numpy.quantile(steps, 0.995) > 20
    assert canvases.mean(axis=(1, 2)).std(axis=0).min() > 15


def test_no_shape_covers_another(scenes: list[Scene]) -> None:
    for seed, scene in enumerate(scenes[:100]):
        random = numpy.random.default_rng(seed)
        canvas = background(random)
        mask = draw(canvas, scene.deciding, random)
        before = canvas.copy()
        others = [draw(canvas, item, random) for item in scene.distractors]
        numpy.testing.assert_array_equal(canvas[mask], before[mask])
        assert (numpy.sum([mask, *others], axis=0) <= 1).all()


def test_each_pair_of_attributes_is_of_one_class_and_two_distractors() -> None:
    for fields in itertools.combinations(ShapeKind._fields, 2):
        classes, distractors = (
            Counter(tuple(getattr(kind, field) for field in fields) for kind in kinds)
            for kinds in (CLASS_KINDS, DISTRACTOR_KINDS)
        )
        assert len(classes) == len(distractors) == 9
        assert set(classes.values()) == {1} and set(distractors.values()) == {2}


def test_the_deciding_shape_is_the_only_one_of_a_class(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert " ".join(scene.deciding.kind) == CLASS_NAMES[scene.label]
        assert not any(item.kind in CLASS_KINDS for item in scene.distractors)
        assert 2 <= len(scene.distractors) <= 3


@pytest.mark.parametrize(
    "fields", [*itertools.combinations(ShapeKind._fields, 1), *itertools.combinations(ShapeKind._fields, 2)]
)
def test_no_one_or_two_attributes_give_the_class_away(scenes: list[Scene], fields: tuple[str, ...]) -> None:
    """The best guess from all shapes' values of these attributes, learned on one half and tried on the other."""
    seen: defaultdict[tuple[tuple[str, ...], ...], Counter[int]] = defaultdict(Counter)
    pairs = [
        (tuple(sorted(tuple(getattr(item.kind, field) for field in fields) for item in items)), scene.label)
        for scene in scenes
        for items in [(scene.deciding, *scene.distractors)]
    ]
    for values, label in pairs[:1000]:
        seen[values][label] += 1
    guesses = [seen[values].most_common(1)[0][0] if seen[values] else 0 for values, _ in pairs[1000:]]
    assert numpy.mean([guess == label for guess, (_, label) in zip(guesses, pairs[1000:], strict=True)]) < 0.4


def test_neither_place_nor_size_betrays_the_deciding_shape(scenes: list[Scene]) -> None:
    def traits(items: list[Item]) -> NDArray[numpy.float64]:
        away = [math.hypot(item.y - 64, item.x - 64) for item in items]
        return numpy.asarray(numpy.mean([away, [item.radius for item in items]], axis=1))

    deciding = traits([scene.deciding for scene in scenes])
    numpy.testing.assert_allclose(deciding, traits([item for scene in scenes for item in scene.distractors]), rtol=0.03)


def test_the_topology_is_vgg16_at_an_eighth_of_its_width() -> None:
    original = keras.applications.VGG16(weights=None, include_top=False, input_shape=(128, 128, 3))
    network = build_network()
    blocks = [layer for layer in network.layers if layer.name.startswith("block")]
    assert [layer.name for layer in blocks] == [layer.name for layer in original.layers[1:]]
    for ours, theirs in zip(blocks, original.layers[1:], strict=True):
        expected = theirs.get_config()
        if isinstance(theirs, keras.layers.Conv2D):
            expected["filters"] //= 8
        same = {"filters", "kernel_size", "pool_size", "strides", "padding", "activation"} & expected.keys()
        assert {key: ours.get_config()[key] for key in same} == {key: expected[key] for key in same}
    assert [layer.name for layer in network.layers[-2:]] == ["average", "predictions"]
    assert network.name == "demo" and network.layers[1].name == "rescaling"
    assert not network.compiled


def test_held_out_pictures_are_classified_right(network: keras.Model, pictures: Pictures) -> None:
    assert (classify(network, pictures.images).argmax(1) == pictures.labels).mean() >= 0.97


def test_nothing_but_the_deciding_shape_tells_the_class(network: keras.Model, scenes: list[Scene]) -> None:
    random = numpy.random.default_rng(0)
    canvases = [background(random) for _ in range(200)]
    for canvas, scene in zip(canvases, scenes, strict=False):
        for item in scene.distractors:
            draw(canvas, item, random)
    images = numpy.clip(canvases, 0, 255).round().astype(numpy.uint8)
    probabilities = classify(network, images)
    labels = [scene.label for scene in scenes[:200]]
    assert (probabilities.argmax(1) == labels).mean() < 0.25
    assert numpy.median(probabilities.max(1)) < 0.6


def test_grad_cam_lies_on_the_deciding_shape(network: keras.Model, pictures: Pictures) -> None:
    features = keras.Model(network.input, network.get_layer("block5_conv3").output)
    pool, average, head = network.layers[-3:]
    values = features(pictures.images[:200].astype(numpy.float32))
    with tensorflow.GradientTape() as tape:
        tape.watch(values)
        logits = average(pool(values)) @ head.kernel + head.bias
        score = tensorflow.gather(logits, pictures.labels[:200], axis=1, batch_dims=1)
    weights = tensorflow.reduce_mean(tape.gradient(score, values), axis=(1, 2), keepdims=True)
    maps = tensorflow.nn.relu(tensorflow.reduce_sum(weights * values, axis=-1, keepdims=True))
    best = tensorflow.image.resize(maps, (128, 128)).numpy().reshape(200, -1).argmax(1)
    assert pictures.masks.reshape(500, -1)[numpy.arange(200), best].mean() >= 0.95


def test_samples_show_what_their_names_say(network: keras.Model) -> None:
    paths = sample_paths()
    images = numpy.stack([cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths])
    probabilities = classify(network, images)
    assert len(paths) == 3
    assert [CLASS_NAMES[label] for label in probabilities.argmax(1)] == [path.stem.replace("-", " ") for path in paths]
    assert probabilities.max(1).min() > 0.95


def test_the_package_data_is_small() -> None:
    paths: tuple[Path, ...] = (WEIGHTS_PATH, *sample_paths())
    assert sum(path.stat().st_size for path in paths) <= 1.5e6
