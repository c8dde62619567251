"""The commands of the pages: where each stands, what it needs, how long it takes, and the files that a page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from labkit.compose import CONF

ROOT = Path(__file__).parents[2]
GENERATED = "results.md"  # its commands are those of the parts, which tests/labs and tests/conf compose
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != GENERATED)]
_OURS = "labkit|make|python|pytest|eval"
_COMMAND = re.compile(rf"(?:[A-Z_]+=\S+ )?(?:{_OURS})(?: |$)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)


@dataclass(frozen=True)
class Documented:
    """A command of a page.

    Attributes:
        command: Words as a shell takes them, the comment left out.
        about: Comment behind it, or what follows it in its paragraph or table row.
        page: Name of the page's file.
    """

    command: str
    about: str
    page: str

    @property
    def needs(self) -> str | None:
        """What it needs beyond a checkout that is set up: `needs CIFAR-10` in its comment; None: nothing."""
        found = re.search(r"\bneeds ([\w' .-]*\w)", self.about)
        return found[1] if found else None

    @property
    def minutes(self) -> float:
        """Minutes that it takes where they are more than one."""
        return max(map(float, re.findall(r"\b([\d.]+) minutes", self.about)), default=1.0)


def blocks(page: str, language: str) -> list[str]:
    """Return the contents of a page's code blocks in a language; `""` are commands."""
    text = next(path for path in PAGES if path.name == page).read_text()
    return [content for found, content in _FENCE.findall(text) if found == language]


def shown_files(page: str) -> dict[str, str]:
    """Return the files that a page shows whole, by path: blocks whose first lines name it in a comment."""
    found = {}
    for language, ending in (("yaml", r"yaml"), ("python", "py")):
        for content in blocks(page, language):
            if name := re.match(rf"(?:# @package \S+\n)?# (\S+\.{ending})\n", content):
                found[name[1]] = content
    return found


def commands(text: str, page: str) -> Iterator[Documented]:
    """Yield what a page tells to type, in blocks and in the running text."""
    for _, content in (found for found in _FENCE.findall(text) if not found[0]):
        for line in re.sub(r" *\\\n *", " ", content).splitlines():
            command, _, about = line.partition("  #")
            if _COMMAND.match(command):
                yield Documented(command.strip(), about.strip(), page)
    for paragraph in re.split(r"\n\s*\n|\n(?=\||- )", _FENCE.sub("", text)):
        pieces = paragraph.split("`")  # outside, inside, outside, ...
        ours = [i for i in range(1, len(pieces), 2) if _COMMAND.match(pieces[i]) and not pieces[i].endswith(" ...")]
        for i, following in pairwise([*ours, len(pieces)]):
            yield Documented(" ".join(pieces[i].split()), " ".join(pieces[i + 1 : following]), page)


def help_commands() -> Iterator[Documented]:
    """Yield the examples of `labkit --help`."""
    template = (CONF / "hydra" / "help" / "labkit.yaml").read_text()
    for line in template.splitlines():
        if line.startswith("    labkit"):
            command, _, about = line.strip().partition("  ")
            yield Documented(command.replace("$$", "$"), about.strip(), "--help")


def documented() -> list[Documented]:
    """Return every command of every page and of the help, once each, in the order of reading.

    Where pages say different things about a command, it needs what one of them says, and takes the longest.
    """
    everything = [one for page in PAGES for one in commands(page.read_text(), page.name)]
    found: dict[str, Documented] = {}
    for one in [*everything, *help_commands()]:
        known = found.setdefault(one.command, one)
        if known is not one and ((one.needs and not known.needs) or one.minutes > known.minutes):
            found[one.command] = replace(known, about=f"{known.about}\n{one.about}")
    return list(found.values())
