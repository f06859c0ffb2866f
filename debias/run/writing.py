"""The repaired file: serialised, read back, counted, and only then written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from debias.contract import Contract, Feature, Input, ProtectedAttribute, write_document
from debias.errors import Problem, WriteError
from debias.files import write_atomic
from debias.methods.base import Repair
from debias.model.archive import Archive, archive_of, open_archive
from debias.model.network import Network, from_archive
from debias.report.model import Figures
from debias.run.auditing import deployed
from debias.run.figures import Measured, probability
from debias.run.opening import Opened, Request


class Repaired:
    """The repaired file: serialised, read back, and only then counted."""

    def __init__(self, opened: Opened, repair: Repair, request: Request) -> None:
        self.network, self.repair, self.request = opened.network, repair, request
        self.opened = opened
        self.folded = not request.keep_scores
        self.state = dict(repair.state)
        head = self.network.head
        if self.folded:
            self.state |= head.fold({**self.network.state, **self.state}, repair.point.cut, opened.threshold)
            self.threshold = opened.threshold
        else:
            self.threshold = probability(repair.point.cut)
        self.reread = replace(opened, network=self._read_back(), threshold=self.threshold, decision=self._decision())

    def figures(self, measured: Measured) -> Figures:
        """Return the figures of the file's own decisions."""
        return deployed(self.reread, measured)[0]

    def disagreements(self, measured: Measured) -> int | None:
        """Return the rows on which argmax and score disagree."""
        return deployed(self.reread, measured)[1]

    def save(self, out: Path, record: Mapping[str, Any], force: bool) -> Archive:
        """Write the file with its record, and check that what was written decides as what was counted."""
        write_atomic(out, self._bytes(record), force=force)
        archive = open_archive(out, trust=self.request.trust)
        saved = from_archive(archive, contract=self.contract(), output_kind=self.network.head.kind)
        if any(not torch.equal(saved.state[name], value) for name, value in self.reread.network.state.items()):
            out.unlink()
            raise WriteError(Problem("the file read back differs from what was written", str(out), "Check the disk."))
        return archive

    def contract(self) -> Contract | None:
        """Return the contract of the repaired file: that of the input, or what the flags told, with its threshold."""
        base = self.network.contract or _told(self.opened)
        if base is None:
            return None
        output = base.output.model_copy(
            update={"threshold": self.threshold, "decision": self._decision(), "kind": self.network.head.kind}
        )
        data, attribute = self.opened.data, self.request.attr
        missing = () if base.attribute(attribute) else (ProtectedAttribute(column=attribute),)
        return base.model_copy(
            update={
                "output": output,
                "label": base.label or data.label,
                "positive": base.positive or data.positive,
                "favorable": base.favorable or data.favorable,
                "attributes": (*base.attributes, *missing),
            }
        )

    def _decision(self) -> Literal["score", "argmax"]:
        return self.opened.decision if self.folded else "score"

    def _bytes(self, record: Mapping[str, Any]) -> bytes:
        text = write_document(self.contract(), record)
        return self.network.serialised(self.state, {**self.network.archive.extra, "debias.json": text})

    def _read_back(self) -> Network:
        """Return the network of the file's content as it stands before the record of its figures is in it."""
        archive = archive_of(self._bytes({}), Path(self.request.model), trust=self.request.trust)
        return from_archive(archive, contract=self.contract(), output_kind=self.network.head.kind)


def _told(opened: Opened) -> Contract | None:
    """Return what the flags told about a plain table as a contract, so that the repaired file needs none of them."""
    data, network = opened.data, opened.network
    if len(network.inputs) != 1 or any(not name for name in data.features) or data.label in data.features:
        return None
    return Contract(
        inputs=(Input(name=network.inputs[0].name, role="features", width=network.inputs[0].width),),
        features=tuple(Feature(column=name, kind="numeric") for name in data.features),
    )
