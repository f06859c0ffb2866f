"""Who calls whom in a TorchScript program: torch writes out every call, so that a short text can be a huge one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MAX_DEPTH = 100
"""Deepest chain of calls; torch follows it by recursion."""
MAX_CALLS = 200_000
"""Most calls of functions of the file that one function takes, with those within calls and the rounds of loops."""


def problem(calls: Mapping[str, Sequence[tuple[str, int]]]) -> str:
    """Return what is wrong with the calls of a program; empty when nothing.

    Parameters
    ----------
    calls : mapping of str to sequence of (str, int)
        The functions that each function calls, one entry for each place, with the rounds of the loops around it.
    """
    depth: dict[str, int] = {}
    total: dict[str, int] = {}
    waiting = {name: {other for other, _ in made if other in calls} for name, made in calls.items()}
    callers: dict[str, list[str]] = {name: [] for name in calls}
    for name, others in waiting.items():
        for other in others:
            callers[other].append(name)
    ready = [name for name, others in waiting.items() if not others]
    while ready:
        name = ready.pop()
        made = [(other, rounds) for other, rounds in calls[name] if other in calls]
        depth[name] = 1 + max((depth[other] for other, _ in made), default=0)
        total[name] = sum(rounds * (1 + total[other]) for other, rounds in made)
        if depth[name] > MAX_DEPTH:
            return f"calls within calls, more than {MAX_DEPTH} deep"
        if total[name] > MAX_CALLS:
            return f"a function that takes more than {MAX_CALLS:,} calls of others"
        for caller in callers[name]:
            waiting[caller].discard(name)
            if not waiting[caller]:
                ready.append(caller)
    if len(depth) < len(calls):
        return "a function that calls itself"
    return ""
