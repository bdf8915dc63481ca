"""The examples of the README and of docs/python.md run as they stand."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

import snn_event


def examples(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


# The project's own README where it has such an example.
PAGES = [
    "bindings/python/README.md",
    "docs/python.md",
    "docs/networks.md",
    "docs/nir.md",
    *(["README.md"] if examples("README.md") else []),
]


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    for package in ("torch", "scipy", "pandas", "neo", "matplotlib", "nir"):
        pytest.importorskip(package)
    blocks = examples(page)
    assert blocks
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    if "network" not in names:
        assert isinstance(names["snn"], snn_event.ConvertedSNN)


def test_links_of_the_pages_lead_somewhere():
    for page in ("bindings/python/README.md", "docs/python.md", "docs/networks.md", "docs/nir.md", "docs/c.md", "docs/sc-neurocore.md"):
        path = ROOT / page
        for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / link).exists(), f"{page}: {link}"
