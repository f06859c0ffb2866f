"""Numbers of a report: what is undefined is None, never NaN."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _undefined(value: Any) -> Any:
    """NaN says undefined in arrays; in a report None does."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _unit(value: Any) -> Any:
    """Sums of weights may leave [0, 1] by rounding."""
    if isinstance(value, float) and -1e-9 <= value <= 1 + 1e-9:
        return min(max(value, 0.0), 1.0)
    return _undefined(value)


Number = Annotated[float | None, BeforeValidator(_undefined)]

Rate = Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(_unit)]

Objective = Annotated[Annotated[float, Field(ge=0, le=1)], BeforeValidator(_unit)]


class Part(BaseModel):
    """A part of a report: frozen, no fields but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
