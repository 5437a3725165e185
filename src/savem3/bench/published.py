"""Numbers that other people measured, on their data: they stand beside ours in tables, marked, and are never ours.

Source: tables 2, 3 and 4 of the paper (METHOD §9). Two groups' runs of one method differ by about 0.2 bits of VoI.
"""

from __future__ import annotations

from collections.abc import Mapping

Rows = Mapping[str, Mapping[str, str]]

_COLUMNS_2D = ("AC3", "CREMI-B", "HemiBrain", "AxonEM-H", "AxonEM-M", "J0126", "SegEM")
_BOXES = {
    "SAM": ".744/.739 .783/.771 .717/.706 .675/.662 .684/.658 .637/.603 .652/.662",
    "HQ-SAM": ".728/.723 .769/.758 .702/.691 .668/.654 .670/.643 .654/.614 .659/.656",
    "SAM finetuned": ".709/.703 .708/.696 .689/.679 .768/.756 .653/.634 .672/.659 .705/.671",
    "Micro-SAM": ".756/.751 .781/.771 .729/.719 .709/.694 .687/.662 .656/.645 .692/.666",
    "HQ-SAM finetuned": ".792/.788 .789/.778 .765/.755 .819/.808 .737/.714 .682/.698 .715/.720",
    "SAEM²": ".794/.790 .816/.781 .771/.773 .818/.812 .735/.719 .719/.701 .722/.731",
}
TABLE_2: Rows = {
    row: dict(zip(_COLUMNS_2D, (cell.replace("/", " / ") for cell in cells.split()), strict=True))
    for row, cells in _BOXES.items()
}
"""IoU / bIoU of box prompts in 2D."""

_CUTS = {
    "Superhuman, all labels": "1.243/.182 1.386/.098 1.510/.129 1.622/.184",
    "MALA, all labels": "1.296/.115 1.261/.110 1.522/.123 1.618/.205",
    "nnU-Net, all labels": "1.285/.107 1.281/.170 1.711/.134 1.732/.213",
    "Superhuman, 10 % of labels": "6.090/.921 6.035/.918 3.046/.580 1.906/.228",
    "UA-MT, 10 % of labels": "2.580/.426 2.346/.349 1.841/.227 1.848/.268",
    "SSNS-Net, 10 % of labels": "1.229/.120 1.264/.103 1.709/.175 1.586/.157",
    "SAvEM³, no labels": "1.289/.123 1.362/.115 1.599/.154 1.610/.169",
}
_COLUMNS_3D = ("AC3, WaterZ", "AC3, multicut", "CREMI-C, WaterZ", "CREMI-C, multicut")
TABLE_3: Rows = {
    row: dict(zip(_COLUMNS_3D, (cell.replace("/", " / ") for cell in cells.split()), strict=True))
    for row, cells in _CUTS.items()
}
"""VoI / ARand in 3D."""

_RUNGS = {
    "L_bdy": "2.333/.290 2.811/.331 2.580/.208 1.855/.233",
    "L_bdy + L_dst": "2.121/.266 2.740/.284 2.459/.218 2.128/.227",
    "L_bdy + L_embed": "1.790/.181 2.008/.308 2.106/.201 1.848/.212",
    "+ L_feat": "1.336/.132 1.667/.252 1.792/.174 1.700/.210",
    "+ L_2nd": "1.319/.138 1.433/.156 1.789/.155 1.724/.206",
    "+ graph-cut": "1.289/.123 1.362/.115 1.599/.154 1.610/.169",
}
ABLATION: Rows = {
    row: dict(zip(_COLUMNS_3D, (cell.replace("/", " / ") for cell in cells.split()), strict=True))
    for row, cells in _RUNGS.items()
}
"""VoI / ARand of students that learned without labels."""

TABLE_4: Rows = {
    "Superhuman": {"H01": "10184", "MICrONS": "7840"},
    "SAvEM³": {"H01": "12267", "MICrONS": "7172"},
}
"""Expected run length, nm."""
