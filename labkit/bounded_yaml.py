"""YAML files of configuration within bounds: an alias counts as often as it is used."""

from __future__ import annotations

from typing import Any

import yaml

LARGEST, LONGEST = 1_000_000, 100_000  # characters of a file, of one value
MOST_NODES, DEEPEST = 50_000, 60  # values and keys; levels inside each other


def bound() -> None:
    """Let OmegaConf, and so Hydra, read its files within these bounds, in the whole process."""
    from omegaconf import _utils

    usual = _utils.get_yaml_loader
    if not getattr(usual, "bounded", False):

        def loader() -> Any:
            return type("BoundedLoader", (_Bounded, usual()), {})

        loader.bounded = True  # type: ignore[attr-defined]
        _utils.get_yaml_loader = loader


class _Bounded(yaml.SafeLoader):
    """Counts while the nodes are composed, before anything is made of them."""

    def __init__(self, stream: Any) -> None:
        text = stream.read(LARGEST + 1) if hasattr(stream, "read") else stream
        if len(text) > LARGEST:
            place = yaml.Mark(getattr(stream, "name", "a file"), 0, 0, 0, None, 0)
            told = f"more than {LARGEST:,} characters"
            raise yaml.composer.ComposerError(None, None, told, place)
        super().__init__(text)
        self.name = getattr(stream, "name", self.name)
        self._nodes = self._level = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose one node, or take the one that an alias stands for."""
        place = self.peek_event().start_mark
        alias = self.check_event(yaml.AliasEvent)
        before = self._nodes
        self._level += 1
        if self._level > DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"more than {DEEPEST} levels inside each other", place)
        node = super().compose_node(parent, index)
        self._level -= 1
        if alias:
            self._nodes += self._sizes.get(id(node), 0)
        else:
            self._nodes += 1
            self._sizes[id(node)] = self._nodes - before
        if self._nodes > MOST_NODES:
            raise yaml.composer.ComposerError(None, None, f"more than {MOST_NODES:,} values, aliases unfolded", place)
        if isinstance(node, yaml.ScalarNode) and len(node.value) > LONGEST:
            told = f"a value of {len(node.value):,} characters, expected at most {LONGEST:,}"
            raise yaml.composer.ComposerError(None, None, told, place)
        return node
