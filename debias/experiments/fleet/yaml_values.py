"""YAML as plain values with their lines, bounded: no tags, no code, nothing that grows by repetition.

Built from the parser's events in one loop, so that depth and repetition are bounded before they cost anything. Words
mean what YAML 1.2 says: only ``true`` and ``false`` are truth values, ``no`` and ``on`` are texts, and 010 is no octal
number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from debias.words import show

MOST = 500_000
"""Values in all, those counted that aliases repeat."""

Key = tuple[str | int, ...]
"""Where a value stands: keys of mappings and numbers of lists, from the outermost."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,40})")
_FLOAT = re.compile(r"[-+]?((\.[0-9]+|[0-9]{1,40}\.[0-9]*)([eE][-+]?[0-9]{1,4})?|[0-9]{1,40}[eE][-+]?[0-9]{1,4})")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_TEXT_TAG = "tag:yaml.org,2002:str"


class YamlError(ValueError):
    """Why a text is no YAML that is read here: (line, what was found, the way out) of each problem."""

    def __init__(self, problems: list[tuple[int, str, str]]) -> None:
        super().__init__(problems)
        self.problems = problems


@dataclass(eq=False)
class _Open:
    """A list or mapping that has begun: its value, its place, and the key whose value comes next."""

    value: Any
    key: Key
    anchor: str | None
    size: int = 1
    waiting: str | None = None
    skipped: bool = False


def read_yaml(text: str, *, deepest: int) -> tuple[Any, dict[Key, int]]:
    """Return the value of a YAML text, and the line of every value by its place.

    Parameters
    ----------
    text : str
        One document.
    deepest : int
        Lists and mappings within each other at most.

    Raises
    ------
    YamlError
        It is no YAML, or uses what is not read: tags, merge keys, several documents, an alias within what it names;
        or a key stands twice.
    """
    import yaml  # type: ignore[import-untyped]

    builder = _Builder(deepest)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.take(event, yaml)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        told = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        line = 1 if mark is None else mark.line + 1
        raise YamlError([*builder.problems, (line, f"is no YAML: {show(told)[1:-1]}", "Mend it there.")]) from None
    except RecursionError:
        raise YamlError([(1, "is nested too deeply", f"At most {deepest} levels are read.")]) from None
    if builder.problems:
        raise YamlError(builder.problems)
    return builder.value, builder.lines


class _Builder:
    """Makes values of events."""

    def __init__(self, deepest: int) -> None:
        self.deepest = deepest
        self.value: Any = None
        self.lines: dict[Key, int] = {}
        self.problems: list[tuple[int, str, str]] = []
        self.stack: list[_Open] = []
        self.named: dict[str, tuple[Any, int]] = {}
        self.total, self.documents = 0, 0

    def take(self, event: Any, yaml: Any) -> None:
        """Take one event of the parser."""
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._stop(line, "has a second document", "Leave out what follows ---.")
        elif isinstance(event, yaml.ScalarEvent):
            self._add(event.value if self._at_key() else self._scalar(event, line), 1, line, event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor, line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if event.tag is not None and not event.implicit:
                self._wrong(line, f"has the tag {show(event.tag)}", "Leave tags out: values are plain.")
            if len(self.stack) >= self.deepest:
                self._stop(line, "is nested too deeply", f"At most {self.deepest} levels are read.")
            self._begin({} if isinstance(event, yaml.MappingStartEvent) else [], line, event.anchor)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._end()

    def _scalar(self, event: Any, line: int) -> Any:
        if event.tag is not None and event.tag not in (_TEXT_TAG, "!"):
            self._wrong(line, f"has the tag {show(event.tag)}", "Leave tags out: values are plain.")
        if not event.implicit[0]:
            return event.value
        text = event.value
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) else text

    def _at_key(self) -> bool:
        """Return True where a key comes next: it stays as it is written."""
        parent = self.stack[-1] if self.stack else None
        return parent is not None and isinstance(parent.value, dict) and parent.waiting is None and not parent.skipped

    def _begin(self, value: Any, line: int, anchor: str | None) -> None:
        parent = self.stack[-1] if self.stack else None
        if self._at_key():
            self._stop(line, "has a list or mapping for a key", "Keys are texts.")
        key = () if parent is None else (*parent.key, self._next(parent))
        self.lines.setdefault(key, line)
        if anchor is not None:
            self.named.pop(anchor, None)
        self.stack.append(_Open(value, key, anchor))

    def _end(self) -> None:
        done = self.stack.pop()
        if done.anchor is not None:
            self.named[done.anchor] = (done.value, done.size)
        self._put(done.value, done.size)

    def _add(self, value: Any, size: int, line: int, anchor: str | None) -> None:
        parent = self.stack[-1] if self.stack else None
        if anchor is not None:
            self.named[anchor] = (value, size)
        if parent is not None and self._at_key():
            self._key(parent, value, line)
            return
        if parent is not None:
            self.lines.setdefault((*parent.key, self._next(parent)), line)
        self._put(value, size)

    def _key(self, parent: _Open, value: Any, line: int) -> None:
        """Take the key of a mapping, whose value comes next."""
        if isinstance(value, dict | list):
            self._stop(line, "has a list or mapping for a key", "Keys are texts.")
        name = str(value)
        if name == "<<":
            self._wrong(line, "has a merge key (<<)", "Write what all jobs share under defaults.")
            parent.skipped = True
        elif name in parent.value:
            self._wrong(line, f"the key {show(name)} stands here twice", "Leave one out.")
            parent.skipped = True
        else:
            parent.waiting = name
            self.lines[(*parent.key, name)] = line

    def _alias(self, anchor: str, line: int) -> None:
        if any(item.anchor == anchor for item in self.stack):
            self._stop(line, f"{show(anchor)} holds itself", "Write the value out.")
        if anchor not in self.named:
            self._stop(line, f"there is nothing named {show(anchor)} before", "Write the value out.")
        value, size = self.named[anchor]
        self._count(size, line)
        self._add(value, size, line, None)

    def _put(self, value: Any, size: int) -> None:
        self._count(1, 1)
        if not self.stack:
            self.value = value
            return
        parent = self.stack[-1]
        parent.size += size
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.skipped:
            parent.skipped = False
        elif parent.waiting is not None:
            parent.value[parent.waiting] = value
            parent.waiting = None

    def _next(self, parent: _Open) -> str | int:
        return len(parent.value) if isinstance(parent.value, list) else parent.waiting or ""

    def _count(self, size: int, line: int) -> None:
        self.total += size
        if self.total > MOST:
            self._stop(line, f"holds more than {MOST:,} values", "Split it into several manifests.")

    def _wrong(self, line: int, found: str, remedy: str) -> None:
        self.problems.append((line, found, remedy))

    def _stop(self, line: int, found: str, remedy: str) -> None:
        self._wrong(line, found, remedy)
        raise YamlError(self.problems)
