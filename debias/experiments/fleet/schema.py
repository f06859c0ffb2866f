"""What a manifest may hold: keys, what each takes, and the JSON Schema of both.

``python -m debias.experiments.fleet`` writes the schema file anew after a change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from debias import methods
from debias.flags import Flag
from debias.words import show

MANIFEST_VERSION = "1.0"
SCHEMA_FILE = Path(__file__).parents[2] / "report" / "schemas" / "fleet-manifest.schema.json"

_SCALAR = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}
_SCALARS = {"anyOf": [*_SCALAR["anyOf"], {"type": "array", "items": _SCALAR}]}


def _text(value: object) -> object:
    """Return a number or truth value as the text that the command line would have: values of columns are texts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _texts(value: object) -> object:
    return [_text(item) for item in value] if isinstance(value, list) else [_text(value)]


def _per_attribute(value: object) -> object:
    """Check a value for one attribute, or a mapping of such by attribute."""
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
    flat = [one for item in items for one in (item if isinstance(item, list) else [item])]
    if not flat or not all(isinstance(one, str | int | float) for one in flat):
        raise ValueError("give a value, a list of values, or values by attribute")
    if isinstance(value, dict):
        return {name: [_text(one) for one in item] if isinstance(item, list) else _text(item)
                for name, item in value.items()}  # fmt: skip
    return value if isinstance(value, list) else _text(value)


def _bins(value: object) -> object:
    """Check bins; numbers in a list are the edges of one attribute and stay numbers, which tells them from texts."""
    checked = _per_attribute(value)
    if isinstance(value, dict) and isinstance(checked, dict):
        return {name: item if isinstance(item, list) else checked[name] for name, item in value.items()}
    return checked


Text = Annotated[str, BeforeValidator(_text), WithJsonSchema(_SCALAR)]
Texts = Annotated[list[str], BeforeValidator(_texts), WithJsonSchema(_SCALARS)]
PerAttribute = Annotated[
    Any,
    BeforeValidator(_per_attribute),
    WithJsonSchema({"anyOf": [*_SCALARS["anyOf"], {"type": "object", "additionalProperties": _SCALARS}]}),
]
Bins = Annotated[Any, BeforeValidator(_bins), PerAttribute.__metadata__[1]]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Keys(BaseModel):
    """Keys of every job, with the names of the flags of ``debias audit``; under `defaults` they hold for all."""

    model_config = ConfigDict(extra="forbid", strict=True)

    data: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Table: CSV, Parquet or Arrow IPC, relative to the manifest."
    )
    attr: Texts | None = Field(default=None, description="Protected attributes: columns, or intersections as sex*race.")
    contract: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Contract of the model, relative to the manifest."
    )
    eps: Number | None = Field(default=None, description="The bound on |bias|; without it an audit asks none.")
    min_ratio: Number | None = Field(default=None, description="The bound of the impact ratio, in place of eps.")
    metric: str | None = Field(default=None, description="The parity metric.")
    performance: str | None = Field(default=None, description="What counts where the bound is met.")
    confidence: Number | None = Field(default=None, description="The bound must hold at this confidence.")
    label: str | None = Field(default=None, description="Column of the label.")
    positive: Text | None = Field(default=None, description="Label value that a high score predicts.")
    favorable: Literal["positive", "negative"] | None = Field(default=None, description="The favourable decision.")
    privileged: PerAttribute | None = Field(default=None, description="Privileged group, or groups by attribute.")
    features: Texts | None = Field(default=None, description="Feature columns in the order of the network.")
    ignore: Texts | None = Field(default=None, description="Columns that are no features.")
    weight: str | None = Field(default=None, description="Column of row weights.")
    missing_attr: Literal["error", "drop", "group"] | None = Field(default=None, description="Rows without attribute.")
    bins: Bins | None = Field(default=None, description="Edges or number of groups of a numeric attribute.")
    min_group: int | None = Field(default=None, description="Groups with fewer rows are merged.")
    cluster: str | None = Field(default=None, description="Column that names the cluster of a row.")
    unseen_z: Literal["soft", "hard", "zero", "error"] | None = Field(default=None, description="Unknown clusters.")
    output_kind: Literal["probability", "logit", "softmax", "logits2", "value"] | None = Field(
        default=None, description="What the network returns."
    )
    decision: Literal["score", "argmax"] | None = Field(default=None, description="How the deployed system decides.")
    threshold: Number | None = Field(default=None, description="Where the deployed system cuts the score.")
    device: str | None = Field(default=None, description="Where to compute, as torch names it.")
    seed: int | None = Field(default=None, description="Seed of every random choice.")
    view: Texts | None = Field(default=None, description="Regulatory views of the reports.")
    sd_ddof: Literal[0, 1] | None = Field(default=None, description="Divisor of standard deviations over groups.")
    draws: int | None = Field(default=None, description="Draws of the random effects; of an audit.")
    fresh_adversary: bool | None = Field(default=None, description="Fit an adversary anew; of an audit.")
    stream: bool | None = Field(default=None, description="Read data a batch at a time; of an audit.")
    batch_rows: int | None = Field(default=None, description="Rows of a batch, where data is streamed.")


class RepairKeys(BaseModel):
    """Keys of every repair, with the names of the flags of the repairing verbs."""

    model_config = ConfigDict(extra="forbid", strict=True)

    margin: Number | None = Field(default=None, description="Selection asks for |bias| below eps less this.")
    min_performance: Number | None = Field(default=None, description="Least balanced accuracy, or R², of a candidate.")
    selection: str | None = Field(default=None, description="Which candidates are feasible on the selection rows.")
    pool: bool | None = Field(default=None, description="Estimate the bias on selection and training rows together.")
    train: Annotated[str, Field(min_length=1)] | None = Field(default=None, description="Rows for gradients.")
    test: Annotated[str, Field(min_length=1)] | None = Field(default=None, description="Rows for the verdict.")
    holdout: Number | None = Field(default=None, description="Share of the table that is set aside for the verdict.")
    fit_share: Number | None = Field(default=None, description="Share of the selection rows for gradients.")
    edit: Literal["fe", "fe+re"] | None = Field(default=None, description="What of a mixed-effects network may change.")
    sample_rows: int | None = Field(default=None, description="Rows of a streamed table that the choice is made on.")
    split_by: str | None = Field(default=None, description="Column of persons or clusters that stay together.")
    keep_scores: bool | None = Field(default=None, description="Record the threshold instead of folding it in.")
    keep_best: bool | None = Field(default=None, description="Write the closest candidate where the bound is missed.")


def _by_name(value: object) -> object:
    return {"method": value} if isinstance(value, str) else value


@cache
def repairs() -> dict[str, type[RepairKeys]]:
    """Return what a repair takes, by method: the keys of all, and the method's own settings."""
    found = {}
    for name in methods.names():
        kind = methods.load(name)
        hints = get_type_hints(kind, include_extras=True)
        own: dict[str, Any] = {}
        for item in fields(kind):  # type: ignore[arg-type]
            flag = next((one for one in hints[item.name].__metadata__ if isinstance(one, Flag)), None)
            told = Field(default=None, description="" if flag is None else flag.help)
            own[item.name] = (hints[item.name].__origin__ | None, told)
        own["method"] = (Literal[name], Field(description="The method."))
        found[name] = create_model(f"{kind.__name__}Repair", __base__=RepairKeys, __doc__=kind.__doc__, **own)
    return found


def _repair_schemas() -> dict[str, Any]:
    """Return what `repair` takes, by name: that of a method alone, or a method with its settings."""
    found = {f"{name}-repair": kind.model_json_schema(mode="validation") for name, kind in repairs().items()}
    for told in found.values():
        told["description"] = str(told["description"]).partition("\n")[0]
    each = [{"$ref": f"#/$defs/{name}"} for name in found]
    return {"repair": {"anyOf": [{"enum": list(repairs())}, *each, {"type": "null"}]}, **found}


class Defaults(Keys):
    """What holds for every job that says nothing else."""

    repair: Annotated[Any, BeforeValidator(_by_name)] = Field(
        default=None, description="Repair every model by this method, instead of an audit."
    )


class JobKeys(Defaults):
    """One job, or one for each file that a pattern matches."""

    model: Annotated[str, Field(min_length=1)] = Field(
        description="Model file or a pattern (*, ?, [], **), relative to the manifest."
    )
    name: str | None = Field(
        default=None,
        description="Name of the job and its file. Default: that of the model without its ending. {stem} in it stands "
        "for that.",
    )


class Manifest(BaseModel):
    """Many models with their tables."""

    model_config = ConfigDict(extra="forbid", strict=True)

    defaults: Defaults = Field(default_factory=Defaults, description="What holds for every job.")
    jobs: Annotated[list[JobKeys], Field(min_length=1)] = Field(description="The jobs, in the order of the results.")


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a manifest."""
    schema = Manifest.model_json_schema(mode="validation")
    for part in ("Defaults", "JobKeys"):
        schema["$defs"][part]["properties"]["repair"] |= {"$ref": "#/$defs/repair"}
    schema["$defs"] |= _repair_schemas()
    identity = f"urn:debias:fleet-manifest:{MANIFEST_VERSION}"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identity, **_without_titles(schema)}


def _without_titles(value: Any) -> Any:
    """Return a schema without the titles that repeat the names of keys, and the defaults that say nothing."""
    if isinstance(value, list):
        return [_without_titles(item) for item in value]
    if not isinstance(value, dict):
        return value
    said = {
        key: item
        for key, item in value.items()
        if not (key == "title" and isinstance(item, str)) and not (key == "default" and item is None)
    }
    return {key: _without_titles(item) for key, item in said.items()}


def schema_text() -> str:
    """Return the text of the schema file."""
    return json.dumps(manifest_schema(), indent=2, ensure_ascii=False) + "\n"


def keys_of(kind: type[BaseModel] | Mapping[str, Any]) -> list[str]:
    """Return the names of the keys of a part of the manifest."""
    return list(kind.model_fields) if isinstance(kind, type) else [show(key) for key in kind]
