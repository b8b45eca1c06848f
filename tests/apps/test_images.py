"""Image files: what is found, how pixels are read, and what each broken file says."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.places import SHARED

from tfviz.apps.files.image_files import find_images
from tfviz.apps.files.images import read_image
from tfviz.errors import InvalidImagesError

PHOTOS = SHARED / "images"


def encode(suffix, rgb, *options):
    ok, data = cv2.imencode(suffix, rgb[..., ::-1] if rgb.ndim == 3 else rgb, options)
    assert ok
    return data.tobytes()


@pytest.fixture
def file(tmp_path):
    def write(name, data):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


def photo_like(height=60, width=80):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 3, columns * 2, rows + columns], axis=-1).astype(np.uint8)


# Reading


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_colours_come_back_as_red_green_blue(file, noise, suffix):
    image = read_image(file("image" + suffix, encode(suffix, noise)))
    np.testing.assert_array_equal(image, noise)
    assert image.dtype == np.uint8 and image.flags.c_contiguous


def test_a_pure_red_jpeg_is_red(file):
    image = read_image(file("red.jpg", encode(".jpg", np.full((16, 16, 3), (255, 0, 0), np.uint8))))
    np.testing.assert_allclose(image, np.broadcast_to((254, 0, 0), image.shape), atol=2)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_grey_becomes_three_equal_channels(file, suffix):
    grey = photo_like()[..., 0]
    image = read_image(file("grey" + suffix, encode(suffix, grey, cv2.IMWRITE_JPEG_QUALITY, 100)))
    np.testing.assert_allclose(image, np.stack([grey] * 3, axis=-1), atol=0 if suffix == ".png" else 2)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_rounded_to_eight(file, suffix):
    values = np.random.default_rng(1).integers(0, 65536, (20, 20, 3)).astype(np.uint16)
    values[0, :4] = [[0, 128, 129], [257, 385, 386], [65535, 65407, 65406], [32768, 32896, 33024]]
    image = read_image(file("deep" + suffix, encode(suffix, values)))
    np.testing.assert_array_equal(image, np.floor(values / 257 + 0.5))


@pytest.mark.parametrize("white", [255, 65535])
def test_alpha_is_laid_over_white(file, white):
    pixels = np.random.default_rng(2).integers(0, white + 1, (12, 10, 4)).astype(f"uint{8 if white == 255 else 16}")
    image = read_image(file("alpha.png", cv2.imencode(".png", pixels)[1].tobytes()))
    for row in range(12):
        for column in range(10):
            *bgr, alpha = (float(value) / white for value in pixels[row, column])
            expected = [255 * (value * alpha + 1 - alpha) for value in reversed(bgr)]
            np.testing.assert_allclose(image[row, column], expected, atol=0.51)


def test_a_fully_transparent_picture_is_white(file):
    pixels = np.zeros((4, 4, 4), np.uint8)
    assert (read_image(file("nothing.png", cv2.imencode(".png", pixels)[1].tobytes())) == 255).all()


def test_a_palette_and_its_transparent_colour(file):
    pil = pytest.importorskip("PIL.Image")
    picture = pil.fromarray(np.array([[0, 1], [1, 1]], np.uint8), mode=None).convert("P")
    picture.putpalette([200, 10, 20, 30, 40, 250])
    data = io.BytesIO()
    picture.save(data, "PNG", transparency=0)
    expected = [[(255, 255, 255), (30, 40, 250)], [(30, 40, 250)] * 2]
    np.testing.assert_array_equal(read_image(file("palette.png", data.getvalue())), expected)


def test_cmyk_jpeg(file):
    pil = pytest.importorskip("PIL.Image")
    inks = np.zeros((32, 32, 4), np.uint8)
    inks[:16, :16], inks[:16, 16:], inks[16:, :16], inks[16:, 16:] = (
        (0, 255, 255, 0),
        (255, 0, 0, 0),
        128,
        (0, 0, 0, 64),
    )
    data = io.BytesIO()
    pil.frombytes("CMYK", (32, 32), inks.tobytes()).save(data, "JPEG", quality=100)
    ink = inks.astype(float) / 255
    expected = 255 * (1 - ink[..., :3]) * (1 - ink[..., 3:])
    np.testing.assert_allclose(read_image(file("print.jpg", data.getvalue())), expected, atol=4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(file, kind, orientation):
    pil = pytest.importorskip("PIL.Image")
    exif = pil.Exif()
    exif[0x0112] = orientation
    stored = photo_like()
    data = io.BytesIO()
    pil.fromarray(stored).save(data, kind, exif=exif, quality=100, subsampling=0)
    upright = stored[:, ::-1] if orientation in (2, 3, 5, 8) else stored
    upright = upright[::-1] if orientation in (3, 4, 5, 6) else upright
    # 5 to 8 exchange rows and columns; the flips above are those before the exchange.
    turned = {5: stored, 6: stored[::-1], 7: stored[::-1, ::-1], 8: stored[:, ::-1]}
    if orientation in turned:
        upright = turned[orientation].transpose(1, 0, 2)
    np.testing.assert_allclose(read_image(file("turned", data.getvalue())), upright, atol=6)


def test_photographs_equal_an_independent_reader():
    if not PHOTOS.is_dir():
        pytest.skip("no ../shared")
    pil = pytest.importorskip("PIL.Image")
    for path in [*sorted(PHOTOS.glob("*.jpg"))[:5], PHOTOS / "dog_and_cat.png"]:
        expected = np.asarray(pil.open(path).convert("RGB"), int)
        assert np.abs(read_image(path) - expected).mean() < 1


# Broken files


def png_of_size(width, height, rows=None):
    """A black PNG file; with fewer `rows` than its header says, one that is cut off."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pixels = zlib.compress(bytes((1 + width // 8) * (height if rows is None else rows)))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_huge_png_is_refused_before_it_is_decoded(file):
    path = file("huge.png", png_of_size(20000, 20000))
    decoded = cv2.imdecode(np.frombuffer(png_of_size(200, 80), np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded.shape == (80, 200)
    with pytest.raises(
        InvalidImagesError, match=r"huge\.png has 20000x20000 pixels that take 1,200 MB while they are decoded"
    ):
        peak_of(lambda: read_image(path))
    assert peak_of.bytes < 50_000_000


def peak_of(action):
    tracemalloc.start()
    try:
        action()
    finally:
        peak_of.bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def large_headers():
    """Files that hold no pixels: only their header can tell the size."""
    jpeg = bytearray(encode(".jpg", photo_like()))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 30000, 20000)
    progressive = bytearray(encode(".jpg", photo_like(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    frame = progressive.index(b"\xff\xc2")
    progressive[frame + 5 : frame + 9] = struct.pack(">HH", 30000, 20000)
    return {
        "flat.png": png_of_size(20000, 30000, rows=0)[:33] + png_of_size(2, 2)[-12:],
        "baseline.jpg": bytes(jpeg[: jpeg.index(b"\xff\xc0") + 20]) + b"\xff\xd9",
        "progressive.jpg": bytes(progressive[: frame + 20]) + b"\xff\xd9",
        "upside_down.bmp": b"BM" + bytes(16) + struct.pack("<ii", 20000, -30000) + bytes(30),
        "still.gif": b"GIF89a" + struct.pack("<HH", 20000, 30000) + bytes(30),
    }


@pytest.mark.parametrize("name", large_headers())
def test_the_header_says_the_size_in_other_formats(file, name):
    with pytest.raises(InvalidImagesError, match=f"{name} has 20000x30000 pixels"):
        read_image(file(name, large_headers()[name]))


@pytest.mark.parametrize("height, width", [(1, 1), (1, 9), (9, 1)])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_side_of_one_pixel(file, suffix, height, width):
    with pytest.raises(
        InvalidImagesError, match=f"thin{suffix} has {width}x{height} pixels; an image needs two or more"
    ):
        read_image(file("thin" + suffix, encode(suffix, np.zeros((height, width, 3), np.uint8))))
    assert read_image(file("small" + suffix, encode(suffix, np.zeros((2, 2, 3), np.uint8)))).shape == (2, 2, 3)


@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95, 0.9999])
def test_a_cut_off_jpeg(file, part, progressive):
    # A thumbnail with an end marker of its own, as cameras put into the EXIF block.
    thumbnail = encode(".jpg", photo_like(8, 8))
    block = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    whole = encode(".jpg", photo_like(300, 400), cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    whole = whole[:2] + block + whole[2:]
    assert read_image(file("whole.jpg", whole)).shape == (300, 400, 3)
    with pytest.raises(
        InvalidImagesError, match=r"part\.jpg is cut off: its end is missing; copy or download it again"
    ):
        read_image(file("part.jpg", whole[: int(len(whole) * part)]))


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm(file):
    data = encode(".jpg", photo_like())
    expected = read_image(file("plain.jpg", data))
    np.testing.assert_array_equal(read_image(file("more.jpg", data + b"\xff\xd8\xff\xe1more")), expected)


@pytest.mark.parametrize("kept", [30, 1000, -13, -6, -1])
def test_a_cut_off_png(file, noise, kept):
    with pytest.raises(InvalidImagesError, match=r"part\.png is cut off"):
        read_image(file("part.png", encode(".png", noise)[:kept]))


@pytest.mark.parametrize("data", [b"hello, I am text\n" * 50, b"x", b"\xff\xd8", b"BM", b"GIF89a", b"RIFF1234WAVE"])
def test_a_file_that_is_no_image(file, data, capfd):
    with pytest.raises(
        InvalidImagesError, match=r"text\.jpg is not an image that OpenCV can read; save it as PNG or JPEG"
    ):
        read_image(file("text.jpg", data))
    assert capfd.readouterr().err == ""


def test_a_damaged_png_is_refused_without_noise_and_stderr_works_on(file, noise, capfd):
    data = bytearray(encode(".png", noise))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(InvalidImagesError, match="is damaged: a checksum does not fit"):
        read_image(file("damaged.png", bytes(data)))
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_reading_leaves_no_file_open(file, noise):
    path = file("image.png", encode(".png", noise))
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        read_image(path)
    assert len(os.listdir("/dev/fd")) == before


def test_empty_file(file):
    with pytest.raises(InvalidImagesError, match=r"empty\.png is empty \(zero bytes\); copy or download it again"):
        read_image(file("empty.png", b""))


def test_pixels_of_another_type(file):
    data = cv2.imencode(".tif", np.ones((4, 4), np.float32))[1].tobytes()
    with pytest.raises(InvalidImagesError, match=r"float\.tif has pixels of type float32; save it with 8 or 16 bits"):
        read_image(file("float.tif", data))


def test_a_folder_is_no_image_file(tmp_path):
    with pytest.raises(InvalidImagesError, match="is a folder, not an image file"):
        read_image(tmp_path)


def test_a_missing_file(tmp_path):
    with pytest.raises(InvalidImagesError, match=r"none\.png cannot be read: No such file"):
        read_image(tmp_path / "none.png")


@pytest.fixture
def locked(file, tmp_path):
    """A file that the process may not read; root, who may read everything, becomes nobody meanwhile."""
    path = file("locked.png", b"")
    tmp_path.chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)
    yield path
    os.seteuid(user)
    tmp_path.chmod(0o700)


def test_a_file_that_may_not_be_read(locked):
    with pytest.raises(InvalidImagesError, match=r"locked\.png cannot be read: Permission denied"):
        read_image(locked)
    with pytest.raises(InvalidImagesError, match=r"cannot be read: Permission denied"):
        find_images([locked])


# Finding


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["b.png", "a.JPG", "note.txt", "deep/c.jpeg", "deep/deeper/d.webp", "scan[1].tif", "raw.dat"]
    hidden = ["._a.JPG", ".ipynb_checkpoints/b.png", "deep/.cache/e.png"]
    for name in names + hidden:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("folder.png").mkdir()
    Path("empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ([], []),
        (["b.png", "a.JPG"], ["b.png", "a.JPG"]),
        (["raw.dat"], ["raw.dat"]),
        (["scan[1].tif"], ["scan[1].tif"]),
        (["."], ["a.JPG", "b.png", "deep/c.jpeg", "deep/deeper/d.webp", "scan[1].tif"]),
        (["deep"], ["deep/c.jpeg", "deep/deeper/d.webp"]),
        (["*.png"], ["b.png"]),
        (["[ab].*"], ["a.JPG", "b.png"]),
        (["d*"], ["deep/c.jpeg", "deep/deeper/d.webp"]),
        (["**/*.webp"], ["deep/deeper/d.webp"]),
        (["b.png", "*.png", Path("deep"), "b.png"], ["b.png", "deep/c.jpeg", "deep/deeper/d.webp"]),
    ],
)
def test_find_images(tree, arguments, expected):
    assert find_images(arguments) == [Path(name) for name in expected]


def test_the_home_folder_is_understood(tree, monkeypatch):
    monkeypatch.setenv("HOME", str(tree))
    assert find_images(["~/b.png"]) == [tree / "b.png"]


@pytest.mark.parametrize(
    "argument, message",
    [
        ("c.png", r"^c\.png does not exist; this folder has 'b\.png'( or .*)?$"),
        ("B.PNG", r"^B\.PNG does not exist; this folder has 'b\.png'"),
        ("dep/c.jpeg", r"^dep/c\.jpeg does not exist; this folder has 'deep'"),
        ("deep/c.jpg", r"^deep/c\.jpg does not exist; deep has 'c\.jpeg'$"),
        ("zzzzz", r"^zzzzz does not exist; this folder has .*, a\.JPG, .* and \d more$"),
        ("empty", r"^no image file \(\.bmp .*\.webp\) in empty; empty has nothing$"),
        ("deep/*.bmp", r"^no image file \(.*\) in deep/\*\.bmp; deep has .*c\.jpeg"),
        ("*.txt", r"^no image file \(.*\) in \*\.txt; this folder has "),
    ],
)
def test_nothing_found(tree, argument, message):
    with pytest.raises(InvalidImagesError, match=message) as raised:
        find_images(["b.png", argument])
    assert "\n" not in str(raised.value)
