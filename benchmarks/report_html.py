"""Size of a report as HTML, and the seconds that it takes: in a process of its own, and again in one that has done it.

    debias compare MODEL --data FILE --attr COLUMN --eps 0.05 --report compare.json
    python benchmarks/report_html.py compare.json

The seconds are those of the report alone, without the run. A table is printed as Markdown.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import subprocess
import sys
import time
from pathlib import Path

from debias.report.reading import read
from debias.report.writers import render

COLD = """
import sys, time
from pathlib import Path
from debias.report.reading import read
from debias.report.writers import render
value, _ = read(Path(sys.argv[1]))
start = time.perf_counter(), time.process_time()
render(value, Path("report.html"))
print(time.perf_counter() - start[0], time.process_time() - start[1])
"""
"""Prints the seconds of making the first page of a process, with what that imports: by the clock, of the processor."""

RUN = "import debias.experiments.compare.verb, debias.run.repairing, pandas, torch"
"""What a run that hands over a report has loaded before."""

Seconds = tuple[float, float]
"""By the clock, and of the processor, which other work on the machine changes less."""


def cold(path: Path, loaded: str = "") -> Seconds:
    """Return the seconds of the first page of a process, where the report is there and only `loaded` besides."""
    root = Path(__file__).resolve().parents[1]
    told = subprocess.run(
        [sys.executable, "-c", f"{loaded}\n{COLD}", str(path.resolve())],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    clock, processor = map(float, told.stdout.split())
    return clock, processor


def warm(path: Path, runs: int) -> tuple[bytes, list[Seconds]]:
    """Return the page, and the seconds of making it again and again."""
    value, _ = read(path)
    page = render(value, Path("report.html"))
    seconds = []
    for _ in range(runs):
        start = time.perf_counter(), time.process_time()
        same = render(value, Path("report.html")) == page
        seconds.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        assert same
    return page, seconds


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="a report as JSON")
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (default: %(default)s)")
    asked = parser.parse_args()
    fresh = [cold(asked.report) for _ in range(asked.runs)]
    run = [cold(asked.report, RUN) for _ in range(asked.runs)]
    page, again = warm(asked.report, asked.runs)
    sizes = (asked.report.stat().st_size, len(page), len(gzip.compress(page, mtime=0)))
    print(
        "JSON report {:,.0f} kB; page {:,.0f} kB, by gzip {:,.0f} kB; ".format(*(size / 1000 for size in sizes)), end=""
    )
    print(f"{page.count(b'<figure')} charts. Median of {asked.runs} pages:\n")
    print("| page | seconds | of the processor |\n|---|---:|---:|")
    rows = (
        ("of debias report: first of a process, with imports", fresh),
        ("of a run: first of a process that has loaded PyTorch and pandas", run),
        ("again in the same process", again),
    )
    for name, measured in rows:
        clock, processor = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"| {name} | {clock:.2f} | {processor:.2f} |")


if __name__ == "__main__":
    main()
