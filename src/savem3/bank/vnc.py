"""Ventral nerve cord of a third instar fly larva, ssTEM (Gerhard et al. 2013). Two stacks of 20 sections.

One is annotated. Cells are annotated section by section, not linked from one to the next. Not for commercial use.
"""

from __future__ import annotations

from dataclasses import replace

from savem3.bank.card import Block, Card
from savem3.bank.layout import Layout

FILE = "vnc_stack1.h5"

STACK1 = Card(
    name="vnc_stack1",
    dataset="VNC",
    superset="larval ventral nerve cord (Gerhard 2013)",
    imaging="ssTEM",
    species="Drosophila melanogaster, third instar larva",
    voxel_size=(45.0, 4.6, 4.6),
    licence="CC BY-NC-SA 3.0",
    permissive=False,
    citation="Gerhard et al. 2013, figshare, doi:10.6084/m9.figshare.856713",
    source="github.com/unidesigner/groundtruth-drosophila-vnc",
    blocks=(
        Block(
            "stack1",
            (20, 1024, 1024),
            (Layout(f"{FILE}:raw", labels=f"{FILE}:labels2d", membranes=f"{FILE}:membranes"),),
            splits={"train": range(15), "validation": range(16, 20)},
        ),
    ),
    linked=False,
)

STACK2_RAW = replace(
    STACK1,
    name="vnc_stack2_raw",
    blocks=(Block("stack2", (20, 1024, 1024), (Layout("vnc_stack2_raw.h5:raw"),)),),
)
