"""Rows of a table as tensors, and what a swapped attribute is in its columns."""

from __future__ import annotations

import numpy as np
import torch

from debias.training.tables import rows_of
from tests.training.clients import clients, table


def test_rows_are_those_of_the_table() -> None:
    frame, found = clients(), table()
    index = found.index[::3]
    contract = found.contract(index)
    rows = rows_of(found, contract, index)
    assert (rows.x.numpy() == found.encode(contract, index)).all()
    assert rows.y.tolist() == frame["label"][index].tolist()
    assert [found.names[code] for code in rows.z.tolist()] == frame["branch"][index].tolist()
    assert rows.n_clusters == 4
    assert rows.categories == {"sex": 2, "age": 3}
    assert rows.sensitive["age"].tolist() == np.digitize(frame["age"][index], [31, 46]).tolist()


def test_swapping_is_encoding_the_table_with_another_value() -> None:
    frame, found = clients(), table()
    contract = found.contract(found.index)
    rows = rows_of(found, contract, found.index)
    carriers = contract.attribute("age").carriers  # type: ignore[union-attr]
    assert carriers is not None
    for name, values in (("sex", ("f", "m")), ("age", carriers)):
        swap = rows.swaps[name]
        for group, value in enumerate(values):
            other = table(
                frame.assign(**{name: value}).assign(age=lambda f: f["age"].astype(float)), bins=None, attributes="home"
            )
            expected = torch.from_numpy(other.encode(contract, found.index)) if name == "age" else None
            swapped = rows.x.clone()
            swapped[:, list(swap.columns)] = swap.values[group]
            if expected is not None:
                assert torch.allclose(swapped, expected)
            else:
                assert swapped[:, 2:4].tolist() == [[value == "f", value == "m"]] * len(rows)


def test_a_group_without_training_rows_has_its_swap_even_so() -> None:
    frame = clients().assign(sex=lambda f: f["sex"].where(np.arange(len(f)) > 3))
    found = table(frame, missing_attr="group")
    index = found.index[found.index > 3]
    rows = rows_of(found, found.contract(index), index)
    assert rows.categories["sex"] == 3
    assert rows.swaps["sex"].values.tolist() == torch.eye(3).tolist()


def test_an_attribute_that_is_no_input_has_no_swap() -> None:
    found = table(ignore=("hours", "sex"))
    assert list(rows_of(found, found.contract(found.index), found.index).swaps) == ["age"]


def test_validation_rows_take_the_swaps_of_the_training_rows() -> None:
    found = table()
    train, valid = found.split(0.2)
    contract = found.contract(train)
    rows = rows_of(found, contract, train)
    assert rows_of(found, contract, valid, rows.swaps).swaps is rows.swaps
