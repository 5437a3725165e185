"""Check: what is wrong with a volume, before anything heavy is done with it.

Enters: an `Image`, or a `Stored` volume with the numbers of its file. Leaves: `Checked`, the findings about single
sections (black, harsh, folded, copied, shifted, blurred), which of them are lost, and a warning for each thing that a
user should know (bright membranes, swapped axes, a doubtful voxel size). `bridge` gives the image in which neighbours
stand in for lost sections; `wall` keeps labels from crossing where too many are lost in a row.

Nothing here is in the paper, which works on clean volumes; every rule and limit is our choice.
"""

from savem3.check.bridge import LONGEST_BRIDGE, bridge, gaps_of, runs_of, wall
from savem3.check.content import find_bad_values, hide_bad_values
from savem3.check.contrast import darkness_of_lines
from savem3.check.door import Checked, check_image
from savem3.check.finding import KINDS, Finding, lost_sections
from savem3.check.judge import Limits, judge, limits_for
from savem3.check.measures import Measures, measure
from savem3.check.picture import draw_finding
from savem3.check.sampling import Sampling, choose_tiles
from savem3.check.spacing import doubtful_axes, edges_by_likeness

__all__ = [
    "KINDS",
    "LONGEST_BRIDGE",
    "Checked",
    "Finding",
    "Limits",
    "Measures",
    "Sampling",
    "bridge",
    "check_image",
    "choose_tiles",
    "darkness_of_lines",
    "doubtful_axes",
    "draw_finding",
    "edges_by_likeness",
    "find_bad_values",
    "gaps_of",
    "hide_bad_values",
    "judge",
    "limits_for",
    "lost_sections",
    "measure",
    "runs_of",
    "wall",
]
