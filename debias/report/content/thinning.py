"""Which of many points, steps or rows a reader is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def thinned(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most `most` of the items at even distances, the first and the last among them."""
    return [items[place] for place in spread(len(items), most)]


def spread(size: int, most: int, near: Iterable[int] = ()) -> list[int]:
    """Return at most `most` of the places 0 … size − 1: the ends, those of `near`, the others at even distances."""
    if size <= most:
        return list(range(size))
    kept = {0, size - 1, *(place for place in near if 0 <= place < size)}
    left = most - len(kept)
    kept |= {round(index * (size - 1) / (left + 1)) for index in range(1, left + 1)}
    return sorted(kept)


def evenly(values: Sequence[float], most: int, near: Iterable[int] = ()) -> list[int]:
    """Return at most `most` places of rising values: the ends, those of `near`, the others evenly by value."""
    if len(values) <= most:
        return list(range(len(values)))
    last = len(values) - 1
    kept = {0, last, *near}
    left = most - len(kept)
    step = (values[-1] - values[0]) / (left + 1)
    wanted = (values[0] + step * index for index in range(1, left + 1))
    return sorted(kept | {min(range(last + 1), key=lambda place: abs(values[place] - value)) for value in wanted})
