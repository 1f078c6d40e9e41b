"""The recursions against enumeration of all paths, against each other, and on impossible data."""

import numpy as np
import pytest

from reference import hmm as reference
from sklearn_extra_ml.hmm._chain import InitialState, Transitions
from sklearn_extra_ml.hmm._inference import Workspace, filtered, likelihood, smooth, viterbi
from sklearn_extra_ml.hmm._sequences import Sequences


def random_chain(rng, K, zeros=False):
    start, transmat = rng.dirichlet(np.ones(K)), rng.dirichlet(np.ones(K), size=K)
    if zeros:
        transmat = transmat * (rng.random((K, K)) > 0.4)
        transmat[:, 0] += 1e-3
        transmat /= transmat.sum(axis=1, keepdims=True)
    return InitialState(start), Transitions(transmat)


def run(log_density, lengths, initial, transitions, weights=None, n_threads=2):
    """Everything that the kernels return for these sequences."""
    space = Workspace(Sequences.of(lengths, log_density.shape[1]), n_threads)
    found = smooth(log_density, initial, transitions, space, weights)
    path, joint = viterbi(log_density, initial, transitions, space)
    return {
        "posteriors": found.states,
        "starts": found.starts,
        "pairs": found.pairs,
        "log_likelihood": found.log_likelihood,
        "filtered": filtered(log_density, initial, transitions, space),
        "rows": likelihood(log_density, initial, transitions, space, by_row=True),
        "path": path,
        "joint": joint,
    }


def pieces(lengths):
    ends = np.cumsum(lengths)
    return [slice(e - n, e) for n, e in zip(lengths, ends, strict=True)]


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("scale", [1, 30, 400])
@pytest.mark.parametrize("n_sequences", [1, 2, 19])
@pytest.mark.parametrize("K", [1, 2, 3])
def test_recursions_equal_enumeration_of_all_paths(K, n_sequences, scale, zeros, rng):
    for _ in range(6):
        lengths = rng.integers(1, 7, size=n_sequences)
        log_density = scale * rng.normal(size=(lengths.sum(), K))
        initial, transitions = random_chain(rng, K, zeros and K > 1)
        found = run(log_density, lengths, initial, transitions)
        starts, pairs = np.zeros(K), np.zeros((K, K))
        for s, rows in enumerate(pieces(lengths)):
            expected = reference.enumerate_paths(log_density[rows], *initial, *transitions)
            total, posteriors, own_pairs, path, joint, row_terms = expected
            np.testing.assert_allclose(found["log_likelihood"][s], total, rtol=1e-12, atol=1e-10)
            np.testing.assert_allclose(found["posteriors"][rows], posteriors, atol=1e-10)
            np.testing.assert_allclose(found["rows"][rows], row_terms, rtol=1e-11, atol=1e-10)
            np.testing.assert_array_equal(found["path"][rows], path)
            np.testing.assert_allclose(found["joint"][s], joint, rtol=1e-12, atol=1e-10)
            by_recursion = reference.expectation(log_density[rows], *initial, *transitions)
            np.testing.assert_allclose(found["filtered"][rows], by_recursion[3], atol=1e-10)
            starts += posteriors[0]
            pairs += own_pairs
        np.testing.assert_allclose(found["starts"], starts, atol=1e-10)
        np.testing.assert_allclose(found["pairs"], pairs, atol=1e-10)


@pytest.mark.parametrize("K", [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 21])
def test_a_sequence_has_the_same_bits_alone_and_in_company(K, rng):
    lengths = np.array([700, 300, 700, 1, 2, 699, 512, 256, 257, 700, 3])
    log_density = 3 * rng.normal(size=(lengths.sum(), K))
    initial, transitions = random_chain(rng, K)
    together = run(log_density, lengths, initial, transitions)
    assert len(Sequences.of(lengths, K).groups) > 0
    pairs = np.zeros((K, K))
    for s, rows in enumerate(pieces(lengths)):
        alone = run(log_density[rows], lengths[s : s + 1], initial, transitions)
        assert len(Sequences.of(lengths[s : s + 1], K).singles) == 1
        for name in ("posteriors", "filtered", "rows", "path"):
            np.testing.assert_array_equal(alone[name], together[name][rows], err_msg=name)
        for name in ("log_likelihood", "joint"):
            assert alone[name][0] == together[name][s]
        pairs += alone["pairs"]
    np.testing.assert_allclose(pairs, together["pairs"], rtol=1e-11)
    np.testing.assert_allclose(together["pairs"].sum(), (lengths - 1).sum(), rtol=1e-12)


@pytest.mark.parametrize("lengths", [[3000], [90] * 70, [5000, 2000, 10, 10, 10, 1, 900]])
def test_bits_do_not_depend_on_the_number_of_threads(lengths, rng):
    K = 5
    log_density = 3 * rng.normal(size=(sum(lengths), K))
    initial, transitions = random_chain(rng, K)
    weights = rng.uniform(0, 2, size=len(lengths))
    first = run(log_density, lengths, initial, transitions, weights, n_threads=1)
    for n_threads in (2, 3, 8):
        other = run(log_density, lengths, initial, transitions, weights, n_threads=n_threads)
        for name, value in first.items():
            np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_long_sequence_equals_the_textbook(rng):
    K, T = 4, 3000
    log_density = 5 * rng.normal(size=(T, K))
    initial, transitions = random_chain(rng, K)
    found = run(log_density, [T], initial, transitions)
    total, posteriors, pairs, forward = reference.expectation(log_density, *initial, *transitions)
    np.testing.assert_allclose(found["log_likelihood"][0], total, rtol=1e-12)
    np.testing.assert_allclose(found["posteriors"], posteriors, atol=1e-9)
    np.testing.assert_allclose(found["filtered"], forward, atol=1e-9)
    np.testing.assert_allclose(found["pairs"], pairs, rtol=1e-8)
    path, joint = reference.viterbi(log_density, *initial, *transitions)
    np.testing.assert_array_equal(found["path"], path)
    np.testing.assert_allclose(found["joint"][0], joint, rtol=1e-12)


@pytest.mark.parametrize("copies", [1, 9])
def test_densities_of_any_size_neither_overflow_nor_vanish(copies, rng):
    K, T = 3, 400
    one = rng.choice([-1e5, -1e3, 0.0, 1e3, 1e5], size=(T, K)) + rng.normal(size=(T, K))
    initial, transitions = random_chain(rng, K)
    found = run(np.tile(one, (copies, 1)), [T] * copies, initial, transitions)
    total, posteriors, pairs, _ = reference.expectation(one, *initial, *transitions)
    np.testing.assert_allclose(found["log_likelihood"], total, rtol=1e-12)
    np.testing.assert_allclose(found["posteriors"][:T], posteriors, atol=1e-6)
    np.testing.assert_allclose(found["pairs"], copies * pairs, atol=1e-5)


@pytest.mark.parametrize("copies", [1, 9])
def test_zeros_in_the_chain_against_the_data_are_done_with_logarithms(copies, rng):
    # From state 0 there is no way but 0 -> 1 -> 2 -> 0, and the rows say otherwise by 2000 nats.
    start = np.array([1.0, 0.0, 0.0])
    transmat = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    T = 50
    one = rng.normal(size=(T, 3))
    one[np.arange(T), (np.arange(T) + 1) % 3] += 2000
    found = run(np.tile(one, (copies, 1)), [T] * copies, InitialState(start), Transitions(transmat))
    states = np.arange(T) % 3
    np.testing.assert_allclose(found["log_likelihood"], one[np.arange(T), states].sum())
    np.testing.assert_array_equal(found["posteriors"][:T].argmax(axis=1), states)
    np.testing.assert_allclose(found["posteriors"].max(axis=1), 1)
    np.testing.assert_array_equal(found["path"][:T], states)
    np.testing.assert_allclose(found["pairs"].sum(), copies * (T - 1))


@pytest.mark.parametrize("copies", [1, 9])
def test_impossible_rows_give_minus_infinity_and_posteriors_without_nan(copies):
    T = 6
    one = np.zeros((T, 2))
    one[2] = -np.inf  # no state emits this row
    one[4, 1] = -np.inf  # only state 0 emits it, and 1 never goes to 0
    initial, transitions = InitialState(np.array([0.0, 1.0])), Transitions(np.eye(2))
    found = run(np.tile(one, (copies, 1)), [T] * copies, initial, transitions)
    assert (found["log_likelihood"] == -np.inf).all()
    assert (found["joint"] == -np.inf).all()
    expected = np.array([[0, 1], [0, 1], [0, 1], [0, 1], [1, 0], [1, 0]])
    for name in ("posteriors", "filtered"):
        np.testing.assert_allclose(found[name], np.tile(expected, (copies, 1)), err_msg=name)
    np.testing.assert_array_equal(found["path"][:T], [1, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(np.isneginf(found["rows"][:T]), [0, 0, 1, 0, 1, 0])
    np.testing.assert_allclose(found["pairs"], copies * np.array([[1.0, 0], [0, 3]]))


def test_one_impossible_sequence_leaves_the_others_alone(rng):
    K, T = 3, 40
    log_density = rng.normal(size=(9 * T, K))
    initial, transitions = random_chain(rng, K)
    before = run(log_density, [T] * 9, initial, transitions)
    log_density[4 * T + 7] = -np.inf
    after = run(log_density, [T] * 9, initial, transitions)
    others = np.arange(9) != 4
    np.testing.assert_array_equal(before["log_likelihood"][others], after["log_likelihood"][others])
    rows = np.repeat(others, T)
    np.testing.assert_array_equal(before["posteriors"][rows], after["posteriors"][rows])
    assert np.isneginf(after["log_likelihood"][4])
    assert np.isfinite(after["pairs"]).all()


def test_weights_count_sequences_as_often_as_they_say(rng):
    K, lengths = 3, [4, 9, 2, 30]
    log_density = rng.normal(size=(sum(lengths), K))
    initial, transitions = random_chain(rng, K)
    weights = np.array([2.0, 0.0, 3.0, 1.0])
    weighted = run(log_density, lengths, initial, transitions, weights)
    rows = pieces(lengths)
    index = np.concatenate([np.arange(rows[s].start, rows[s].stop) for s in (0, 0, 2, 2, 2, 3)])
    repeated = run(log_density[index], [4, 4, 2, 2, 2, 30], initial, transitions)
    np.testing.assert_allclose(weighted["pairs"], repeated["pairs"], rtol=1e-12)
    np.testing.assert_allclose(weighted["starts"], repeated["starts"], rtol=1e-12)
    np.testing.assert_allclose(weighted["posteriors"].sum(), repeated["posteriors"].sum())


def test_ties_go_to_the_lowest_state():
    log_density = np.zeros((20, 3))
    initial, transitions = InitialState(np.full(3, 1 / 3)), Transitions(np.full((3, 3), 1 / 3))
    for lengths in ([20], [2] * 10):
        assert (run(log_density, lengths, initial, transitions)["path"] == 0).all()


def test_arithmetic_of_the_process_is_left_alone(rng):
    initial, transitions = random_chain(rng, 3)
    run(rng.normal(size=(300, 3)), [100, 100, 100], initial, transitions)
    run(rng.normal(size=(300, 3)), [300], initial, transitions)
    assert np.float64(0.25) * np.float64(2.0**-1022) > 0  # denormal numbers are still numbers


@pytest.mark.parametrize(
    ("lengths", "n_groups", "n_singles"),
    [([10], 0, 1), ([10, 10], 0, 2), ([10] * 3, 1, 0), ([10] * 9, 1, 1), ([9, 1, 1], 0, 3)],
)
def test_schedule_runs_like_lengths_together(lengths, n_groups, n_singles):
    sequences = Sequences.of(lengths, 4)
    assert (len(sequences.groups), len(sequences.singles)) == (n_groups, n_singles)
    found = np.sort(np.concatenate([sequences.groups.ravel(), sequences.singles]))
    np.testing.assert_array_equal(found[found >= 0], np.arange(len(lengths)))
