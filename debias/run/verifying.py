"""Verify: a model file against the record that it carries, and against the files that the record names."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import debias
from debias.contract import Contract, read_document
from debias.errors import DataError, ModelError, Problem, UsageError, together
from debias.inputs import open_input
from debias.model.archive import Archive, open_archive
from debias.model.seal import DOCUMENT, broken, is_number_entry
from debias.report.values.verification import Changes, Check, Recount, Subject, Verification
from debias.run.checks import (
    ROLES,
    Role,
    of_file,
    of_no_table,
    of_recount,
    of_report,
    of_seal,
    statement,
    unsealed,
    without_seal,
)
from debias.run.commands import operand
from debias.run.differences import changes
from debias.run.opening import read_contract
from debias.run.provenance import model_info
from debias.run.recounting import recount as count_again
from debias.run.reported import written_digest
from debias.words import show

if TYPE_CHECKING:
    from debias.run.verbs import Source


def verify(
    model: str | Path,
    *,
    source: str | Path | None = None,
    data: Source | None = None,
    train: Source | None = None,
    valid: Source | None = None,
    test: Source | None = None,
    against: str | Path | None = None,
    recount: bool = False,
    contract: str | Path | Contract | None = None,
    trust: bool = False,
) -> Verification:
    """Hold a file that debias wrote against its own record.

    Its weights, program, contract and record are compared with the seal in the record, which finds an edit after
    writing; the seal is a checksum and no signature. Files that are given are compared with the digests in the record,
    and where the source is, what the run changed is told by name.

    Parameters
    ----------
    model : path
        File that a repair, `train` or `adapt` wrote.
    source : path, optional
        The network before.
    data, train, valid, test : path or DataFrame, optional
        The tables of the run. A DataFrame has no digest; it can be counted.
    against : path, optional
        JSON report of the run, whose SHA-256 of the written file is compared.
    recount : bool
        Count the recorded figures again; needs all tables of the run, and the source for those of the network before.
    contract : path or Contract, optional
        Of the source, where it was given to the run as a file.
    trust : bool
        Load files that the checks before loading refuse. They may run any code.

    Returns
    -------
    Verification
        `exit_code` is 1 where something differs, and where the file has no seal.

    Raises
    ------
    ModelError
        A file cannot be read, or holds no record of debias.
    DataError
        A table cannot be read.
    UsageError
        A table that a recount needs was not given.
    """
    tables: dict[Role, Any] = {"data": data, "train": train, "valid": valid, "test": test}
    given = {role: table for role, table in tables.items() if table is not None}
    file, before, told, reported, *digests = together(
        partial(_recorded, model, trust),
        partial(_opened, source, trust),
        partial(read_contract, contract),
        partial(_reported, against),
        *(partial(_digest, table, role) for role, table in given.items()),
    )
    run = _Run(file, before, _record(file), dict(zip(given, digests, strict=True)), given)
    checks = [*run.sealed(), *run.reported(reported), *run.files()]
    counted = run.recounted(told, trust) if recount else None
    checks += [] if counted is None else [of_recount(counted)]
    differs = [check for check in checks if check.status == "differs" or unsealed(check)]
    return Verification(
        debias_version=debias.__version__,
        verdict="differs" if differs else "agrees",
        statement=statement(str(model), checks, differs),
        model=model_info(file, model),
        source=None if before is None else model_info(before, source),
        method=run.method,
        written_with=run.versions,
        recorded_verdict=_text(run.record.get("verdict")),
        checks=checks,
        changes=run.changes(),
        recount=counted,
        notes=run.notes(),
        trusted=trust,
        command=_command(model, source, given, against, recount, contract, trust),
    )


def _opened(path: str | Path | None, trust: bool) -> Archive | None:
    return None if path is None else open_archive(path, trust=trust)


def _recorded(path: str | Path, trust: bool) -> Archive:
    """Return the file; raise where it holds no record."""
    archive = open_archive(path, trust=trust)
    if not _record(archive):
        found = "holds no record of debias: no repair, training or adaptation wrote it"
        raise ModelError(Problem(found, str(path), "Name the file that debias wrote."))
    return archive


def _record(archive: Archive) -> dict[str, Any]:
    embedded = archive.extra.get(DOCUMENT)
    return {} if embedded is None else read_document(embedded, f"{archive.path}: {DOCUMENT}")[1]


def _reported(path: str | Path | None) -> str | None:
    return None if path is None else written_digest(Path(path))


def _digest(table: Any, role: Role) -> str | None:
    """Return the SHA-256 of a table's file; None of a DataFrame."""
    import hashlib

    if not isinstance(table, str | Path):
        return None
    try:
        with open_input(table) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(Problem(f"cannot be read: {reason}", f"--{role} {table}", "Check the path.")) from None


@dataclass(frozen=True, eq=False)
class _Run:
    """A file with its record, and what was given beside it."""

    file: Archive
    source: Archive | None
    record: Mapping[str, Any]
    digests: Mapping[Role, str | None]
    tables: Mapping[Role, Any]

    @property
    def last(self) -> Mapping[str, Any]:
        """The part of the record that tells of the last run: that of the clusters added last, else all of it."""
        added = self.record.get("added")
        if isinstance(added, list) and added and isinstance(added[-1], dict):
            return added[-1]
        return self.record

    @property
    def method(self) -> str | None:
        if self.last is not self.record:
            return "adapt"
        return _text(self.record.get("method") or self.record.get("verb"))

    @property
    def versions(self) -> dict[str, str]:
        return {str(name): str(value) for name, value in _mapping(self.last.get("versions")).items()}

    def sealed(self) -> Iterator[Check]:
        """Yield what an edit after writing would have changed."""
        found = broken(self.file)
        if found is None:
            yield without_seal()
            return
        entries = found["entries"]
        program = entries.only(lambda name: not is_number_entry(name) and not name.startswith("extra/"))
        extra = entries.only(lambda name: name.startswith("extra/"))
        parts: list[tuple[Subject, list[str]]] = [
            # an edited weight stands in a tensor and in the entry that holds it: the tensor says it
            ("weights", found["tensors"].told or entries.only(is_number_entry).told),
            ("program", program.told),
            ("extra-files", [name.removeprefix("extra/") for name in extra.told]),
            ("contract", found["contract"].told),
            ("record", found["record"].told),
        ]
        for subject, names in parts:
            if subject == "extra-files" and not names and set(self.file.extra) == {DOCUMENT}:
                continue
            yield of_seal(subject, names)

    def reported(self, reported: str | None) -> Iterator[Check]:
        """Yield whether the report tells of this file."""
        if reported is None:
            return
        yield of_report(reported, self.file.sha256)

    def files(self) -> Iterator[Check]:
        """Yield the source and the tables against the digests in the record."""
        recorded = _text(self.last.get("model_sha256"))
        if recorded is not None or self.source is not None:
            found = None if self.source is None else self.source.sha256
            yield of_file("source", recorded, found, self.source is not None, "network")
        digests = _mapping(self.last.get("data_sha256"))
        for role in ROLES:
            if role not in digests and role not in self.tables:
                continue
            if role not in digests:
                yield of_no_table(role, self.digests[role])
                continue
            yield of_file(role, _text(digests[role]), self.digests.get(role), role in self.tables, "table")

    def changes(self) -> Changes | None:
        return None if self.source is None else changes(self.source, self.file)

    def recounted(self, contract: Contract | None, trust: bool) -> Recount:
        """Count the recorded figures again."""
        where = str(self.file.path)
        if self.last is not self.record:
            found = "clusters were added after its figures were counted"
            raise ModelError(Problem(found, where, "--recount the file before: its SHA-256 is in the record."))
        needed = [role for role in _mapping(self.record.get("data_sha256")) if role in ROLES]
        if missing := [role for role in needed if role not in self.tables]:
            problems = [Problem("a recount needs every table of the run", f"--{role}", "Name it.") for role in missing]
            raise UsageError(problems)
        tables: dict[str, Any] = {role: table for role, table in self.tables.items() if role in needed}
        source = None if self.source is None else self.source.path
        return count_again(self.record, self.file.path, source, tables, contract=contract, trust=trust)

    def notes(self) -> list[str]:
        found = [
            "The seal is a checksum, no signature: who edits the file on purpose can make it anew. Against that, keep "
            "the SHA-256 that the report tells in another place, and compare it (--against)."
        ]
        if self.source is None and self.last.get("model_sha256"):
            found.append("With --source, what the run changed in the network is told by name.")
        return found


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping of the record; nothing where an edit left something else there."""
    return cast(Mapping[str, Any], value) if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return None if value is None else value if isinstance(value, str) else show(value)


def _command(
    model: str | Path, source: Any, tables: Mapping[Role, Any], against: Any, recount: bool, contract: Any, trust: bool
) -> str | None:
    files: dict[str, Any] = {"source": source, **dict(tables.items()), "against": against, "contract": contract}
    if any(value is not None and not isinstance(value, str | Path) for value in files.values()):
        return None
    parts = ["debias", "verify", operand(model)]
    parts += [part for flag, value in files.items() if value is not None for part in (f"--{flag}", str(value))]
    return shlex.join([*parts, *(["--recount"] if recount else []), *(["--trust"] if trust else [])])
