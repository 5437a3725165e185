"""Bad volumes, one line each, for whoever opens volumes: each is refused in one sentence by every command.

`ZOO` maps a name to a builder and to the sentence. In a sentence, ``{path}`` is what the builder gave, ``{folder}`` the
folder that it was given, and … whatever a file library says.
"""

from __future__ import annotations

import json
import re
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorstore
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow

FOLDER = "données 测试 a b"
"""A name for the folder that the volumes are built in."""

SIZE = (30.0, 6.0, 4.0)
"""Voxel size in nm to open them with, unless it is itself what is bad."""

VOXELS = np.random.default_rng(0).integers(1, 256, (6, 20, 14), np.uint8)

Build = Callable[[Path], str]


@dataclass(frozen=True, slots=True)
class BadInput:
    """A volume that must be refused.

    Parameters
    ----------
    build
        Makes it in a folder and gives the path to open.
    says
        The sentence that refuses it.
    sized
        Whether a voxel size is passed when it is opened.
    """

    build: Build
    says: str
    sized: bool = True

    def matches(self, sentence: str, *, path: str, folder: Path) -> bool:
        """Whether a refusal is the one that is wanted."""
        wanted = self.says.replace("{path}", path).replace("{folder}", str(folder))
        return re.fullmatch(".+".join(map(re.escape, wanted.split("…"))), sentence, re.DOTALL) is not None


def cut(path: str, keep: float) -> str:
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: int(len(whole) * keep)])
    return path


def cut_file(build: Build, keep: float, folder: Path) -> str:
    return cut(build(folder), keep)


def file_of(name: str, content: bytes, folder: Path) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def folder_of(names: list[str], folder: Path) -> str:
    (folder / "stack").mkdir()
    for name in names:
        (folder / "stack" / name).write_text("cut on Tuesday")
    return str(folder / "stack")


# ---------------------------------------------------------------- TIFF and folders of sections


def tiff(folder: Path, voxels: NDArray[Any] = VOXELS, **how: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tifffile.imwrite(folder / "a.tif", voxels, **how)
    return str(folder / "a.tif")


def tiff_of_two(folder: Path) -> str:
    with tifffile.TiffWriter(folder / "a.tif") as writer:
        writer.write(VOXELS)
        writer.write(VOXELS[:, :10])
    return str(folder / "a.tif")


def tiff_with(folder: Path, tag: int, value: int) -> str:
    """A stack whose header declares another value in a tag of the first page (little-endian, one value)."""
    path = tiff(folder, metadata=None)
    content = bytearray(Path(path).read_bytes())
    start = struct.unpack("<I", content[4:8])[0]
    for i in range(struct.unpack("<H", content[start : start + 2])[0]):
        at = start + 2 + 12 * i
        if struct.unpack("<H", content[at : at + 2])[0] == tag:
            content[at + 2 : at + 12] = struct.pack("<HII", 4, 1, value)
    Path(path).write_bytes(content)
    return path


def sections(folder: Path, numbers: list[int], **odd: Any) -> str:
    """Pictures s001.png, …; ``odd`` gives section 2 another shape, type or mode, or cuts it."""
    (folder / "stack").mkdir()
    for z in numbers:
        file = folder / "stack" / f"s{z:03d}.png"
        section = VOXELS[z % 6]
        if z == 2 and "shape" in odd:
            section = section[: odd["shape"]]
        if z == 2 and "dtype" in odd:
            section = section.astype(odd["dtype"])
        picture = Pillow.fromarray(section)
        (picture.convert(odd["mode"]) if z == 2 and "mode" in odd else picture).save(file)
        if z == 2 and "keep" in odd:
            cut(str(file), odd["keep"])
    return str(folder / "stack")


def link_of_sections(folder: Path) -> str:
    path = sections(folder, [1, 2])
    (Path(path) / "s003.png").symlink_to(folder / "gone.png")
    return path


def loop(folder: Path) -> str:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    return str(folder / "a")


def loop_within(folder: Path) -> str:
    (folder / "a").mkdir()
    (folder / "a" / "again").symlink_to(folder / "a")
    return str(folder / "a")


def broken_link(folder: Path) -> str:
    (folder / "a.tif").symlink_to(folder / "gone.tif")
    return str(folder / "a.tif")


# ---------------------------------------------------------------- HDF5


def hdf5(folder: Path, voxels: Any = VOXELS, *, name: str = "raw", inside: str = "", **attributes: Any) -> str:
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset(name, data=voxels).attrs.update(attributes)
    return f"{folder / 'a.h5'}{inside}"


def hdf5_empty(folder: Path, shape: tuple[int, ...], chunks: tuple[int, ...] | None = None) -> str:
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("raw", shape=shape, dtype=np.uint8, chunks=chunks)
    return str(folder / "a.h5")


def hdf5_flipped(folder: Path) -> str:
    with h5py.File(folder / "a.h5", "w") as file:
        data = file.create_dataset("raw", data=VOXELS, chunks=VOXELS.shape, fletcher32=True)
        chunk = data.id.get_chunk_info(0)
    content = bytearray((folder / "a.h5").read_bytes())
    content[chunk.byte_offset + 100] ^= 4
    (folder / "a.h5").write_bytes(content)
    return str(folder / "a.h5")


def hdf5_unknown_filter(folder: Path) -> str:
    with h5py.File(folder / "a.h5", "w") as file:
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_chunk(VOXELS.shape)
        create.set_filter(31999, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple(VOXELS.shape)
        data = h5py.h5d.create(file.id, b"raw", h5py.h5t.STD_U8LE, space, create)
        data.write_direct_chunk((0, 0, 0), VOXELS.tobytes(), filter_mask=0)
    return str(folder / "a.h5")


def hdf5_lost_link(folder: Path) -> str:
    with h5py.File(folder / "a.h5", "w") as file:
        file["raw"] = h5py.ExternalLink("gone.h5", "raw")
    return f"{folder / 'a.h5'}:raw"


# ---------------------------------------------------------------- Zarr and OME-NGFF


def zarr(folder: Path, voxels: NDArray[Any] = VOXELS, *, codecs: list[dict[str, Any]] | None = None) -> str:
    path = folder / "a.zarr"
    metadata = {
        "shape": voxels.shape,
        "data_type": voxels.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": voxels.shape}},
        **({"codecs": codecs} if codecs else {}),
    }
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/"}, "metadata": metadata}
    tensorstore.open(spec, create=True).result()[...].write(voxels).result()
    return str(path)


SHARDS = [
    {
        "name": "sharding_indexed",
        "configuration": {"chunk_shape": [3, 10, 7], "codecs": [{"name": "bytes"}, {"name": "crc32c"}]},
    }
]
CHECKED = [{"name": "bytes"}, {"name": "crc32c"}]


def zarr_with(folder: Path, **metadata: Any) -> str:
    """An array whose metadata say something else than its chunks."""
    path = zarr(folder)
    file = Path(path) / "zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | metadata))
    return path


def zarr_broken_chunk(folder: Path, *, codecs: list[dict[str, Any]] | None = None, damage: str) -> str:
    path = zarr(folder, codecs=codecs)
    chunk = next(file for file in (Path(path) / "c").rglob("*") if file.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 4
    chunk.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    return path


def zarr2(folder: Path, **metadata: Any) -> str:
    path = folder / "a.zarr"
    path.mkdir()
    plain = {
        "zarr_format": 2,
        "shape": [6, 20, 14],
        "chunks": [6, 20, 14],
        "dtype": "|u1",
        "compressor": None,
        "fill_value": 0,
        "order": "C",
        "filters": None,
    }
    (path / ".zarray").write_text(json.dumps(plain | metadata))
    (path / "0.0.0").write_bytes(VOXELS.tobytes())
    return str(path)


def ngff(folder: Path, *, scale: Any = SIZE, unit: str = "nanometer", axes: str = "zyx", **pyramid: Any) -> str:
    path = folder / "p.zarr"
    (path / "x").mkdir(parents=True)
    Path(zarr(path / "x")).rename(path / "0")
    (path / "x").rmdir()
    named = [{"name": axis, "type": "space", "unit": unit} for axis in axes]
    steps = [{"type": "scale", "scale": scale}]
    full = {"axes": named, "datasets": [{"path": "0", "coordinateTransformations": steps}]} | pyramid
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"version": "0.5", "multiscales": [full]}}}
    (path / "zarr.json").write_text(json.dumps(group))
    return str(path)


# ---------------------------------------------------------------- N5, precomputed


def n5(folder: Path, *, keep: float = 1.0, inside: str = "", **attributes: Any) -> str:
    """One block of VOXELS, x first."""
    data = folder / "a.n5" / "raw"
    (data / "0" / "0").mkdir(parents=True)
    plain = {"dimensions": [14, 20, 6], "blockSize": [14, 20, 6], "dataType": "uint8", "compression": {"type": "raw"}}
    (data / "attributes.json").write_text(json.dumps(plain | attributes))
    (data.parent / "attributes.json").write_text('{"n5": "2.5.1"}')
    block = struct.pack(">HHIII", 0, 3, 14, 20, 6) + VOXELS.tobytes()
    (data / "0" / "0" / "0").write_bytes(block[: int(len(block) * keep)])
    return f"{folder / 'a.n5'}{inside}"


def precomputed(folder: Path, *, keep: float = 1.0, info: Any = None, inside: str = "", **scale: Any) -> str:
    """One raw chunk of VOXELS, x running fastest."""
    data = folder / "pre"
    (data / "4_6_30").mkdir(parents=True)
    plain = {"key": "4_6_30", "size": [14, 20, 6], "chunk_sizes": [[14, 20, 6]], "encoding": "raw"}
    full = {"resolution": [4, 6, 30], "voxel_offset": [0, 0, 0], **plain, **scale}
    told = {"type": "image", "data_type": "uint8", "num_channels": 1, "scales": [full]} | (info or {})
    (data / "info").write_text(json.dumps(told))
    content = VOXELS.tobytes()
    (data / "4_6_30" / "0-14_0-20_0-6").write_bytes(content[: int(len(content) * keep)])
    return f"{data}{inside}"


def precomputed_without(folder: Path, name: str) -> str:
    path = precomputed(folder)
    (Path(path) / "4_6_30" / "0-14_0-20_0-6").rename(Path(path) / "4_6_30" / name)
    return path


# ---------------------------------------------------------------- MRC, KNOSSOS


def mrc(folder: Path, *, keep: float = 1.0, **words: tuple[str, int, Any]) -> str:
    """A file of VOXELS; ``words`` are (format, byte, value) to write over the header."""
    header = bytearray(1024)
    depth, height, width = VOXELS.shape
    struct.pack_into("<10i", header, 0, width, height, depth, 6, 0, 0, 0, width, height, depth)
    struct.pack_into("<3f", header, 40, width * 40, height * 60, depth * 300)
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    header[208:216] = b"MAP \x44\x44\x00\x00"
    for form, at, value in words.values():
        struct.pack_into(form, header, at, value)
    content = bytes(header) + VOXELS.astype("<u2").tobytes()
    return file_of("a.mrc", content[: int(len(content) * keep)], folder)


CONF = """experiment name "cortex_mag1";
boundary x 200;
boundary y 100;
boundary z 50;
scale x 4.0;
scale y 6.0;
scale z 30.0;
magnification 1;
"""


def knossos(folder: Path, *, conf: str | None = CONF, cubes: int = 2, keep: float = 1.0, suffix: str = "raw") -> str:
    for x in range(cubes):
        place = folder / "cortex" / "mag1" / f"x{x:04d}" / "y0000" / "z0000"
        place.mkdir(parents=True)
        cube = bytes(int(128**3 * keep))
        (place / f"cortex_mag1_x{x:04d}_y0000_z0000.{suffix}").write_bytes(cube)
    if conf is not None:
        (folder / "cortex" / "mag1" / "knossos.conf").write_text(conf)
    return str(folder / "cortex")


GONE = "path must exist, got '{path}'"
ONE_OF = "path must be one of …, got '{path}'"
INTACT_TIFF = "{path} must be an intact TIFF file, got: …"
INTACT_HDF5 = "{path} must be an intact HDF5 file, got: …"
INTACT_RAW = "{path}:raw must be an intact HDF5 file, got: …"
QUESTION = (
    "{path} does not say how large its voxels are: pass --voxel-size Z,Y,X in nm, where Z is the distance between "
    "sections and Y, X are the pixel edges within a section"
)
RAW_QUESTION = QUESTION.replace("{path}", "{path}:raw")
ZARR3 = "{path} must be an intact zarr3 array, got: …"
ZARR2 = "{path} must be an intact zarr array, got: …"
CHUNKS = "{path} must have intact chunks, got: …"

ZOO: dict[str, BadInput] = {
    # paths
    "no such file": BadInput(lambda folder: str(folder / "a.tif"), GONE),
    "a dataset of no file": BadInput(lambda folder: f"{folder}/a.h5:raw", GONE),
    "a colon and nothing behind": BadInput(lambda folder: hdf5(folder) + ":", GONE + "; did you mean '{folder}/a.h5'?"),
    "a name beyond what the system holds": BadInput(lambda folder: str(folder / ("a" * 300)), GONE),
    "a broken link": BadInput(broken_link, GONE + "…"),
    "a link that leads to itself": BadInput(loop, GONE + "…"),
    "a folder that holds itself": BadInput(loop_within, ONE_OF),
    "an empty folder": BadInput(partial(folder_of, []), ONE_OF),
    "a folder of texts": BadInput(partial(folder_of, ["a.txt", "b.txt"]), ONE_OF),
    "an unknown ending": BadInput(partial(file_of, "a.doc", b"x"), ONE_OF),
    "a NumPy file": BadInput(
        partial(file_of, "a.npy", b"x"),
        "{path} must be of a format that is read here, got a NumPy file, which names no axes and no lengths: save it "
        "as TIFF or HDF5",
    ),
    "a WEBKNOSSOS layer": BadInput(
        partial(folder_of, ["header.wkw"]),
        "{path} must be of a format that is read here, got a WEBKNOSSOS layer of wkw files: export it as Zarr "
        "(webknossos convert-zarr)",
    ),
    # TIFF
    "an empty TIFF file": BadInput(partial(file_of, "a.tif", b""), INTACT_TIFF),
    "a TIFF file of another magic": BadInput(partial(file_of, "a.tif", b"PK\3\4" + bytes(100)), INTACT_TIFF),
    "a TIFF header and nothing behind": BadInput(partial(file_of, "a.tif", b"II*\0\x08\0\0\0"), INTACT_TIFF),
    "a TIFF cut at 30 %": BadInput(
        partial(cut_file, partial(tiff, imagej=True), 0.3),
        "{path} must hold 6 sections, got … readable (file ends at byte …): copy or export it again",
    ),
    "a TIFF cut at 80 %": BadInput(
        partial(cut_file, partial(tiff, compression="zlib"), 0.8),
        "{path} must hold 6 sections, got … readable (file ends at byte …): copy or export it again",
    ),
    "a TIFF that declares 2^31 rows": BadInput(partial(tiff_with, tag=257, value=2**31), "{path} must …"),
    "a TIFF of an unknown compression": BadInput(partial(tiff_with, tag=259, value=54321), "{path} must …"),
    "a TIFF of colours": BadInput(
        partial(tiff, voxels=np.zeros((5, 20, 30, 3), np.uint8), photometric="rgb"),
        "{path} must be a grey volume with axes z, y, x, got a colour axis of 3 entries in z (5), y (20), x (30), "
        "s (3): choose one entry of it with --channel 0 to 2",
    ),
    "a TIFF of time and channels": BadInput(
        partial(tiff, voxels=np.zeros((3, 5, 2, 20, 30), np.uint8), imagej=True, metadata={"axes": "TZCYX"}),
        "{path} must be a grey volume with axes z, y, x, got a time axis of 3 entries in t (3), z (5), c (2), y (20), "
        "x (30): save one entry of it as a volume of its own",
    ),
    "a TIFF of two stacks": BadInput(
        tiff_of_two,
        "{path} must hold one stack of equal sections or be named with one of: {path}:0 (6, 20, 14), "
        "{path}:1 (6, 10, 14)",
    ),
    "a stack that a TIFF does not have": BadInput(
        lambda folder: tiff(folder) + ":4", "{path} must name one of the stacks {folder}/a.tif:0 (6, 20, 14), got '4'"
    ),
    "a TIFF of complex numbers": BadInput(
        partial(tiff, voxels=VOXELS.astype(np.complex64)), "{path} must hold integers or real numbers, got complex64"
    ),
    "a TIFF of NaN": BadInput(
        partial(tiff, voxels=np.full((2, 3, 4), np.nan, np.float32), photometric="minisblack"),
        "{path} must hold finite values, got 24 that are NaN or infinite, the first in section 0 at y 0, x 0: "
        "pass --nan mask to take them for padding",
    ),
    "a TIFF without a voxel size": BadInput(tiff, QUESTION, sized=False),
    "a TIFF in pixels": BadInput(
        partial(tiff, imagej=True, resolution=(2, 2), metadata={"spacing": 1, "unit": "pixel", "axes": "ZYX"}),
        QUESTION,
        sized=False,
    ),
    "a TIFF of negative resolution": BadInput(
        partial(tiff, imagej=True, resolution=(0, 1), metadata={"spacing": 1, "unit": "nm", "axes": "ZYX"}),
        QUESTION,
        sized=False,
    ),
    # sections
    "sections with one missing": BadInput(
        partial(sections, numbers=[1, 2, 4]),
        "{path} must hold each section once, got s002.png followed by s004.png: add what is missing, or number the "
        "files anew if that is right",
    ),
    "two sections with one missing between": BadInput(
        partial(sections, numbers=[1, 3]),
        "{path} must hold each section once, got s001.png followed by s003.png: add what is missing, or number the "
        "files anew if that is right",
    ),
    "sections of two shapes": BadInput(
        partial(sections, numbers=[1, 2, 3], shape=11),
        "{path}/s002.png must be a section of (20, 14) uint8 pixels like s001.png, got (11, 14) uint8",
    ),
    "sections of two types": BadInput(
        partial(sections, numbers=[1, 2, 3], dtype=np.uint16),
        "{path}/s002.png must be a section of (20, 14) uint8 pixels like s001.png, got (20, 14) uint16",
    ),
    "a section in colour": BadInput(
        partial(sections, numbers=[1, 2, 3], mode="RGB"),
        "{path}/s002.png must be a grey picture, got a channel axis (RGB): save it as grey",
    ),
    "a section cut in its voxels": BadInput(
        partial(sections, numbers=[1, 2, 3], keep=0.7), "{path}/s002.png must be an intact picture, got: …"
    ),
    "a section of no bytes": BadInput(
        partial(sections, numbers=[1, 2, 3], keep=0.0), "{path}/s002.png must be an intact picture, got: …"
    ),
    "a section that is a broken link": BadInput(link_of_sections, "{path}/s003.png must be an intact picture, got: …"),
    "sections without a voxel size": BadInput(partial(sections, numbers=[1, 2]), QUESTION, sized=False),
    # HDF5
    "an empty HDF5 file": BadInput(partial(file_of, "a.h5", b""), INTACT_HDF5),
    "an HDF5 file of another magic": BadInput(partial(file_of, "a.hdf", b"\x0e\x03\x13\x01" + bytes(99)), INTACT_HDF5),
    "an HDF5 file cut at 20 %": BadInput(partial(cut_file, hdf5, 0.2), INTACT_HDF5),
    "an HDF5 file cut at 90 %": BadInput(partial(cut_file, hdf5, 0.9), INTACT_HDF5),
    "an HDF5 chunk with a flipped bit": BadInput(hdf5_flipped, INTACT_RAW),
    "an HDF5 file of an unknown filter": BadInput(hdf5_unknown_filter, INTACT_RAW),
    "an HDF5 link to a lost file": BadInput(hdf5_lost_link, "{path} must name a dataset, got one of: no volume"),
    "an HDF5 dataset that is not there": BadInput(
        partial(hdf5, inside=":rwa"), "{path} must name a dataset, got one of: {folder}/a.h5:raw (6, 20, 14) uint8"
    ),
    "an HDF5 group": BadInput(
        partial(hdf5, name="volumes/raw", inside=":volumes"),
        "{path} must name a dataset, got one of: {folder}/a.h5:volumes/raw (6, 20, 14) uint8",
    ),
    "an HDF5 file of one plane": BadInput(
        partial(hdf5, voxels=VOXELS[0]), "{path} must hold one volume or be named with one of: no volume"
    ),
    "an HDF5 dataset of one axis": BadInput(
        partial(hdf5, voxels=np.zeros(9, np.uint8), inside=":raw"), "{path} must have three axes z, y, x, got x (9)"
    ),
    "an HDF5 dataset of five axes": BadInput(
        partial(hdf5, voxels=np.zeros((2, 3, 4, 5, 6), np.uint8)),
        "{path}:raw must be a grey volume with axes z, y, x, got a time axis of 2 entries in t (2), c (3), z (4), "
        "y (5), x (6): save one entry of it as a volume of its own",
    ),
    "an HDF5 picture in colour": BadInput(
        partial(hdf5, voxels=np.zeros((40, 30, 3), np.uint8)),
        "{path}:raw must be a grey volume with axes z, y, x, got a channel axis of 3 entries in y (40), x (30), c (3): "
        "choose one entry of it with --channel 0 to 2",
    ),
    "an HDF5 dataset of channels": BadInput(
        partial(hdf5, voxels=np.zeros((2, 6, 20, 14), np.float32)),
        "{path}:raw must be a grey volume with axes z, y, x, got a channel axis of 2 entries in c (2), z (6), y (20), "
        "x (14): choose one entry of it with --channel 0 to 1",
    ),
    "an HDF5 dataset of complex numbers": BadInput(
        partial(hdf5, voxels=VOXELS.astype(np.complex128)),
        "{path}:raw must hold integers or real numbers, got complex128",
    ),
    "an HDF5 dataset of texts": BadInput(
        partial(hdf5, voxels=np.full((2, 3, 4), "grey", h5py.string_dtype())),
        "{path}:raw must hold integers or real numbers, got object",
    ),
    "an HDF5 dataset of NaN": BadInput(
        partial(hdf5, voxels=np.full((2, 3, 4), np.nan, np.float32)),
        "{path}:raw must hold finite values, got 24 that are NaN or infinite, the first in section 0 at y 0, x 0: "
        "pass --nan mask to take them for padding",
    ),
    "an HDF5 dataset without voxels": BadInput(
        partial(hdf5, voxels=np.zeros((0, 3, 4), np.uint8)),
        "{path}:raw must have 1 to 1099511627776 voxels along z, y, x, got (0, 3, 4)",
    ),
    "an HDF5 dataset of 2^60 voxels": BadInput(
        partial(hdf5_empty, shape=(2**20,) * 3, chunks=(64, 64, 64)),
        "{path}:raw must have at most 9007199254740992 voxels, got a header of (1048576, 1048576, 1048576)",
    ),
    "an HDF5 chunk that fills the memory": BadInput(
        partial(hdf5_empty, shape=(1, 2**17, 2**16)),
        "{path}:raw must have chunks of at most 4294967296 bytes, got 8589934592 for (1, 131072, 65536) voxels",
    ),
    "an HDF5 voxel size of zero": BadInput(partial(hdf5, resolution=(0, 0, 0)), RAW_QUESTION, sized=False),
    "an HDF5 voxel size below zero": BadInput(partial(hdf5, resolution=(-30, 6, 4)), RAW_QUESTION, sized=False),
    "an HDF5 voxel size of NaN": BadInput(partial(hdf5, voxel_size=(np.nan, 6, 4)), RAW_QUESTION, sized=False),
    "an HDF5 voxel size of two lengths": BadInput(partial(hdf5, resolution=(6, 4)), RAW_QUESTION, sized=False),
    "an HDF5 voxel size in seconds": BadInput(
        partial(hdf5, voxel_size=(30, 6, 4), units=["s", "s", "s"]), RAW_QUESTION, sized=False
    ),
    "broken axistags": BadInput(
        partial(hdf5, axistags="{"), "{path}:raw must have intact axistags, got: JSONDecodeError …"
    ),
    "axistags for other axes": BadInput(
        partial(hdf5, axistags='{"axes": [{"key": "y"}, {"key": "x"}]}'),
        "{path}:raw must name each of its 3 axes, got y, x",
    ),
    # Zarr
    "a Zarr folder of broken JSON": BadInput(
        lambda folder: str(Path(file_of("zarr.json", b'{"zarr_format": 3, ', folder)).parent),
        "{folder}/zarr.json must be intact JSON, got: …",
    ),
    "a Zarr folder of a list": BadInput(
        lambda folder: str(Path(file_of(".zarray", b"[1, 2]", folder)).parent),
        "{folder}/.zarray must hold a JSON object, got list",
    ),
    "a Zarr folder of other bytes": BadInput(
        lambda folder: str(Path(file_of("zarr.json", b"\xff\xfe\0", folder)).parent),
        "{folder}/zarr.json must be intact JSON, got: …",
    ),
    "a Zarr array of 2^80 voxels": BadInput(
        partial(zarr_with, shape=[2**27, 2**27, 2**26]),
        "{path} must have at most 9007199254740992 voxels, got a header of (134217728, 134217728, 67108864)",
    ),
    "a Zarr array of a bomb of a chunk": BadInput(
        partial(
            zarr_with,
            shape=[2048] * 3,
            chunk_grid={"name": "regular", "configuration": {"chunk_shape": [2048] * 3}},
        ),
        "{path} must have chunks of at most 4294967296 bytes, got 8589934592 for (2048, 2048, 2048) voxels",
    ),
    "a Zarr array of negative shape": BadInput(partial(zarr_with, shape=[-6, 20, 14]), ZARR3),
    "a Zarr array of an unknown codec": BadInput(
        partial(zarr_with, codecs=[{"name": "bytes"}, {"name": "squeeze"}]), ZARR3
    ),
    "a Zarr 2 array of an unknown compressor": BadInput(partial(zarr2, compressor={"id": "squeeze"}), ZARR2),
    "a Zarr 2 array of objects": BadInput(partial(zarr2, dtype="|O", filters=[{"id": "vlen-utf8"}]), ZARR2),
    "a Zarr array of complex numbers": BadInput(
        partial(zarr, voxels=VOXELS.astype(np.complex64)), "{path} must hold integers or real numbers, got complex64"
    ),
    "a Zarr chunk that was cut": BadInput(partial(zarr_broken_chunk, damage="cut"), CHUNKS),
    "a Zarr chunk with a flipped bit": BadInput(partial(zarr_broken_chunk, codecs=CHECKED, damage="flip"), CHUNKS),
    "a Zarr shard that was cut": BadInput(partial(zarr_broken_chunk, codecs=SHARDS, damage="cut"), CHUNKS),
    "a Zarr shard with a flipped bit": BadInput(partial(zarr_broken_chunk, codecs=SHARDS, damage="flip"), CHUNKS),
    "a Zarr group that is not there": BadInput(
        lambda folder: ngff(folder) + ":7", "{path} must be a Zarr array or group, got none of: {folder}/p.zarr"
    ),
    "a pyramid without datasets": BadInput(
        partial(ngff, datasets=None), "{path} must have intact OME-NGFF metadata, got: TypeError …"
    ),
    "a pyramid of too few scales": BadInput(
        partial(ngff, scale=[6, 4]), "{path} must have intact OME-NGFF metadata, got: ValueError …"
    ),
    "a pyramid of a lost level": BadInput(
        partial(ngff, datasets=[{"path": "5", "coordinateTransformations": []}]),
        "{path}/5 must be a Zarr array or group, got a folder without Zarr metadata",
    ),
    "a pyramid of too few axes": BadInput(
        partial(ngff, axes="yx", scale=[6, 4]), "{path} must name each of its 3 axes, got y, x"
    ),
    "a pyramid in seconds": BadInput(partial(ngff, unit="second"), QUESTION, sized=False),
    "a pyramid of negative scale": BadInput(partial(ngff, scale=[-30, 6, 4]), QUESTION, sized=False),
    # N5
    "an N5 dataset of an unknown compression": BadInput(
        partial(n5, compression={"type": "squeeze"}, inside=":raw"), "{path} must be an intact n5 array, got: …"
    ),
    "an N5 block that was cut": BadInput(partial(n5, keep=0.5, inside=":raw"), CHUNKS),
    "an N5 dataset that is not there": BadInput(
        partial(n5, inside=":rwa"), "{path} must hold one volume or be named with one of: {folder}/a.n5/raw"
    ),
    "an N5 dataset of 2^60 voxels": BadInput(
        partial(n5, dimensions=[2**20] * 3, inside=":raw"),
        "{path} must have at most 9007199254740992 voxels, got a header of (1048576, 1048576, 1048576)",
    ),
    "an N5 dataset of channels": BadInput(
        partial(n5, dimensions=[14, 20, 6, 2], blockSize=[14, 20, 6, 1], inside=":raw"),
        "{path} must be a grey volume with axes z, y, x, got a channel axis of 2 entries in x (14), y (20), z (6), "
        "c (2): choose one entry of it with --channel 0 to 1",
    ),
    "an N5 container of nothing": BadInput(
        lambda folder: str(Path(file_of("attributes.json", b'{"n5": "2.0"}', folder)).parent),
        "{path} must hold one volume or be named with one of: no dataset",
    ),
    "an N5 resolution in seconds": BadInput(
        partial(n5, pixelResolution={"unit": "s", "dimensions": [4, 6, 30]}, inside=":raw"), QUESTION, sized=False
    ),
    # Neuroglancer precomputed
    "a precomputed info without scales": BadInput(
        partial(precomputed, info={"scales": []}),
        "{path} must be a precomputed volume whose info lists its scales, got no scales",
    ),
    "a precomputed mesh": BadInput(
        partial(precomputed, info={"@type": "neuroglancer_legacy_mesh", "scales": None}),
        "{path} must be a precomputed volume whose info lists its scales, got neuroglancer_legacy_mesh",
    ),
    "a precomputed scale that is not there": BadInput(
        partial(precomputed, inside=":8_8_8"), "{path} must name one of the scales 0 (4_6_30), got '8_8_8'"
    ),
    "a precomputed encoding that is unknown": BadInput(
        partial(precomputed, encoding="squeeze"),
        "{path} must have chunks encoded as raw, jpeg, png, compressed_segmentation, got squeeze",
    ),
    "a precomputed chunk that was cut": BadInput(partial(precomputed, keep=0.5), CHUNKS),
    "a precomputed image that lacks a chunk": BadInput(partial(precomputed_without, name="elsewhere"), CHUNKS),
    "a precomputed chunk that is packed": BadInput(
        partial(precomputed_without, name="0-14_0-20_0-6.gz"),
        "{path} must have unpacked chunks, got 0-14_0-20_0-6.gz: unpack them (gunzip -r '{path}/4_6_30')",
    ),
    "a precomputed scale without its folder": BadInput(
        partial(precomputed, key="gone"),
        "{path} must have a folder {path}/gone for its chunks, got none: copy the volume again",
    ),
    "a precomputed size of zero": BadInput(
        partial(precomputed, size=[0, 20, 6]),
        "{path} must have 1 to 1099511627776 voxels along z, y, x, got (6, 20, 0)",
    ),
    # MRC
    "an empty MRC file": BadInput(
        partial(file_of, "a.mrc", b""), "{path} must have an MRC header of 1024 bytes, got 0"
    ),
    "an MRC file without its mark": BadInput(
        partial(mrc, mark=("4s", 208, b"PAM ")), "{path} must have 'MAP ' at byte 208 as MRC files do, got b'PAM '"
    ),
    "an MRC file of complex numbers": BadInput(
        partial(mrc, mode=("<i", 12, 4)), "{path} must have one of the modes 0, 1, 2, 6, 12, got mode 4"
    ),
    "an MRC file of doubled axes": BadInput(
        partial(mrc, mapc=("<i", 64, 2)), "{path} must have MAPC, MAPR, MAPS 1, 2, 3 in any order, got (2, 2, 3)"
    ),
    "an MRC file that was cut": BadInput(
        partial(mrc, keep=0.5),
        "{path} must hold 6 sections in 4384 bytes, got 2192 bytes: copy or export it again",
    ),
    "an MRC file of 2^62 voxels": BadInput(
        partial(mrc, nx=("<i", 0, 2**31 - 1), ny=("<i", 4, 2**31 - 1)),
        "{path} must hold 6 sections in … bytes, got 4384 bytes: copy or export it again",
    ),
    "an MRC file of negative shape": BadInput(
        partial(mrc, nx=("<i", 0, -14)), "{path} must have 1 to 1099511627776 voxels along z, y, x, got (6, 20, -14)"
    ),
    "an MRC stack of volumes": BadInput(
        partial(mrc, group=("<i", 88, 401), mz=("<i", 36, 2)),
        "{path} must hold one volume, got a stack of 3: save each as a file",
    ),
    "an MRC file without a cell": BadInput(partial(mrc, cell=("<f", 48, 0.0)), QUESTION, sized=False),
    "an MRC cell of NaN": BadInput(partial(mrc, cell=("<f", 40, float("nan"))), QUESTION, sized=False),
    # KNOSSOS
    "a KNOSSOS volume that lacks a cube": BadInput(
        partial(knossos, cubes=1),
        "{path}/mag1 must have a raw cube cortex_mag1_x0001_y0000_z0000.raw, got none: copy the volume again",
    ),
    "a KNOSSOS cube that was cut": BadInput(
        partial(knossos, keep=0.5),
        "{path}/mag1/x0000/y0000/z0000/cortex_mag1_x0000_y0000_z0000.raw must be a raw cube of 2097152 bytes, "
        "got 1048576",
    ),
    "KNOSSOS cubes that are pictures": BadInput(
        partial(knossos, suffix="png"),
        "{path}/mag1 must have a raw cube cortex_mag1_x0000_y0000_z0000.raw, got cortex_mag1_x0000_y0000_z0000.png: "
        "convert it with knossos_utils or webknossos, for example to Zarr",
    ),
    "a KNOSSOS boundary that is not told": BadInput(
        partial(knossos, conf=CONF.replace("boundary z 50;", "")),
        "{path} must say 'boundary z NUMBER;' in knossos.conf, got none",
    ),
    "a KNOSSOS volume without a name": BadInput(
        partial(knossos, conf=CONF.replace("experiment", "thing")),
        '{path} must say experiment name "…" in knossos.conf, got none',
    ),
    "a KNOSSOS magnification that is not there": BadInput(
        lambda folder: knossos(folder) + ":mag4",
        "{path} must have a file knossos.conf in {folder}/cortex/mag4, got none",
    ),
    "a KNOSSOS scale of zero": BadInput(
        partial(knossos, conf=CONF.replace("scale z 30.0", "scale z 0")), QUESTION, sized=False
    ),
}
