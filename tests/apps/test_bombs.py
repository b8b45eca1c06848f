"""Small files that ask for much memory: what they take before they are refused, and what raises each limit."""

from __future__ import annotations

import functools
import io
import json
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

import tfviz
from tfviz import demo
from tfviz.apps.command.app import app
from tfviz.apps.files.image_headers import needed_of, read_header
from tfviz.apps.files.images import decode_image, read_image
from tfviz.apps.files.map_files import read_maps
from tfviz.errors import InvalidImagesError, UnsupportedModelError
from tfviz.limits import MAXIMUM_IMAGE_BYTES, MAXIMUM_MODEL_BYTES
from tfviz.network.opening.links import find_links_in_zip

PIL = pytest.importorskip("PIL.Image")
BLOCK, EMPTY = 1 << 20, zlib.compress(b"")
ALLOWED = 200_000_000
"""Bytes above the start that a refused file may take."""

# They run in one process, so that the files are written and opened once.
of_the_bombs = pytest.mark.xdist_group("bombs")

# Opens each file of the command line and prints what it took at most and what was said, with which limit.
MEASURE = """
import json, sys
from pathlib import Path
from tfviz.errors import TfvizError
if sys.argv[1] == "images":
    from tfviz.apps.files.images import read_image as open_it
    from tfviz import demo
    open_it(demo.sample_paths()[0])
else:
    import tfviz
    def open_it(path):
        return tfviz.trace(path)
    tfviz.trace(sys.argv[2])

def peak():
    return 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

for path in sys.argv[3:]:
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    try:
        said = "read " + str(getattr(open_it(path), "shape", ""))
    except TfvizError as error:
        said = str(error)
    print(json.dumps([Path(path).name, peak() - before, said]))
"""


def measured(kind, paths, ordinary=""):
    """What each file took at most, in bytes, and what was said of it, by its name."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of a process is read as Linux tells it")
    command = [sys.executable, "-c", MEASURE, kind, str(ordinary), *map(str, paths)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: (taken, said) for name, taken, said in map(json.loads, done.stdout.splitlines()) if name}


def png_chunk(kind, content, length=None):
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content) if length is None else length) + kind + content + struct.pack(">I", checksum)


def deflated(*runs):
    """What `zlib.compress` makes of runs of a byte, each given with its length: a block is compressed once."""
    stream, checksum = EMPTY[:2], 1
    for byte, length in runs:
        for size, times in ((BLOCK, length // BLOCK), (length % BLOCK, 1)):
            compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            stream += (compressor.compress(byte * size) + compressor.flush(zlib.Z_FULL_FLUSH)) * times
            for _ in range(times):
                checksum = zlib.adler32(byte * size, checksum)
    return stream + EMPTY[2:4] + checksum.to_bytes(4, "big")


def png(width, height, *chunks, bits=8, colors=2, data=EMPTY):
    header = struct.pack(">IIBBBBB", width, height, bits, colors, 0, 0, 0)
    body = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", data), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def tiff(width, height, *, order="<", big=False, extra=(), bits=(8, 8, 8), kinds=None):
    """A TIFF of one directory without pixels."""
    tags = {256: width, 257: height, 259: 1, 262: 2, 277: len(bits), 278: height, **dict(extra)}
    entries = [(tag, 4, (value,)) for tag, value in tags.items()] + [(258, 3, tuple(bits))]
    layout, offset = ("HHQQ", "Q") if big else ("HHII", "I")
    content = struct.pack(order + ("Q" if big else "H"), len(entries))
    start = 16 if big else 8
    tail_at, tail = start + len(content) + len(entries) * struct.calcsize(order + layout) + struct.calcsize(offset), b""
    for tag, usual, values in sorted(entries):
        kind = dict(kinds or {}).get(tag, usual)
        packed = struct.pack(order + {3: "H", 4: "I"}.get(kind, "I") * len(values), *values)
        room = struct.calcsize(order + offset)
        if len(packed) > room:
            packed, tail = struct.pack(order + offset, tail_at + len(tail)), tail + packed
        content += struct.pack(order + "HH" + offset, tag, kind, len(values)) + packed.ljust(room, b"\0")
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head = mark + (struct.pack(order + "HHQ", 8, 0, 16) if big else struct.pack(order + "I", 8))
    return head + content + bytes(struct.calcsize(offset)) + tail + bytes(100)


def flat_tiff():
    """A picture of 432 MB in one strip."""
    strip = deflated((b"\0", 3 * 12000 * 12000))
    tags = {259: 8, 273: 0, 279: len(strip)}
    tags[273] = len(tiff(12000, 12000, extra=tags))
    return tiff(12000, 12000, extra=tags) + strip


def webp_chunk(kind, content):
    return kind + struct.pack("<I", len(content)) + content


def webp(*chunks):
    return webp_chunk(b"RIFF", b"WEBP" + b"".join(chunks))


def canvas(width, height):
    return bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def lossy(width, height):
    return b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(20)


def lossless(width, height):
    return b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(20)


def encoded(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def jpeg_with_a_bare_marker():
    """Its marker without a length hides the true frame from a reader that expects one."""
    data = encoded(PIL.new("RGB", (16, 16)), "JPEG")
    frame = data.index(b"\xff\xc0")
    large = bytearray(data[frame : frame + 19])
    large[5:9] = struct.pack(">HH", 60000, 60000)
    return data[:frame] + b"\xff\x01" + bytes(large) + data[frame:]


def large_inks():
    """The start of a picture in four inks, in many scans: all of it is kept until the last of them."""
    data = encoded(PIL.new("CMYK", (16, 16)), "JPEG", progressive=True)
    frame = data.index(b"\xff\xc2") + 5
    return data[:frame] + struct.pack(">HH", 7900, 7900) + data[frame + 4 :]


def exif_of(entries, size):
    """A block of EXIF whose tags all name the same bytes."""
    tags = b"".join(struct.pack("<HHII", 1000 + number, 7, size, 0) for number in range(entries))
    return b"II*\0" + struct.pack("<IH", 8, entries) + tags + bytes(4 + size)


def jpeg_of_many_scans(number):
    data = encoded(PIL.new("L", (64, 64)), "JPEG", progressive=True)
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * number + data[-2:]


IMAGE_BOMBS = {
    "chunk.png": lambda: b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 0xFFFF_FFF0) + b"IHDR" + bytes(33),
    "late_chunk.png": lambda: png(8, 8, png_chunk(b"tEXt", b"small", 0x7FFF_FFFF)),
    "apng_chunk.png": lambda: png(8, 8, png_chunk(b"fdAT", b"small", 0xFFFF_FFF0)),
    "square.png": lambda: png(12000, 12000, data=deflated((b"\0", 36001 * 12000))),
    "deep.png": lambda: png(7000, 7000, bits=16, colors=6),
    "animated.png": lambda: png(6000, 6000, png_chunk(b"acTL", struct.pack(">II", 9, 0)), colors=6),
    "frame.png": lambda: png(64, 64, png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 30000, 30000, 0, 0, 1, 1, 0, 0))),
    "twice.png": lambda: png(64, 64, png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))),
    "late_error.png": lambda: png(8000, 7900, data=deflated((b"\0", 24001 * 7800), (b"\x09", 24001 * 100))),
    "flat.tif": flat_tiff,
    "little.tif": lambda: tiff(50000, 50000),
    "motorola.tif": lambda: tiff(50000, 50000, order=">"),
    "big.tif": lambda: tiff(50000, 50000, big=True),
    "big_motorola.tif": lambda: tiff(50000, 50000, big=True, order=">"),
    "many.tif": lambda: tiff(6000, 6000, bits=(8,) * 16),
    "double.tif": lambda: tiff(5000, 5000, bits=(64,) * 4, extra={339: 3}),
    "tile.tif": lambda: tiff(64, 64, extra={322: 30000, 323: 30000}),
    "strip.tif": lambda: tiff(5000, 64, extra={278: 100_000}),
    "signed.tif": lambda: tiff(50000, 50000, kinds={256: 9, 257: 9}),
    "lossy.webp": lambda: webp(webp_chunk(b"VP8 ", lossy(16000, 16000))),
    "lossless.webp": lambda: webp(webp_chunk(b"VP8L", lossless(16000, 16000))),
    "extended.webp": lambda: webp(webp_chunk(b"VP8X", canvas(1 << 24, 100)), webp_chunk(b"VP8 ", lossy(100, 100))),
    "inner.webp": lambda: webp(webp_chunk(b"VP8X", canvas(64, 64)), webp_chunk(b"VP8L", lossless(16000, 16000))),
    "animation.webp": lambda: webp(
        webp_chunk(b"VP8X", b"\x02" + canvas(64, 64)[1:]),
        webp_chunk(b"ANMF", bytes(6) + canvas(16000, 16000)[4:] + bytes(4)),
    ),
    "large.gif": lambda: b"GIF89a" + struct.pack("<HH", 60000, 60000) + bytes(300),
    "many_frames.gif": lambda: encoded(PIL.new("P", (6000, 6000)), "GIF"),
    "os2.bmp": lambda: b"BM" + bytes(8) + struct.pack("<IIHHHH", 26, 12, 60000, 60000, 1, 24) + bytes(300),
    "large.bmp": lambda: b"BM" + bytes(8) + struct.pack("<IIiiHH", 54, 40, 60000, -60000, 1, 24) + bytes(300),
    "within.bmp": lambda: b"BM" + bytes(8) + struct.pack("<IIiiHH", 54, 40, 8000, 8000, 1, 24) + bytes(300),
    "frame.jpg": jpeg_with_a_bare_marker,
    "inks.jpg": large_inks,
    "scans.jpg": lambda: jpeg_of_many_scans(200),
    "segments.jpg": lambda: b"\xff\xd8" + b"\xff\xfe\0\2" * 2_000_000,
    "chunks.png": lambda: png(64, 64, png_chunk(b"abCd", b"") * 1_100_000),
    "chunks.webp": lambda: webp(webp_chunk(b"abcd", b"") * 1_100_000),
    "large.ppm": lambda: b"P6 60000 60000 255\n" + bytes(300),
    "within.ppm": lambda: b"P6\n# 8 8\n 8000 8000 255\n" + bytes(300),
    "odd.ppm": lambda: b"P6 8,8 60000 60000 255\n" + bytes(300),
    "map.pfm": lambda: b"PF 60000 60000 -1.0\n" + bytes(300),
    "any.pam": lambda: b"P7\nWIDTH 60000\nHEIGHT 60000\nDEPTH 4\nMAXVAL 255\nENDHDR\n" + bytes(300),
    "light.hdr": lambda: b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 60000 +X 60000\n" + bytes(300),
    "film.exr": lambda: b"v/1\x01" + bytes(300),
    "scan.jp2": lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(300),
    "still.avif": lambda: b"\0\0\0\x20ftypavif" + bytes(300),
    "sun.ras": lambda: struct.pack(">IIIIIIII", 0x59A66A95, 60000, 60000, 24, 0, 1, 0, 0) + bytes(300),
}


@pytest.fixture(scope="module")
def refused_images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    for name, made in IMAGE_BOMBS.items():
        (folder / name).write_bytes(made())
    return measured("images", sorted(folder.iterdir()))


@of_the_bombs
@pytest.mark.parametrize("name", IMAGE_BOMBS)
def test_an_image_that_asks_for_much_is_refused_in_little_memory(refused_images, name):
    taken, said = refused_images[name]
    assert not said.startswith("read") and name in said and "\n" not in said
    assert taken < ALLOWED


@pytest.mark.parametrize(
    "name, reason",
    [
        ("chunk.png", "is damaged: it does not begin with its header"),
        (
            "deep.png",
            "has 7000x7000 pixels that take 392 MB while they are decoded, more than 195; make it smaller, or",
        ),
        ("frame.png", "a frame is larger than the picture"),
        ("twice.png", "it has two headers"),
        ("double.tif", "has pixels of type float64"),
        ("signed.tif", "its tag 256 is not a positive number"),
        ("extended.webp", "has 16777216x100 pixels"),
        ("within.bmp", "is not an image that OpenCV can read"),
        ("within.ppm", "is not an image that OpenCV can read"),
        ("odd.ppm", "its header is not that of a PNM image"),
        ("inks.jpg", "has 7900x7900 pixels that take 250 MB"),
        ("scans.jpg", "has more than 100 scans; save it again"),
        ("segments.jpg", "it has more than 1048576 parts"),
        ("chunks.png", "it has more than 1048576 parts"),
        ("chunks.webp", "it has more than 1048576 parts"),
        ("scan.jp2", "is an image in the format JPEG 2000, which is not read; save it as PNG or JPEG"),
        ("sun.ras", "is not an image that OpenCV can read"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, name, reason):
    (tmp_path / name).write_bytes(IMAGE_BOMBS[name]())
    with pytest.raises(InvalidImagesError, match=reason):
        read_image(tmp_path / name)


def accepted_images():
    """The largest that are read, of each kind that a decoder holds differently."""
    rows = np.arange(2400, dtype=np.uint8)[:, np.newaxis, np.newaxis]
    shades = np.ascontiguousarray(np.broadcast_to(rows, (2400, 2400, 3)))
    photo = PIL.fromarray(shades)
    return {
        "rgb.png": encoded(photo, "PNG"),
        "rgba.png": encoded(photo.convert("RGBA"), "PNG"),
        "deep.png": cv2.imencode(".png", shades.astype(np.uint16) * 257)[1].tobytes(),
        "progressive.jpg": encoded(photo, "JPEG", progressive=True, subsampling=0),
        "strips.tif": encoded(photo, "TIFF", compression="tiff_lzw"),
        "lossless.webp": encoded(photo, "WEBP", lossless=True, method=0),
        "frames.gif": encoded(photo.resize((1200, 1200)).convert("P"), "GIF"),
        "animated.png": encoded(
            photo.resize((1200, 1200)), "PNG", save_all=True, append_images=[PIL.new("RGB", (1200, 1200))]
        ),
    }


def test_an_image_within_the_limit_takes_three_times_the_limit_at_most(tmp_path):
    for name, data in accepted_images().items():
        (tmp_path / name).write_bytes(data)
        if not cv2.haveImageReader(str(tmp_path / name)):
            assert name == "frames.gif"  # which OpenCV reads from 4.11 on
            (tmp_path / name).unlink()
    for name, (taken, said) in measured("images", sorted(tmp_path.iterdir())).items():
        assert said.startswith("read ("), said
        stated = read_header((tmp_path / name).read_bytes(), name).decoded_bytes
        assert stated <= MAXIMUM_IMAGE_BYTES
        assert taken < 3.1 * stated + (tmp_path / name).stat().st_size, name


def test_what_stands_beside_the_pixels_takes_little(tmp_path):
    """Each of these is a small picture that is read: what is beside it unpacks to 800 MB, or is named 60 times."""
    rows = zlib.compress(bytes(64 * 193))
    texts = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(7_900_000), 9)) * 100
    exif = exif_of(60, 5_000_000)
    (tmp_path / "texts.png").write_bytes(png(64, 64, texts, data=rows))
    (tmp_path / "exif.png").write_bytes(png(64, 64, png_chunk(b"eXIf", exif), data=rows))
    still = encoded(PIL.new("RGB", (64, 64)), "WEBP")[20:]
    (tmp_path / "exif.webp").write_bytes(
        webp(webp_chunk(b"VP8X", b"\x08" + canvas(64, 64)[1:]), webp_chunk(b"EXIF", exif), webp_chunk(b"VP8 ", still))
    )
    for taken, said in measured("images", sorted(tmp_path.iterdir())).values():
        assert said == "read (64, 64, 3)" and taken < 50_000_000
    found = needed_of((tmp_path / "texts.png").read_bytes())
    assert found == png(64, 64, data=rows) == needed_of(found)


def test_the_limit_of_images_is_an_option(tmp_path):
    (tmp_path / "x.png").write_bytes(encoded(PIL.new("RGB", (40, 30)), "PNG"))
    with pytest.raises(InvalidImagesError, match=r"x\.png has 40x30 pixels .* raise maximum_bytes \(--image-l"):
        read_image(tmp_path / "x.png", maximum_bytes=3599)
    assert read_image(tmp_path / "x.png", maximum_bytes=3600).shape == (30, 40, 3)
    with pytest.raises(InvalidImagesError, match=r"x\.png holds more than 0 MB"):
        read_image(tmp_path / "x.png", maximum_bytes=50)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_transparent_pixels_are_turned_upright_too(kind, orientation):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 20, 4), np.uint8)
    exif = PIL.Exif()
    exif[0x0112] = orientation
    turn = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    data = encoded(PIL.fromarray(pixels), kind, exif=exif, lossless=True, exact=True)
    upright = decode_image(encoded(PIL.fromarray(pixels), kind, lossless=True, exact=True), "as it is").image
    np.testing.assert_array_equal(decode_image(data, "turned").image, np.rot90(upright, turn))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_transparent_tiff_is_laid_over_white_once(orientation):
    """LibTIFF multiplies its colours by their alpha."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 20, 4), np.uint8)
    exif = PIL.Exif()
    exif[0x0112] = orientation
    found = decode_image(encoded(PIL.fromarray(pixels), "TIFF", exif=exif), "transparent").image
    as_png = decode_image(encoded(PIL.fromarray(pixels), "PNG", exif=exif), "transparent").image
    np.testing.assert_allclose(found.astype(int), as_png, atol=1)


@pytest.mark.parametrize("values", [2, 5, 16])
def test_a_tiff_whose_values_are_no_colours(values):
    with pytest.raises(InvalidImagesError, match=f"has {values} values per pixel; save it with 1, 3 or 4"):
        decode_image(tiff(8, 8, bits=(8,) * values), "many")


def test_an_exif_block_that_cannot_be_read_turns_nothing():
    pixels = encoded(PIL.new("RGB", (4, 3), (9, 8, 7)), "PNG")
    broken = pixels[:33] + png_chunk(b"eXIf", b"II*\0\xff\xff\xff\x7f") + pixels[33:]
    assert decode_image(broken, "broken").image.shape == (3, 4, 3)


@pytest.mark.parametrize(
    "start", ["P1 3 2\n1 0 1\n0 1 0\n", "P2\n# grey\n3 2\n255\n1 2 3\n4 5 6\n", "P3 3 2 255\n" + "9 8 7 " * 6]
)
def test_pnm_in_digits(start):
    assert decode_image(start.encode(), "digits").image.shape == (2, 3, 3)


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_pnm_of_bytes(mode):
    picture = PIL.fromarray(np.random.default_rng(0).integers(0, 256, (5, 13, 3), np.uint8)).convert(mode)
    found = decode_image(encoded(picture, "PPM"), "bytes").image
    np.testing.assert_array_equal(found, np.asarray(picture.convert("RGB")))


@functools.cache
def saved_network(suffix):
    """The bytes of a file of the embedded network."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"model{suffix}")
        demo.load_network().save(path)
        return path.read_bytes()


def kept_model(path):
    path.write_bytes(saved_network(path.suffix))
    return path


def with_members(path, members, compression=zipfile.ZIP_DEFLATED):
    """A copy of a .keras file with other members in their place."""
    source = kept_model(path.with_name(f"whole_{path.stem}.keras"))
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(path, "w", compression, compresslevel=1) as archive:
        for name in {*whole.namelist(), *members}:
            archive.writestr(name, members[name] if name in members else whole.read(name))
    source.unlink()
    return path


def with_a_lie(path, name, content, listed):
    """A .keras file whose member unpacks to more than the list of members says; the checksum is that of its start."""
    data = bytearray(with_members(path, {name: content}).read_bytes())
    entry = data.index(name.encode(), data.index(b"PK\1\2")) - 46
    (local,) = struct.unpack_from("<I", data, entry + 42)
    for sizes in (entry + 16, local + 14):
        struct.pack_into("<I", data, sizes, zlib.crc32(content[:listed]))
        struct.pack_into("<I", data, sizes + 8, listed)
    path.write_bytes(data)


def weights_of(shape, **options):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset("layers/dense/vars/0", shape, "float32", **options)
    return content.getvalue()


def model_bombs(folder):
    configuration = b'{"class_name": "Functional", "config": {}, "x": [' + b"[]," * 1_400_000 + b"[]]}"
    with_members(folder / "json.keras", {"config.json": b" " * 90_000_000 + b"{}"})
    with_members(folder / "lists.keras", {"config.json": configuration})
    with_members(folder / "about.keras", {"metadata.json": b'{"keras_version": "' + b"3" * 20_000_000 + b'"}'})
    with_members(folder / "other.keras", {"assets/vocabulary.txt": bytes(120_000_000)})
    with_members(folder / "unwritten.keras", {"model.weights.h5": weights_of((30_000, 30_000))})
    with_members(
        folder / "chunks.keras",
        {"model.weights.h5": weights_of((30_000, 30_000), chunks=(100, 100), compression="gzip")},
    )
    with_a_lie(folder / "lie.keras", "config.json", b'{"a": 1}' + b" " * 300_000_000, 8)
    with_a_lie(folder / "less.keras", "model.weights.h5", bytes(300_000_000), 1000)
    with_members(folder / "deep.keras", {"config.json": b"[" * 1_000_000})
    with_members(folder / "list.keras", {"config.json": b"[1, 2]"})
    with_members(folder / "nested.keras", {"config.json": b'{"config":' * 20_000 + b"1" + b"}" * 20_000})
    with h5py.File(kept_model(folder / "unwritten.h5"), "a") as file:
        file.create_dataset("model_weights/bomb", (30_000, 30_000), "float32")
    with h5py.File(kept_model(folder / "often.h5"), "a") as file:
        one = file.create_dataset("model_weights/one", (2000, 2000), "float32")
        for number in range(1000):
            file[f"model_weights/more{number}"] = one
    with h5py.File(kept_model(folder / "long.h5"), "a") as file:
        file.attrs["model_config"] = '{"class_name": "' + "a" * 20_000_000 + '"}'


@pytest.fixture(scope="module")
def refused_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model_bombs")
    model_bombs(folder)
    paths = sorted(folder.iterdir())
    return measured("models", paths, kept_model(folder / "ordinary.keras"))


@of_the_bombs
@pytest.mark.parametrize(
    "name, reason",
    [
        ("json.keras", "its config.json has 90.0 MB, more than 4.0"),
        ("lists.keras", "its config.json has 4.2 MB, more than 4.0"),
        ("about.keras", "its metadata.json has 20.0 MB, more than 4.0"),
        ("other.keras", "it unpacks to 121.0 MB"),
        ("unwritten.keras", "it holds weights of 3,600.0 MB, more than 100.0"),
        ("chunks.keras", "it holds weights of 3,600.0 MB"),
        ("lie.keras", "its config.json does not unpack to the size that it lists"),
        ("less.keras", "its model.weights.h5 does not unpack to the size that it lists"),
        ("deep.keras", "cannot open"),
        ("list.keras", "its config.json is list, not an object"),
        ("nested.keras", "cannot open"),
        ("unwritten.h5", "it holds weights of 3,60"),
        ("often.h5", "it holds weights of 16,0"),
        ("long.h5", "its model_config has 20.0 MB"),
    ],
)
def test_a_model_file_that_asks_for_much_is_refused_in_little_memory(refused_models, name, reason):
    taken, said = refused_models[name]
    assert reason in said and name in said and "\n" not in said
    assert taken < ALLOWED


def test_many_members_are_not_written_into_a_folder(tmp_path):
    members = {f"assets/{number}": b"" for number in range(10_001)}
    path = with_members(tmp_path / "many.keras", members, zipfile.ZIP_STORED)
    with pytest.raises(UnsupportedModelError, match=r"it holds 1000\d members, more than 10000"):
        tfviz.trace(path)


def test_compressed_weights_are_unpacked_once(tmp_path):
    """HDF5 reads from place to place, and each step back in an archive unpacks a member anew."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for number in range(3000):
            file.create_group(f"layers/{number}")
        file.create_dataset("large", (2_000_000,), "float32")[:] = 0
    path = with_members(tmp_path / "steps.keras", {"model.weights.h5": content.getvalue()})
    start = time.monotonic()
    with zipfile.ZipFile(path) as archive:
        assert not list(find_links_in_zip(path, archive))
    assert time.monotonic() - start < 5


def test_the_limit_of_models_is_an_option(tmp_path):
    path = with_members(tmp_path / "padded.keras", {"assets/padding.txt": bytes(MAXIMUM_MODEL_BYTES)})
    with pytest.raises(UnsupportedModelError, match=r"raise maximum_model_bytes \(--model-limit\), which is 1000"):
        tfviz.trace(path)
    assert tfviz.trace(path, maximum_model_bytes=2 * MAXIMUM_MODEL_BYTES).num_classes == 9
    with pytest.raises(tfviz.TfvizError, match="maximum_model_bytes is 'many', expected a number of bytes"):
        tfviz.trace(path, maximum_model_bytes="many")


def test_a_file_that_is_large_itself_needs_no_option(tmp_path):
    path = with_members(tmp_path / "stored.keras", {"assets/noise": np.random.default_rng(0).bytes(10_000_000)})
    assert tfviz.trace(path, maximum_model_bytes=5_000_000).num_classes == 9


def array_of(shape):
    """An .npy file whose header says a shape, and that holds nothing."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return content.getvalue() + bytes(64)


def test_an_array_file_that_asks_for_more_than_it_holds(tmp_path):
    (tmp_path / "map.npy").write_bytes(array_of((2_000_000, 2_000_000)))
    with pytest.raises(tfviz.TfvizError, match=r"map\.npy is not an \.npy file of numbers"):
        read_maps(tmp_path, ["map"])


def test_the_command_takes_the_limits(tmp_path, capsys):
    (tmp_path / "x.png").write_bytes(encoded(PIL.new("RGB", (40, 30)), "PNG"))
    for option, reason in (("--image-limit", "holds more than"), ("--model-limit", "its metadata.json has")):
        model = kept_model(tmp_path / "model.keras")
        with pytest.raises(SystemExit):
            app(args=["explain", str(tmp_path / "x.png"), "--model", str(model), option, "50"], prog_name="tfviz")
        said = capsys.readouterr().err
        assert reason in said and option in said and len(said.splitlines()) <= 2
