"""The data bank: a public dataset's card enters, an `Image` or a `Sample` with its targets leaves.

Section 2 of the method. One file per family of datasets; the table `DATASETS` names every card, `cards_in` those of a
user's own folder too. `check_card` says whether a folder holds a dataset, `fetch` gets what may be had without asking.
`make_synthetic` draws a sample from a seed instead of a file;
`refuse_leakage` keeps the tissue of a test set out of training;
`plan_epoch` draws equally many instances from each imaging method.
"""

from __future__ import annotations

from savem3.bank.archive import unpack_zip
from savem3.bank.card import Block, Card
from savem3.bank.checking import Checked, check_card, is_here
from savem3.bank.download import Download, fetch
from savem3.bank.index_file import read_index, write_index
from savem3.bank.instances import Annotated, InstanceIndex, SelectionRules, index_instances, mask_of
from savem3.bank.layout import Layout
from savem3.bank.leakage import known_superset, refuse_leakage, refuse_tissues
from savem3.bank.loading import load_image, load_sample
from savem3.bank.named import card_of, keep_sections, load_named, own_sample
from savem3.bank.own import cards_in, read_own
from savem3.bank.sampling import (
    PER_IMAGING,
    PUBLISHED_QUOTAS,
    Place,
    SectionDraws,
    plan_epoch,
    rest_of_epoch,
    sections_of_epoch,
)
from savem3.bank.selection import select, spread_evenly
from savem3.bank.statistics import Summary, measure, summarise
from savem3.bank.synthetic import make_synthetic
from savem3.bank.table import DATASETS
from savem3.bank.targets import boundary_target, distance_target

__all__ = [
    "DATASETS",
    "PER_IMAGING",
    "PUBLISHED_QUOTAS",
    "Annotated",
    "Block",
    "Card",
    "Checked",
    "Download",
    "InstanceIndex",
    "Layout",
    "Place",
    "SectionDraws",
    "SelectionRules",
    "Summary",
    "boundary_target",
    "card_of",
    "cards_in",
    "check_card",
    "distance_target",
    "fetch",
    "index_instances",
    "is_here",
    "keep_sections",
    "known_superset",
    "load_image",
    "load_named",
    "load_sample",
    "make_synthetic",
    "mask_of",
    "measure",
    "own_sample",
    "plan_epoch",
    "read_index",
    "read_own",
    "refuse_leakage",
    "refuse_tissues",
    "rest_of_epoch",
    "sections_of_epoch",
    "select",
    "spread_evenly",
    "summarise",
    "unpack_zip",
    "write_index",
]
