"""A run in the browser: served on this machine until Ctrl-C, or drawn once into a picture."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import ModuleType

from savem3.runs.output import refuse_existing
from savem3.store import completed
from savem3.view.contents import contents_of

Say = Callable[[str], None]


def run_browse(
    run: Path,
    *,
    say: Say,
    raw: str | None = None,
    port: int = 0,
    screenshot: Path | None = None,
    opens_browser: bool = True,
    overwrite: bool = False,
    stop: Event | None = None,
) -> None:
    """Show a run in Neuroglancer: raw, boundary, fragments and neurons in four panels.

    Parameters
    ----------
    run
        A run directory, finished or not; it is only read.
    say
        Told each sentence that a person should read.
    raw
        The raw volume, where run.json does not name it or it was moved.
    port
        Where to listen, on 127.0.0.1; 0 takes a free one.
    screenshot
        A PNG to draw instead of waiting for people.
    opens_browser
        Whether the person's browser is opened.
    overwrite
        Whether an older picture may be replaced.
    stop
        Ends the serving when it is set; otherwise Ctrl-C does.

    Raises
    ------
    ValueError
        If there is nothing to show, or Neuroglancer is not installed.
    """
    if screenshot is not None:
        refuse_existing(screenshot, overwrite=overwrite)
    contents = contents_of(run, raw=raw)
    for remark in contents.remarks:
        say(remark)
    beside = {name: getattr(contents, name) for name in ("surfaces", "skeletons", "points")}
    with _serving().serving(contents.pyramids, **beside, port=port) as page:
        if screenshot is not None:
            from savem3.view.screenshot import take_picture

            with completed(screenshot, overwrite=overwrite) as file:
                file.write_bytes(take_picture(page))
            say(f"drawn: {screenshot}")
            return
        say(f"open {page.url} in a browser of this machine; Ctrl-C ends it")
        if opens_browser:
            webbrowser.open(page.url_once)
        with suppress(KeyboardInterrupt):
            (stop or Event()).wait()


def _serving() -> ModuleType:
    """What serves; needs packages that are not always there."""
    try:
        from savem3.view import serving
    except ModuleNotFoundError as error:
        raise ValueError(f'the browser view needs the package {error.name}: pip install "savem3[view]"') from error
    return serving
