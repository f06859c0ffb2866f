"""Contract: write down once what a table and a network mean to each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from debias.contract import Contract, Output, write_document
from debias.data.columns import Columns
from debias.data.infer import infer_contract
from debias.data.tables import read_table
from debias.errors import ContractError, Problem, UsageError, together
from debias.files import check_output, write_atomic
from debias.model.archive import open_archive
from debias.model.network import from_archive, signature
from debias.words import listing, show

if TYPE_CHECKING:
    import pandas as pd


def contract(
    model: str | Path,
    data: str | Path | pd.DataFrame,
    *,
    attr: str | Sequence[str],
    label: str | None = None,
    positive: str | None = None,
    favorable: Literal["positive", "negative"] | None = None,
    privileged: str | Sequence[str] | Mapping[str, str] | None = None,
    features: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    bins: str | Sequence[str | float] | Mapping[str, str | int | Sequence[float]] | None = None,
    roles: Mapping[str, str] | None = None,
    missing: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
    cluster: str | None = None,
    output_kind: Literal["probability", "logit", "softmax", "logits2"] | None = None,
    decision: Literal["score", "argmax"] | None = None,
    threshold: float | None = None,
    out: str | Path | None = None,
    embed: str | Path | None = None,
    force: bool = False,
    trust: bool = False,
    note: Callable[[str], None] | None = None,
) -> Contract:
    """Return the contract of a model and a raw table, and write it where `out` or `embed` name a file.

    Parameters
    ----------
    model : path
        TorchScript .pt or torch.export .pt2 file; never changed.
    data : path or DataFrame
        Raw table, best the one that the network was trained on: means and SDs are taken from it.
    attr : str or sequence of str
        Protected attributes: columns, or intersections of columns as ``sex*race``; each column becomes an entry.
        An input of the role group is made from the first.
    bins, privileged : str or mapping, optional
        Of several attributes as mappings by the attribute's name.
    roles, missing, kinds : mapping, optional
        Role of each input, rule for missing values of a column, kind of a column (numeric, boolean, category).
    out : path, optional
        Where the contract goes as JSON.
    embed : path, optional
        Where a copy of the model goes that carries it.
    note : callable, optional
        Receives what was assumed, a sentence at a time.

    Raises
    ------
    ContractError, DataError, ModelError
        With every problem found.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise UsageError(
            Problem(f"{threshold!r} is no threshold", "--threshold", "Give a probability between 0 and 1.")
        )
    if decision == "argmax" and threshold not in (None, 0.5):
        raise UsageError(Problem(f"--decision argmax implies 0.5, --threshold is {threshold!r}", "", "Leave one out."))
    targets = [path for path in (out, embed) if path is not None]
    inputs = [file for file in (model, data) if isinstance(file, str | Path)]
    together(*(partial(check_output, path, inputs=inputs, force=force) for path in targets))
    archive, table = together(partial(open_archive, model, trust=trust), partial(read_table, data, "data"))
    columns = Columns(
        attr=attr, label=label, positive=positive, favorable=favorable, privileged=privileged,
        features=features, ignore=ignore, bins=bins,
    )  # fmt: skip
    output = Output(kind=output_kind, decision=decision, threshold=threshold)
    made, notes = infer_contract(
        table, columns, signature(archive), roles=roles, cluster=cluster, kinds=kinds, output=output
    )
    made = _with_missing(made, missing or {})
    if note is not None:
        for text in notes:
            note(text)
    network = from_archive(archive, contract=made)
    if decision == "argmax" and network.head.classes == 1:
        raise UsageError(Problem("--decision argmax is for two-class outputs, this network has one score", str(model)))
    if embed is not None:
        content = network.serialised({}, {"debias.json": write_document(made, network.record)})
        write_atomic(Path(embed), content, force=force)
    if out is not None:
        write_atomic(Path(out), made.to_json().encode(), force=force)
    return made


def _with_missing(made: Contract, rules: Mapping[str, str]) -> Contract:
    known = {feature.column for feature in made.features}
    strange = sorted(set(rules) - known)
    if strange:
        remedy = f"Columns: {listing(sorted(known))}."
        raise ContractError([Problem(f"{show(name)} is no feature column", "--missing", remedy) for name in strange])
    if not rules:
        return made
    document = made.model_dump(mode="json", exclude_none=True)
    for feature in document["features"]:
        feature["missing"] = rules.get(feature["column"], feature.get("missing", "error"))
    return Contract.from_json(json.dumps(document), "--missing")
