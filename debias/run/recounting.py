"""The figures in a record, counted again from the same rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from debias.methods.base import silent
from debias.report.values.figures import Figures
from debias.report.values.verification import FigureChange, Recount
from debias.run.deciding import deployed
from debias.run.figures import Measured
from debias.run.opening import open_request
from debias.run.recorded import OF_THE_SOURCE, request_of
from debias.run.repairing import open_bench
from debias.run.rows import divide

NEAR = 1e-6
"""Two numbers agree within this, absolute or relative: other versions of a library may round otherwise."""

_WORDS = frozenset({"sentence"})


def recount(
    record: Mapping[str, Any], model: Path, source: Path | None, tables: Mapping[str, Any], **options: Any
) -> Recount:
    """Count the figures of a record again.

    Parameters
    ----------
    record : mapping
        Of a repaired file.
    model : path
        The file; its decisions on the verdict rows are counted.
    source : path or None
        The network before; with it the figures of the unchanged network are counted too.
    tables : mapping of str to path or DataFrame
        ``data`` and, where the run had them, ``train`` and ``test``.
    **options
        `trust`, and the `contract` of the source.

    Raises
    ------
    DebiasError
        The record tells no request, or the rows do not fit.
    """
    told: Mapping[str, Any] = record.get("figures") or {}
    found = {"after": _after(record, model, tables, bool(options.get("trust")))}
    if source is not None:
        found |= _before(record, source, tables, options)
    networks = [name for name in told if name in found]
    compared, differing = 0, []
    for name in networks:
        again = dict(_leaves(found[name].model_dump(mode="json"), name))
        for place, value in _leaves(told[name], name):
            compared += 1
            if not _agree(value, again.get(place)):
                differing.append(FigureChange(figure=place, recorded=value, found=again.get(place)))
    return Recount(networks=networks, compared=compared, tolerance=NEAR, differing=differing)


def _after(record: Mapping[str, Any], model: Path, tables: Mapping[str, Any], trust: bool) -> Figures:
    """Return what the file decides on the verdict rows; its own contract tells how it reads them."""
    own = {name: value for name, value in (record.get("request") or {}).items() if name not in OF_THE_SOURCE}
    request = request_of({**record, "request": own}, str(model), model=model, trust=trust, **tables)
    if request.sample_rows is not None:
        return open_bench(request, silent, fits=False).unchanged_on_verdict({})["before"]
    opened = open_request(request)
    request = opened.request
    objective = replace(request.objective, favorable=opened.data.favorable, deployed=opened.threshold)
    lenient = objective.confidence is not None
    return deployed(opened, Measured.on(divide(opened).verdict, objective, lenient=lenient)).figures


def _before(
    record: Mapping[str, Any], source: Path, tables: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Figures]:
    """Return the figures of the network before: as deployed, and at the thresholds that the selection rows choose."""
    request = request_of(record, str(source), model=source, **tables, **options)
    bench = open_bench(request, silent, fits=False)
    return {name: both[0] for name, both in bench.unchanged(bench.plainest()).items()}


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield all numbers and names of nested figures with their places; sentences may be worded anew."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name not in _WORDS:
                yield from _leaves(item, f"{place}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{place}.{index}")
    else:
        yield place, value


def _agree(first: Any, second: Any) -> bool:
    if _is_number(first) and _is_number(second):
        return math.isclose(first, second, rel_tol=NEAR, abs_tol=NEAR)
    return bool(first == second)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
