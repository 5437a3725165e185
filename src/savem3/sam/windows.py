"""Windows: the parts of a section that the encoder sees at once, and which of them a prompt is answered on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

STEPS = 8
"""Windows outside the regular grid begin at multiples of an eighth of a tile, so that prompts nearby share them."""

Extent = tuple[float, float, float, float]
"""What a prompt names: first y, first x, stop y, stop x, in pixels of the section."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a section, and how large the encoder sees it.

    Parameters
    ----------
    y, x
        Its first row and column in the section.
    rows, columns
        Its pixels in the section.
    scale
        Pixels of the encoder along an edge of a pixel of the section.
    """

    y: int
    x: int
    rows: int
    columns: int
    scale: float

    @property
    def slices(self) -> tuple[slice, slice]:
        """As an index of the section."""
        return slice(self.y, self.y + self.rows), slice(self.x, self.x + self.columns)

    @property
    def seen(self) -> tuple[int, int]:
        """Rows and columns that the encoder sees, before padding; at least 1."""
        rows, columns = (max(1, int(n * self.scale + 0.5)) for n in (self.rows, self.columns))
        return rows, columns

    def holds(self, extent: Extent) -> bool:
        """Whether all of an extent lies in the window."""
        y, x, y_stop, x_stop = extent
        inside_y = self.y <= y and y_stop <= self.y + self.rows
        return inside_y and self.x <= x and x_stop <= self.x + self.columns


@dataclass(frozen=True, slots=True)
class Layout:
    """How a section is cut into windows.

    Parameters
    ----------
    shape
        Rows and columns of the section.
    tile
        Edge of what the encoder sees, pixels of the encoder.
    scale
        Pixels of the encoder along an edge of a pixel of the section.
    overlap
        Share of a tile's edge that neighbouring windows have in common, at least 0 and below 1.
    """

    shape: tuple[int, int]
    tile: int
    scale: float
    overlap: float

    def span(self, level: int = 0) -> int:
        """Pixels of the section along an edge of a window; each level sees twice as far, at half the scale."""
        return max(1, int(self.tile / (self.scale / 2**level) + 1e-6))  # 64 / (64 / n) may be a hair below n

    def regular(self) -> list[Window]:
        """The windows that together cover the section, y slowest."""
        rows, columns = (self._starts(n) for n in self.shape)
        return [self._window(y, x, level=0) for y, x in product(rows, columns)]

    def window_of(self, extent: Extent) -> Window:
        """The window on which a prompt is answered.

        It is the regular window whose middle is nearest, if that holds the whole prompt. If not, it is one around the
        prompt, that begins at a multiple of an eighth of a tile; of half the scale, a quarter, …, where a tile is too
        small.
        """
        nearest = self._window(*self._nearest(extent), level=0)
        level = 0
        while not nearest.holds(extent):
            nearest = self._around(extent, level=level)
            level += 1
        return nearest

    def _nearest(self, extent: Extent) -> tuple[int, int]:
        """Start of the regular window nearest to the middle of an extent; of two equally near the first."""
        span = self.span()
        middles = ((extent[0] + extent[2]) / 2, (extent[1] + extent[3]) / 2)
        y, x = (
            min(self._starts(n), key=lambda start, n=n, at=at: abs(start + min(span, n) / 2 - at))  # type: ignore[misc]
            for n, at in zip(self.shape, middles, strict=True)
        )
        return y, x

    def _around(self, extent: Extent, *, level: int) -> Window:
        """A window of a level around the middle of an extent, inside the section."""
        span = self.span(level)
        step = max(1, span // STEPS)
        middles = ((extent[0] + extent[2]) / 2, (extent[1] + extent[3]) / 2)
        starts = (round((at - span / 2) / step) * step for at in middles)
        y, x = (min(max(start, 0), max(n - span, 0)) for start, n in zip(starts, self.shape, strict=True))
        return self._window(y, x, level=level)

    def _window(self, y: int, x: int, *, level: int) -> Window:
        rows, columns = (min(self.span(level), n) for n in self.shape)
        return Window(y, x, rows, columns, self.scale / 2**level)

    def _starts(self, size: int) -> list[int]:
        """First pixel of each regular window along an axis; the last ends with the section."""
        span = self.span()
        step = max(1, span - round(span * self.overlap))
        return [*range(0, size - span, step), max(0, size - span)]
