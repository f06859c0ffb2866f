"""The repaired file: serialised, read back, counted, and only then written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from debias.contract import Contract, Feature, Input, Output, write_document
from debias.data.grouping import contract_entries
from debias.errors import Problem, WriteError
from debias.files import write_atomic
from debias.methods.base import Repair
from debias.model.archive import Archive, archive_of, serialise
from debias.model.head import logit
from debias.model.network import Network, from_archive
from debias.model.rule import Rule
from debias.model.seal import DOCUMENT, broken, sealed
from debias.model.wrapped import PREFIX, wrapped
from debias.run.deciding import Deployed, deployed
from debias.run.figures import Measured, probability
from debias.run.opening import Opened
from debias.run.request import Request

if TYPE_CHECKING:
    from debias.model.archive import Loaded


class Repaired:
    """The repaired file: serialised, read back, and only then counted."""

    def __init__(self, opened: Opened, repair: Repair, request: Request, fixed_cut: float | None = None) -> None:
        self.network, self.opened, self.request = opened.network, opened, request
        self.rule = repair.rule
        self.fixed_cut = fixed_cut
        self.cut = self.network.head.kind != "value"
        self.folded = self.cut and not request.keep_scores and self.rule is None
        self.state, self.repair_cut = dict(repair.state), repair.point.cut
        head = self.network.head
        if self.rule is not None or not self.cut:
            self.threshold = opened.threshold
        elif self.folded:
            self.state |= head.fold({**self.network.state, **self.state}, repair.point.cut, opened.threshold)
            self.threshold = opened.threshold
        else:
            self.threshold = probability(repair.point.cut)
        self.reread = replace(opened, network=self._read_back(), threshold=self.threshold, decision=self._decision())

    def counted(self, measured: Measured) -> Deployed:
        """Return what the file itself decides."""
        return deployed(self.reread, self.with_groups(measured))

    def save(self, out: Path, record: Mapping[str, Any], force: bool) -> Archive:
        """Write the file with its record, once it is sure that its content decides as what was counted."""
        content, archive = self.content(out, record)
        write_atomic(out, content, force=force, verify=True)
        return archive

    def content(self, out: Path, record: Mapping[str, Any]) -> tuple[bytes, Archive]:
        """Return what is to be written under `out`; it was read back and decides as what was counted."""
        content = self._bytes(record)
        archive = archive_of(content, out, trust=self.request.trust)
        saved = from_archive(archive, contract=self.contract(), output_kind=self.network.head.kind)
        same = all(torch.equal(saved.state[name], value) for name, value in self.reread.network.state.items())
        if not same or any((broken(archive) or {}).values()):
            raise WriteError(Problem("torch does not read back what it wrote; nothing was written", str(out)))
        return content, archive

    @property
    def bare(self) -> bytes:
        """The file's content as it stands before the record of its figures is in it."""
        return self._bytes(None)

    def contract(self) -> Contract:
        """Return the contract of the repaired file: what was settled in this run, so that an audit needs no flags."""
        output = (
            Output(kind="value")
            if not self.cut
            else Output(
                kind=self.network.head.kind,
                decision=self._decision(),
                threshold=self.threshold,
                fixed_threshold=self._fixed_threshold(),
            )
        )
        settled = _settled(self.opened).model_copy(update={"output": output})
        if self.folded and settled.effects is not None:
            moved = settled.effects.folded + logit(self.threshold) - self.repair_cut
            settled = settled.model_copy(update={"effects": settled.effects.model_copy(update={"folded": moved})})
        return settled if self.rule is None else _ruled(settled, self.rule, self.network)

    def _fixed_threshold(self) -> float | None:
        """Return where the fixed-effects score is cut: folding moves both scores by the same amount."""
        if self.fixed_cut is None or self.rule is not None:
            return None
        moved = logit(self.threshold) - self.repair_cut if self.folded else 0.0
        return probability(self.fixed_cut + moved)

    def _decision(self) -> Literal["score", "argmax"]:
        return self.opened.decision if self.folded or self.rule is not None else "score"

    def _bytes(self, record: Mapping[str, Any] | None) -> bytes:
        """Return the file's content; without a record it has no seal either."""
        loaded, extra = self._loaded(), self.network.archive.extra
        if record is not None:
            return sealed(loaded, extra, self.contract(), record)
        return serialise(loaded, {**extra, DOCUMENT: write_document(self.contract(), {})})

    def _loaded(self) -> Loaded:
        if self.rule is None:
            return self.network.loaded(self.state)
        width = self.opened.data.sample.inputs["features"].shape[1]
        return wrapped(self.network, self.state, self.rule, width=width, threshold=self.threshold)

    def with_groups(self, measured: Measured) -> Measured:
        """Return the rows with the group that a rule reads."""
        if self.rule is None:
            return measured
        sample = measured.sample
        codes = torch.from_numpy(sample.attributes[self.rule.attribute].codes)
        columns = (codes[:, None] == torch.arange(len(self.rule.groups))).to(self.network.dtype)
        return replace(measured, sample=replace(sample, inputs={**sample.inputs, "group": columns}))

    def _read_back(self) -> Network:
        """Return the network of the bare content."""
        archive = archive_of(self.bare, Path(self.request.model), trust=self.request.trust)
        network = from_archive(archive, contract=self.contract(), output_kind=self.network.head.kind)
        return network.on(self.request.device)


def _ruled(contract: Contract, rule: Rule, network: Network) -> Contract:
    """Return the contract with the rule's group as another input."""
    width = next((item.width for item in contract.inputs if item.role == "features"), network.inputs[0].width)
    cluster = next((item for item in contract.inputs if item.role == "cluster"), None)
    inputs = (
        Input(name="x", role="features", width=width),
        *(() if cluster is None else (cluster.model_copy(update={"name": "z"}),)),
        Input(name="group", role="group", width=len(rule.groups)),
    )
    column = Feature(column=rule.attribute, kind="category", role="group", categories=rule.groups, missing="zero")
    effects = None if contract.effects is None else contract.effects.behind(PREFIX)
    changes = {"inputs": inputs, "features": (*contract.features, column), "effects": effects}
    return contract.model_copy(update=changes)


def _settled(opened: Opened) -> Contract:
    """Return the contract of the input file with all that flags and table settled in this run."""
    data, network = opened.data, opened.network
    base = network.contract or Contract()
    entries = contract_entries(data.groupings, base)
    told = {entry.column for entry in entries}
    changes: dict[str, Any] = {
        "label": data.label,
        "positive": data.positive,
        "favorable": data.favorable,
        "attributes": (*entries, *(other for other in base.attributes if other.column not in told)),
    }
    if data.encoding == "plain":
        only = network.inputs[0]
        changes["inputs"] = (Input(name=only.name, role="features", width=len(data.features)),)
        changes["features"] = tuple(Feature(column=column, kind="numeric") for column in data.features)
    return base.model_copy(update=changes)
