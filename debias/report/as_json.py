"""Reports as JSON, and the JSON Schema of all report values.

``python -m debias.report.as_json`` writes the schema files anew after a change of the models.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from debias.report.values.adaptation import ADAPTATION_VERSION, Adaptation
from debias.report.values.baseline import BASELINE_VERSION, BaselineFile
from debias.report.values.comparison import COMPARISON_VERSION, Comparison
from debias.report.values.crossval import CROSSVAL_VERSION, CrossValidation
from debias.report.values.difference import DIFFERENCE_VERSION, Difference
from debias.report.values.fleet import FLEET_VERSION, Fleet, JobResult
from debias.report.values.importance import IMPORTANCE_VERSION, Importance
from debias.report.values.inspection import INSPECTION_VERSION, Inspection
from debias.report.values.report import SCHEMA_VERSION, Report
from debias.report.values.training import TRAINING_VERSION, TrainingReport
from debias.report.values.tuning import TUNING_VERSION, Tuning
from debias.report.values.verification import VERIFICATION_VERSION, Verification

SCHEMAS = Path(__file__).with_name("schemas")

SCHEMA_FILES: dict[str, tuple[type[BaseModel], str]] = {
    "report.schema.json": (Report, f"urn:debias:report:{SCHEMA_VERSION}"),
    "inspection.schema.json": (Inspection, f"urn:debias:inspection:{INSPECTION_VERSION}"),
    "comparison.schema.json": (Comparison, f"urn:debias:comparison:{COMPARISON_VERSION}"),
    "baseline.schema.json": (BaselineFile, f"urn:debias:baseline:{BASELINE_VERSION}"),
    "adaptation.schema.json": (Adaptation, f"urn:debias:adaptation:{ADAPTATION_VERSION}"),
    "training.schema.json": (TrainingReport, f"urn:debias:training:{TRAINING_VERSION}"),
    "tuning.schema.json": (Tuning, f"urn:debias:tuning:{TUNING_VERSION}"),
    "crossval.schema.json": (CrossValidation, f"urn:debias:crossval:{CROSSVAL_VERSION}"),
    "importance.schema.json": (Importance, f"urn:debias:importance:{IMPORTANCE_VERSION}"),
    "difference.schema.json": (Difference, f"urn:debias:difference:{DIFFERENCE_VERSION}"),
    "verification.schema.json": (Verification, f"urn:debias:verification:{VERIFICATION_VERSION}"),
    "fleet.schema.json": (Fleet, f"urn:debias:fleet:{FLEET_VERSION}"),
    "fleet-job.schema.json": (JobResult, f"urn:debias:fleet-job:{FLEET_VERSION}"),
}


def to_json(value: BaseModel) -> str:
    """Return one JSON document with a final line feed; numbers that are not finite become null.

    What cannot be printed (control characters, marks of direction) is written as an escape, which reads back as it was.
    A lone surrogate, as the path of a file whose name is no UTF-8 has, is no text in any JSON that others read (RFC
    7493, section 2.1): it becomes the six letters of its escape.
    """
    try:
        text = value.model_dump_json(indent=2)
    except PydanticSerializationError:
        text = json.dumps(_text_only(value.model_dump(mode="json")), indent=2, ensure_ascii=False)
    lines = text.split("\n")
    if not all(map(str.isprintable, lines)):
        lines = ["".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line) for line in lines]
    return "\n".join(lines).replace("\x7f", "\\u007f") + "\n"


def _text_only(value: Any) -> Any:
    """Return JSON values without lone surrogates and without numbers that are not finite."""
    if isinstance(value, dict):
        return {_text_only(name): _text_only(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_text_only(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one of `SCHEMA_FILES`."""
    model, identity = SCHEMA_FILES[name]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": identity,
        **model.model_json_schema(mode="serialization"),
    }


def schema_text(name: str) -> str:
    """Return the text of the schema file `name`."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file_name in SCHEMA_FILES:
        (SCHEMAS / file_name).write_text(schema_text(file_name), encoding="utf-8")
