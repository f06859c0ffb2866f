"""From what was asked to an opened network and prepared rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from debias.contract import Contract, contract_bytes
from debias.data.clusters import policy
from debias.data.prepare import Prepared, prepare
from debias.data.sample import Sample
from debias.data.tables import Table, read_table
from debias.errors import DataError, Problem, UsageError, together
from debias.fairness.metrics import Task
from debias.model import effects
from debias.model.network import Network
from debias.run.request import (
    Request,
)


@dataclass(frozen=True)
class Opened:
    """An opened network with the rows of ``--data``; `request.attr` holds the names of the attributes as settled."""

    request: Request
    network: Network
    threshold: float
    decision: Literal["score", "argmax"]
    data: Prepared
    tables: Mapping[str, Table] = field(default_factory=dict)

    @property
    def attribute_is_input(self) -> bool:
        """True where a column of the inputs tells one of the attributes."""
        sample = self.data.sample
        attributes = sample.attributes.values()
        return "group" in sample.inputs or any(each.is_input or tells(sample, each.codes) for each in attributes)

    def prepare(self, role: Literal["train", "test"]) -> Prepared:
        """Prepare another table with the columns, groups and positive value of ``--data``."""
        return opened_with(self.network, self.tables[role], self.request, like=self.data)


def open_request(request: Request) -> Opened:
    """Open the network and all tables, and prepare that of ``--data``."""
    sources = {"data": request.data, "train": request.train, "test": request.test}
    roles = [role for role, source in sources.items() if source is not None]
    reads = [partial(read_table, sources[role], role) for role in roles]
    network, *read = together(partial(open_network, request), *reads)
    request = with_task(request, network)
    tables: dict[str, Table] = dict(zip(roles, read, strict=True))
    threshold, decision = operating_point(request, network)
    data = opened_with(network, tables["data"], request)
    request = replace(request, attr=tuple(data.groupings))  # sex * race is sex*race from here on
    return Opened(request, network, threshold, decision, data, tables)


def with_task(request: Request, network: Network) -> Request:
    """Return the request with what the network predicts.

    Raises
    ------
    UsageError
        It asks for what is not for such a network.
    """
    asked: Request
    asked, _ = together(partial(replace, request, task=task_of(network)), partial(_check_uncut, request, network))
    return asked


def operating_point(request: Request, network: Network) -> tuple[float, Literal["score", "argmax"]]:
    """Return where the deployed system cuts the score, and how it decides: as asked, else by contract."""
    told = network.contract.output if network.contract else None
    threshold = request.threshold if request.threshold is not None else (told.threshold if told else None)
    decision = request.decision or (told.decision if told else None) or "score"
    if decision == "argmax" and request.threshold not in (None, 0.5):
        raise UsageError(
            Problem(
                f"the contract's decision argmax implies 0.5, --threshold is {request.threshold!r}",
                str(request.model),
                "Leave --threshold out, or give --decision score.",
            )
        )
    if decision == "argmax" and network.head.classes == 1:
        raise UsageError(
            Problem("--decision argmax is for two-class outputs, this network has one score", str(request.model))
        )
    return 0.5 if threshold is None or decision == "argmax" else threshold, decision


def task_of(network: Network) -> Task:
    """Return what a network predicts: a class, or a number."""
    return "regression" if network.head.kind == "value" else "classification"


def _check_uncut(request: Request, network: Network) -> None:
    """Refuse what tells how a score is cut where a number is predicted."""
    if task_of(network) == "classification":
        return
    given = {"--threshold": request.threshold, "--decision": request.decision}
    found = "the network predicts a number, which is not cut"
    problems = [Problem(found, flag, "Leave it out.") for flag, value in given.items() if value is not None]
    if problems:
        raise UsageError(problems)


def open_network(request: Request) -> Network:
    """Open the model file with the contract that goes for it."""
    return Network.open(
        request.model,
        trust=request.trust,
        contract=read_contract(request.contract),
        output_kind=request.output_kind,
    ).on(request.device)


def opened_with(network: Network, table: Table, request: Request, like: Prepared | None = None) -> Prepared:
    """Prepare a table for a network, the cluster of rows that it does not know filled in as asked."""
    prepared = prepare(
        table,
        request.columns,
        inputs=widths(network),
        contract=network.contract,
        dtype=dtype_name(network),
        like=like,
        task=task_of(network),
    )
    _check_features(network, prepared.sample)
    unseen = policy(request.columns, network.contract)
    return replace(prepared, sample=effects.filled(network, prepared.sample, unseen))


def read_contract(source: str | Path | Contract | None) -> Contract | None:
    """Return the contract given as a value or a file."""
    if source is None or isinstance(source, Contract):
        return source
    return Contract.from_json(contract_bytes(source), str(source))


def widths(network: Network) -> dict[str, int | None]:
    """Return the width of each input by role."""
    return {item.role: item.width for item in network.inputs}


def dtype_name(network: Network) -> Literal["float32", "float64"]:
    """Return the name of the network's floating-point type."""
    return "float64" if str(network.dtype) == "torch.float64" else "float32"


def tells(sample: Sample, codes: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> bool:
    """Return True where one input column has one value per group, and different ones."""
    known = codes >= 0
    if not known.any():
        return False
    codes = codes[known]
    _, first = np.unique(codes, return_index=True)
    for values in sample.inputs.values():
        array = values.numpy()[known]
        by_group = array[first]
        same = (array == by_group[np.searchsorted(codes[first], codes)]).all(axis=0)
        distinct = np.array([len(np.unique(column)) == len(first) for column in by_group.T])
        if len(first) > 1 and bool((same & distinct).any()):
            return True
    return False


def _check_features(network: Network, sample: Sample) -> None:
    """Refuse a sample that the network cannot be run on."""
    wrong = [
        Problem(
            f"{sample.inputs[item.role].shape[1]} columns for the input {item.name}, which reads {item.width}",
            sample.name,
            "Name the columns with --features, or write a contract (debias contract).",
        )
        for item in network.inputs
        if item.width is not None and sample.inputs[item.role].shape[1] != item.width
    ]
    if wrong:
        raise DataError(wrong)
