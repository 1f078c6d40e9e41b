"""A hidden Markov model with categorical emissions."""

from numbers import Integral, Real

import numpy as np

from .._core._validation import Interval, bad_value, warn
from ._base import BaseHMM
from ._baum_welch import Model
from ._emissions import CategoricalEmission
from ._starts import random_chain

__all__ = ["CategoricalHMM"]


class CategoricalHMM(BaseHMM):
    """Hidden Markov model whose states emit symbols.

    A chain moves among `n_components` states; each row is a symbol, coded 0, 1, 2, ..., drawn from
    the current state's distribution. With several columns each is a symbol of its own, independent
    of the others given the state. For words, bases, clicks, dice: what has no order or distance.
    Encode other labels with :class:`sklearn.preprocessing.OrdinalEncoder`. Time O(n_samples *
    (n_components ** 2 + n_components * n_features)) an iteration, memory for two arrays (n_samples,
    n_components) beside the data.

    Parameters
    ----------
    n_components : int, default=1
        Number of states.

    sequence_col : int or str, default=None
        Column of X (position, or name in a data frame) that holds the id of each row's sequence. It
        is taken out before modelling. A new sequence begins wherever the id changes.

    n_categories : int or array-like of int of shape (n_features,), default=None
        Number of categories of each column. None: one more than the largest code seen in `fit`. A
        code beyond it is no error later: its probability is 0.

    alpha : float, default=0.0
        Added to the expected count of every category of every state in each M-step (a Dirichlet
        prior of alpha + 1), so that what a state did not emit keeps a probability: 0 leaves the
        most likely model, in which one row never seen in `fit` makes a series impossible (score
        -inf). Give `n_categories` too where `fit` may not see all of them.

    missing : {"error", "ignore"}, default="error"
        What becomes of rows that are missing, NaN in every column. "ignore": time passes, and they tell
        nothing of the state; rows of NaN behind the last one show what is to come. Rows that are NaN in
        some columns only are refused in either case.

    n_init : int, default=1
        Number of runs of EM from different starts; the one of highest likelihood is kept.

    max_iter : int, default=200
        Iterations of a run at most.

    tol : float, default=1e-5
        A run ends when an iteration raises the mean log-likelihood of a row by no more than this
        (nats).

    warm_start : bool, default=False
        Start from the parameters that the estimator has, learnt or set.

    random_state : int, RandomState instance or None, default=None
        Seeds the starts, and `sample`. A start is the best of ten random ones after five iterations.

    n_jobs : int, default=None
        Threads; None means all that OpenMP would use. Results do not depend on it.

    Attributes
    ----------
    startprob_ : ndarray of shape (n_components,)
        Probability of each state at the first row of a sequence.

    transmat_ : ndarray of shape (n_components, n_components)
        Probability of going from state i (row) to state j (column).

    emissionprob_ : ndarray of shape (n_components, n_categories), or list of them
        Probability of each symbol in each state; with several columns a list with one array each.

    stationary_distribution_ : ndarray of shape (n_components,)
        Long-run share of time in each state.

    history_ : ndarray of shape (`n_iter_` + 1,)
        Objective of the best run, nats a row: at its start and after each iteration. The mean
        log-likelihood of a row, and where `alpha` is given the log-prior (without its constant)
        divided by the number of rows.

    n_iter_ : int
        Iterations of the best run.

    converged_ : bool
        Whether it reached `tol`.

    n_features_in_ : int
        Number of features seen during `fit`. The column of ids is one.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    GaussianHMM : For measurements.
    PoissonHMM : For counts.

    References
    ----------
    .. [1] L. Rabiner (1989), A tutorial on hidden Markov models and selected applications in speech
       recognition. Proc. IEEE 77.

    Examples
    --------
    A fair and a loaded die; the most likely die for each throw.

    >>> from sklearn_extra_ml.hmm import CategoricalHMM
    >>> casino = CategoricalHMM.from_parameters(
    ...     startprob=[0.5, 0.5],
    ...     transmat=[[0.9, 0.1], [0.1, 0.9]],
    ...     emissionprob=[[1 / 6] * 6, [0.05, 0.05, 0.05, 0.05, 0.05, 0.75]],
    ... )
    >>> casino.predict([[0], [3], [1], [5], [5], [5], [5], [2], [0], [4]])
    array([0, 0, 0, 1, 1, 1, 1, 0, 0, 0], dtype=int32)
    """

    _parameter_constraints: dict = {
        **BaseHMM._parameter_constraints,
        "n_categories": ["array-like", Interval(Integral, 1, None, closed="left"), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
    }
    _emission_names = ("emissionprob_",)

    def __init__(
        self,
        n_components=1,
        *,
        sequence_col=None,
        n_categories=None,
        alpha=0.0,
        missing="error",
        n_init=1,
        max_iter=200,
        tol=1e-5,
        warm_start=False,
        random_state=None,
        n_jobs=None,
    ):
        self.n_components = n_components
        self.sequence_col = sequence_col
        self.n_categories = n_categories
        self.alpha = alpha
        self.missing = missing
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs

    @classmethod
    def from_parameters(cls, startprob, transmat, emissionprob, **params):
        """Return a model with known parameters, as if fitted.

        Parameters
        ----------
        startprob : array-like of shape (n_components,)
        transmat : array-like of shape (n_components, n_components)
        emissionprob : array-like of shape (n_components, n_categories), or list of them
        **params
            Further parameters of the class.

        Returns
        -------
        model : CategoricalHMM
        """
        if np.ndim(emissionprob[0]) == 2:
            emissionprob = [np.array(p, dtype=np.float64) for p in emissionprob]
        else:
            emissionprob = np.array(emissionprob, dtype=np.float64)
        emission = {"emissionprob_": emissionprob}
        return cls._from_parameters(startprob, transmat, emission, params)

    def _emission(self):
        given, K = self.emissionprob_, len(self.startprob_)
        given = given if np.ndim(given[0]) == 2 else [given]
        probabilities = [np.asarray(p, np.float64) for p in given]
        for p in probabilities:
            good = p.ndim == 2 and len(p) == K and (p >= 0).all()
            if not good or not np.allclose(p.sum(axis=1), 1, rtol=0, atol=1e-6):
                raise bad_value(
                    "emissionprob_",
                    p,
                    "are no probabilities",
                    f"numbers from 0 to 1, shape ({K}, n_categories), rows that add up to 1",
                    "Divide by the sum.",
                )
        return CategoricalEmission.of(probabilities, float(self.alpha))

    def _emission_attributes(self, emission):
        probabilities = emission.probabilities
        return {"emissionprob_": probabilities[0] if len(probabilities) == 1 else probabilities}

    def _read(self, X, groups, lengths, *, reset=False):
        try:
            return super()._read(X, groups, lengths, reset=reset)
        except ValueError as error:
            if "could not convert string" not in str(error):
                raise
            raise ValueError(
                f"{type(self).__name__} takes codes of categories, but X holds words ({error}). "
                "Allowed: integers from 0 on. Encode with OrdinalEncoder."
            ) from None

    def _check_rows(self, X, *, reset=False):
        if X.min() < 0:
            raise ValueError(
                f"Negative values in data passed to {type(self).__name__}: the smallest code is "
                f"{X.min():g}. Allowed: integers from 0 on. Encode with OrdinalEncoder."
            )
        largest = X.max(axis=0)
        if largest.max() > np.iinfo(np.int32).max // 2:
            raise ValueError(
                f"{type(self).__name__} takes codes of categories, but X holds {largest.max():g}. "
                "Allowed: integers from 0 on, without large gaps. Encode with OrdinalEncoder."
            )
        if (X != np.floor(X)).any():
            warn(
                f"{type(self).__name__} takes codes of categories, but X holds fractions such as "
                f"{X[X != np.floor(X)][0]:g}; their integer parts are taken. Encode with "
                "OrdinalEncoder, or use GaussianHMM for measurements.",
            )
        if not reset:
            given = self.emissionprob_
            n_columns = len(given) if np.ndim(given[0]) == 2 else 1
            if X.shape[1] != n_columns:
                raise ValueError(
                    f"X has {X.shape[1]} columns to model, but `emissionprob_` {n_columns}. "
                    "Allowed: as many."
                )
        elif self.n_categories is not None:
            self._sizes(largest)
        return X.astype(np.int32)

    def _sizes(self, largest):
        """Categories of each column."""
        if self.n_categories is None:
            return largest.astype(np.intp) + 1
        sizes = np.broadcast_to(np.asarray(self.n_categories), largest.shape)
        if sizes.dtype.kind not in "iu" or (sizes <= largest).any():
            raise bad_value(
                "n_categories",
                self.n_categories,
                f"does not cover the codes of X, up to {largest.astype(int).tolist()}",
                "integers larger than the largest code of each column",
                "Raise it, or leave it None.",
            )
        return sizes.astype(np.intp)

    def _draw_start(self, problem, weights, states, rng):
        codes, K = problem.data, problem.sequences.n_states
        sizes = self._sizes(codes.max(axis=0))
        chain = random_chain(K, rng)
        probabilities = []
        for size, column in zip(sizes, codes.T, strict=True):
            marginal = np.bincount(column, problem.row_weights, minlength=size) + self.alpha
            marginal = marginal / marginal.sum()
            drawn = marginal * rng.standard_exponential(size=(K, size))
            drawn /= drawn.sum(axis=1, keepdims=True)
            if states is not None:
                known = states >= 0
                np.add.at(drawn, (states[known], column[known]), 1.0)
                drawn /= drawn.sum(axis=1, keepdims=True)
            probabilities.append(drawn)
        return Model(*chain, CategoricalEmission.of(probabilities, float(self.alpha)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.positive_only = True
        return tags
