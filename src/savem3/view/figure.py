"""One picture of a whole run: planes in rows, raw to neurons in columns, neurons in three dimensions beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image as Picture

from savem3.grid import Grid
from savem3.view.pictures import overlay, stretch
from savem3.view.planes import AXES, Plane, check_shapes, read_plane, shown_box, spread
from savem3.volume import BoundaryMap, Image, Labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SECTIONS = 3
PANEL_INCHES, GAP_INCHES, MARGIN_INCHES = 1.9, 0.06, 0.3
PROPORTIONS = (0.2, 2.0)
"""Least and greatest height of a panel over its width; a plane beyond is shown with margins."""
DOTS_PER_INCH = 160
SOLID_PIXELS = 900
"""Pixels that the three-dimensional picture has at most along a side."""
PANEL_PIXELS = 512
"""Planes with more pixels along a side are shown coarser."""
GROUND, INK, FAINT = "#101114", "#f2f2f0", "#9a9ca3"
BAR_SHARE = 0.35
"""A scale bar is the longest round length up to this share of its panel's width."""

Panel = tuple[str, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Row:
    """One plane through all volumes.

    Parameters
    ----------
    name
        Its caption.
    size_um
        Its height and width.
    panels
        Title and picture of each column.
    """

    name: str
    size_um: tuple[float, float]
    panels: list[Panel]

    @property
    def inches(self) -> float:
        """Height on the page: that of the plane at the width of a panel, within reason."""
        return float(np.clip(self.size_um[0] / self.size_um[1], *PROPORTIONS)) * PANEL_INCHES

    def pixel_aspect(self, picture: NDArray[np.uint8]) -> float:
        """Height of a pixel over its width."""
        return self.size_um[0] / picture.shape[0] / (self.size_um[1] / picture.shape[1])


def figure(
    image: Image,
    boundary: BoundaryMap,
    fragments: Labels,
    labels: Labels,
    truth: Labels | None = None,
    *,
    solid: UInt8[np.ndarray, "side side 4"] | None = None,
    dots_per_inch: int = DOTS_PER_INCH,
) -> Picture.Image:
    """A picture of a run, fit for a front page or a paper's supplement.

    Rows are three sections, and one plane across y and one across x if the voxels are isotropic; columns are raw
    tissue, boundary, fragments, neurons and, if there is one, truth. The largest neurons stand beside them in three
    dimensions.

    Parameters
    ----------
    image, boundary, fragments, labels, truth
        Volumes of one shape; only what is shown is read of them.
    solid
        The neurons in three dimensions, where they are drawn already (`draw_solid`).
    dots_per_inch
        Fineness; a panel is 1.9 inches wide.

    Raises
    ------
    ValueError
        If shapes differ.
    """
    check_shapes(image, boundary, fragments, labels, truth)
    planes = _planes(image.grid)
    rows = [
        Row(plane.name, _size_um(plane, image.grid), _panels(plane, image, boundary, fragments, labels, truth))
        for plane in planes
    ]
    side = sum(row.inches + GAP_INCHES for row in rows)
    if solid is None:
        solid = draw_solid(image, labels, size=min(SOLID_PIXELS, round(side * dots_per_inch)))
    return _compose(rows, solid, side=side, caption=_caption(image.grid), dots_per_inch=dots_per_inch)


def scale_bar_um(width_um: float, *, share: float = BAR_SHARE) -> float:
    """The longest of 1, 2, 5 × 10ⁿ µm that takes up at most a share of a width."""
    limit = width_um * share
    power = 10.0 ** np.floor(np.log10(limit))
    return float(max(factor * power for factor in (1, 2, 5) if factor * power <= limit * (1 + 1e-9)))


def length_label(length_um: float) -> str:
    """A length as people write it: µm, or nm below one µm."""
    return f"{length_um:g} µm" if length_um >= 1 else f"{length_um * 1000:g} nm"


def _planes(grid: Grid) -> list[Plane]:
    """Sections, then the two other directions where they look alike."""
    box = shown_box(grid)
    planes = spread(box, axis="z", count=SECTIONS)
    if grid.is_isotropic:
        planes += spread(box, axis="y", count=1) + spread(box, axis="x", count=1)
    return planes


def _panels(
    plane: Plane, image: Image, boundary: BoundaryMap, fragments: Labels, labels: Labels, truth: Labels | None
) -> list[Panel]:
    """The columns of one row, titled."""
    raw = stretch(read_plane(image, plane, longest=PANEL_PIXELS))
    coloured = [("fragments", fragments), ("neurons", labels), ("truth", truth)]
    panels = [("raw", _grey(raw)), ("boundary", _grey(read_plane(boundary, plane, longest=PANEL_PIXELS)))]
    for title, volume in coloured:
        if volume is not None:
            panels.append((title, overlay(raw, read_plane(volume, plane, longest=PANEL_PIXELS))))
    return panels


def _grey(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey values as red, green and blue."""
    return np.repeat(plane[..., None], 3, axis=-1)


def draw_solid(image: Image, labels: Labels, *, size: int = SOLID_PIXELS) -> UInt8[np.ndarray, "{size} {size} 4"]:
    """Neurons in three dimensions, for the figure and the report; takes about ten seconds."""
    from savem3.view.render import render_neurons  # compiles: not at import

    return render_neurons(labels, image=image, size=size)


def _size_um(plane: Plane, grid: Grid) -> tuple[float, float]:
    """Height and width of a plane in µm."""
    along = [i for i, axis in enumerate(AXES) if axis != plane.axis]
    height, width = (plane.box.shape[i] * grid.voxel_size[i] / 1000 for i in along)
    return height, width


def _caption(grid: Grid) -> str:
    """What the box holds, and whether it is all of the volume."""
    box = shown_box(grid)
    z, y, x = grid.crop(box).size_um
    part = "" if box == grid.box else "middle of the volume, "
    return f"largest neurons · {part}{z:.3g} × {y:.3g} × {x:.3g} µm (z, y, x)"


def _compose(
    rows: list[Row], solid: NDArray[np.uint8], *, side: float, caption: str, dots_per_inch: int
) -> Picture.Image:
    """Everything on one page; the three-dimensional picture is as high as all rows together."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    left = 2 * MARGIN_INCHES + len(rows[0].panels) * (PANEL_INCHES + GAP_INCHES)
    size = (left + side + MARGIN_INCHES, side + 2 * MARGIN_INCHES)
    page = Figure(size, dpi=dots_per_inch, facecolor=GROUND)
    canvas = FigureCanvasAgg(page)
    _draw_rows(page, rows)
    _draw_solid(_place(page, left, MARGIN_INCHES, side, side), solid, caption=caption)
    canvas.draw()
    return Picture.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _draw_rows(page: Figure, rows: list[Row]) -> None:
    """Panels from the top left, column titles above, plane names at the side, a scale bar in each row's first panel."""
    top = page.get_figheight() - MARGIN_INCHES
    for number, row in enumerate(rows):
        for column, (title, picture) in enumerate(row.panels):
            left = MARGIN_INCHES + column * (PANEL_INCHES + GAP_INCHES)
            axes = _place(page, left, top - row.inches, PANEL_INCHES, row.inches)
            axes.imshow(picture, aspect=row.pixel_aspect(picture))
            if number == 0:
                axes.set_title(title, color=INK, fontsize=11, pad=5)
            if column == 0:
                _draw_name(axes, row.name)
                _draw_scale_bar(axes, row.size_um[1])
        top -= row.inches + GAP_INCHES


def _draw_solid(axes: Axes, solid: NDArray[np.uint8], *, caption: str) -> None:
    """The three-dimensional picture with its caption below."""
    axes.imshow(solid, interpolation="antialiased")
    axes.text(0.5, -0.005, caption, color=FAINT, fontsize=9, ha="center", va="top", transform=axes.transAxes)


def _draw_name(axes: Axes, name: str) -> None:
    """The name of a plane, upwards at its left side."""
    text = axes.text(-0.04, 0.5, name, color=FAINT, fontsize=8, transform=axes.transAxes)
    text.set(rotation=90, horizontalalignment="right", verticalalignment="center")


def _draw_scale_bar(axes: Axes, width_um: float) -> None:
    """A white bar of a round length at the lower left, on a dark edge so that it shows on any tissue."""
    from matplotlib.patches import Rectangle

    length, low, thickness = scale_bar_um(width_um), 0.06, 0.018
    shade = {"facecolor": "black", "alpha": 0.45, "linewidth": 0, "pad": 1.2}
    bar = Rectangle((0.05, low), length / width_um, thickness, transform=axes.transAxes)
    bar.set(facecolor="white", edgecolor="black", linewidth=0.6)
    axes.add_patch(bar)
    text = (0.05, low + thickness + 0.01, length_label(length))
    axes.text(*text, color="white", fontsize=8, va="bottom", bbox=shade, transform=axes.transAxes)


def _place(page: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes without ticks or frame, at a place counted in inches."""
    across, up = page.get_size_inches()
    axes = page.add_axes((left / across, bottom / up, width / across, height / up))
    axes.set_axis_off()
    return axes
