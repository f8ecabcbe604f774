"""Links between the documents lead somewhere, and the files that they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors_of, links_of

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
NAMED_FILE = re.compile(r"`((?:ipfi_serial|firmware-sim|tests|docs|hil|ports)/[\w./-]*\w/?)`")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_to_a_file_and_an_anchor_that_exist(page: Path) -> None:
    for link in links_of(page):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.is_relative_to(ROOT), f"{page.name}: {link} leaves the repository"
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors_of(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_file_of_ours_that_the_page_names_exists(page: Path) -> None:
    for name in NAMED_FILE.findall(page.read_text(encoding="utf-8")):
        places = (ROOT / name, ROOT / "firmware-sim" / name)
        assert any(place.exists() for place in places), f"{page.name}: {name}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    to_read = [ROOT / "README.md"]
    while to_read:
        page = to_read.pop()
        if page in reached or not page.is_relative_to(ROOT):
            continue
        reached.add(page)
        for link in links_of(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.is_dir():
                to_read += target.glob("*.md")
            elif target.suffix == ".md" and target.is_file():
                to_read.append(target)
    assert {page for page in PAGES if page not in reached} == set()


def test_anchors_are_made_as_the_site_makes_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# May it? `may_have_executed`\n\n## Step 1. Do it\n\n## Step 1. Do it\n")
    assert anchors_of(page) == {
        "may-it-may_have_executed", "step-1-do-it", "step-1-do-it-1",
    }  # fmt: skip
