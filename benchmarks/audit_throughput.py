"""Rows per second and peak memory of `debias audit` beside a bare loop of the forward pass, fairlearn and AIF360.

    python benchmarks/audit_throughput.py --acs ../shared/data --rows 10000000 --aif360 ENV/bin/python
    python benchmarks/audit_throughput.py --rows 100000000 --only loop-parquet,audit

Tables are generated with a fixed seed (12 columns, about 48 bytes a row) in --folder and stay there. Every figure is
measured in a process of its own, on one thread, and goes into `results/audit_throughput.json` at once; what is there
is not measured again (--again does). --tables prints the tables from the results alone. AIF360 is measured where
--aif360 names the Python of an environment that has it with pandas and pyarrow.

What is measured, as seconds by the clock and of the processor, which other work on the machine changes less (rates are
of those), and as resident memory at most (VmHWM):

- loop-memory: `network(batch)` in batches of 65,536 rows over encoded tensors in memory, at most 4 million rows;
- loop-parquet: the same, with the batches read from the Parquet file;
- loop-pieces: as loop-parquet, but the network gets 8,192 rows at once, as an audit gives them to it;
- audit: the whole audit, streamed, from the call to the report; audit-memory: with the table in memory;
- counts: debias's counts and differences of three rates from predictions in memory;
- fairlearn, aif360: MetricFrame and ClassificationMetric for the same, on the same predictions.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import throughput_data as data
import torch
from throughput_rivals import Clock, memory

RESULTS = Path(__file__).parent / "results" / "audit_throughput.json"
BATCH = 65_536
PIECE = 8_192
MOST_IN_MEMORY = 4_000_000
MEASURES = ("loop-memory", "loop-parquet", "loop-pieces", "audit", "audit-memory", "counts", "fairlearn", "aif360")
RIVALS_MOST = 20_000_000
"""Rows up to which the table, or its predictions, are held in memory: by the in-memory audit and by the rivals."""

Measured = dict[str, Any]


def loop(case: data.Case, batches: Iterator[torch.Tensor]) -> Measured:
    """Run the network over batches, its outputs thrown away."""
    network = torch.jit.load(str(case.model)).eval()
    rows, before = 0, memory("VmRSS")
    with torch.inference_mode():
        network(torch.zeros(2, len(case.features)))  # compiled before the clock starts
        network(torch.zeros(2, len(case.features)))
        clock = Clock()
        for batch in batches:
            network(batch)
            rows += len(batch)
    return {**clock.seconds(), "rows": rows, "before": before}


def loop_memory(case: data.Case) -> Measured:
    """Run the network over tensors that lie in memory."""
    kept, rows = [], 0
    for batch in read(case):
        kept.append(batch)
        rows += len(batch)
        if rows >= MOST_IN_MEMORY:
            break
    return loop(case, iter(kept))


def loop_parquet(case: data.Case) -> Measured:
    """Run the network over tensors that are read on the way."""
    return loop(case, read(case))


def loop_pieces(case: data.Case) -> Measured:
    """Run the network over tensors that are read on the way, in pieces that stay in the processor's cache."""
    return loop(case, (piece for batch in read(case) for piece in batch.split(PIECE)))


def read(case: data.Case) -> Iterator[torch.Tensor]:
    """Return the feature columns of a table as tensors, batch by batch."""
    for batch in data.batches(case, list(case.features), BATCH):
        block = np.empty((len(batch), len(case.features)), np.float32)
        for place, column in enumerate(batch.columns):
            block[:, place] = column.to_numpy(zero_copy_only=False)
        yield torch.from_numpy(block)


def audit(case: data.Case, *, stream: bool) -> Measured:
    """Audit as a user does; what is imported once in a process is not counted, as of the loops."""
    import pyarrow.acero
    import pyarrow.dataset  # noqa: F401
    import scipy.stats  # noqa: F401

    import debias
    import debias.run.streaming.auditing

    features = None if case.contract else list(case.features)
    before, clock = memory("VmRSS"), Clock()
    report = debias.audit(
        case.model, case.table, attr=case.attr, label=case.label, eps=0.05, features=features, stream=stream
    )
    seconds = clock.seconds()
    return {
        **seconds,
        "rows": report.rows.data,
        "before": before,
        "figures": {"bias": report.before.bias, "auroc": report.before.auroc},
    }


def predictions(case: data.Case) -> Path:
    """Write labels, decisions and groups as a Parquet file, once."""
    path = case.table.with_name(f"{case.model.stem}_{case.rows}.predictions.parquet")
    if path.exists():
        return path
    unfinished, writer = path.with_suffix(".part"), None
    decide = decisions(case)
    with torch.inference_mode():
        for batch in data.batches(case, [*case.features, case.label, case.attr], BATCH):
            group = np.asarray(batch.column(case.attr).to_numpy(zero_copy_only=False))
            table = pa.table(
                {
                    "y": np.asarray(batch.column(case.label).to_numpy(zero_copy_only=False)).astype(np.int8),
                    "decision": decide(batch).astype(np.int8),
                    "group": (group == group.max()).astype(np.int8),
                }
            )
            writer = writer or pq.ParquetWriter(unfinished, table.schema)
            writer.write_table(table)
    assert writer is not None
    writer.close()
    unfinished.replace(path)
    return path


def decisions(case: data.Case) -> Callable[[pa.RecordBatch], Any]:
    """Return what tells the decisions of a batch; the contract encodes its columns where there is one."""
    from debias.data.encode import encode
    from debias.data.tables import read_table
    from debias.model.network import Network

    network = torch.jit.load(str(case.model)).eval()
    contract = Network.open(case.model).contract
    threshold = 0.5 if contract is None or contract.output is None else contract.output.threshold

    def decide(batch: pa.RecordBatch) -> Any:
        if contract is None or not contract.features:
            columns = [batch.column(name).to_numpy(zero_copy_only=False) for name in case.features]
            features = np.stack(columns, axis=1).astype(np.float32)
        else:
            encoded, _, _ = encode(read_table(pa.table(batch)), contract, "float32")
            features = np.asarray((encoded or {})["features"], np.float32)
        return network(torch.from_numpy(features)).reshape(-1).numpy() > threshold

    return decide


def counts(case: data.Case) -> Measured:
    """Count predictions as an audit does, and take the differences of the rates."""
    from debias.fairness.counts import count
    from debias.fairness.metrics import fprs, selection_rates, tprs

    table = pq.read_table(predictions(case))
    y, decision, group = (np.ascontiguousarray(table.column(name).to_numpy()) for name in ("y", "decision", "group"))
    del table
    before, clock = memory("VmRSS"), Clock()
    total = None
    for first in range(0, len(y), BATCH):
        part = slice(first, first + BATCH)
        found = count(decision[part] > 0, y[part].astype(np.int64), group[part].astype(np.int64), 2)
        total = found if total is None else total + found
    assert total is not None
    figures = {
        name: float(abs(rates[1] - rates[0]))
        for name, rates in (("selection", selection_rates(total)), ("tpr", tprs(total)), ("fpr", fprs(total)))
    }
    return {**clock.seconds(), "rows": len(y), "before": before, "figures": figures}


CHILD: dict[str, Callable[[data.Case], Measured]] = {
    "loop-memory": loop_memory,
    "loop-parquet": loop_parquet,
    "loop-pieces": loop_pieces,
    "audit": lambda case: audit(case, stream=True),
    "audit-memory": lambda case: audit(case, stream=False),
    "counts": counts,
}


def case_of(settings: argparse.Namespace, name: str) -> data.Case:
    """Return the case of a name: acs, or a kind of network."""
    if name == "acs":
        return data.acs(settings.folder, settings.acs)
    return data.generated(settings.folder, settings.rows, name)


def measured(settings: argparse.Namespace, name: str, case: data.Case, measure: str) -> Measured:
    """Return a measurement made in a process of its own, the best of some runs."""
    own = {**os.environ, "OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1"}
    if measure in CHILD:
        command = [sys.executable, __file__, "--child", measure, "--case", name, "--folder", str(settings.folder)]
        command += ["--rows", str(settings.rows), *(["--acs", str(settings.acs)] if settings.acs else [])]
    else:
        python = str(settings.aif360) if measure == "aif360" else sys.executable
        command = [python, str(Path(__file__).with_name("throughput_rivals.py")), measure, str(predictions(case))]
    runs = []
    for _ in range(settings.runs):
        done = subprocess.run(command, env=own, check=True, stdout=subprocess.PIPE, text=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    best = min(runs, key=lambda run: float(run["processor"]))
    rows = best.setdefault("rows", case.rows)
    return {**best, "rows_per_second": round(rows / best["processor"]), "runs": len(runs)}


def wanted(settings: argparse.Namespace, case: data.Case) -> list[str]:
    """Return what is to be measured of a case."""
    asked = settings.only.split(",") if settings.only else list(MEASURES)
    if settings.aif360 is None:
        asked = [measure for measure in asked if measure != "aif360"]
    if case.rows > RIVALS_MOST:
        asked = [measure for measure in asked if measure not in {"audit-memory", "counts", "fairlearn", "aif360"}]
    return asked


def tables(results: dict[str, dict[str, Measured]]) -> str:
    """Return the results as Markdown."""
    head = ("what", "seconds", "of the processor", "million rows per second", "of loop-parquet", "peak MiB", "before")
    lines = []
    for name, found in results.items():
        lines += [f"\n### {name}\n", _row(*head), _row(*["---"] * len(head))]
        bare = found.get("loop-parquet")
        for measure in filter(found.__contains__, MEASURES):
            each = found[measure]
            forward = bare is not None and measure not in {"counts", "fairlearn", "aif360"}
            lines.append(
                _row(
                    measure,
                    f"{each['seconds']:.2f}",
                    f"{each['processor']:.2f}",
                    f"{each['rows_per_second'] / 1e6:.2f}",
                    f"{each['rows_per_second'] / bare['rows_per_second']:.2f}" if bare and forward else "",
                    f"{each['peak'] / 2**20:,.0f}",
                    f"{each['before'] / 2**20:,.0f}",
                )
            )
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("throughput"), help="tables and networks; made if missing")
    parser.add_argument("--acs", type=Path, help="folder with acs_income_2018.a.parquet and .b.parquet")
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the generated table")
    parser.add_argument("--networks", default="small,table2", help="of the generated table")
    parser.add_argument("--only", help="measures, with commas")
    parser.add_argument("--aif360", type=Path, help="Python of an environment with AIF360, pandas and pyarrow")
    parser.add_argument("--runs", type=int, default=1, help="processes for each figure; the fastest counts")
    parser.add_argument("--again", action="store_true", help="measure what is there already")
    parser.add_argument("--tables", action="store_true", help="print the tables from the results alone")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.child:
        torch.set_num_threads(1)
        pa.set_cpu_count(1)
        found = CHILD[settings.child](case_of(settings, settings.case))
        print(json.dumps({**found, "peak": memory("VmHWM")}))
        return
    results: dict[str, dict[str, Measured]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if not settings.tables:
        settings.folder.mkdir(parents=True, exist_ok=True)
        for name in [*(["acs"] if settings.acs else []), *filter(None, settings.networks.split(","))]:
            case = case_of(settings, name)
            kept = results.setdefault(case.name, {})
            for measure in wanted(settings, case):
                if measure in kept and not settings.again:
                    continue
                kept[measure] = measured(settings, name, case, measure)
                print(case.name, measure, kept[measure], file=sys.stderr, flush=True)
                RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(tables(results))


if __name__ == "__main__":
    main()
