"""What a user asks of a score: one field is one option of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from savem3.evaluate.components import relabel_components
from savem3.evaluate.run_length import Forgiven, Loses
from savem3.evaluate.sparse import clear_borders, keep_bodies, keep_sections
from savem3.volume import Labels

LIMITS = {
    "sections": "Only labelled sections are compared: bodies are right or wrong within and among these, and what "
    "happens between them is not seen.",
    "bodies": "Only labelled bodies are compared: a merge of one of them with anything else is not seen, so the merge "
    "errors are the least that there may be.",
    "border mask": "Voxels near a border of the truth are left out, which makes every error smaller: compare with "
    "masked scores alone.",
}
"""What each kind of partial truth cannot say."""


@dataclass(frozen=True, slots=True)
class Known:
    """What of the truth counts.

    Parameters
    ----------
    relabel
        Number the truth by 6-connected components first, for crops.
    labelled_sections
        Only these sections of the truth are labelled, such as 0,50,100 or 0:125:25, numbered as in its file.
    bodies
        Only these bodies are: numbers such as 3,7,12, or a text file of them.
    border_mask
        Leave out what lies within so many nm of a border of the truth in its section; CREMI: 25.
    """

    relabel: bool = False
    labelled_sections: str | None = None
    bodies: str | None = None
    border_mask: float | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """In what ways the truth is partial."""
        given = {"sections": self.labelled_sections, "bodies": self.bodies, "border mask": self.border_mask}
        return tuple(kind for kind, value in given.items() if value is not None)

    def of(self, truth: Labels, *, first: int) -> Labels:
        """The part of a truth that counts, whose first section has the number ``first`` in its file."""
        if self.relabel and self.bodies is not None:
            raise ValueError("--bodies must be numbers of the truth as it is, got --relabel, which changes them")
        truth = relabel_components(truth) if self.relabel else truth
        truth = truth if self.border_mask is None else clear_borders(truth, within_nm=self.border_mask)
        truth = truth if self.bodies is None else keep_bodies(truth, bodies_of(self.bodies))
        if self.labelled_sections is None:
            return truth
        return keep_sections(truth, (z - first for z in numbers_of(self.labelled_sections)))


@dataclass(frozen=True, slots=True)
class Draws:
    """Intervals by bootstrap.

    Parameters
    ----------
    intervals
        How often bodies and blocks are drawn anew for 95 % intervals of the errors; 0 gives none.
    seed
        Of the draws.
    """

    intervals: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Tables:
    """What is written.

    Parameters
    ----------
    csv
        A table of the scores, with units and intervals.
    body_csv
        A table with a row a body of the truth.
    overwrite
        Replace older tables.
    """

    csv: Path | None = None
    body_csv: Path | None = None
    overwrite: bool = False

    def refuse_to_replace(self) -> None:
        """Before anything is computed."""
        for path in (self.csv, self.body_csv):
            if path is not None and path.exists() and not self.overwrite:
                raise FileExistsError(
                    f"output must not exist yet, got '{path}': choose another name or pass --overwrite"
                )


@dataclass(frozen=True, slots=True)
class Traces:
    """Skeletons to score by.

    Parameters
    ----------
    skeletons
        Traced bodies, for run lengths: file.swc, a folder of such, or file.nml.
    skeleton_unit
        Of the positions in SWC files: nm or um.
    merged_from
        A segment merges skeletons from so many points of each on; 1 is the strict, published definition.
    merged_share
        And from this share of the segment's points on.
    voids
        What a merger costs: the edges in its segment, or whole skeletons, as in funlib.evaluate and NISB.
    """

    skeletons: str | None = None
    skeleton_unit: str = "nm"
    merged_from: int = 1
    merged_share: float = 0.0
    voids: Loses = "segment"

    @property
    def forgiven(self) -> Forgiven:
        """Which mergers count, and what they cost."""
        return Forgiven(self.merged_from, self.merged_share, self.voids)


def numbers_of(text: str) -> list[int]:
    """Whole numbers from ``3,7``, ``FIRST:STOP`` (the stop left out), ``FIRST:STOP:STEP``, or several of them."""
    numbers: list[int] = []
    for part in text.split(","):
        words = [word.strip() for word in part.split(":")]
        if not all(word.isdecimal() for word in words) or len(words) > 3 or (len(words) == 3 and not int(words[2])):
            raise ValueError(f"numbers must be such as 0,50,100 or 0:125:25, got {text!r}")
        ends = [int(word) for word in words]
        numbers += ends if len(ends) == 1 else range(*ends)
    return numbers


def bodies_of(text: str) -> list[int]:
    """Numbers of bodies, as they are or in a text file, there divided by spaces, lines or commas."""
    if Path(text).is_file():
        text = ",".join(Path(text).read_text(encoding="utf-8").replace(",", " ").split())
    numbers = numbers_of(text)
    if not all(0 < number < 2**64 for number in numbers):
        raise ValueError(f"bodies must have numbers from 1 to 2**64 - 1, got {min(numbers)} to {max(numbers)}")
    return numbers
