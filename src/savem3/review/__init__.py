"""A page on this machine where a person settles which masks are kept, redrawn, mended or cleared.

Enters: a review folder, as the data engine leaves it: a queue of proposals, grey values and labels. Leaves: one log a
reviewer, to which a line is added for each verdict and none is ever taken away; and, from any number of logs, labels in
which the standing verdicts are carried out. Ids are kept, the result is a partition, and nothing else changes. The page
listens on this machine only and takes numbers of items, never paths.

METHOD: section 3, the human in the loop. The page needs the extra: ``pip install "savem3[review]"``.
"""

from savem3.review.folder import Dataset, Folder, open_folder
from savem3.review.items import Item, items_of
from savem3.review.log import Log, Reading, read_log, writing
from savem3.review.merge import ON_CONFLICT, Merged, OnConflict, decide, merge
from savem3.review.replay import replay
from savem3.review.session import Session, Stale
from savem3.review.verdicts import VERDICTS, Record, Standing, Verdict, standing

__all__ = [
    "ON_CONFLICT",
    "VERDICTS",
    "Dataset",
    "Folder",
    "Item",
    "Log",
    "Merged",
    "OnConflict",
    "Reading",
    "Record",
    "Session",
    "Stale",
    "Standing",
    "Verdict",
    "decide",
    "items_of",
    "merge",
    "open_folder",
    "read_log",
    "replay",
    "standing",
    "writing",
]
