"""What commands have in common: the application, the options that several of them take, how a run is shown."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape

from savem3 import __version__
from savem3.request import Asking, Keep, Machine, Source, Work
from savem3.watch import Watch

app = App(
    name="savem3",
    version=__version__,
    help="Neurons from a volume-electron-microscopy stack that nobody has labelled.",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,
)
ERRORS = Console(stderr=True, highlight=False, emoji=False)

VIEWS: dict[str, Literal["auto", 1, 3]] = {"auto": "auto", "1": 1, "3": 3}

Out = Annotated[Path, Parameter(help="Where the result goes; must not exist yet.")]
Read = Annotated[Source, Parameter(name="*")]
On = Annotated[Machine, Parameter(name="*")]
By = Annotated[Work, Parameter(name="*")]
Kept = Annotated[Keep, Parameter(name="*")]
Asks = Annotated[Asking, Parameter(name="*")]
Overwrite = Annotated[bool, Parameter(help="Replace an older result once the new one is complete.")]
AsJson = Annotated[bool, Parameter(help="Lines of JSON for machines.")]
Model = Annotated[str, Parameter(help="A shipped student, or the path of a .safetensors file.")]
Teacher = Annotated[str, Parameter(help="A shipped teacher, or the path of a .safetensors file.")]
Views = Annotated[
    Literal["auto", "1", "3"],
    Parameter(help="Directions looked along and averaged; auto: 3 where voxels are isotropic. Costs time."),
]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16"],
    Parameter(help="What the network's products are taken in; auto takes bfloat16 where the CPU has units for it."),
]
Resample = Annotated[
    Literal["auto", "off"],
    Parameter(help="auto: the model sees voxels as large as it knows them; results are on the volume's own grid."),
]
Cutter = Annotated[
    Literal["gasp_mean", "gasp_sum", "mean", "median", "multicut", "mutex", "quantile"],
    Parameter(help="How fragments are joined."),
]


def watch_of(as_json: bool) -> Watch:
    """Shows a run's stages; warnings are sentences, and the run keeps them for its report."""
    watch = Watch(show="lines" if as_json else "bars")

    def show(message: Warning | str, kind: type[Warning], *_: object) -> None:
        if not issubclass(kind, UserWarning):
            return
        watch.warnings.append(str(message))
        ERRORS.print(f"[yellow]warning:[/] {escape(str(message))}", soft_wrap=True)

    warnings.showwarning = show  # type: ignore[assignment]
    return watch


def fail(error: Exception, code: int) -> int:
    """Say what went wrong, in a sentence; the exit code."""
    ERRORS.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
    return code
