"""What a frozen encoder made of sections, kept in a folder: each section is encoded once, in whichever epoch.

One section of 512 × 512 pixels (1024 × 1024 of the encoder) takes 8.4 MB with ViT-B, 10.5 MB with ViT-L, 12.6 MB with
ViT-H, 3.4 MB with TinyViT: values are kept as float16, which changes them by at most one part in 2048.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from savem3.saem2.over_sam.parts import Seen
from savem3.store.weights import UnusableWeights, Weights, digest, read_weights, write_weights

ARCHITECTURE = "encoded section"

RECOUNT_EVERY = 64
"""Sections that are written before the folder is counted anew, since other processes may write into it."""

HEADER_BYTES = 1024
"""More than a file's header takes."""


class KeptEmbeddings:
    """A folder of encoded sections; those that were not asked for the longest make room for new ones.

    Parameters
    ----------
    folder
        Made if it is not there; several processes may share it. Nothing else should lie in it.
    encoder
        Digest of the encoder's values, as `digest_of` gives it.
    budget_bytes
        The files together never take more, but for the few that other processes wrote in the meantime.
    """

    def __init__(self, folder: Path, *, encoder: str, budget_bytes: int = 50_000_000_000) -> None:
        self.folder, self.encoder, self.budget_bytes = folder, encoder, budget_bytes
        folder.mkdir(parents=True, exist_ok=True)
        self._total, self._written = self._count(), 0

    def path_of(self, name: str, grey: Float32[np.ndarray, "y x"]) -> Path:
        """The file of a section: of its name, its grey values (so of the intensity map too) and the encoder."""
        key = hashlib.sha256(f"{self.encoder}\n{name}\n{grey.shape}\n".encode())
        key.update(np.ascontiguousarray(grey).tobytes())
        return self.folder / f"{key.hexdigest()}.safetensors"

    def find(self, name: str, grey: Float32[np.ndarray, "y x"]) -> Seen | None:
        """What was kept of a section, as float32 of batch 1; None if nothing was, or it is damaged."""
        path = self.path_of(name, grey)
        try:
            tensors = read_weights(path).tensors
            os.utime(path)
        except (FileNotFoundError, UnusableWeights):
            return None
        return Seen(*(torch.from_numpy(tensors[name].astype(np.float32)) for name in Seen._fields))

    def keep(self, name: str, grey: Float32[np.ndarray, "y x"], seen: Seen) -> Seen:
        """Keep an encoded section of batch 1; gives what `find` will give. What float16 cannot hold is not kept."""
        tensors = {name: value.detach().float().cpu().numpy() for name, value in seen._asdict().items()}
        if any(np.abs(values).max() > np.finfo(np.float16).max for values in tensors.values()):
            return seen
        halves = {name: values.astype(np.float16) for name, values in tensors.items()}
        path = self.path_of(name, grey)
        write_weights(Weights(ARCHITECTURE, halves, {"section": name, "encoder": self.encoder}), path)
        self._make_room(sum(values.nbytes for values in halves.values()) + HEADER_BYTES)
        return Seen(*(torch.from_numpy(values.astype(np.float32)) for values in halves.values()))

    def _make_room(self, added: int) -> None:
        self._written += 1
        self._total = self._count() if self._written % RECOUNT_EVERY == 0 else self._total + added
        if self._total <= self.budget_bytes:
            return
        aged = sorted((s.st_mtime_ns, p, s.st_size) for p, s in self._files())
        self._total = sum(size for _, _, size in aged)
        for _, path, size in aged:
            if self._total <= self.budget_bytes:
                break
            path.unlink(missing_ok=True)
            self._total -= size

    def _count(self) -> int:
        return sum(stat.st_size for _, stat in self._files())

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """Files that are there; another process may take one away while they are counted."""
        found = []
        for path in self.folder.glob("*.safetensors"):
            try:
                found.append((path, path.stat()))
            except FileNotFoundError:
                continue
        return found


def digest_of(module: nn.Module, *, without: Collection[str] = ()) -> str:
    """SHA-256 over a module's values, in whatever number type they are."""
    values = {name: value.detach().cpu() for name, value in module.state_dict().items() if name not in without}
    return digest({name: value.reshape(-1).view(torch.uint8).numpy() for name, value in values.items()})
