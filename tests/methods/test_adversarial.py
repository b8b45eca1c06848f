"""Attacks against the same steps written out, image by image, on the pixels of the picture."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.model_zoo import CLASSES, KINDS, SHAPE, model_of, randomise
from support.thinning import by_day

import tfviz
from tfviz.methods.adversarial import fgsm, fooling_image, pgd
from tfviz.progress import stretches

LOW, HIGH = np.array([-1.0, -2.0, 0.0]), np.array([1.0, 2.5, 0.5])
RANGE = (LOW, HIGH)
UNIT = (HIGH - LOW) / 255
# A network whose own condition or loop asks for the mean of the batch mixes the images of a batch by itself.
BY_BATCH = ("condition", "loop")


def random_images(count, seed=0, shape=SHAPE):
    return (LOW + (HIGH - LOW) * np.random.default_rng(seed).uniform(0.02, 0.98, (count, *shape))).astype(np.float32)


def logits_by_hand(model, images):
    head = model.layers[-1]
    return keras.Model(model.inputs, head.input)(tf.cast(images, tf.float32)) @ head.kernel + head.bias


def attacked_by_hand(model, image, wanted, *, by, towards, norm, rate, epsilon, iterations, noise=0.0):
    """One image, in pixels of 0..255, stepping along the gradient of the logit or against that of the cross-entropy."""
    original = (image - LOW) / (HIGH - LOW) * 255
    pixels = np.clip(original + noise, 0, 255)
    step = 0
    while True:
        variable = tf.Variable(pixels[np.newaxis], dtype=tf.float32)
        with tf.GradientTape() as tape:
            logits = logits_by_hand(model, LOW.astype(np.float32) + variable * UNIT.astype(np.float32))
            if by == "logit":
                gain = logits[:, wanted]
            else:
                gain = -tf.nn.sparse_softmax_cross_entropy_with_logits([wanted], logits)
        if (int(np.argmax(logits)) == wanted) == towards or step == iterations:
            return LOW + pixels * UNIT, step
        gradient = tape.gradient(gain, variable).numpy()[0].astype(np.float64) * (1 if towards else -1)
        if norm == "l2":
            change = pixels + rate * gradient / np.linalg.norm(gradient) - original
            change *= min(1, epsilon / np.linalg.norm(change))
        else:
            change = np.clip(pixels + rate * np.sign(gradient) - original, -epsilon, epsilon)
        pixels = np.clip(original + change, 0, 255)
        step += 1


@pytest.fixture(scope="module")
def model():
    """Its classes are nearer to each other than those of the zoo, and its gradient never vanishes."""
    layers = keras.layers
    x = image = keras.Input((12, 10, 3))
    for filters in (6, 8):
        x = layers.Conv2D(filters, 3, activation="elu")(x)
    x = layers.Dense(CLASSES, activation="softmax")(layers.Flatten()(x))
    return randomise(keras.Model(image, x), seed=5)


@pytest.fixture(scope="module")
def images():
    return random_images(6, shape=(12, 10, 3))


@pytest.fixture(scope="module")
def predicted(model, images):
    return np.argmax(logits_by_hand(model, images), axis=1)


@pytest.fixture(scope="module")
def others(predicted):
    """Another class for each image."""
    return (predicted + 1 + np.arange(len(predicted)) % (CLASSES - 1)) % CLASSES


def assert_as_by_hand(result, model, images, wanted, **how):
    by_hand = [attacked_by_hand(model, *pair, **how) for pair in zip(images, wanted, strict=True)]
    np.testing.assert_array_equal(result.steps, [steps for _, steps in by_hand])
    np.testing.assert_allclose(result.images, [image for image, _ in by_hand], atol=2e-4)


@pytest.mark.parametrize(("objective", "by"), [("logit", "logit"), ("log_odds", "cross-entropy")])
def test_fooling_images_are_those_of_the_loop_by_hand(model, images, others, objective, by):
    result = fooling_image(model, images, others, pixel_range=RANGE, rate=25, iterations=60, objective=objective)
    how = {"by": by, "towards": True, "norm": "l2", "rate": 25, "epsilon": np.inf, "iterations": 60}
    assert_as_by_hand(result, model, images, others, **how)
    assert result.success.all()
    assert len(set(result.steps)) > 2  # each stops by itself
    np.testing.assert_array_equal(np.argmax(logits_by_hand(model, result.images), axis=1), others)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("towards", [True, False])
@pytest.mark.filterwarnings("ignore:fgsm did not")
def test_fgsm_is_one_step_of_the_cross_entropy(model, images, others, predicted, norm, towards):
    epsilon = {"linf": 8.0, "l2": 120.0}[norm]
    result = fgsm(model, images, others if towards else None, pixel_range=RANGE, epsilon=epsilon, norm=norm)
    how = {"by": "cross-entropy", "norm": norm, "rate": epsilon, "epsilon": epsilon, "iterations": 1}
    assert_as_by_hand(result, model, images, others if towards else predicted, towards=towards, **how)


@pytest.mark.parametrize(
    "norm, towards, seed",
    by_day(
        itertools.product(["linf", "l2"], [True, False], [None, 3]),
        [("linf", True, 3), ("linf", False, None), ("l2", True, None), ("l2", False, 3)],
    ),
)
@pytest.mark.filterwarnings("ignore:pgd did not")
def test_pgd_is_the_projected_loop_by_hand(model, images, others, predicted, norm, towards, seed):
    epsilon = {"linf": 6.0, "l2": 70.0}[norm]
    options = {"pixel_range": RANGE, "epsilon": epsilon, "norm": norm, "iterations": 12, "seed": seed}
    result = pgd(model, images, others if towards else None, **options)
    noise = 0.0
    if seed is not None and norm == "linf":
        noise = epsilon * tf.random.stateless_uniform(images.shape[1:], (seed, 0), -1, 1).numpy()
    elif seed is not None:
        drawn = tf.random.stateless_normal((1, *images.shape[1:]), (seed, 0)).numpy()[0]
        share = tf.random.stateless_uniform((), (seed, 1)).numpy()
        noise = epsilon * drawn / np.linalg.norm(drawn) * share ** (1 / drawn.size)
    how = {"by": "cross-entropy", "norm": norm, "rate": 2.5 * epsilon / 12, "epsilon": epsilon, "iterations": 12}
    wanted = others if towards else predicted
    assert_as_by_hand(result, model, images, wanted, towards=towards, noise=noise, **how)
    assert result.success.any() and len(set(result.steps)) > 1
    faster = pgd(model, images, others if towards else None, **options, rate=epsilon)
    assert np.abs(faster.images - result.images).max() > 1e-3


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_random_start_fills_the_bound(norm):
    """Seen where nothing moves: in a network whose gradient is zero."""
    x = image = keras.Input((4, 4, 3))
    x = keras.layers.Dense(2, kernel_initializer="zeros")(keras.layers.Flatten()(x))
    model = keras.Model(image, x)
    middle = np.broadcast_to((LOW + HIGH) / 2, (2, 4, 4, 3))
    options = {"pixel_range": RANGE, "epsilon": 8.0, "norm": norm, "iterations": 1}
    with pytest.warns(tfviz.TfvizWarning, match="pgd did not reach the class of image 0, 1 in 1 steps"):
        found = [pgd(model, middle, 1, seed=seed, **options) for seed in range(60)]
    for result in found:
        np.testing.assert_array_equal(result.differences[0], result.differences[1])
    starts = np.stack([result.differences[0] for result in found])
    assert len(np.unique(starts.reshape(60, -1), axis=0)) == 60
    if norm == "linf":
        assert 7.9 < np.abs(starts).max() < 8.0001
        assert starts.std() == pytest.approx(8 / np.sqrt(3), rel=0.03)
    else:
        # The radius of an even draw from a ball of 48 axes has the median 8 · 0.5^(1/48).
        radii = np.linalg.norm(starts.reshape(60, -1), axis=1)
        assert radii.max() < 8.0001
        assert np.median(radii) == pytest.approx(8 * 0.5 ** (1 / 48), rel=0.02)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.filterwarnings("ignore:pgd did not")
def test_what_is_reported_is_so(model, predicted, norm):
    """Images near black, so that the range cuts the steps; steps that leave the bound, so that the bound does."""
    images = (LOW + UNIT * np.random.default_rng(2).uniform(0, 3, (4, 12, 10, 3))).astype(np.float32)
    before = np.argmax(logits_by_hand(model, images), axis=1)
    options = {"pixel_range": RANGE, "epsilon": 9.0, "norm": norm, "rate": 5.0, "iterations": 5, "batch_size": 3}
    result = pgd(model, images, (before + 1) % CLASSES, **options)
    change = (result.images.astype(np.float64) - images) / UNIT
    np.testing.assert_allclose(result.differences, change, atol=1e-4)
    np.testing.assert_allclose(result.linf, [np.max(np.abs(each)) for each in change], atol=1e-4)
    np.testing.assert_allclose(result.l2, [np.sqrt(np.sum(each**2)) for each in change], rtol=1e-5)
    assert (result.images >= LOW - 1e-6).all() and (result.images <= HIGH + 1e-6).all()
    assert (np.isclose(result.images, LOW, atol=1e-6) & (change < -0.5)).any()
    # What black cuts off an L2 step is not made up for.
    assert (8.999 if norm == "linf" else 8.5) < getattr(result, norm).max() < 9.0005
    for stage, shown in (("before", images), ("after", result.images)):
        logits = logits_by_hand(model, shown)
        np.testing.assert_array_equal(getattr(result, f"predictions_{stage}"), np.argmax(logits, axis=1))
        probabilities = tf.nn.softmax(logits)
        np.testing.assert_allclose(getattr(result, f"probabilities_{stage}"), probabilities, rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(result.targets, (before + 1) % CLASSES)
    np.testing.assert_array_equal(result.success, result.predictions_after == result.targets)
    assert repr(result).startswith(f"Adversarial of (4, 12, 10, 3), {result.success.sum()} of 4 reached, 5 steps, L2")


def test_a_start_that_fools_by_itself_is_a_picture(model):
    images = (LOW + UNIT * np.random.default_rng(2).uniform(0, 3, (8, 12, 10, 3))).astype(np.float32)
    result = pgd(model, images, pixel_range=RANGE, epsilon=200.0)
    assert result.success.all() and (result.steps == 0).any()
    assert (result.images >= LOW - 1e-6).all() and (result.images <= HIGH + 1e-6).all()


def test_a_class_of_ones_own_is_left(model, images, predicted):
    """An image that is taken for another class already stays as it is; the others leave theirs."""
    labels = predicted.copy()
    labels[2] = (labels[2] + 1) % CLASSES
    result = pgd(model, images, pixel_range=RANGE, away_from=labels, epsilon=20.0)
    assert result.success.all()
    np.testing.assert_array_equal(result.images[2], images[2])
    assert result.steps[2] == 0 and result.l2[2] == 0
    np.testing.assert_array_equal(result.targets, labels)
    plain = pgd(model, images, pixel_range=RANGE, epsilon=20.0)
    for row in (0, 1, 3, 4, 5):
        np.testing.assert_array_equal(result.images[row], plain.images[row])
        assert result.predictions_after[row] != predicted[row]


def attacks_of(network, images, targets, **options):
    """Both objectives and ways, a few steps each."""
    yield fooling_image(network, images, targets, pixel_range=RANGE, rate=20.0, iterations=4, **options)
    yield pgd(network, images, pixel_range=RANGE, norm="l2", epsilon=50.0, iterations=4, **options)


# Attacks run the gradient alone, which is the same for these however their ReLUs are written.
REPRESENTATIVE = ["nested", "subclassed", "with_lambda", "loop", "float16", "depthwise", "vision_transformer", "silu"]


@pytest.mark.parametrize("kind", by_day(KINDS, REPRESENTATIVE))
@pytest.mark.filterwarnings("ignore:(fooling_image|fgsm|pgd) did not:tfviz.TfvizWarning")
def test_every_kind_of_model(kind):
    """An image alone gives what it gives in a batch; steps change it, and stay in the range; the model does not."""
    model, images = model_of(kind), random_images(3, seed=1)
    network = tfviz.trace(model)
    weights = [np.array(weight) for weight in model.get_weights()]
    targets = (network.logits(images).argmax(axis=1) + 2) % CLASSES
    found = list(attacks_of(network, images, targets))
    for result in found:
        assert result.differences.any(axis=(1, 2, 3)).all(), kind
        assert (result.images >= LOW - 1e-6).all() and (result.images <= HIGH + 1e-6).all()
    if kind not in BY_BATCH:
        alone = list(attacks_of(network, images, targets, batch_size=1))
        mixed_precision = kind in ("float16", "bfloat16", "depthwise")
        for together, each in zip(found, alone, strict=True):
            # A gradient of zero but for rounding has any sign.
            differs = np.abs(together.differences - each.differences) > (1 if mixed_precision else 1e-2)
            assert differs.mean() < 0.02, kind
            if not mixed_precision:
                np.testing.assert_array_equal(together.steps, each.steps)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("kind", ["functional", "with_signature"])
@pytest.mark.filterwarnings("ignore:(fooling_image|fgsm|pgd) did not:tfviz.TfvizWarning")
def test_a_saved_model(saved_folder, kind):
    images = random_images(2, seed=1)
    network = tfviz.trace(saved_folder(kind))
    targets = (network.logits(images).argmax(axis=1) + 2) % CLASSES
    for result in attacks_of(network, images, targets):
        assert result.differences.any(axis=(1, 2, 3)).all()
    if kind == "functional":
        for saved, live in zip(
            attacks_of(network, images, targets), attacks_of(model_of(kind), images, targets), strict=True
        ):
            assert (np.abs(saved.differences - live.differences) > 1e-2).mean() < 0.02


@pytest.mark.parametrize("attack", [fooling_image, fgsm, pgd])
def test_a_single_sigmoid_logit(attack):
    """The linear model's logit w·x + b rises for class 1 and falls for class 0, along its kernel."""
    image = keras.Input((4, 4, 3))
    x = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(image))
    model = randomise(keras.Model(image, x), seed=2)
    kernel = np.array(model.layers[-1].kernel).reshape(4, 4, 3)
    images = random_images(8, shape=(4, 4, 3))
    ones = model(images).numpy()[:, 0] > 0.5
    assert 0 < ones.sum() < 8
    # The steps are taken in pixels, where the gradient is that of the kernel times the unit.
    options = {"rate": 5.0} if attack is fooling_image else {"epsilon": 60.0}
    result = attack(model, images, (~ones).astype(int), pixel_range=RANGE, **options)
    assert result.success.all()
    np.testing.assert_array_equal(result.predictions_before, ones)
    np.testing.assert_array_equal(model(result.images).numpy()[:, 0] > 0.5, ~ones)
    rows = np.arange(8)
    np.testing.assert_allclose(result.probabilities_before[rows, 1], model(images).numpy()[:, 0], rtol=1e-4)
    np.testing.assert_allclose(result.probabilities_after[rows, 1], model(result.images).numpy()[:, 0], rtol=1e-4)
    if attack is not pgd:
        moved = result.differences * np.where(ones, -1, 1)[:, np.newaxis, np.newaxis, np.newaxis]
        inside = (result.images > LOW + 1e-6) & (result.images < HIGH - 1e-6)
        assert (np.sign(moved) == np.sign(kernel))[inside].all()


def test_a_sure_network_is_left_by_the_cross_entropy_direction():
    """Where softmax gives exactly 1 in float32, the cross-entropy itself has no gradient to follow."""
    image = keras.Input((4, 4, 3))
    x = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(image))
    model = randomise(keras.Model(image, x), seed=2)
    model.layers[-1].set_weights([200 * weight for weight in model.layers[-1].get_weights()])
    images = random_images(4, shape=(4, 4, 3))
    assert (model(images).numpy().max(axis=1) == 1).any()
    result = pgd(model, images, pixel_range=RANGE, norm="l2", epsilon=500.0, seed=None)
    assert result.success.all()


def test_a_data_set_and_an_open_size():
    model, images = model_of("open_size"), random_images(5, seed=4, shape=(20, 18, 3))
    network = tfviz.trace(model)
    targets = (network.logits(images).argmax(axis=1) + 1) % CLASSES
    options = {"pixel_range": RANGE, "rate": 60.0, "iterations": 200, "objective": "log_odds"}
    array = fooling_image(network, images, targets, batch_size=2, **options)
    dataset = fooling_image(network, tf.data.Dataset.from_tensor_slices(images).batch(2), targets, **options)
    np.testing.assert_allclose(array.images, dataset.images, atol=1e-3)
    assert array.images.shape == images.shape


@pytest.mark.filterwarnings("ignore:(fooling_image|fgsm|pgd) did not:tfviz.TfvizWarning")
def test_a_loop_is_compiled_once_for_all_sizes_and_limits(model, images):
    network = tfviz.trace(keras.models.clone_model(model))
    others = (network.logits(images).argmax(axis=1) + 1) % CLASSES
    for count, rate in ((1, 25), (4, 50.0)):
        fooling_image(network, images[:count], others[:count], pixel_range=RANGE, rate=rate)
    for epsilon in (7.0, 9.0):
        fgsm(network, images, pixel_range=RANGE, epsilon=epsilon)
        pgd(network, images, pixel_range=RANGE, epsilon=epsilon)
    # A concrete function cannot be traced again.
    compiled = {
        (key.objective, key.norm, key.towards): hasattr(function, "get_concrete_function")
        for key, function in network.compiled.items()
        if hasattr(key, "objective")
    }
    assert compiled == {("logit", "l2", True): False, ("log_odds", "linf", False): False}


def test_it_ends_when_all_are_there(model, images, others, monkeypatch):
    """A step a stretch, then none is begun after the last image stopped."""
    begun = []

    def counted(*arguments):
        for first, last in stretches(*arguments):
            begun.append(last)
            yield first, last

    monkeypatch.setattr("tfviz.methods.adversarial.run.stretches", counted)
    result = fooling_image(model, images, others, pixel_range=RANGE, rate=25, iterations=100_000)
    assert result.steps.max() <= begun[-1] < 100_000
    # Within a stretch, too: a billion steps would never end.
    monkeypatch.setattr("tfviz.methods.adversarial.run.stretches", lambda *_: iter([(0, 10**9)]))
    again = fooling_image(model, images, others, pixel_range=RANGE, rate=25)
    np.testing.assert_array_equal(again.images, result.images)


def test_a_target_that_is_never_reached_is_marked(model, images, others):
    with pytest.warns(tfviz.TfvizWarning, match="fooling_image did not reach the class of image .* in 2 steps"):
        result = fooling_image(model, images, others, pixel_range=RANGE, rate=1e-3, iterations=2)
    assert not result.success.any()
    np.testing.assert_array_equal(result.steps, 2)
    np.testing.assert_allclose(result.l2, 2e-3, rtol=0.1)
    with pytest.warns(tfviz.TfvizWarning, match=r"image 0, 1, 2, 3, 4 and others in 2 steps \(success is False there"):
        fooling_image(model, images, others, pixel_range=RANGE, rate=1e-3, iterations=2, batch_size=4)
    with pytest.warns(tfviz.TfvizWarning, match="fgsm did not leave the class of image 0"):
        fgsm(model, images, pixel_range=RANGE, epsilon=1e-3)


def test_a_gradient_that_is_not_finite_is_said(images):
    image = keras.Input((12, 10, 3))
    x = keras.layers.Lambda(lambda x: tf.sqrt(x - x), output_shape=(12, 10, 3))(image)
    model = keras.Model(image, keras.layers.Dense(2, use_bias=False)(keras.layers.Flatten()(x)))
    with pytest.raises(tfviz.TfvizError, match="gradient overflows"):
        fooling_image(model, images, 1, pixel_range=RANGE)


@pytest.mark.parametrize(
    ("attack", "changes", "message"),
    [
        (fooling_image, {"targets": None}, "targets is None, expected the classes to reach"),
        (fooling_image, {"targets": CLASSES}, "5 classes, 0 to 4"),
        (fooling_image, {"iterations": 0}, "iterations is 0, expected an integer of at least 1"),
        (fooling_image, {"iterations": True}, "iterations is True"),
        (fooling_image, {"rate": -1.0}, "rate is -1.0, expected a number above 0, in pixel units"),
        (fooling_image, {"rate": np.nan}, "rate is nan"),
        (fooling_image, {"objective": "logits"}, "no objective 'logits'; did you mean 'logit'.* there are logit and"),
        (fooling_image, {"pixel_range": (0, 1)}, r"image 0 holds values from .* outside of pixel_range"),
        (fooling_image, {"pixel_range": (1, 1)}, "black below white"),
        (fgsm, {"epsilon": 0}, "epsilon is 0, expected a number above 0, in pixel units"),
        (fgsm, {"norm": "max"}, "no norm 'max'; there are linf and l2"),
        (fgsm, {"norm": 2}, "no norm 2; did you mean 'l2'.* there are linf and l2"),
        (pgd, {"epsilon": np.inf}, "epsilon is inf"),
        (pgd, {"seed": 0.5}, "seed is 0.5, expected an integer of at least 0"),
        (pgd, {"away_from": 1}, "give either targets, what to reach, or away_from, what to leave"),
        (pgd, {"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_bad_arguments_are_one_clear_line(model, images, others, attack, changes, message):
    with pytest.raises(tfviz.TfvizError, match=message) as caught:
        attack(model, images, **{"targets": others, "pixel_range": RANGE, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("attack", [fooling_image, fgsm, pgd])
def test_a_target_that_is_the_prediction_is_reached_in_no_steps(model, images, others, predicted, attack):
    """The others of its batch go their way as they do without it."""
    wanted = others.copy()
    wanted[4] = predicted[4]
    options = {"rate": 25} if attack is fooling_image else {"epsilon": 60.0}
    result = attack(model, images, wanted, pixel_range=RANGE, batch_size=3, **options)
    assert result.steps[4] == 0 and result.success.all()
    np.testing.assert_array_equal(result.images[4], images[4])
    rest = [0, 1, 2, 3, 5]
    alone = attack(model, images[rest], wanted[rest], pixel_range=RANGE, batch_size=3, **options)
    np.testing.assert_array_equal(result.steps[rest], alone.steps)
    np.testing.assert_allclose(result.images[rest], alone.images, atol=1e-4)
    assert (alone.steps > 0).all()


def test_images_outside_of_the_range_are_named(model, images, others):
    wrong = images.copy()
    wrong[3, 0, 0, 2] = HIGH[2] + 0.02 * UNIT[2]
    with pytest.raises(tfviz.InvalidImagesError, match=r"image 3 holds values from .* for black, .* for white"):
        fgsm(model, wrong, others, pixel_range=RANGE, batch_size=2)
    wrong[3, 0, 0, 2] = HIGH[2] + 0.005 * UNIT[2]  # as much as the rounding of a preprocessing
    assert fgsm(model, wrong, others, pixel_range=RANGE, epsilon=100.0).images.max() <= HIGH.max()


def test_a_score_of_ones_own_is_refused(model, images):
    custom = tfviz.trace(model, score=lambda outputs: outputs[:, 0])
    with pytest.raises(tfviz.InvalidTargetsError, match="traced with a score of your own"):
        fgsm(custom, images, pixel_range=RANGE)
