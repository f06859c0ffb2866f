"""Every verb that writes, killed with SIGKILL again and again: what is left, and what the next run makes of it.

    python benchmarks/kills.py              # some minutes; goes on where it was ended
    python benchmarks/kills.py prune tune   # these verbs anew
    python benchmarks/kills.py --tables     # the table from the results alone

A run is the command itself, `debias.__main__.main`, with its arguments in a folder of real files. It is forked from a
process that has loaded what the verb loads, so that the two seconds of Python's own start are not waited for each time
(`tests/faults/forge.py`); everything from the reading of the command line on is as ever. Each verb is killed

- before each single change that it makes to files (opened to be written, linked, renamed, removed, …), as Python's
  audit events tell them; of verbs with many, at 40 places spread over all (a fleet, whose processes
  start anew each time, at 8);
- in the middle of writing each file: the kernel kills what writes beyond half of that file's size;
- at moments drawn uniformly over the length of an undisturbed run, half of them with --force over whole results.

After each kill: inputs are as they were by SHA-256; what stands under a final name says the same as after an
undisturbed run; nothing else is there but ``.NAME.N.tmp``. Then the same command runs again: it ends with the same exit
code and the same files, and nothing is left of the run before.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.faults.forge import Forge
from tests.faults.verbs import VERBS, Course, world

RESULTS = Path(__file__).resolve().parent / "results" / "kills.json"
SEED = 6


def kills(course: Course, generator: random.Random) -> Iterator[dict[str, Any]]:
    """Yield each way to kill a run of a verb."""
    events = len(course.reference.events)
    step = max(1.0, events / course.verb.places)
    for number in sorted({int(1 + index * step) for index in range(int(events / step))}):
        yield {"aim": "before a change", "kill_at": number}
    for name in course.verb.outputs:
        yield {"aim": "amid a file", "room": max(1, (course.folder / name).stat().st_size // 2)}
    length = course.forge.run(course.fresh(), course.verb.arguments).seconds
    for number in range(course.verb.moments):
        yield {"aim": "any time", "after": generator.uniform(0, 1.02 * length), "over": number % 2 == 1}


def killed(course: Course, aim: str, after: float | None = None, over: bool = False, **how: Any) -> Counter[str]:
    """Kill a run, check what it left, and run it again; return what happened."""
    folder = course.fresh()
    arguments = list(course.verb.arguments)
    if over:
        shutil.copytree(course.folder, folder, dirs_exist_ok=True)
        arguments += course.verb.again
    run = course.forge.start(folder, arguments, **how)
    if after is not None:
        time.sleep(after)
        run.kill()
    end = run.end()
    dead = end.code in (-signal.SIGKILL, -signal.SIGXFSZ)
    assert dead or end.code in (course.reference.code, 2), (end.code, end.err)
    found, left = course.check(folder)
    if dead:
        course.again(folder)
    shutil.rmtree(folder)
    return Counter(
        {
            "runs": 1,
            "killed": dead,
            aim: dead,
            "results there": dead and found == set(course.verb.outputs),
            "some results there": dead and bool(found) and found != set(course.verb.outputs),
            "temporary files left": dead and bool(left),
        }
    )


def measure(name: str, forge: Forge, place: Path, work: Path) -> dict[str, int]:
    """Kill one verb in every way."""
    course = Course(forge, place, VERBS[name], work)
    generator = random.Random(f"{SEED} {name}")
    total: Counter[str] = Counter()
    faults = []
    for how in kills(course, generator):
        try:
            total += killed(course, **how)
        except AssertionError as error:
            faults.append(f"{name} {how}: {error}")
            print(faults[-1], flush=True)
    assert not faults, f"{len(faults)} faults of {name}"
    return {"changes": len(course.reference.events), **total}


def tables(results: dict[str, dict[str, int]]) -> str:
    """Return the results as Markdown."""
    columns = ("changes", "killed", "before a change", "amid a file", "any time", "results there", "some results there",
               "temporary files left")  # fmt: skip
    lines = [f"| verb | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    total: Counter[str] = Counter()
    for name, found in results.items():
        total.update(found)
        lines.append(f"| {name} | {' | '.join(str(found.get(one, 0)) for one in columns)} |")
    lines.append(f"| **all** | {' | '.join(f'**{total[one]}**' for one in columns)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verbs", nargs="*", choices=[*VERBS, []], help="measure these anew")
    parser.add_argument("--tables", action="store_true")
    asked = parser.parse_args()
    results: dict[str, dict[str, int]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    todo = [] if asked.tables else asked.verbs or [name for name in VERBS if name not in results]
    if todo:
        with tempfile.TemporaryDirectory(prefix="debias-kills-") as scratch, Forge(nice=19) as forge:
            (Path(scratch) / "world").mkdir()
            place = world(Path(scratch) / "world", forge)
            for name in todo:
                work = Path(scratch) / name
                work.mkdir()
                try:
                    results[name] = measure(name, forge, place, work)
                except AssertionError as error:
                    print(error, flush=True)
                    continue
                RESULTS.write_text(json.dumps({one: results[one] for one in VERBS if one in results}, indent=2) + "\n")
                print(name, results[name], flush=True)
                shutil.rmtree(work)
    print(tables(results))


if __name__ == "__main__":
    main()
