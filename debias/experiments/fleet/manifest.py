"""From a manifest to the jobs of a fleet; all that is wrong with it is told at once, each with its place."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from debias.errors import DebiasError, Problem, UsageError
from debias.experiments.fleet import naming
from debias.experiments.fleet.document import Document, read_document
from debias.experiments.fleet.schema import Defaults, JobKeys, Manifest, keys_of, repairs
from debias.experiments.fleet.task import TABLES, Task
from debias.experiments.fleet.yaml_values import Key
from debias.words import count, show

MOST = 100_000
"""Jobs of one fleet at most."""

_FILES = ("model", "contract", *TABLES)
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_LIST = "Give jobs: a list of models with their tables."
_MISSING = {"model": "Name a model file or a pattern.", "jobs": _LIST}
_WANTED = {
    "string_type": ("one text", "Give one; where several are meant, write a job for each."),
    "float_type": ("a number", ""),
    "finite_number": ("a finite number", ""),
    "int_type": ("a whole number", ""),
    "int_from_float": ("a whole number", ""),
    "bool_type": ("true or false", ""),
    "list_type": ("a list", ""),
    "model_type": ("keys with values", ""),
    "dict_type": ("keys with values", ""),
    "string_too_short": ("a path", ""),
    "too_short": ("at least one job", _LIST),
}
"""What a key takes in words, and the way out, by the kind of a pydantic error."""
_SETTLED = ("trust", "out", "force", "report", "json", "quiet", "full")


def tasks_of(manifest: str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]] | Document) -> list[Task]:
    """Return the jobs that a manifest asks for, in its order.

    Parameters
    ----------
    manifest : path, mapping, sequence of mappings, or Document
        A file; or what it would hold, or its jobs alone, with paths relative to the working directory.

    Raises
    ------
    UsageError
        With every problem of the manifest. No model and no table is read.
    """
    if isinstance(manifest, str | os.PathLike):
        return of_document(read_document(Path(manifest)))
    if isinstance(manifest, Document):
        return of_document(replace(manifest, value=_plain(manifest.value)))
    if not isinstance(manifest, Mapping | Sequence):
        remedy = "Give a path, a mapping, or a list of jobs."
        raise UsageError(Problem(f"a {type(manifest).__name__} is no manifest", "manifest", remedy))
    whole = manifest if isinstance(manifest, Mapping) else {"jobs": list(manifest)}
    return of_document(Document(_plain(whole)))


def of_document(document: Document) -> list[Task]:
    """Return the jobs of a manifest that was read, see `tasks_of`."""
    reader = _Reader(replace(document, lines={_folded(key): line for key, line in document.lines.items()}))
    tasks = reader.tasks()
    if reader.problems:
        raise UsageError(dict.fromkeys(reader.problems))
    return tasks


def _plain(value: Any) -> Any:
    """Return what a caller in Python gives as a manifest would hold it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if hasattr(value, "item"):
        return value.item()  # a number of numpy
    raise UsageError(
        Problem(
            f"a {type(value).__name__} is no value of a manifest",
            "",
            "Give texts, numbers and paths; tables are files.",
        )
    )


def _folded(key: Key) -> Key:
    return tuple(part.replace("-", "_") if isinstance(part, str) else part for part in key)


@dataclass(frozen=True)
class _Entry:
    """One entry under `jobs` with the defaults in it: where each key was said, the values, and the repair."""

    key: Key
    values: Mapping[str, Any]
    said: Mapping[str, Key]
    method: str | None
    repair: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Named:
    """A task, its entry, and the name that the entry gives it."""

    task: Task
    entry: _Entry
    name: str | None


class _Reader:
    """Makes tasks of a document and collects what is wrong."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.checked: set[str] = set()
        self.refused: set[Key] = set()

    def wrong(self, found: str, key: Key, remedy: str = "") -> None:
        self.problems.append(Problem(found, self.document.place(key), remedy))

    def tasks(self) -> list[Task]:
        value = self.document.value
        if not isinstance(value, dict):
            what = "is empty" if value is None else f"holds {_kind(value)} in place of keys"
            self.wrong(what, (), _LIST)
            return []
        defaults, kept = self._parts(self._with_underscores(value))
        entries = [self._entry(defaults, job, ("jobs", number)) for number, job in kept.items()]
        found = [named for entry in entries for named in self._expanded(entry)]
        if len(found) > MOST:
            self.wrong(f"asks for {len(found):,} jobs", (), f"At most {MOST:,} are done in one fleet.")
            return []
        tasks = self._with_names(found)
        for named, task in zip(found, tasks, strict=True):
            self._check(task, named.entry)
        return tasks

    def _parts(self, value: dict[str, Any]) -> tuple[Defaults, dict[int, JobKeys]]:
        """Return the defaults and the jobs by number; what the schema refuses is told, and left out of them."""
        manifest = self._validated(Manifest, value)
        if manifest is not None:
            return manifest.defaults, dict(enumerate(manifest.jobs))
        defaults, listed = value.get("defaults"), value.get("jobs")
        rest = self._sound(Defaults, defaults, ("defaults",)) if isinstance(defaults, dict) else None
        kept = {
            number: self._sound(JobKeys, job, ("jobs", number))
            for number, job in enumerate(listed if isinstance(listed, list) else ())
            if isinstance(job, dict)
        }
        return rest or Defaults(), {number: job for number, job in kept.items() if job is not None}

    def _sound(self, kind: type[BaseModel], value: dict[str, Any], key: Key) -> Any:
        """Return a part of the manifest without the keys that were refused; None where nothing is left of it."""
        value = {name: item for name, item in value.items() if (*key, name) not in self.refused}
        try:
            return kind.model_validate_json(json.dumps(value), strict=True)
        except ValidationError:
            return None

    def _with_underscores(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return the manifest with keys as the schema has them: dashes may stand for underscores."""
        found = self._keys(value, ())
        if isinstance(found.get("defaults"), dict):
            found["defaults"] = self._job(found["defaults"], ("defaults",))
        if isinstance(found.get("jobs"), list):
            found["jobs"] = [
                self._job(job, ("jobs", number)) if isinstance(job, dict) else job
                for number, job in enumerate(found["jobs"])
            ]
        return found

    def _job(self, value: dict[str, Any], key: Key) -> dict[str, Any]:
        found = self._keys(value, key)
        if isinstance(found.get("repair"), dict):
            found["repair"] = self._keys(found["repair"], (*key, "repair"))
        return found

    def _keys(self, value: dict[str, Any], key: Key) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for written, item in value.items():
            name = written.replace("-", "_")
            if name in found:
                self.wrong("stands here twice", (*key, written), "Leave one out.")
            found[name] = item
        return found

    def _validated(self, kind: type[BaseModel], value: Any, prefix: Key = ()) -> Any:
        try:
            return kind.model_validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            for item in error.errors(include_url=False):
                self._refuse(kind, item, prefix)
        return None

    def _refuse(self, kind: type[BaseModel], error: Any, prefix: Key) -> None:
        key: Key = (*prefix, *error["loc"])
        self.refused |= {key[:end] for end in range(1, len(key) + 1)}
        last = str(key[-1]) if key else ""
        if error["type"] == "extra_forbidden":
            known = keys_of(kind if prefix else _part(error["loc"]))
            self.wrong("is no key here", key, _way_out(last, known))
        elif error["type"] == "missing":
            self.wrong(f"{last} is missing", key[:-1], _MISSING.get(last, ""))
        elif error["type"] == "json_invalid":
            self.wrong("holds half a surrogate pair, which is no text", key, "Write the text itself.")
        else:
            found, remedy = _told(error)
            self.wrong(found, key, remedy)

    def _entry(self, defaults: Defaults, job: JobKeys, key: Key) -> _Entry:
        values: dict[str, Any] = {}
        said: dict[str, Key] = {}
        for part, where in ((defaults, ("defaults",)), (job, key)):
            for name in type(part).model_fields:
                if name in part.model_fields_set:
                    values[name], said[name] = getattr(part, name), (*where, name)
        repair = values.pop("repair", None)
        method, settings = self._repair(repair, said.get("repair", key))
        values = {name: value for name, value in values.items() if value is not None}
        # a key that was refused may have been meant for what is missing
        whole = key not in self.refused and not any(len(one) == 1 and one != ("jobs",) for one in self.refused)
        if whole and "data" not in values:
            self.wrong("names no table", key, "Give data, here or under defaults.")
        if whole and "attr" not in values:
            self.wrong("names no protected attribute", key, "Give attr, here or under defaults.")
        for name in _FILES:
            text = settings.get(name) if name in ("train", "test") else values.get(name)
            if text is not None:
                self._check_path(text, (*said["repair"], name) if name in ("train", "test") else said[name])
        return _Entry(key, values, said, method, settings)

    def _check_path(self, text: str, key: Key) -> None:
        if _URL.match(text):
            self.wrong(f"{show(text)} is a URL", key, "Name a file of this machine.")
        elif "\0" in text:
            self.wrong(f"{show(text)} is no usable name", key, "Check the path.")
        elif key[-1] != "model" and not os.path.exists(self.document.folder / text):  # noqa: PTH110 - raises for no name
            self.wrong(
                f"{show(text)} is no file", key, f"Paths are relative to {show(self.document.folder.absolute())}."
            )

    def _repair(self, given: Any, key: Key) -> tuple[str | None, dict[str, Any]]:
        """Return the method of a repair and its settings; no method for an audit."""
        if given is None:
            return None, {}
        method = given.get("method") if isinstance(given, dict) else None
        kinds = repairs()
        if not isinstance(method, str) or method not in kinds:
            near = get_close_matches(str(method)[:60], kinds, 1)
            remedy = f"Did you mean {near[0]}?" if near else f"Methods: {', '.join(kinds)}."
            if method is None:
                self.wrong("names no method of repair", key, remedy)
            else:
                self.wrong(f"{show(method)} is no method of repair", (*key, "method"), remedy)
            return None, {}
        found = self._validated(kinds[method], given, key)
        if found is None:
            return None, {}
        names = [name for name in type(found).model_fields if name != "method"]
        return method, {name: getattr(found, name) for name in names if getattr(found, name) is not None}

    def _expanded(self, entry: _Entry) -> Iterator[_Named]:
        """Yield a task for every file that the entry's model names."""
        folder, values = self.document.folder, entry.values
        pattern = values["model"]
        models = _matches(pattern, folder)
        key = entry.said["model"]
        if not models:
            what = "matches no file" if glob.has_magic(pattern) else "is no file"
            self.wrong(f"{show(pattern)} {what}", key, f"Paths are relative to {show(folder.absolute())}.")
            return
        name = values.get("name")
        if name is not None and len(models) > 1 and "{stem}" not in name:
            found = f"{show(name)} is the name of one job, and {show(pattern)} matches {count(len(models), 'file')}"
            self.wrong(found, entry.said["name"], "Leave the name out, or put {stem} into it.")
            return
        own = set(repairs()[entry.method].model_fields) - set(_repair_keys()) if entry.method else set[str]()
        settings = {key: item for key, item in values.items() if key not in (*_FILES, "name")}
        settings |= {key: item for key, item in entry.repair.items() if key not in own and key not in TABLES}
        tables = {"data": values.get("data", "")}
        tables |= {role: entry.repair[role] for role in TABLES if role in entry.repair}
        for model in models:
            task = Task(
                name="",
                model=_below(folder, model),
                tables={role: _below(folder, path) for role, path in tables.items()},
                verb=entry.method or "audit",
                settings=settings,
                method={key: item for key, item in entry.repair.items() if key in own},
                contract=_below(folder, values["contract"]) if "contract" in values else None,
                place=self.document.place(entry.key),
            )
            yield _Named(task, entry, None if name is None else name.replace("{stem}", naming.stem(model)))

    def _with_names(self, found: Sequence[_Named]) -> list[Task]:
        """Return the tasks with unique names."""
        given: dict[str, _Named] = {}
        for named in found:
            if named.name is None:
                continue
            key = named.entry.said["name"]
            if not naming.fits(named.name):
                remedy = f"Letters, digits, blanks and ._+=@-, at most {naming.LONGEST}, no dot, blank or dash first."
                self.wrong(f"{show(named.name)} is no name of a job", key, remedy)
            elif naming.key(named.name) in given:
                other = self.document.place(given[naming.key(named.name)].entry.key)
                self.wrong(f"{show(named.name)} is the name of the job at {other} too", key, "Give each its own.")
            given.setdefault(naming.key(named.name), named)
        free = [named for named in found if named.name is None]
        first: dict[str, _Named] = {}
        for named in free:
            if named.task.model in first:
                other = self.document.place(first[named.task.model].entry.key)
                what, remedy = f"is a model of the job at {other} too", "Leave one out, or give each a name."
                if self.document.flags:
                    what, remedy = "is given twice", "Leave one out."
                self.wrong(f"{show(named.task.model)} {what}", named.entry.said["model"], remedy)
            first.setdefault(named.task.model, named)
        made = dict(
            zip(first, naming.names_of(list(first), [named.name or "" for named in given.values()]), strict=True)
        )
        return [replace(named.task, name=named.name or made[named.task.model]) for named in found]

    def _check(self, task: Task, entry: _Entry) -> None:
        """Collect what is wrong with the settings of a task, each set of settings once."""
        if not {"data", "attr"} <= entry.values.keys():
            return  # which was told
        known = repr((task.verb, sorted(task.settings.items()), sorted(task.method.items()), entry.said))
        if known in self.checked:
            return
        self.checked.add(known)
        try:
            task.request()
        except DebiasError as error:
            for problem in error.problems:
                self.problems.append(replace(problem, where=self._place(problem.where, entry)))

    def _place(self, where: str, entry: _Entry) -> str:
        """Return where in the manifest the flag of a message was said."""
        name = where.removeprefix("--").replace("-", "_")
        if name in entry.said:
            return self.document.place(entry.said[name])
        if name in entry.repair or "repair" in entry.said:
            key = (*entry.said["repair"], name) if name in entry.repair else entry.said["repair"]
            return (
                self.document.place(key)
                if name in entry.repair
                else ", ".join(filter(None, (self.document.place(key), where)))
            )
        return ", ".join(part for part in (self.document.place(entry.key), where) if part)


def _repair_keys() -> list[str]:
    from debias.experiments.fleet.schema import RepairKeys

    return [*RepairKeys.model_fields, "method"]


def _matches(pattern: str, folder: Path) -> list[str]:
    """Return the files that a path or pattern names below a folder, sorted."""
    if os.path.lexists(folder / pattern):
        return [pattern]
    if not glob.has_magic(pattern):
        return []
    found = sorted(set(glob.glob(pattern, root_dir=folder, recursive=True)))  # noqa: PTH207 - a pattern may be absolute
    return [name for name in found if not (folder / name).is_dir() or name.endswith((".pt", ".pt2"))]


def _below(folder: Path, path: str) -> str:
    return os.path.normpath(folder / path)


def _part(loc: tuple[str | int, ...]) -> type[BaseModel]:
    """Return the part of the schema that an unknown key stands in."""
    return Manifest if len(loc) == 1 else Defaults if loc[0] == "defaults" else JobKeys


def _way_out(name: str, known: Sequence[str]) -> str:
    if name in _SETTLED:
        return f"It is taken from the command line alone: --{name}."
    near = get_close_matches(name[:60], known, 1)
    return f"Did you mean {near[0]}?" if near else f"Keys: {', '.join(known)}."


def _kind(value: Any) -> str:
    kinds = {list: "a list", str: "a text", bool: "a truth value", dict: "keys with values", type(None): "nothing"}
    return kinds.get(type(value), "a number")


def _told(error: Any) -> tuple[str, str]:
    """Return what was found in place of what a key takes, and the way out."""
    given = error.get("input")
    wanted, remedy = _WANTED.get(error["type"], ("", ""))
    if wanted:
        here = _kind(given) if isinstance(given, dict | list) else show(given) if isinstance(given, str) else str(given)
        return f"takes {wanted}, not {here}", remedy
    text = str(error["msg"]).removeprefix("Value error, ").replace("Input should", "it should")
    told = "" if isinstance(given, dict | list) else f" ({show(given)})"
    return f"{text[:1].lower()}{text[1:]}{told}", ""
