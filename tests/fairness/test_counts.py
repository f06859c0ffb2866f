import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from debias.fairness.counts import count


def worked_example():
    decisions = np.array([1, 1, 0, 1, 0, 0, 1], bool)
    y = np.array([1, 0, 1, 1, 0, 0, 1])
    codes = np.array([0, 0, 0, 1, 1, 1, -1])
    return decisions, y, codes


def test_counts_of_seven_rows():
    counts = count(*worked_example(), 2)
    assert counts.n_groups == 2
    assert counts.n.tolist() == [3, 3]
    assert counts.positives_n.tolist() == [2, 1]
    assert counts.selected_n.tolist() == [2, 1]
    assert counts.weight.tolist() == [3, 3]
    assert counts.true_positives.tolist() == [1, 1]
    assert counts.false_positives.tolist() == [1, 0]
    assert counts.true_negatives.tolist() == [0, 2]
    assert counts.negatives.tolist() == [1, 2]
    assert counts.missing_n == 1


def test_total_includes_rows_without_the_attribute():
    total = count(*worked_example(), 2).total
    assert total.n.tolist() == [7]
    assert total.positives_n.tolist() == [4]
    assert total.selected_n.tolist() == [4]
    assert total.true_positives.tolist() == [3]


def test_weights_are_summed_and_rows_still_counted():
    counts = count(*worked_example(), 2, np.array([0.5, 2, 1, 3, 1, 1, 4]))
    assert counts.n.tolist() == [3, 3]
    assert counts.weight.tolist() == [3.5, 5]
    assert counts.positives.tolist() == [1.5, 3]
    assert counts.selected.tolist() == [2.5, 3]
    assert counts.total.weight.tolist() == [12.5]


def test_a_group_without_rows_counts_zero():
    counts = count(*worked_example(), 3)
    assert counts.n.tolist() == [3, 3, 0]


@pytest.mark.parametrize("codes", [[0, 2], [0, -2]])
def test_a_code_out_of_range_is_refused(codes):
    with pytest.raises(ValueError, match="outside -1 to 1"):
        count(np.ones(2, bool), np.ones(2, int), np.array(codes), 2)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="differ in length"):
        count(np.ones(2, bool), np.ones(3, int), np.zeros(2, int), 2)
    with pytest.raises(ValueError, match="differ in length"):
        count(np.ones(2, bool), np.ones(2, int), np.zeros(2, int), 2, np.ones(1))


def test_counts_of_different_groups_do_not_add_up():
    with pytest.raises(ValueError, match="do not add up"):
        count(*worked_example(), 2) + count(*worked_example(), 3)


rows = st.lists(
    st.tuples(st.booleans(), st.integers(0, 1), st.integers(-1, 2), st.integers(1, 8).map(lambda n: n / 4)), max_size=40
)


@given(rows, st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_batches_add_up_to_the_whole_and_match_scikit_learn(rows, split):
    decisions = np.array([row[0] for row in rows], bool)
    y, codes = (np.array([row[place] for row in rows], int) for place in (1, 2))
    weight = np.array([row[3] for row in rows], float)
    whole = count(decisions, y, codes, 3, weight)
    first, second = (count(decisions[p], y[p], codes[p], 3, weight[p]) for p in (slice(split), slice(split, None)))
    merged = first + second
    assert np.array_equal(merged.rows, whole.rows)
    # Quarters add up exactly.
    assert np.array_equal(merged.weights, whole.weights)
    for group in range(3):
        member = codes == group
        if not member.any():
            continue
        expected = confusion_matrix(y[member], decisions[member], labels=[0, 1], sample_weight=weight[member])
        assert np.array_equal(whole.weights[group], expected)


def test_squares_of_weights_give_effective_sizes():
    decisions, y, codes = worked_example()
    weight = np.array([0.5, 2, 1, 3, 1, 1, 4])
    counts = count(decisions, y, codes, 2, weight)
    assert counts.squares[:-1].sum(axis=(1, 2)).tolist() == [0.25 + 4 + 1, 9 + 1 + 1]
    assert counts.total.squares.sum() == (weight**2).sum()
    assert (counts + counts).squares.sum() == 2 * (weight**2).sum()
    unweighted = count(decisions, y, codes, 2)
    np.testing.assert_array_equal(unweighted.squares, unweighted.rows)
