"""A hidden Markov model whose states emit counts of categories."""

from numbers import Integral, Real

import numpy as np

from .._core._validation import Interval, bad_value, warn
from ._baum_welch import Model
from ._counts import BaseCountHMM
from ._emissions import Counts, MultinomialEmission
from ._starts import chain_from_labels

__all__ = ["MultinomialHMM"]


class MultinomialHMM(BaseCountHMM):
    """Hidden Markov model whose states emit counts of categories.

    A chain moves among `n_components` states; the columns of a row count how many of its trials fell
    into each category, with the current state's probabilities. The number of trials of a row is taken
    as given: states differ by shares, not by totals. For words of a document's sentences, purchases by
    department, calls by type, species in a sample. Time O(n_samples * (n_components ** 2 +
    n_components * n_features)) an iteration, memory for two arrays (n_samples, n_components) beside the
    data.

    Where the totals tell the states apart too: `PoissonHMM`. One trial a row, as a code:
    `CategoricalHMM`.

    Parameters
    ----------
    n_components : int, default=1
        Number of states.

    n_trials : int, default=None
        Trials of each row that `sample` draws. None: the mean total of the training rows, rounded.

    alpha : float, default=0.0
        Added to the expected count of every category of every state in each M-step (a Dirichlet
        prior of alpha + 1), so that what a state did not emit keeps a probability: 0 leaves the
        most likely model, in which one row never seen in `fit` makes a series impossible (score
        -inf).

    sequence_col : int or str, default=None
        Column of X (position, or name in a data frame) that holds the id of each row's sequence. It
        is taken out before modelling. A new sequence begins wherever the id changes.

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

    init_params : {"kmeans", "random"}, default="kmeans"
        Where EM starts: from k-means of the square roots of the rows' shares and the transitions between
        its labels; or from rows drawn at random, the best of ten such starts after five iterations.

    warm_start : bool, default=False
        Start from the parameters that the estimator has, learnt or set.

    random_state : int, RandomState instance or None, default=None
        Seeds the starts, and `sample`.

    n_jobs : int, default=None
        Threads; None means all that OpenMP would use. Results do not depend on it.

    Attributes
    ----------
    startprob_ : ndarray of shape (n_components,)
        Probability of each state at the first row of a sequence.

    transmat_ : ndarray of shape (n_components, n_components)
        Probability of going from state i (row) to state j (column).

    emissionprob_ : ndarray of shape (n_components, n_features)
        Probability of each category in each state.

    n_trials_ : int
        Trials of a row that `sample` draws.

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
    PoissonHMM : For counts whose totals differ between states.
    CategoricalHMM : For symbols.

    Notes
    -----
    Counts may be fractions: the same formula is taken, with the gamma function for the factorial. A
    probability may become 0; such a category is then impossible in that state. A row without counts
    tells nothing about the state. Columns of zeros are allowed.

    References
    ----------
    .. [1] W. Zucchini, I. MacDonald, R. Langrock (2016), Hidden Markov models for time series,
       section 9.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.hmm import MultinomialHMM
    >>> truth = MultinomialHMM.from_parameters(
    ...     startprob=[0.5, 0.5],
    ...     transmat=[[0.9, 0.1], [0.2, 0.8]],
    ...     emissionprob=[[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]],
    ...     n_trials=12,
    ... )
    >>> X, _ = truth.sample(2000, random_state=0)
    >>> model = MultinomialHMM(n_components=2, random_state=0).fit(X)
    >>> order = np.argsort(-model.emissionprob_[:, 0])
    >>> model.emissionprob_[order].round(1).tolist()
    [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]
    """

    _parameter_constraints: dict = {
        **BaseCountHMM._parameter_constraints,
        "n_trials": [Interval(Integral, 1, None, closed="left"), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
    }
    _emission_names = ("emissionprob_",)

    def __init__(
        self,
        n_components=1,
        *,
        n_trials=None,
        alpha=0.0,
        sequence_col=None,
        missing="error",
        n_init=1,
        max_iter=200,
        tol=1e-5,
        init_params="kmeans",
        warm_start=False,
        random_state=None,
        n_jobs=None,
    ):
        self.n_components = n_components
        self.n_trials = n_trials
        self.alpha = alpha
        self.sequence_col = sequence_col
        self.missing = missing
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.init_params = init_params
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
        emissionprob : array-like of shape (n_components, n_features)
        **params
            Further parameters of the class; `sample` needs `n_trials`.

        Returns
        -------
        model : MultinomialHMM
        """
        emission = {"emissionprob_": np.array(emissionprob, dtype=np.float64)}
        return cls._from_parameters(startprob, transmat, emission, params)

    def _emission(self):
        table, K = np.asarray(self.emissionprob_, np.float64), len(self.startprob_)
        good = table.ndim == 2 and len(table) == K and table.size and (table >= 0).all()
        if not good or not np.allclose(table.sum(axis=1), 1):
            raise bad_value(
                "emissionprob_",
                table,
                "are no probabilities",
                f"numbers from 0 on, shape ({K}, n_features), that sum to 1 in each row",
                "",
            )
        return MultinomialEmission(table, self._trials(), float(self.alpha))

    def _trials(self):
        return getattr(self, "n_trials_", None) if self.n_trials is None else self.n_trials

    def _emission_attributes(self, emission):
        return {"emissionprob_": emission.table, "n_trials_": emission.n_trials}

    def _check_rows(self, X, *, reset=False):
        if not reset:
            self._check_width(X, np.shape(self.emissionprob_)[1], "probabilities")
        self._refuse_negative(X)
        if reset and X.shape[1] == 1:
            warn(
                f"{type(self).__name__} takes counts of categories, a column for each, and X has one "
                "column: all states emit the same. For codes of categories use CategoricalHMM, for "
                "counts PoissonHMM."
            )
        return Counts.of(X, known_totals=True)

    def _draw_start(self, problem, weights, states, rng):
        counts = problem.data.X
        totals = counts.sum(axis=1, dtype=np.float64)
        shares = counts / np.where(totals > 0, totals, 1.0)[:, None]
        # square roots have equal variances, whatever the share
        labels, found = self._clusters(problem, np.sqrt(shares), states, rng)
        overall = found.weights @ found.means / found.weights.sum()
        if not overall.sum() > 0:
            raise ValueError(
                "X holds no counts at all: there is nothing to estimate. Allowed: rows of counts, "
                "some above 0."
            )
        overall /= overall.sum()
        sums = found.means.sum(axis=1, keepdims=True)
        own = np.where(sums > 0, found.means / np.where(sums > 0, sums, 1.0), overall)
        # A tenth of the overall shares: no probability starts at 0, from where it could not rise.
        table = 0.9 * own + 0.1 * overall
        mean_total = np.average(totals, weights=problem.row_weights)
        trials = max(1, round(mean_total)) if self.n_trials is None else self.n_trials
        emission = MultinomialEmission(table, trials, float(self.alpha))
        return Model(*chain_from_labels(labels, problem.sequences, weights), emission)
