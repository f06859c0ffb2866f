"""Which difference a method drives to zero as it goes, and which way."""

from __future__ import annotations

from debias.objective.comparison import Target
from debias.objective.judge import Judge
from debias.objective.sweep import FloatScores


class Heading:
    """The difference that uses up most of its bound, looked up again after every change of the network.

    Where there is one difference only, of one rate between two groups, the way is that of the unchanged network to the
    end: sgn(μ0) of the parity-proxies paper's Algorithms 1 and 2. Otherwise it is the present sign of whichever
    difference is the largest now.

    Parameters
    ----------
    scorer : Judge
        The objective on the selection rows.
    logits : ndarray of float32 or float64, shape [N]
        Scores of the unchanged network; of a regression its predictions.

    Attributes
    ----------
    target : Target
        The difference to drive now.
    sign : int
        +1 to drive it down, −1 up.
    crossed : bool
        True from when a difference that was driven has changed its sign.
    """

    target: Target
    sign: int

    def __init__(self, scorer: Judge, logits: FloatScores) -> None:
        self._scorer = scorer
        self._single = len(scorer.comparisons) == 1 and scorer.comparisons[0].n_groups == 2
        self.crossed = False
        self._first: dict[tuple[int, frozenset[int]], int] = {}
        self.look(logits)

    def look(self, logits: FloatScores) -> None:
        """Find the target by the logits [N] of the network as it is now."""
        self.target = target = self._scorer.target(logits)
        way = target.sign if target.pair[0] < target.pair[1] else -target.sign
        first = self._first.setdefault((target.comparison, frozenset(target.pair)), way)
        self.crossed |= way != first
        self.sign = target.sign
        if self._single:
            self.sign = first if target.pair[0] < target.pair[1] else -first
