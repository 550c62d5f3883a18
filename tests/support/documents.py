"""Reads the commands and programs of a document. Does not know how they are run."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["Document"]


class Document:
    """A Markdown file of the project."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.text = file.read_text()
        self.blocks: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)

    @property
    def commands(self) -> list[str]:
        """Each line of each block of shell, without its comment."""
        lines = [line for kind, text in self.blocks if kind == "sh" for line in text.splitlines()]
        return [re.sub(r"\s+#.*", "", line).strip() for line in lines]

    def program(self, kind: str) -> str:
        """The one block of a kind."""
        found = [text for language, text in self.blocks if language == kind]
        assert len(found) == 1, f"{self.file.name} has one {kind} program"
        return found[0]

    @property
    def links(self) -> list[str]:
        """What it links to within the project, as paths from its own folder."""
        return [link for link in re.findall(r"\]\(([^)#]+)\)", self.text) if "://" not in link]
