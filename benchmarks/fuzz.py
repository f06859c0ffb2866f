"""Damaged and invented inputs by the hundred thousand for every reader of files that others made.

    nice -n 19 python benchmarks/fuzz.py                    # 100,000 inputs over all readers, or what is left of them
    python benchmarks/fuzz.py --inputs 2000 --only pt,csv   # so many of each that is named
    python benchmarks/fuzz.py --one pt:1234                 # one input again, in this process, with its traceback

The inputs are those of tests/hostile/fuzzing.py: number n of a reader is the same on every machine. They are read in
processes that are forked from this one, a few hundred in each. A reader may read an input or refuse it with words.
Anything else is a finding: another error, more than ten seconds, a process that dies, more memory than a bound, or
memory that stays. Findings are printed and their inputs kept beside the results, which say how far the run came, so
that the next run goes on from there. It reads the inputs of the findings first: one that is read or refused now counts
as mended. After a change of the inputs themselves a run begins with --afresh.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import selectors
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "fuzz.json"
SHARES = {
    "pt": 0.25,
    "pt2": 0.15,
    "csv": 0.15,
    "parquet": 0.1,
    "arrow": 0.1,
    "contract": 0.08,
    "report": 0.05,
    "manifest.yaml": 0.05,
    "manifest.toml": 0.03,
    "config": 0.04,
}
BLOCK = 250
LONGEST = 10.0
"""Seconds that an input may take."""
MEMORY = 2 << 30
"""Bytes that a process may take beside what it held when it was forked; torch and Arrow allocate sizes that a file
tells."""
GROWTH = 48 << 20
"""Bytes of a block that may stay, after its first inputs: what the libraries load and keep."""
WARM = 50


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def block(name: str, numbers: range, to: int) -> None:
    """Read the inputs with these numbers, and say of each when it begins and what became of it."""
    from tests.hostile.fuzzing import TARGETS, content_of, outcome

    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def say(**told: Any) -> None:
        os.write(to, json.dumps(told).encode() + b"\n")

    warm = 0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        os.chdir(folder)
        for count, number in enumerate(numbers):
            content = content_of(name, number)
            say(begin=number)
            start = time.monotonic()
            detail = ""
            try:
                found = outcome(TARGETS[name], content, Path(folder))
            except MemoryError:
                found = "memory"
            except BaseException as error:
                place = traceback.extract_tb(error.__traceback__)
                ours = [frame for frame in place if "/debias/" in frame.filename] or place
                found = "error"
                detail = f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].name}: {error!s:.200}"
            say(end=number, found=found, detail=detail, seconds=round(time.monotonic() - start, 3))
            if count == WARM:
                gc.collect()
                warm = resident()
        gc.collect()
        if len(numbers) > 2 * WARM:
            say(growth=resident() - warm)
        os.chdir("/")


def forked(name: str, numbers: range) -> Iterator[dict[str, Any]]:
    """Yield what a process says that reads these inputs; of one that died or hung, that it did."""
    source, to = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(source)
        code = 1
        try:
            block(name, numbers, to)
            code = 0
        finally:
            os._exit(code)
    os.close(to)
    current: int | None = None
    pending = b""
    selector = selectors.DefaultSelector()
    selector.register(source, selectors.EVENT_READ)
    hung = False
    while True:
        if not selector.select(LONGEST if current is not None else 60):
            hung = True
            os.kill(child, signal.SIGKILL)
            break
        data = os.read(source, 1 << 16)
        if not data:
            break
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            told = json.loads(line)
            current = told.get("begin") if "begin" in told else None
            yield told
    selector.close()
    os.close(source)
    _, status = os.waitpid(child, 0)
    if hung or status:
        found = "hang" if hung else "died"
        number = numbers[0] if current is None else current
        yield {"end": number, "found": found, "detail": f"{found}, status {status}", "seconds": LONGEST}


def run(name: str, begin: int, end: int, results: dict[str, Any], keep: Path, out: Path) -> None:
    """Read the inputs of a reader from one number to another, and note the outcomes."""
    told = results.setdefault(name, {"inputs": 0, "outcomes": {}, "findings": [], "slowest": 0.0, "growth": 0})
    counts = Counter(told["outcomes"])
    number = begin
    while number < end:
        last = min(number + BLOCK, end)
        done = number
        for event in forked(name, range(number, last)):
            if "end" in event:
                counts[event["found"]] += 1
                told["slowest"] = max(told["slowest"], event["seconds"])
                done = event["end"] + 1
                if event["found"] not in ("read", "refused"):
                    finding(name, event, told, keep)
            elif "growth" in event:
                told["growth"] = max(told["growth"], event["growth"])
                if event["growth"] > GROWTH:
                    stays = {"end": number, "found": "growth", "detail": f"{event['growth']:,} bytes stay"}
                    finding(name, stays, told, keep)
        number = done
        told["inputs"], told["outcomes"] = number, dict(sorted(counts.items()))
        written(results, out)
    print(f"{name}: {told['inputs']:,} inputs, {told['outcomes']}, slowest {told['slowest']:.2f} s", flush=True)


def finding(name: str, event: dict[str, Any], told: dict[str, Any], keep: Path) -> None:
    """Print a finding, and keep the input of the first of its kind."""
    from tests.hostile.fuzzing import content_of

    kind = f"{event['found']}: {event['detail']}"
    known = {item["kind"] for item in told["findings"]}
    if kind in known or len(known) >= 100:
        return
    told["findings"].append({"kind": kind, "input": f"{name}:{event['end']}"})
    keep.mkdir(parents=True, exist_ok=True)
    (keep / f"{name}.{event['end']}").write_bytes(content_of(name, event["end"]))
    print(f"FINDING {name}:{event['end']} {kind}", flush=True)


def again(name: str, told: dict[str, Any]) -> None:
    """Read the inputs of the findings again, and note those that are no findings any more."""
    for item in list(told["findings"]):
        number = int(item["input"].rpartition(":")[2])
        ends = [event for event in forked(name, range(number, number + 1)) if "end" in event]
        if ends and all(event["found"] in ("read", "refused") for event in ends):
            told["findings"].remove(item)
            told.setdefault("mended", []).append(item)
            print(f"MENDED {item['input']} {item['kind']}", flush=True)


def written(results: dict[str, Any], out: Path) -> None:
    """Write the results so that a run that is stopped leaves whole ones."""
    temporary = out.with_suffix(".tmp")
    temporary.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    temporary.replace(out)


def main() -> None:
    """Run what the flags ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, help="inputs of each reader; default: its share of 100,000")
    parser.add_argument("--only", help="readers, parted by commas")
    parser.add_argument("--afresh", action="store_true", help="forget the results")
    parser.add_argument("--one", help="NAME:NUMBER of one input")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the results; runs at once each need their own")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "debias-fuzz")
    settings = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    import tests.hostile.fuzzing as fuzzing

    if settings.one:
        name, _, number = settings.one.partition(":")
        with tempfile.TemporaryDirectory() as folder:
            print(fuzzing.outcome(fuzzing.TARGETS[name], fuzzing.content_of(name, int(number)), Path(folder)))
        return
    chosen = settings.only.split(",") if settings.only else list(SHARES)
    out = settings.out
    results = json.loads(out.read_text()) if out.exists() and not settings.afresh else {}
    for name in chosen:
        # forked processes find everything loaded
        with tempfile.TemporaryDirectory() as folder:
            for number in range(20):
                try:
                    fuzzing.outcome(fuzzing.TARGETS[name], fuzzing.content_of(name, number), Path(folder))
                except Exception:
                    continue
    for name in chosen:
        if name in results:
            again(name, results[name])
        end = settings.inputs or round(100_000 * SHARES[name])
        run(name, results.get(name, {}).get("inputs", 0), end, results, settings.keep, out)


if __name__ == "__main__":
    main()
