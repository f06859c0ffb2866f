"""The Fair MEDL paper on Adult, beside its figures; then at scale on ACS, a regression on law school, and speed.

Every part keeps what it has in the cache (DEBIAS_CACHE, default ~/.cache/debias/fair_medl) and goes on there when it is
run again; its figures go to results/fair_medl_PART.json.

    python benchmarks/fair_medl.py                         # every part, then the page
    python benchmarks/fair_medl.py adult acs               # some parts
    python benchmarks/fair_medl.py acs --run-folds 4       # fewer of the ten folds
    python benchmarks/fair_medl.py --page                  # the page from the results alone

Where probes rank among the features is measured by probes.py.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from fair_medl_data import SETTINGS, SHARED, cache, table

RESULTS = Path(__file__).resolve().parent / "results"
FOUR = "fair-adb-medl:attr=sex+age+race+marital-status"
ADULT = (
    *("nnet", "cluster-input", "da", "fair-adb-da", "fair-acl-da", "fair-adb-nnet", "medl", "fair-adb-medl", FOUR),
    "fair-adb-medl:lambda_swap=0.3,swap=sex",
    "fair-adb-medl:lambda_swap=1",
    "fair-adb-medl:lambda_fair=1",
    "fair-adb-medl:lambda_fair=1,lambda_swap=1",
    "fair-acl-da:correlation_given_label=true",
)
"""λ is 0.3 unless told otherwise, adversaries on sex and age unless `attr` names them."""
ACS = ("medl", "fair-adb-medl", "fair-adb-medl:attr=sex+age+race+marital_status")
CHANGE = (
    *("model", "head", "rows", "attribute", "metric", "before", "after", "difference", "improvement"),
    *("low", "high", "p", "p_holm", "p_folds"),
)
"""What is kept of a figure beside its baseline's, see `debias.report.values.crossval.Change`."""
LAW_SWAP = tuple(f"fair-adb-medl:lambda_fair={value},lambda_swap=1" for value in (0.1, 0.3, 1))
LAW = ("nnet", "medl", *(f"fair-adb-medl:lambda_fair={value}" for value in (0.1, 0.3, 1, 3)), *LAW_SWAP)


def adult(arguments: argparse.Namespace) -> dict[str, Any]:
    """Ten folds of Adult: every kind, six seen occupations, four attributes."""
    return _crossval("adult", ADULT, arguments, debias_attr=["sex", "age"])


def acs(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both ACS files: the five largest major groups of occupations seen, batches of 512."""
    settings = {"batch_size": 512, "epochs": 15, "patience": 5}
    return _crossval("acs", ACS, arguments, debias_attr=["sex", "age"], settings=settings)


def law_school(arguments: argparse.Namespace) -> dict[str, Any]:
    """A regression: grades of the first year, tier of the school as cluster, over a path of λ."""
    return _crossval("law-school", LAW, arguments)


def _crossval(name: str, kinds: tuple[str, ...], arguments: argparse.Namespace, **options: Any) -> dict[str, Any]:
    from debias.experiments.crossval import crossval
    from debias.report.as_json import to_json

    path, setting = table(name, arguments.shared), SETTINGS[name]
    found = crossval(
        kinds,
        path,
        work=cache() / name,
        run_folds=arguments.run_folds,
        workers=arguments.workers,
        progress=_tell,
        **{**setting.options, **options},
    )
    (cache() / f"{name}.json").write_text(to_json(found), encoding="utf-8")
    return _condensed(found)


def _condensed(found: Any) -> dict[str, Any]:
    """Return the figures of a report that the page shows, and those beside them."""

    def triple(figure: Any) -> list[float | None]:
        return [figure.value, figure.mean, figure.sd]

    return {
        "statement": found.statement,
        "clusters": [found.clusters_seen, found.clusters_unseen],
        "attributes": [item.model_dump() for item in found.attributes],
        "folds": found.folds,
        "folds_run": found.folds_run,
        "draws": found.draws,
        "models": [
            {
                "name": model.name,
                "kind": model.kind,
                "title": model.title,
                "settings": model.settings,
                "adversaries": model.adversaries,
                "baseline": model.baseline,
                "folds": [
                    {name: getattr(run, name) for name in ("status", "epochs", "best_epoch", "stopped", "seconds")}
                    for run in model.folds
                ],
                "heads": [
                    {
                        "head": item.head,
                        "rows": item.rows,
                        "n": item.n,
                        "performance": {name: triple(figure) for name, figure in item.performance.items()},
                        "attributes": {
                            each.attribute: {name: triple(figure) for name, figure in each.figures.items()}
                            for each in item.attributes
                        },
                    }
                    for item in model.heads
                ],
            }
            for model in found.models
        ],
        "changes": {"columns": CHANGE, "rows": [[getattr(item, name) for name in CHANGE] for item in found.changes]},
        "signs": [item.model_dump() for item in found.signs],
    }


def speed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Thirty epochs of each kind on one Adult fold, one thread: wall-clock and processor seconds."""
    import torch

    from debias.experiments.crossval.jobs import Bench, Protocol, narrowed
    from debias.experiments.variants import variants
    from debias.training.fit import fit
    from debias.training.tables import rows_of

    torch.set_num_threads(1)
    bench = Bench.open(Protocol(table("adult", arguments.shared), **SETTINGS["adult"].options))
    train, valid, _ = bench.split(0)
    kinds = ("nnet", "da", "fair-adb-nnet", "fair-adb-da", "medl", "fair-adb-medl", "fair-adb-medl:lambda_swap=1")
    found: dict[str, Any] = {"rows": len(train), "epochs": 30, "kinds": {}}
    for variant in variants(kinds, ["sex", "age"], shared={"epochs": 30, "patience": 0}):
        clock = _Clock()
        contract = bench.rows.contract(train, cluster_input=variant.kind.reads_clusters)
        rows = (narrowed(rows_of(bench.rows, contract, index), variant) for index in (train, valid))
        fit(variant.kind, *rows, variant.settings, on_epoch=clock.mark)
        found["kinds"][variant.name] = clock.told()
        _tell(len(found["kinds"]), len(kinds), variant.name)
    return found


class _Clock:
    """Seconds of a training, encoding included, and its epochs a second of processor time."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        self.marks: list[float] = []

    def mark(self, _: object) -> None:
        self.marks.append(time.process_time())

    def told(self) -> dict[str, float]:
        return {
            "seconds": time.perf_counter() - self.wall,
            "cpu_seconds": time.process_time() - self.cpu,
            "epochs_per_second": (len(self.marks) - 1) / (self.marks[-1] - self.marks[0]),
        }


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "adult": adult,
    "law-school": law_school,
    "speed": speed,
    "acs": acs,
}


def _tell(done: int, total: int, text: str) -> None:
    print(f"\r{done}/{total} {text[:100]:100s}", end="", file=sys.stderr, flush=True)


def result(part: str) -> Path:
    """Return the file of a part's figures."""
    return RESULTS / f"fair_medl_{part.replace('-', '_')}.json"


def run(part: str, arguments: argparse.Namespace) -> None:
    """Run a part in this process and write its figures, with the largest memory that it took."""
    import torch

    import debias

    wall, cpu = time.perf_counter(), time.process_time()
    found = PARTS[part](arguments)
    found |= {
        "part": part,
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "versions": {"debias": debias.__version__, "torch": torch.__version__},
    }
    RESULTS.mkdir(exist_ok=True)
    result(part).write_text(json.dumps(_short(found)) + "\n", encoding="utf-8")


def _short(value: Any) -> Any:
    """Return figures with six significant digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _short(part) for name, part in value.items()}
    return [_short(part) for part in value] if isinstance(value, list | tuple) else value


def main() -> int:
    """Run the parts asked for, each in a process of its own, and print the page; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--run-folds", type=int, metavar="N", help="the first N of the ten folds; default: all")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes of one part; default 1")
    parser.add_argument("--shared", type=Path, default=SHARED, metavar="DIR", help="folder of the official files")
    parser.add_argument("--page", action="store_true", help="print the page from the results alone")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"unknown parts {', '.join(unknown)}; known: {', '.join(PARTS)}")
    if arguments.here:
        run(arguments.parts[0], arguments)
        return 0
    failed = 0
    for part in () if arguments.page else arguments.parts or PARTS:
        given = ["--shared", str(arguments.shared), "--workers", str(arguments.workers)]
        given += ["--run-folds", str(arguments.run_folds)] if arguments.run_folds else []
        failed += subprocess.run([sys.executable, __file__, part, "--here", *given], check=False).returncode != 0
    from fair_medl_tables import page

    print(page({part: json.loads(result(part).read_text()) for part in PARTS if result(part).exists()}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
