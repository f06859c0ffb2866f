"""One table to the rows that a network can be run on: the only place that knows all its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from debias.contract import Contract
from debias.data.attributes import resolve
from debias.data.clusters import read_clusters, with_column
from debias.data.columns import Columns, find_features, find_label, named
from debias.data.encode import DType, Encoded, encode, encode_plain, to_tensor_type
from debias.data.grouping import Attributes, Grouping, read_attributes
from debias.data.labels import Label, read_label, read_target
from debias.data.sample import Attribute, Sample
from debias.data.tables import Table
from debias.data.values import FloatArray, IntArray, Mask, to_levels, to_numbers
from debias.errors import ContractError, DataError, Problem
from debias.words import count, listing, show

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Prepared:
    """A table as rows for a network, and what was settled on the way.

    Parameters
    ----------
    sample : Sample
        The rows, less those that ``--missing-attr drop`` left out.
    columns : Columns
        What the caller said.
    label : str
        Label column.
    positive : str or None
        Value of the label that a high score predicts; None for a regression.
    favorable : {"positive", "negative"}
        Which decision is the favourable one.
    features : tuple of str
        Columns that feed the network, in its order; raw columns where a contract encodes them.
    groupings : mapping of str to Grouping
        The groups of each attribute by its name, in the order of the flags.
    missing : int
        Rows of the file that lack an attribute.
    dropped : int
        Rows left out for that.
    encoding : {"plain", "contract"}
    notes : tuple of str
        Sentences for the report.
    gaps : mapping of str to ndarray of bool, shape [rows of the file]
        By column of the attributes, the rows without a value, those that were left out among them.
    """

    sample: Sample
    columns: Columns
    label: str
    positive: str | None
    favorable: Literal["positive", "negative"]
    features: tuple[str, ...]
    groupings: Mapping[str, Grouping]
    missing: int
    dropped: int
    encoding: Literal["plain", "contract"]
    notes: tuple[str, ...] = ()
    gaps: Mapping[str, Mask] = field(default_factory=dict)

    @property
    def grouping(self) -> Grouping:
        """The groups of the first attribute."""
        return next(iter(self.groupings.values()))

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the first attribute's groups."""
        return self.grouping.names

    @property
    def parts(self) -> tuple[str, ...]:
        """Columns of all attributes, those of intersections among them."""
        return tuple(dict.fromkeys(each.column for grouping in self.groupings.values() for each in grouping.columns))

    @property
    def privileged(self) -> str | None:
        """Name of the first attribute's privileged group."""
        index = self.grouping.privileged
        return None if index is None else self.grouping.names[index]


def prepare(
    table: Table,
    columns: Columns,
    *,
    inputs: Mapping[str, int | None],
    contract: Contract | None = None,
    dtype: DType = "float32",
    like: Prepared | None = None,
    task: Literal["classification", "regression"] = "classification",
) -> Prepared:
    """Turn a table into a sample.

    Parameters
    ----------
    table : Table
    columns : Columns
        What the caller says about the columns.
    inputs : mapping of str to int or None
        Role of each input of the network to its width; None where it cannot be told from the graph.
    contract : Contract, optional
        With one that lists features, raw columns are encoded; flags go before its label, positive value and groups.
    dtype : {"float32", "float64"}
        Of the network.
    like : Prepared, optional
        Of ``--data``: ``--train`` and ``--test`` use its columns, groups, bins and positive value.
    task : {"classification", "regression"}
        The label is one of two values, or a number.

    Returns
    -------
    Prepared

    Raises
    ------
    ContractError
        The contract does not fit the network, or one is needed.
    DataError
        Everything that is wrong with the table, at once.
    """
    contract, encoded_by = encoding_of(columns, inputs, contract)
    if like is not None:
        columns = replace(
            columns, attr=tuple(like.groupings), label=like.label, positive=like.positive, favorable=like.favorable
        )
        if like.encoding == "plain":
            columns = replace(columns, features=like.features, ignore=())
            encoded_by = None
    favorable = favorable_of(columns, contract)
    label_name, problems = find_label(table, columns, contract)
    label: Label | None = None
    target: FloatArray | None = None
    if label_name is not None and task == "regression":
        target, wrong = read_target(table, label_name)
        problems += wrong + no_positive(columns)
        label = None if target is None else Label(np.zeros(len(table), np.int64), "")
    elif label_name is not None:
        label, wrong = labelled(table, label_name, columns, contract)
        problems += wrong
    protected, wrong = read_attributes(
        table,
        columns,
        contract=contract,
        settled=like.groupings if like else None,
        favorable=favored(label, target, favorable),
    )
    problems += wrong
    parts = tuple(like.parts) if like is not None else parts_of(table, columns)
    notes: list[str] = []
    encoded: Encoded | None
    if encoded_by is not None:
        features = tuple(dict.fromkeys(feature.column for feature in encoded_by.features))
        encoded, notes, wrong = encode(table, encoded_by, dtype)
    else:
        encoded, features, notes, wrong = _plain(table, columns, parts, label_name, inputs["features"], dtype)
    if like is not None:
        notes = []
    problems += wrong + clashes(table.name, label_name, features, parts)
    weight, wrong = read_weight(table, columns)
    problems += wrong
    if weight is not None and not weight.any():
        problems.append(weightless(table.name, columns))
    cluster, wrong = _cluster(table, columns, required=like is None)
    problems += wrong
    clusters, more, wrong = read_clusters(table, columns, contract if encoded_by is None else encoded_by)
    notes += more
    problems += wrong
    if problems or label is None or protected is None or encoded is None or label_name is None:
        raise DataError(problems)
    kept = np.arange(len(table))
    policy = like.grouping.missing_attr if like is not None else columns.missing_attr
    if policy == "drop":
        kept = np.flatnonzero(~protected.missing)
    dropped = len(table) - len(kept)
    if dropped and target is None and len(np.unique(label.y[kept])) < 2:
        raise DataError(one_label_left(table.name, dropped))
    sample = _sample(table, encoded, label, protected, weight, cluster, features, dtype, target)
    sample = replace(sample, clusters=clusters).take(kept)
    return Prepared(
        sample=sample,
        columns=columns,
        label=label_name,
        positive=label.positive or None,
        favorable=favorable,
        features=features,
        groupings={name: groups.grouping for name, groups in protected.groups.items()},
        missing=table.size(protected.missing),
        dropped=dropped,
        encoding="plain" if encoded_by is None else "contract",
        notes=(*table.notes, *notes, *protected.notes),
        gaps={name: read.missing for name, read in protected.columns.items()},
    )


def favored(
    label: Label | None, target: FloatArray | None, favorable: str, mean: float | None = None
) -> npt.NDArray[np.bool_] | None:
    """Return the rows with the favourable label, or whose target lies on the favourable side of the mean: its own."""
    if target is not None:
        mean = float(target.mean()) if mean is None else mean
        return np.asarray(target > mean if favorable == "positive" else target < mean)
    return None if label is None else label.y == int(favorable == "positive")


def encoding_of(
    columns: Columns, inputs: Mapping[str, int | None], contract: Contract | None
) -> tuple[Contract | None, Contract | None]:
    """Return the contract with the cluster column that the caller named, and the same where it encodes the table.

    Raises
    ------
    ContractError
        The contract does not fit the network's inputs, or one is needed.
    """
    encoded_by = contract if contract is not None and contract.features and columns.features is None else None
    if encoded_by is not None and encoded_by.clusters:
        encoded_by = contract = with_column(encoded_by, columns.cluster)
    if columns.features is not None and set(inputs) != {"features"}:
        raise ContractError(Problem("--features is for networks of one input", "", "Leave it out: the contract tells."))
    _check_inputs(inputs, encoded_by)
    return contract, encoded_by


def favorable_of(columns: Columns, contract: Contract | None) -> Literal["positive", "negative"]:
    """Return the favourable decision: as told, else by contract, else the positive one."""
    return columns.favorable or (contract.favorable if contract else None) or "positive"


def labelled(
    table: Table, name: str, columns: Columns, contract: Contract | None
) -> tuple[Label | None, list[Problem]]:
    """Return the labels, the positive value being as told, else that of the contract."""
    positive: str | float | None = columns.positive
    told_by = "--positive"
    if positive is None and contract is not None and name == contract.label:
        positive, told_by = contract.positive, "positive of the contract"
    return read_label(table, name, positive, told_by)


def no_positive(columns: Columns) -> list[Problem]:
    """Return what is wrong with a positive value where a number is predicted."""
    found = Problem("the network predicts a number, which has no positive value", "--positive")
    return [] if columns.positive is None else [found]


def clashes(table: str, label: str | None, features: Sequence[str], parts: Sequence[str]) -> list[Problem]:
    """Return what is wrong where the label is an input or an attribute too."""
    problems = []
    if label is not None and label in features:
        problems.append(Problem(f"the label {show(label)} is also an input of the network", table))
    if label is not None and label in parts:
        problems.append(Problem(f"{show(label)} is both the label and the attribute", table))
    return problems


def one_label_left(table: str, dropped: int) -> Problem:
    """Return what is said where the rows that are kept have one label value."""
    found = f"without the {count(dropped, 'row')} that lack the attribute, one label value is left"
    return Problem(found, table, "Use --missing-attr group.")


def _check_inputs(inputs: Mapping[str, int | None], contract: Contract | None) -> None:
    if contract is None:
        if set(inputs) != {"features"}:
            raise ContractError(
                Problem(
                    f"the network has the inputs {listing(inputs)}: which columns go where?",
                    "",
                    "A contract tells: debias contract MODEL --data FILE --attr COLUMN --role NAME=ROLE …",
                )
            )
        return
    problems = []
    roles = {feature.role for feature in contract.features}
    if roles != set(inputs):
        problems.append(
            Problem(
                f"gives columns to {listing(sorted(roles))}, the network's inputs are {listing(sorted(inputs))}",
                "contract",
                "Write a new one: debias contract MODEL --data FILE --attr COLUMN",
            )
        )
    for role in sorted(roles & set(inputs)):
        width = sum(feature.width for feature in contract.features if feature.role == role)
        wanted = inputs[role]
        if wanted is not None and width != wanted:
            sizes = ", ".join(f"{show(f.column)} {f.width}" for f in contract.features if f.role == role)
            problems.append(
                Problem(
                    f"makes {width} columns for the input {role}, the network reads {wanted}: {sizes}",
                    "contract",
                    "Mend its features so that the widths add up.",
                )
            )
    if problems:
        raise ContractError(problems)


def parts_of(table: Table, columns: Columns) -> tuple[str, ...]:
    """Return the columns of all attributes, those of intersections among them."""
    return tuple(dict.fromkeys(part for parts in resolve(table, columns)[0].values() for part in parts))


def _plain(
    table: Table,
    columns: Columns,
    protected: Sequence[str],
    label: str | None,
    width: int | None,
    dtype: DType,
) -> tuple[Encoded | None, tuple[str, ...], list[str], list[Problem]]:
    names, notes, problems = find_features(table, columns, protected, label, width)
    if names is None:
        return None, (), notes, problems
    if not names:
        return None, (), notes, [*problems, Problem("no column is left for the network's inputs", table.name)]
    encoded, wrong = encode_plain(table, names, dtype)
    return encoded, names, notes, problems + wrong


def read_weight(table: Table, columns: Columns) -> tuple[FloatArray | None, list[Problem]]:
    """Return the weight of each row, or everything that is wrong with the column."""
    if columns.weight is None:
        return None, []
    if wrong := named(table, columns.weight, "--weight"):
        return None, wrong
    values, text = to_numbers(table.frame[columns.weight])
    bad = np.flatnonzero(text | ~np.isfinite(values) | (values < 0))
    where = f"{table.name}, column {show(columns.weight)}"
    if bad.size:
        cell = table.frame[columns.weight].iloc[int(bad[0])]
        found = f"a weight must be a number of 0 or more: {show(cell)} in {table.spot(bad)}"
        return None, [Problem(found, where, "Mend these cells.")]
    return values, []


def weightless(table: str, columns: Columns) -> Problem:
    """Return what is said where no row has a weight above 0."""
    where = f"{table}, column {show(columns.weight)}"
    return Problem("every weight is 0", where, "Name another column with --weight, or none.")


def _cluster(table: Table, columns: Columns, *, required: bool) -> tuple[IntArray | None, list[Problem]]:
    if columns.split_by is None:
        return None, []
    if wrong := named(table, columns.split_by, "--split-by"):
        return None, wrong if required else []
    codes = to_levels(table.frame[columns.split_by]).codes
    gaps = np.flatnonzero(codes < 0)
    if gaps.size and required:
        where = f"{table.name}, column {show(columns.split_by)}"
        return None, [Problem(f"{count(gaps.size, 'row')} without a value: {table.spot(gaps)}", where, "Fill them in.")]
    return codes, []


def _sample(
    table: Table,
    encoded: Encoded,
    label: Label,
    protected: Attributes,
    weight: FloatArray | None,
    cluster: IntArray | None,
    features: tuple[str, ...],
    dtype: DType,
    target: FloatArray | None,
) -> Sample:
    import torch

    arrays = {role: to_tensor_type(values, dtype) for role, values in encoded.items()}
    tensors: dict[str, torch.Tensor] = {role: torch.from_numpy(values) for role, values in arrays.items()}
    attributes = {
        name: replace(groups.attribute, is_input=any(each.column in features for each in groups.grouping.columns))
        for name, groups in protected.groups.items()
    }
    return Sample(
        inputs=tensors,
        y=label.y,
        attributes=attributes,
        rows=np.arange(1, len(table) + 1, dtype=np.int64),
        weight=weight,
        cluster=cluster,
        hashes=row_hashes(list(arrays.values()), label.y if target is None else target),
        name=table.name,
        target=target,
        columns={
            name: Attribute(name, read.codes, read.groups.names, is_input=name in features)
            for name, read in protected.columns.items()
        },
    )


def row_hashes(
    arrays: list[np.ndarray[tuple[int, ...], np.dtype[np.floating]]], y: IntArray | FloatArray
) -> npt.NDArray[np.uint64]:
    """Return a hash of each row's inputs and label, the same in every file and order."""
    import pandas as pd

    values = np.column_stack([array.astype(np.float64) for array in arrays]) + 0.0  # −0.0 and 0.0 are one number
    frame = pd.DataFrame(np.column_stack([values, y]))
    hashes: npt.NDArray[np.uint64] = pd.util.hash_pandas_object(frame, index=False).to_numpy(dtype=np.uint64)
    return hashes
