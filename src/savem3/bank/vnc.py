"""Ventral nerve cord of a third instar fly larva, ssTEM (Gerhard et al. 2013). Two stacks of 20 sections.

One is annotated. Cells are annotated section by section, not linked from one to the next. Not for commercial use.
"""

from __future__ import annotations

from dataclasses import replace

from savem3.bank.card import Card, Truth

STACK1 = Card(
    name="vnc_stack1",
    superset="larval ventral nerve cord (Gerhard 2013)",
    imaging="ssTEM",
    species="Drosophila melanogaster, third instar larva",
    voxel_size=(45.0, 4.6, 4.6),
    licence="CC BY-NC-SA 3.0",
    permissive=False,
    citation="Gerhard et al. 2013, figshare, doi:10.6084/m9.figshare.856713",
    source="github.com/unidesigner/groundtruth-drosophila-vnc",
    file="vnc_stack1.h5",
    splits={"all": range(20), "train": range(15), "validation": range(16, 20)},
    truth=Truth(labels="labels2d", linked=False, membranes="membranes"),
)

STACK2_RAW = replace(
    STACK1,
    name="vnc_stack2_raw",
    file="vnc_stack2_raw.h5",
    splits={"all": range(20)},
    truth=None,
)
