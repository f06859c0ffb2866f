"""Hostile model files through `debias.fleet`: what each came to, and whether anything was touched.

    python benchmarks/hostile.py                  # with 600 damaged files, checked and then trusted
    python benchmarks/hostile.py --damaged 60

The files are those of tests/hostile/corpus.py, made anew. Each goes through twice: as a stranger's file, which the
pre-flight looks at; and with trust, where the sandbox and the limits alone hold it. Every file has to get a line of its
own, a good file at the end has to be audited, and no file may be written, no port called, no environment changed.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "hostile.json"
LIMITS = {"timeout": 60.0, "memory": "2GiB", "cpu_seconds": 10.0, "workers": 2}


def once(damaged: int, *, trust: bool) -> dict[str, Any]:
    """Return what became of the corpus."""
    from tests.hostile.corpus import Traps, corpus, listener
    from tests.hostile.running import held

    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as elsewhere,
        listener() as (port, called),
    ):
        traps = Traps(Path(elsewhere) / "canary", port)
        items = corpus(traps, damaged=damaged)
        start = time.monotonic()
        found = held(items, Path(folder), traps, called, trust=trust, **LIMITS)
        seconds = time.monotonic() - start
    kinds: dict[str, Counter[str]] = {}
    for item, row in zip(items, found.fleet.rows, strict=False):
        kinds.setdefault(item.kind, Counter())[row.status] += 1
    return {
        "files": len(items),
        "status": dict(sorted(Counter(row.status for row in found.fleet.rows[:-1]).items())),
        "kinds": {kind: dict(sorted(counts.items())) for kind, counts in sorted(kinds.items())},
        "held": {
            item.name: [row.status, (row.problem or "")[:200]]
            for item, row in zip(items, found.fleet.rows, strict=False)
            if row.status not in ("refused", "done")
        },
        "wrong": found.wrong,
        "isolation": found.fleet.isolation,
        "seconds": round(seconds, 1),
        "slowest": round(max(row.seconds for row in found.fleet.rows), 1),
        "peak_mib_of_the_parent": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def main() -> None:
    """Run the corpus in both ways, and write what became of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--damaged", type=int, default=600, help="files that are cut off or have a wrong bit")
    parser.add_argument("--out", type=Path, default=RESULTS)
    settings = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    results = {}
    for name, trust in (("checked", False), ("trusted", True)):
        results[name] = once(settings.damaged, trust=trust)
        told = results[name]
        print(
            f"{name}: {told['files']} files, {told['status']}, {told['seconds']} s, wrong: {told['wrong'] or 'nothing'}"
        )
    settings.out.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(any(result["wrong"] for result in results.values()))


if __name__ == "__main__":
    main()
