"""Makes one site of what lies in the repository: mkdocs calls `on_files` and `on_page_markdown`.

The README is the first page and model cards are pages, as they are and where they are: nothing is copied by hand.
Links that lead out of `docs/` lead, on the site, to a page that shows the file, so the site needs no other server.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)")
FENCE = re.compile(r"^(```.*?^```)", re.DOTALL | re.MULTILINE)
LANGUAGES = {".py": "python", ".toml": "toml", ".sh": "bash", ".json": "json", ".yaml": "yaml", ".cff": "yaml"}
PICTURES = (".png", ".svg")
CARDS = "src/savem3/models/"
FOREIGN = re.compile(r"<(?:script|img|iframe)[^>]+src=.?https?:[^>]*>|<link[^>]+rel=.?stylesheet[^>]+https?:[^>]*>")
HIDDEN = "---\nsearch:\n  exclude: true\n---\n"


def page_of(path: str) -> str:
    """Where a file of the repository stands on the site."""
    if path == "README.md":
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith(CARDS) and path.endswith(".md"):
        return "model-" + path.removeprefix(CARDS)
    return f"source/{path}" if path.endswith(PICTURES) else f"source/{path}.md"


def links_of(text: str, path: str) -> list[str]:
    """The files of the repository that a page links to; code is left out."""
    folder = posixpath.dirname(path)
    parts = FENCE.split(text)[::2]
    return [posixpath.normpath(posixpath.join(folder, link)) for part in parts for link in LINK.findall(part)]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README, the cards, and a page for each file that some page links to."""
    waiting = ["README.md", *sorted(str(card.relative_to(ROOT).as_posix()) for card in (ROOT / CARDS).glob("*.md"))]
    known = {f"docs/{file.src_uri}" for file in files}
    for file in list(files):
        if file.is_documentation_page():
            waiting += links_of((ROOT / "docs" / file.src_uri).read_text(encoding="utf-8"), f"docs/{file.src_uri}")
    while waiting:
        path = waiting.pop()
        if path in known or path.startswith("docs/"):
            continue
        known.add(path)
        if path.endswith(PICTURES):
            files.append(File.generated(config, page_of(path), abs_src_path=str(ROOT / path)))
            continue
        text = _shown(path)
        files.append(File.generated(config, page_of(path), content=text))
        waiting += links_of(text, path) if path.endswith(".md") else []
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links between files of the repository become links between pages."""
    path = _path_of(page.file.src_uri)
    here = posixpath.dirname(page.file.src_uri)
    folder = posixpath.dirname(path)

    def led(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[1]))
        return posixpath.relpath(page_of(target), here or ".")

    parts = FENCE.split(markdown)
    return "".join(part if i % 2 else LINK.sub(led, part) for i, part in enumerate(parts))


def on_nav(nav: Any, config: MkDocsConfig, files: Files) -> Any:
    """Every page of `docs/` must be in the navigation."""
    inside = {page.file.src_uri for page in nav.pages}
    lost = sorted(file.src_uri for file in files.documentation_pages() if file.src_uri not in inside)
    if lost := [path for path in lost if not path.startswith("source/")]:
        raise PluginError(f"the navigation of mkdocs.yml must hold every page of docs/, got none for {lost}")
    return nav


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """A page must not load anything from another machine when it is looked at."""
    if foreign := FOREIGN.findall(output):
        raise PluginError(f"{page.file.src_uri} must load nothing from elsewhere, got {foreign[0]}")
    return output


def _path_of(src: str) -> str:
    """The file of the repository that a page is."""
    if src == "index.md":
        return "README.md"
    if src.startswith("source/"):
        return src.removeprefix("source/").removesuffix(".md")
    card = ROOT / CARDS / src.removeprefix("model-")
    return CARDS + card.name if src.startswith("model-") and card.exists() else f"docs/{src}"


def _shown(path: str) -> str:
    """The text of a page that shows a file or a folder."""
    file = ROOT / path
    if path.endswith(".md"):
        text = file.read_text(encoding="utf-8")
        if path == "README.md":
            return f"# savem3\n\n{text}"
        return text if path.startswith(CARDS) else HIDDEN + text
    if file.is_dir():
        items = [item for item in file.iterdir() if not item.name.startswith(("_", "."))]
        names = sorted(item.name + "/" * item.is_dir() for item in items)
        return f"{HIDDEN}# {path}\n\n" + "".join(f"- `{name}`\n" for name in names)
    text = file.read_text(encoding="utf-8")
    return f"{HIDDEN}# {path}\n\n~~~~{LANGUAGES.get(file.suffix, 'text')}\n{text}\n~~~~\n"
