"""A picture of a finding: the section between its neighbours."""

from __future__ import annotations

import numpy as np
from PIL import Image as Picture

from savem3.check.finding import KINDS, Finding
from savem3.grid import Box
from savem3.volume import Image

PANEL_INCHES, TITLE_INCHES, DOTS_PER_INCH = 3.0, 0.55, 110
LONGEST = 512
"""Pixels of a panel along y and x at most; of larger sections every so many voxels are shown."""

GROUND, INK, FAINT = "#101114", "#f2f2f0", "#9a9ca3"


def draw_finding(image: Image, finding: Finding) -> Picture.Image:
    """The section with those before and after it, titled with what is wrong.

    Parameters
    ----------
    image
        Three sections of it are read.
    finding
        Which section.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    sections = [z for z in (finding.section - 1, finding.section, finding.section + 1) if 0 <= z < image.grid.shape[0]]
    page = Figure((PANEL_INCHES * len(sections), PANEL_INCHES + 2 * TITLE_INCHES), dpi=DOTS_PER_INCH, facecolor=GROUND)
    canvas = FigureCanvasAgg(page)
    page.suptitle(_title(finding), color=INK, fontsize=10)
    aspect = image.grid.voxel_size[1] / image.grid.voxel_size[2]
    for column, z in enumerate(sections, start=1):
        axes = page.add_subplot(1, len(sections), column)
        axes.imshow(_section(image, z), cmap="gray", vmin=0, vmax=255, aspect=aspect)
        axes.set_title(f"section {z}", color=INK if z == finding.section else FAINT, fontsize=9)
        axes.set_axis_off()
    canvas.draw()
    return Picture.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _section(image: Image, z: int) -> np.ndarray:
    _, height, width = image.grid.shape
    step = max(1, -(-max(height, width) // LONGEST))
    return image.read(Box((z, 0, 0), (z + 1, height, width)))[0, ::step, ::step]


def _title(finding: Finding) -> str:
    kind = KINDS[finding.kind]
    return f"section {finding.section}: {finding.kind}\n{kind.measure} {finding.value:.3g} (limit {finding.limit:.3g})"
