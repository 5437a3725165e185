"""From a folder, or a name on the Hugging Face hub, to a SAM that answers prompts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from savem3.home import OfflineError, is_offline
from savem3.sam.building import build, fill, library
from savem3.sam.conversion import CONFIG, VALUES
from savem3.sam.prompter import Sam
from savem3.store.weights import UnusableWeights, digest

INDEX = VALUES + ".index.json"
"""Says which values lie in which file, where a model is kept in several."""


def load_sam(name_or_folder: str | Path, *, device: str = "cpu", online: bool = False) -> Sam:
    """A SAM, HQ-SAM or MobileSAM, ready to answer prompts.

    Parameters
    ----------
    name_or_folder
        A folder with ``config.json`` and safetensors, as `transformers` saves them or `convert_checkpoint` writes them;
        or a name on the hub, such as ``facebook/sam-vit-base``. Pickles are never read.
    device
        Where torch shall compute.
    online
        Whether a name may be fetched from the hub; else it must lie in the hub's cache on this machine.

    Raises
    ------
    FileNotFoundError
        If it is no folder, and no name that can be found.
    savem3.store.weights.UnusableWeights
        If the folder's values are damaged or do not fit its configuration.
    ModuleNotFoundError
        If `transformers` is not installed.
    """
    library()
    folder = Path(name_or_folder)
    if not folder.is_dir():
        folder = _folder_of(str(name_or_folder), online=online)
    config = _read_config(folder)
    return Sam(fill(build(config), _read_values(folder), source=str(name_or_folder)).to(device))


def _folder_of(name: str, *, online: bool) -> Path:
    """Where the files of a name on the hub lie on this machine; fetched if asked for."""
    from huggingface_hub import snapshot_download

    if online and is_offline():
        raise OfflineError(f"name_or_folder must lie on this machine with --offline or SAVEM3_OFFLINE, got '{name}'")
    cure = "" if online else "; online=True may fetch it from the Hugging Face hub"
    try:
        return Path(
            snapshot_download(name, allow_patterns=["config.json", "*.safetensors*"], local_files_only=not online)
        )
    except Exception as error:  # not a name, unknown, offline, refused: the hub has an error for each
        where = "nor could it be fetched from the hub" if online else "nor is it in the hub's cache"
        said = str(error).splitlines()[0] if online and str(error) else type(error).__name__
        raise FileNotFoundError(
            f"name_or_folder must be a folder or a name on the hub, got {name}: no such folder, {where} ({said}){cure}"
        ) from error


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"folder must hold {CONFIG} and {VALUES}, got {folder} without {CONFIG}{_cure(folder)}")
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise UnusableWeights(f"{path} must be JSON, got {error}") from error
    if not isinstance(config, dict):
        raise UnusableWeights(f"{path} must be a table, got a {type(config).__name__}")
    return config


def _read_values(folder: Path) -> dict[str, Tensor]:
    """All values of a folder; checked against their digest where the file has one."""
    from safetensors import SafetensorError, safe_open

    values: dict[str, Tensor] = {}
    for path in _files_of(folder):
        try:
            with safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                read = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        except SafetensorError as error:
            raise UnusableWeights(
                f"{path} must be a safetensors file, got one that cannot be read ({error})"
            ) from error
        if "sha256" in header and digest({n: v.numpy() for n, v in read.items()}) != header["sha256"]:
            raise UnusableWeights(
                f"{path} must match its SHA-256 {header['sha256']}, got other values; convert it again"
            )
        values |= read
    return values


def _files_of(folder: Path) -> list[Path]:
    """The safetensors of a folder: one file, or those that its index names."""
    if (folder / VALUES).is_file():
        return [folder / VALUES]
    if (folder / INDEX).is_file():
        names = {Path(name).name for name in json.loads((folder / INDEX).read_text())["weight_map"].values()}
        files = [folder / name for name in sorted(names)]
        if all(path.is_file() for path in files):
            return files
    raise FileNotFoundError(
        f"folder must hold {VALUES}, got {folder} without it or without a part of it{_cure(folder)}"
    )


def _cure(folder: Path) -> str:
    """What to do with a folder of pickles."""
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in {".pth", ".pt", ".bin"})
    return f"; make one of {pickled[0]} with convert_checkpoint" if pickled else ""
