"""Feature importance of an existing file: gradient magnitude of its output with respect to every input."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, cast

import numpy as np
import torch

from debias.contract import Contract, Role
from debias.data.attributes import resolve
from debias.data.clusters import cluster_column, read_clusters, with_column
from debias.data.columns import Columns, find_features, find_label, named
from debias.data.encode import encode, encode_plain, to_tensor_type
from debias.data.sample import Sample
from debias.data.tables import Table, read_table
from debias.errors import ContractError, DataError, ModelError, Problem, UsageError, together
from debias.model.effects import has_fixed_head
from debias.model.importance import (
    FloatArray,
    Magnitudes,
    RandomSpread,
    Target,
    block_sums,
    network_magnitudes,
    random_spreads,
    ranks,
)
from debias.model.network import Network
from debias.report.values.importance import (
    ColumnImportance,
    FeatureImportance,
    Importance,
    ModelImportance,
    RandomEffectSummary,
)
from debias.run.opening import dtype_name, read_contract, widths
from debias.run.provenance import model_info, table_info, versions
from debias.words import count, listing, show

TOP = 15
"""Columns and features that a human report shows of each model."""


@dataclass(frozen=True)
class Block:
    """The columns that one column of the table becomes.

    Parameters
    ----------
    feature : str
        Column of the table.
    role : str
        Role of the input that they belong to.
    columns : tuple of str
        Their names, in order.
    """

    feature: str
    role: Role
    columns: tuple[str, ...]


def measure(
    model: str | Path,
    data: Any,
    *,
    attr: str | Sequence[str] = (),
    features: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    label: str | None = None,
    cluster: str | None = None,
    contract: str | Path | Contract | None = None,
    output_kind: Literal["probability", "logit", "softmax", "logits2", "value"] | None = None,
    trust: bool = False,
    at_mean: bool = False,
    of: Target = "output",
    top: int = TOP,
    command: str | None = None,
) -> Importance:
    """Return the gradient magnitudes of a model file's inputs on the rows of a table.

    Parameters
    ----------
    model : path
        TorchScript .pt or torch.export .pt2 file.
    data : path or DataFrame
        Rows; their labels are not read. A mixed-effects file needs no cluster column: its fixed effects are measured.
    attr : str or sequence of str
        Protected attributes, to mark what comes from them.
    features, ignore, label, cluster, contract, output_kind, trust
        As for an audit.
    at_mean : bool
        The gradient at the mean of the inputs instead of its mean magnitude over rows.
    of : {"output", "logit"}
        The probability (of a regression the prediction), or its logit.
    top : int
        Columns and features that a human report shows.
    command : str, optional
        What repeats it, for the report.

    Raises
    ------
    UsageError, ContractError, DataError, ModelError
        With every problem of the model and the table.
    """
    started = perf_counter()
    check_top(top)
    network, table = together(
        partial(Network.open, model, trust=trust, contract=read_contract(contract), output_kind=output_kind),
        partial(read_table, data, "data"),
    )
    columns = Columns(attr=attr, label=label, features=features, ignore=ignore, cluster=cluster)
    sample, blocks, notes = inputs_of(network, table, columns)
    parts, notes_of_attributes = _protected(table, columns, blocks)
    task = "regression" if network.head.kind == "value" else "classification"
    if task == "regression" and of == "logit":
        raise UsageError(Problem("the network predicts a number, which has no logit", "--of", "Leave it out."))
    found = network_magnitudes(network, sample, at_mean=at_mean, target=of)
    blocks = [block for block in blocks if block.role in found]
    joined = _joined([found[role] for role in dict.fromkeys(block.role for block in blocks)])
    if not joined.importance.any():
        problem = Problem(
            "the output does not move with any input on these rows",
            f"{model}, {table.name}",
            "The scores may be saturated: look at --of logit, or check the features' scaling (debias inspect).",
        )
        raise ModelError(problem)
    measured = model_importance(
        str(model),
        Path(model).name,
        blocks,
        [joined],
        fixed=has_fixed_head(network),
        protected=parts,
        random=[random_spreads(network)],
        clusters=network.contract.clusters if network.contract else (),
    )
    import debias

    return Importance(
        debias_version=debias.__version__,
        statement=_statement(measured, task, of, len(sample), table.name),
        task=cast(Literal["classification", "regression"], task),
        target=of,
        at="mean" if at_mean else "rows",
        rows=len(sample),
        models=[measured],
        top=top,
        model=model_info(network.archive, model),
        data={"data": table_info(table)},
        trusted=network.archive.trusted,
        notes=[*network.notes, *table.notes, *notes, *notes_of_attributes],
        versions=versions(),
        command=command,
        seconds=perf_counter() - started,
    )


def check_top(top: int) -> None:
    """Refuse a number of bars that is none.

    Raises
    ------
    UsageError
    """
    if top < 1:
        raise UsageError(Problem(f"{top!r} is no number of columns", "--top", "Give 1 or more."))


def inputs_of(network: Network, table: Table, columns: Columns) -> tuple[Sample, list[Block], list[str]]:
    """Return the rows with the network's inputs alone, the columns that these are, and notes.

    Labels and groups are not read; the cluster input of a mixed-effects network is zeros.

    Raises
    ------
    ContractError
        A contract is needed to tell which columns go to which input.
    DataError
        Everything that is wrong with the table.
    """
    contract, needed = network.contract, widths(network)
    mixed = has_fixed_head(network)
    roles = [role for role in needed if not (mixed and role == "cluster")]
    notes: list[str] = []
    if contract is not None and contract.features and columns.features is None:
        contract = with_column(contract, columns.cluster) if contract.clusters else contract
        kept = tuple(feature for feature in contract.features if feature.role in roles)
        told = contract.model_copy(update={"features": kept})
        encoded, notes, problems = encode(table, told, dtype_name(network))
        if "cluster" in roles and cluster_column(columns, contract):
            clusters, _, wrong = read_clusters(table, replace(columns, unseen_z="zero"), contract)
            problems += wrong
            if clusters is not None and not clusters.seen.all():
                unknown = count(int((~clusters.seen).sum()), "row")
                notes.append(f"{unknown} of clusters that the network does not know: their cluster input is zeros.")
        blocks = [Block(item.column, item.role, item.encoded) for item in kept]
    elif set(roles) == {"features"}:
        names, notes, problems = _plain(table, columns, contract, needed["features"])
        encoded = None
        if not problems:
            encoded, problems = encode_plain(table, names, dtype_name(network))
        blocks = [Block(name, "features", (name,)) for name in names]
    else:
        raise ContractError(
            Problem(
                f"the network has the inputs {listing(roles)}: which columns go where?",
                str(network.archive.path),
                "A contract tells: debias contract MODEL --data FILE --attr COLUMN --role NAME=ROLE …",
            )
        )
    if problems or encoded is None:
        raise DataError(problems)
    tensors = {role: torch.from_numpy(to_tensor_type(values, dtype_name(network))) for role, values in encoded.items()}
    wrong = [
        Problem(
            f"{tensors[role].shape[1]} columns for the input {role}, which reads {needed[role]}",
            table.name,
            "Name the columns with --features, or give the contract that belongs to this file.",
        )
        for role in roles
        if needed[role] is not None and tensors[role].shape[1] != needed[role]
    ]
    if wrong:
        raise DataError(wrong)
    if "cluster" in needed and mixed:
        tensors["cluster"] = torch.zeros(len(table), needed["cluster"] or 1, dtype=network.dtype)
    rows = np.arange(1, len(table) + 1)
    return Sample(tensors, np.zeros(len(table), np.int64), {}, rows, name=table.name), blocks, notes


def _plain(
    table: Table, columns: Columns, contract: Contract | None, width: int | None
) -> tuple[tuple[str, ...], list[str], list[Problem]]:
    """Return the input columns without a contract: by count as for an audit, or all of them where no label is known."""
    label, wrong = find_label(table, columns, contract)
    if label is not None or columns.features is not None or columns.label is not None:
        parts, problems = _parts(table, columns)
        names, notes, more = find_features(table, columns, parts, label, width)
        return names or (), notes, [*problems, *more, *(wrong if columns.label is not None else [])]
    problems = [problem for name in columns.ignore for problem in named(table, name, "--ignore")]
    every = tuple(name for name in table.columns if name not in (*columns.ignore, columns.cluster))
    if problems or (width is not None and len(every) != width):
        return (), [], problems or wrong
    return every, ["Network inputs: all columns of the table, in its order."], []


def _parts(table: Table, columns: Columns) -> tuple[tuple[str, ...], list[Problem]]:
    """Return the columns of all attributes; none where none is named."""
    if not columns.attributes:
        return (), []
    found, problems = resolve(table, columns)
    return tuple(dict.fromkeys(part for parts in found.values() for part in parts)), problems


def _protected(table: Table, columns: Columns, blocks: Sequence[Block]) -> tuple[tuple[str, ...], list[str]]:
    """Return the columns of the table that hold attributes, and a note for those that are no input."""
    parts, problems = _parts(table, columns)
    if problems:
        raise DataError(problems)
    read = {block.feature for block in blocks}
    absent = [part for part in parts if part not in read]
    notes = [f"{show(part)} is no input of the network; others may stand for it." for part in absent]
    return parts, notes


def _joined(parts: Sequence[Magnitudes]) -> Magnitudes:
    return Magnitudes(np.concatenate([part.slope for part in parts]), np.concatenate([part.spread for part in parts]))


def model_importance(
    name: str,
    title: str,
    blocks: Sequence[Block],
    measured: Sequence[Magnitudes],
    *,
    fixed: bool,
    protected: Collection[str] = (),
    probes: Collection[str] = (),
    random: Sequence[Sequence[RandomSpread]] = (),
    clusters: Sequence[str] = (),
) -> ModelImportance:
    """Return one network's importances in the order of their ranks; over several seeds their medians.

    Parameters
    ----------
    name, title : str
        The file or kind, and what a reader calls it.
    blocks : sequence of Block
        The columns of `measured`, in order.
    measured : sequence of Magnitudes
        One for each seed.
    fixed : bool
        The fixed-effects prediction was measured.
    protected, probes : collection of str
        Columns of the table.
    random : sequence of sequence of RandomSpread
        Of a mixed-effects network, for each seed.
    clusters : sequence of str
        Names of the rows of `random`.
    """
    widths = [len(block.columns) for block in blocks]
    columns = [importances.importance for importances in measured]
    features = [block_sums(values, widths) for values in columns]
    slopes, effects = _random(random, sum(len(block.columns) for block in blocks if block.role == "features"), clusters)
    of_column = [(block, column) for block in blocks for column in block.columns]
    at = _medians(columns)
    per_column = [
        ColumnImportance(
            name=column,
            feature=block.feature,
            role=block.role,
            slope=float(np.median([item.slope[place] for item in measured])),
            spread=float(np.median([item.spread[place] for item in measured])),
            random_slope=None if slopes is None or place >= len(slopes) else float(slopes[place]),
            probe=block.feature in probes,
            protected=block.feature in protected,
            **{key: float(values[place]) for key, values in at.items()},
        )
        for place, (block, column) in enumerate(of_column)
    ]
    at = _medians(features)
    per_feature = [
        FeatureImportance(
            name=block.feature,
            columns=len(block.columns),
            probe=block.feature in probes,
            protected=block.feature in protected,
            **{key: float(values[place]) for key, values in at.items()},
        )
        for place, block in enumerate(blocks)
    ]
    return ModelImportance(
        name=name,
        title=title,
        head="fixed" if fixed else "whole",
        columns=sorted(per_column, key=lambda item: (item.rank, -item.importance)),
        features=sorted(per_feature, key=lambda item: (item.rank, -item.importance)),
        random=effects,
    )


def _medians(values: Sequence[FloatArray]) -> Mapping[str, FloatArray]:
    return {
        "importance": np.median(values, axis=0),
        "share": np.median([shares(one) for one in values], axis=0),
        "rank": np.median([ranks(one) for one in values], axis=0),
    }


def shares(values: FloatArray) -> FloatArray:
    """Return the share of each value in their sum; zeros where all are zero."""
    total = float(values.sum())
    return values / total if total > 0 else np.zeros_like(values)


def _random(
    random: Sequence[Sequence[RandomSpread]], width: int, clusters: Sequence[str]
) -> tuple[FloatArray | None, list[RandomEffectSummary]]:
    """Return the spread of the slopes by column, where the slopes act on the inputs, and all other effects."""
    slopes: FloatArray | None = None
    others = []
    for effect in zip(*random, strict=True):
        spread = np.median([seed.spread for seed in effect], axis=0)
        # Of one input column slope and intercept look alike; the slope comes first.
        if slopes is None and len(spread) == width and (width > 1 or len(random[0]) > 1):
            slopes = spread
            continue
        means = None
        if len(spread) == 1 and len(clusters) == len(effect[0].means):
            middle = np.median([seed.means[:, 0] for seed in effect], axis=0)
            means = dict(zip(clusters, middle.tolist(), strict=True))
        others.append(RandomEffectSummary(entry=effect[0].entry, spread=spread.tolist(), means=means))
    return slopes, others


def _statement(model: ModelImportance, task: str, of: Target, rows: int, name: str) -> str:
    first = model.columns[0]
    what = "the logit" if of == "logit" else "the prediction" if task == "regression" else "P(positive)"
    head = " of the fixed effects" if model.head == "fixed" else ""
    return (
        f"{show(first.name)} moves {what}{head} most: {100 * first.share:.1f}% of all importances of "
        f"{count(len(model.columns), 'column')}, on {count(rows, 'row')} of {name}"
    )
