"""Volumes → pictures that people look at: coloured sections, one figure of a run, and the page that reports it.

Enter: image, boundary map, fragments, labels and, if there is one, truth, all of one shape. Leave: `figure` (a picture
for a front page), `write_pictures` (PNG sections) and `write_report` (one HTML page that needs no network). Of a large
volume the middle is shown and read (see `MOST_SHOWN`). Nothing here changes a value that any other room computes with.
"""

from savem3.view.colours import colours_of
from savem3.view.figure import draw_solid, figure
from savem3.view.learning import Learning, colour_features
from savem3.view.pictures import overlay, write_pictures
from savem3.view.planes import MOST_SHOWN
from savem3.view.report import ReportFacts, write_report

__all__ = [
    "MOST_SHOWN",
    "Learning",
    "ReportFacts",
    "colour_features",
    "colours_of",
    "draw_solid",
    "figure",
    "overlay",
    "write_pictures",
    "write_report",
]
