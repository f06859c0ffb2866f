"""Rows drawn from a table larger than memory, stratum by stratum: the same ones however the table is divided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from debias.data.values import IntArray

if TYPE_CHECKING:
    import pyarrow as pa

Priorities = npt.NDArray[np.uint64]


def priorities(numbers: IntArray, seed: int) -> Priorities:
    """Return a number for each row of a file by which rows are drawn, lowest first.

    It depends on the seed and the row's number in the file alone (Steele, Lea and Flood 2014, SplitMix64), so that
    neither the order of the batches nor their size tells which rows are drawn.

    Parameters
    ----------
    numbers : ndarray of int64, shape [N]
        Numbers of the rows in the file.
    seed : int
        0 or more.
    """
    start = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):
        return mixed(start + numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def mixed(state: Priorities) -> Priorities:
    """Return SplitMix64's output for these states."""
    with np.errstate(over="ignore"):
        found: Priorities = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))


def allocation(sizes: IntArray, n: int, *, leave: bool = True) -> IntArray:
    """Return how many rows to draw from each stratum: its share of all, by largest remainder.

    A stratum with rows gives at least one, and with `leave` keeps at least one where it has two: both the sample and
    the rest then know every stratum that can be known. With many small strata the total is therefore not quite `n`.

    Parameters
    ----------
    sizes : ndarray of int64, shape [S]
        Rows of each stratum.
    n : int
        How many in all.
    leave : bool
        Rows that are not drawn judge the sample.
    """
    total = int(sizes.sum())
    if not total:
        return np.zeros(len(sizes), np.int64)
    # In whole numbers: a product of rows and rows may be too large for a float to hold exactly.
    shares = [divmod(int(size) * min(n, total), total) for size in sizes]
    found = np.array([whole for whole, _ in shares], np.int64)
    rest = min(n, total) - int(found.sum())
    largest = sorted(range(len(sizes)), key=lambda stratum: (-shares[stratum][1], stratum))[:rest]
    found[largest] += 1
    most = np.where(sizes > 1, sizes - 1, sizes) if leave else sizes
    return np.clip(found, np.minimum(sizes, 1), most)


@dataclass
class Draw:
    """A stratified sample that is drawn while batches of a table pass by, once each and in any order.

    Of every stratum the rows with the lowest priorities are kept; never more than about twice the sample is held.

    Parameters
    ----------
    wanted : ndarray of int64, shape [S]
        Rows to draw from each stratum (`allocation`).
    seed : int
        0 or more.
    """

    wanted: IntArray
    seed: int
    _bound: Priorities = field(init=False, repr=False)
    _held: list[tuple[Priorities, IntArray, IntArray, pa.Table]] = field(init=False, default_factory=list, repr=False)
    _rows: int = field(init=False, default=0, repr=False)

    def __post_init__(self) -> None:
        self._bound = np.full(len(self.wanted), np.iinfo(np.uint64).max, np.uint64)
        self._bound[self.wanted == 0] = 0

    def add(self, numbers: IntArray, strata: IntArray, rows: pa.Table | pa.RecordBatch) -> None:
        """Let a batch take part.

        Parameters
        ----------
        numbers : ndarray of int64, shape [N]
            Numbers of its rows in the file; no row may come twice.
        strata : ndarray of int64, shape [N]
            Stratum of each row; −1 where it takes no part.
        rows : Table or RecordBatch
            The rows themselves.
        """
        import pyarrow as pa

        drawn = priorities(numbers, self.seed)
        near = np.flatnonzero((strata >= 0) & (drawn <= self._bound[strata]) & (self.wanted[strata] > 0))
        if not len(near):
            return
        batch = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
        # A taken part holds nothing of the batch that it came from.
        self._held.append((drawn[near], strata[near], numbers[near], batch.take(pa.array(near))))
        self._rows += len(near)
        if self._rows > 2 * int(self.wanted.sum()) + 10_000:
            self._thin()

    def result(self) -> tuple[pa.Table, IntArray, IntArray]:
        """Return the rows drawn in the order of the file, their numbers there, and how many each stratum gave.

        Raises
        ------
        ValueError
            No row was drawn.
        """
        self._thin()
        if not self._held:
            raise ValueError("no row was drawn")
        _, strata, numbers, rows = self._held[0]
        order = np.argsort(numbers)
        return rows.take(order).combine_chunks(), numbers[order], np.bincount(strata, minlength=len(self.wanted))

    def _thin(self) -> None:
        """Keep of each stratum what it is to give, as far as is known yet."""
        import pyarrow as pa

        if not self._held:
            return
        drawn, strata, numbers = (np.concatenate([part[i] for part in self._held]) for i in range(3))
        rows = pa.concat_tables([part[3] for part in self._held], promote_options="permissive")
        order = np.lexsort((numbers, drawn, strata))
        size = np.bincount(strata, minlength=len(self.wanted))
        place = np.arange(len(order)) - (np.cumsum(size) - size)[strata[order]]
        kept = order[place < self.wanted[strata[order]]]
        drawn, strata, numbers = drawn[kept], strata[kept], numbers[kept]
        full = size >= self.wanted
        highest = np.zeros(len(self.wanted), np.uint64)
        np.maximum.at(highest, strata, drawn)
        self._bound[full] = highest[full]
        self._held = [(drawn, strata, numbers, rows.take(pa.array(kept)))]
        self._rows = len(kept)
