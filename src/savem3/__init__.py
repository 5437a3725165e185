"""savem3: neurons from a volume-electron-microscopy stack that nobody has labelled.

The rooms follow the data: `store` opens a file, `saem2` looks at sections, `distill` teaches a small 3D network from
it, `predict` draws membranes, `oversegment` makes fragments, `graphcut` joins them, `evaluate` and `view` show the
result. `savem3.pipeline` composes them, `savem3.cli` is the command line.
"""

from savem3.grid import Box, Grid
from savem3.regions import RegionGraph
from savem3.tiles import Tile
from savem3.volume import BoundaryMap, DistanceMap, Image, Labels

__version__ = "0.1.0"
__all__ = ["BoundaryMap", "Box", "DistanceMap", "Grid", "Image", "Labels", "RegionGraph", "Tile", "__version__"]
