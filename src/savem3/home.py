"""Where a user's own models lie on this machine, and whether anything may be asked for over the network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HOME = "SAVEM3_HOME"
"""The environment variable that names the folder."""
OFFLINE = "SAVEM3_OFFLINE"
"""The environment variable that forbids the network: 1, true, yes or on. Worker processes inherit it."""

WEB = ("http", "https", "gs", "s3", "ftp", "hf")
"""Schemes behind which something lies on another machine."""


class OfflineError(ValueError):
    """Something on another machine was asked for, and the network is forbidden."""


def home() -> Path:
    """The folder of all that savem3 keeps for a user; it need not be there yet."""
    named = os.environ.get(HOME)
    return Path(named).expanduser() if named else _data_folder() / "savem3"


def weights_folder() -> Path:
    """Where a user's models lie, as ``NAME.safetensors``."""
    return home() / "weights"


def forbid_network() -> None:
    """Forbid the network to this process and to those that it starts; libraries that have a switch are told as well."""
    for name in (OFFLINE, "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        os.environ[name] = "1"


def is_offline() -> bool:
    """Whether the network is forbidden."""
    return os.environ.get(OFFLINE, "").strip().lower() in ("1", "true", "yes", "on")


def is_remote(path: str | Path) -> bool:
    """Whether a path leads to another machine; a format may stand before it, as in ``zarr://s3://bucket/name``."""
    *schemes, rest = str(path).split("://")
    return bool(rest) and any(scheme.rpartition("=")[2] in WEB for scheme in schemes)


def refuse_remote(path: str | Path) -> None:
    """Refuse what lies on another machine while the network is forbidden.

    Raises
    ------
    OfflineError
        If so.
    """
    if is_offline() and is_remote(path):
        raise OfflineError(f"path must lie on this machine with --offline or {OFFLINE}, got '{path}'")


def _data_folder() -> Path:
    """Where programs of a user keep their data, as the system has it."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    named = os.environ.get("XDG_DATA_HOME", "")
    return Path(named) if os.path.isabs(named) else Path.home() / ".local" / "share"
