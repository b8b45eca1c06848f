"""Checks the links in a built site: files and anchors exist, and nothing is loaded from elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page of HTML offers and asks for: its anchors, links, and files that it is shown with."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        about = {name: value for name, value in attributes if value}
        self.anchors |= {about[name] for name in ("id", "name") if name in about}
        if tag == "a" and "href" in about:
            self.links.append(about["href"])
        elif tag in ("img", "script", "source", "iframe") and "src" in about:
            self.loaded.append(about["src"])
        elif tag == "link" and about.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(about.get("href", ""))


def html_files(site: Path) -> list[Path]:
    """Return the pages of a site, without the templates among its static files."""
    return [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]


def broken_links(site: Path) -> Iterator[str]:
    """Yield a line about each link within a site that leads nowhere, and each file that is loaded from elsewhere."""
    pages = {path.resolve(): Page(path) for path in html_files(site)}
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loaded and parts.scheme != "data":
                    yield f"{name}: loads {link}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{name}: {link} is not a file"
            elif target in pages and parts.fragment and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name}: {link} has no such anchor"


def main() -> None:
    site = Path(sys.argv[1])
    found = sorted({*broken_links(site)})
    print(f"{len(html_files(site))} pages, {len(found)} broken links")
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
