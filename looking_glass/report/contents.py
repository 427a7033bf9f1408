"""What the page holds, noted while it is written: its parts, and the numbers of its figures."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """A part of the page: the name of its heading, its title, and the headings under it."""

    name: str
    title: str
    under: list[tuple[str, str]] = field(default_factory=list)  # name, title


class Contents:
    """Parts and figures, numbered from 1 in the order in which they come."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._figures: list[str] = []

    def part(self, name: str, title: str) -> int:
        """Note that a part begins here; return its number."""
        self.parts.append(Part(name, title))
        return len(self.parts)

    def under(self, name: str, title: str) -> str:
        """Note a heading under the part that began last; return its title."""
        self.parts[-1].under.append((name, title))
        return title

    def figure(self, name: str) -> int:
        """Note that a figure stands here; return its number."""
        self._figures.append(name)
        return len(self._figures)

    def number_of(self, figure: str) -> int:
        """Return a figure's number; one that the page lacks raises `ValueError`."""
        return self._figures.index(figure) + 1

    def number_of_part(self, name: str) -> int:
        """Return a part's number; one that the page lacks raises `ValueError`."""
        return [part.name for part in self.parts].index(name) + 1
