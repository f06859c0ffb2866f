"""What a freshly fitted adversary still reads about protected attributes in a network's prediction."""

from __future__ import annotations

from typing import Literal

import torch

from debias.errors import DataError
from debias.model.effects import has_fixed_head
from debias.report.values.effects import Information
from debias.run.effects import fixed_head
from debias.run.figures import Measured
from debias.run.opening import Opened
from debias.run.swapping import predictions


def information(opened: Opened, measured: Measured) -> list[Information]:
    """Return the bits about each attribute in each prediction, for a known label.

    A new adversary as those of Fair MEDL section 2.4, which read the prediction and the label, is fitted to
    convergence and measured on rows that it did not see; the label alone is what is known anyway.

    Parameters
    ----------
    opened : Opened
        The network; its seed decides folds and starts.
    measured : Measured
        The rows; weights take no part.
    """
    from debias.training.fresh import fresh_adversary

    sample = measured.sample
    y = torch.from_numpy(sample.y if sample.target is None else sample.target).float()
    mixed = has_fixed_head(opened.network)
    name: Literal["served", "mixed"] = "mixed" if mixed else "served"
    heads: dict[Literal["served", "mixed", "fixed"], Measured] = {name: measured}
    if mixed:
        heads["fixed"] = fixed_head(opened, measured)[1]
    found = []
    for head, rows in heads.items():
        own = torch.from_numpy(predictions(opened)(rows.sample)).float()
        read = torch.stack((own, own * y), 1)
        for attribute in sample.attributes.values():
            try:
                told = fresh_adversary(
                    read,
                    torch.from_numpy(attribute.codes),
                    known=y.unsqueeze(1),
                    seed=opened.request.seed,
                    where=attribute.name,
                )
            except DataError as error:
                reason = error.problems[0].found
                found.append(Information(attribute=attribute.name, prediction=head, bits=None, reason=reason))
                continue
            found.append(
                Information(
                    attribute=attribute.name,
                    prediction=head,
                    bits=told.bits,
                    error=told.error,
                    entropy=told.entropy,
                    rows=told.rows,
                )
            )
    return found
