"""What a model file needs to be told once: roles of its inputs, columns and their encoding, label, groups, decision."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from debias.errors import ContractError, Problem, UsageError
from debias.inputs import read_input
from debias.words import listing, show

SCHEMA = "debias/1"
SIDECAR_SUFFIX = ".debias.json"
MAX_CONTRACT = 64 << 20
"""Largest contract that is read, in bytes."""

Role = Literal["features", "cluster", "group"]
Kind = Literal["numeric", "boolean", "category"]
Missing = Literal["error", "mean", "zero", "category"]


def _text(value: object) -> object:
    """Take a number or boolean where a category or group is named by text."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return str(int(value)) if float(value).is_integer() else repr(value)
    return value


Name = Annotated[str, Field(min_length=1)]
Text = Annotated[str, BeforeValidator(_text)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(_Part):
    """One tensor that the network takes, in the order of its arguments."""

    name: Name
    role: Role
    width: int | None = Field(default=None, ge=1, description="Columns of the tensor.")


class Feature(_Part):
    """One column of the raw table and the network's columns that come from it.

    A numeric column becomes ``(value - mean) / sd`` (as it is where both are left out), a boolean column 0 or 1, a
    category one column per category, 1 where the value is that category. `missing` says what a missing value
    becomes: ``error`` refuses it, ``mean`` is the mean (numeric), ``zero`` is 0 before standardising (numeric), false
    (boolean) or zeros in all columns (category), ``category`` is a last column of its own (category).
    """

    column: Name
    kind: Kind
    role: Role = "features"
    mean: Finite | None = None
    sd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    categories: tuple[Text, ...] | None = Field(
        default=None, description="Values of a category in the order of their columns; of a boolean (false, true)."
    )
    missing: Missing = "error"
    columns: tuple[Name, ...] | None = Field(default=None, description="Names of the encoded columns, in order.")

    @model_validator(mode="after")
    def _complete(self) -> Feature:
        wrong = []
        if self.kind == "numeric":
            if (self.mean is None) != (self.sd is None):
                wrong.append("a numeric column needs both mean and sd, or neither")
            if self.missing == "mean" and self.mean is None:
                wrong.append("missing = 'mean' needs a mean")
        elif self.mean is not None or self.sd is not None:
            wrong.append(f"mean and sd belong to numeric columns, this one is {self.kind}")
        if self.kind == "category" and not self.categories:
            wrong.append("a category column needs its categories")
        if self.kind == "boolean" and self.categories is not None and len(self.categories) != 2:
            wrong.append("a boolean column has two categories: (false, true)")
        if self.kind == "numeric" and self.categories is not None:
            wrong.append("a numeric column has no categories")
        if self.categories is not None and len(set(self.categories)) < len(self.categories):
            wrong.append("a category is listed twice")
        allowed = {
            "numeric": ("error", "mean", "zero"),
            "boolean": ("error", "zero"),
            "category": ("error", "zero", "category"),
        }[self.kind]
        if self.missing not in allowed:
            wrong.append(f"missing = '{self.missing}' is not for {self.kind} columns; use {' or '.join(allowed)}")
        if self.columns is not None and len(self.columns) != self.width:
            wrong.append(f"{len(self.columns)} names in columns for {self.width} encoded columns")
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return len(self.categories or ()) + (self.missing == "category") if self.kind == "category" else 1

    @property
    def encoded(self) -> tuple[str, ...]:
        """Names of the encoded columns."""
        if self.columns is not None:
            return self.columns
        if self.kind != "category":
            return (self.column,)
        values = [*(self.categories or ()), *(["missing"] if self.missing == "category" else [])]
        return tuple(f"{self.column}_{value}" for value in values)


class ProtectedAttribute(_Part):
    """A column whose groups are compared."""

    column: Name
    privileged: Text | None = None
    groups: tuple[Text, ...] | None = Field(default=None, description="All groups; a value outside is refused.")
    bins: tuple[Finite, ...] | None = Field(default=None, description="Inner edges that cut a numeric column.")
    carriers: tuple[Finite, ...] | None = Field(
        default=None, description="Value of the column that stands for each group of a cut column: the training median."
    )

    @model_validator(mode="after")
    def _complete(self) -> ProtectedAttribute:
        wrong = []
        if self.groups is not None:
            if len(self.groups) < 2 or len(set(self.groups)) < len(self.groups):
                wrong.append("groups needs two or more different names")
            if self.privileged is not None and self.privileged not in self.groups:
                wrong.append(f"privileged {show(self.privileged)} is none of the groups {listing(self.groups)}")
        if self.bins is not None:
            if not self.bins or any(b <= a for a, b in pairwise(self.bins)):
                wrong.append("bins needs one or more edges in ascending order")
            elif self.groups is not None and len(self.groups) != len(self.bins) + 1:
                wrong.append(f"{len(self.bins)} edges make {len(self.bins) + 1} groups, {len(self.groups)} are named")
        if self.carriers is not None and (self.bins is None or len(self.carriers) != len(self.bins) + 1):
            wrong.append("carriers needs one value for each group that the bins make")
        if wrong:
            raise ValueError("\n".join(wrong))
        return self


class Output(_Part):
    """What the network returns and how the deployed system decides; ``value`` is a number in units of the target."""

    kind: Literal["probability", "logit", "softmax", "logits2", "value"] | None = None
    decision: Literal["score", "argmax"] | None = None
    threshold: float | None = Field(
        default=None, gt=0, lt=1, description="The score is cut here: score > threshold is positive."
    )
    fixed_threshold: float | None = Field(
        default=None, gt=0, lt=1, description="Where the fixed-effects score of a mixed-effects network is cut."
    )

    @model_validator(mode="after")
    def _complete(self) -> Output:
        cut = any(item is not None for item in (self.decision, self.threshold, self.fixed_threshold))
        if self.kind == "value" and cut:
            raise ValueError("an output of kind value is not cut: it has no decision and no threshold")
        return self


class RandomEffect(_Part):
    """A coefficient of each cluster, with a normal posterior (Fair MEDL section 2.2, subnetwork 4)."""

    mean: Name = Field(description="State entry of the posterior means [clusters, coefficients].")
    spread: Name | None = Field(default=None, description="State entry of ρ; the posterior SD is 1e-5 + softplus(ρ).")
    prior_sd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class Effects(_Part):
    """Which numbers of a mixed-effects network are fixed and which are random, and what predicts the cluster."""

    fixed: tuple[Name, ...] = Field(min_length=1, description="State entries of the fixed-effects network.")
    random: tuple[RandomEffect, ...] = Field(min_length=1)
    predictor: Name | None = Field(
        default=None, description="Extra file of the model that predicts the cluster from the features (TorchScript)."
    )
    predictor_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    predictor_clusters: int | None = Field(
        default=None, ge=1, description="Clusters that the predictor knows, the first ones; all where it is left out."
    )
    label_weights: tuple[Weight, Weight] | None = Field(
        default=None, description="What a row of label 0 and one of label 1 counted for in the training's loss."
    )
    folded: Finite = Field(default=0.0, description="What repairs have added to every logit to move the cut.")

    @model_validator(mode="after")
    def _complete(self) -> Effects:
        names = [*self.fixed, *(name for item in self.random for name in (item.mean, item.spread) if name)]
        if len(set(names)) < len(names):
            raise ValueError("a state entry is listed twice")
        if (self.predictor is None) != (self.predictor_sha256 is None):
            raise ValueError("predictor and predictor_sha256 belong together")
        if self.predictor is None and self.predictor_clusters is not None:
            raise ValueError("predictor_clusters is of a predictor, and none is named")
        return self

    def behind(self, prefix: str) -> Effects:
        """Return the effects of a file whose state entries stand behind a prefix."""
        random = tuple(
            item.model_copy(
                update={"mean": prefix + item.mean, "spread": None if item.spread is None else prefix + item.spread}
            )
            for item in self.random
        )
        return self.model_copy(update={"fixed": tuple(prefix + name for name in self.fixed), "random": random})


class Contract(_Part):
    """How rows of a raw table become the network's inputs, and what its output means.

    Parameters
    ----------
    inputs : tuple of Input
        The network's tensors in the order of its arguments, each with its role.
    features : tuple of Feature
        Raw columns in the order of the network's columns; `role` says which input a column goes to.
    label, positive, favorable : str, optional
        Label column, the value that a high score predicts, and which decision is the favourable one.
    attributes : tuple of ProtectedAttribute
        Protected attributes and their groups.
    cluster : str, optional
        Column that names the cluster of a row.
    effects : Effects, optional
        Of a mixed-effects network: which numbers are fixed and which random.
    output : Output
        Kind of output, decision rule, deployed threshold.
    """

    version: Literal[1] = 1
    inputs: tuple[Input, ...] = ()
    features: tuple[Feature, ...] = ()
    label: Name | None = None
    positive: Text | None = None
    favorable: Literal["positive", "negative"] | None = None
    attributes: tuple[ProtectedAttribute, ...] = ()
    cluster: Name | None = None
    effects: Effects | None = None
    output: Output = Output()

    @model_validator(mode="after")
    def _consistent(self) -> Contract:
        wrong = []
        names = [item.name for item in self.inputs]
        roles = [item.role for item in self.inputs]
        if len(set(names)) < len(names):
            wrong.append("inputs: a name is listed twice")
        if len(set(roles)) < len(roles):
            wrong.append("inputs: a role is given twice")
        if self.inputs and "features" not in roles:
            wrong.append("inputs: none has the role features")
        seen = [(feature.role, feature.column) for feature in self.features]
        if twice := sorted({column for role, column in seen if seen.count((role, column)) > 1}):
            wrong.append(f"features: {listing(twice)} listed twice")
        if self.features:
            strays = sorted({"features", *(role for role, _ in seen)} - set(roles or ["features"]))
            wrong += [f"features: columns for the role {role}, which no input has" for role in strays]
            for item in self.inputs:
                width = self.width(item.role)
                if item.width is not None and width != item.width:
                    wrong.append(f"input {show(item.name)} is {item.width} wide, its features make {width} columns")
        if self.label is not None and self.label in {column for _, column in seen}:
            wrong.append(f"the label {show(self.label)} is also a feature")
        columns = [attribute.column for attribute in self.attributes]
        if len(set(columns)) < len(columns):
            wrong.append("attributes: a column is listed twice")
        if self.effects is not None and "cluster" not in roles:
            wrong.append("effects: no input has the role cluster")
        if self.output.kind == "value" and self.positive is not None:
            wrong.append("an output of kind value predicts a number: there is no positive value")
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

    @property
    def task(self) -> Literal["classification", "regression"]:
        """What the network predicts: a class, or a number."""
        return "regression" if self.output.kind == "value" else "classification"

    @property
    def clusters(self) -> tuple[str, ...]:
        """Names of the clusters that the network knows, in the order of its cluster input's columns."""
        return next((f.categories or () for f in self.features if f.role == "cluster"), ())

    def width(self, role: Role = "features") -> int:
        """Return the number of encoded columns of one role."""
        return sum(feature.width for feature in self.features if feature.role == role)

    def attribute(self, column: str) -> ProtectedAttribute | None:
        """Return what is told about a protected attribute."""
        return next((item for item in self.attributes if item.column == column), None)

    def to_json(self) -> str:
        """Return the contract as indented JSON; what was left at None is left out."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "contract") -> Contract:
        """Read a bare contract, or the one inside a ``debias.json``.

        Parameters
        ----------
        text : str or bytes
            JSON, UTF-8.
        where : str
            File named in errors.

        Raises
        ------
        ContractError
            Everything that is wrong, each with its place in the file.
        """
        contract, _ = read_document(text, where)
        if contract is None:
            raise ContractError(
                Problem("holds no contract", where, "Write one: debias contract MODEL --data FILE --attr COLUMN")
            )
        return contract


def contract_bytes(path: str | Path) -> bytes:
    """Return the bytes of a contract file.

    Raises
    ------
    UsageError
        It cannot be read.
    """
    try:
        return read_input(path, MAX_CONTRACT)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(Problem(f"the contract cannot be read: {reason}", str(path), "Check the path.")) from None


def read_document(text: str | bytes, where: str = "contract") -> tuple[Contract | None, dict[str, Any]]:
    """Read ``{"schema": "debias/1", "contract": ..., "record": ...}`` or a bare contract.

    Returns
    -------
    Contract or None, dict
        The contract (None where the document has none) and the record of the run that wrote the file.

    Raises
    ------
    ContractError
        No JSON, an unknown schema, or a broken contract: all problems at once.
    """
    document = _parse(text, where)
    record: Any = {}
    raw: Any = document
    if "schema" in document:
        if document["schema"] != SCHEMA:
            raise ContractError(
                Problem(
                    f"has the schema {show(document['schema'])}; this version reads '{SCHEMA}'",
                    where,
                    "Use the version of debias that wrote it, or write a new contract: debias contract",
                )
            )
        raw, record = document.get("contract"), document.get("record") or {}
        if not isinstance(record, dict):
            raise ContractError(Problem("'record' is not an object", where))
        if raw is None:
            return None, record
    try:
        return Contract.model_validate(raw), record
    except ValidationError as error:
        raise ContractError(_problems(error, where)) from None


def write_document(contract: Contract | None, record: Mapping[str, Any]) -> str:
    """Return the text of the ``debias.json`` that travels in a model file."""
    raw = None if contract is None else contract.model_dump(mode="json", exclude_none=True)
    return json.dumps({"schema": SCHEMA, "contract": raw, "record": dict(record)}, indent=1, ensure_ascii=False) + "\n"


def _parse(text: str | bytes, where: str) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not a JSON number")

    def finite(digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            raise ValueError(f"{digits} is too large")
        return value

    if len(text) > MAX_CONTRACT:
        raise ContractError(Problem(f"is larger than {MAX_CONTRACT >> 20} MiB", where, "Is this a contract?"))
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
        document = json.loads(decoded, parse_constant=refuse, parse_float=finite)
    except json.JSONDecodeError as error:
        found = f"is no JSON: {error.msg} in line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError) as error:
        found = f"is no JSON that can be read: {error}"
    else:
        if isinstance(document, dict):
            return document
        found = f"is a JSON {type(document).__name__}, not an object"
    raise ContractError(Problem(found, where, "Write a contract: debias contract MODEL --data FILE --attr COLUMN"))


def _problems(error: ValidationError, where: str) -> list[Problem]:
    problems = []
    for item in error.errors(include_url=False):
        place = ".".join(map(str, item["loc"]))
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] not in ("value_error", "missing", "extra_forbidden"):
            message = f"{message}, found {show(item['input'])}"
        problems += [Problem(line, f"{where}: {place}" if place else where) for line in message.split("\n")]
    return problems
