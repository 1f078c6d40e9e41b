"""A hidden Markov model with Poisson emissions."""

import numpy as np

from .._core._validation import bad_value
from ._baum_welch import Model
from ._counts import BaseCountHMM
from ._emissions import Counts, PoissonEmission
from ._starts import chain_from_labels

__all__ = ["PoissonHMM"]


class PoissonHMM(BaseCountHMM):
    """Hidden Markov model whose states emit independent Poisson counts.

    A chain moves among `n_components` states; each column of a row is a count drawn at the rate of
    the current state. For numbers of events in equal spans of time: calls, spikes, accidents,
    trades. Time O(n_samples * (n_components ** 2 + n_components * n_features)) an iteration, memory
    for two arrays (n_samples, n_components) beside the data.

    Not for counts that vary more than their mean within a state; states then split to make up.

    Parameters
    ----------
    n_components : int, default=1
        Number of states.

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
        Where EM starts: from k-means of the square roots of the counts and the transitions between
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

    lambdas_ : ndarray of shape (n_components, n_features)
        Rate of each state and column, in counts a row.

    stationary_distribution_ : ndarray of shape (n_components,)
        Long-run share of time in each state.

    history_ : ndarray of shape (`n_iter_` + 1,)
        Mean log-likelihood of a row (nats) in the best run, at its start and after each iteration.

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
    CategoricalHMM : For symbols.

    Notes
    -----
    Counts may be fractions (rates, averages of counts): the same formula is taken, with the gamma
    function for the factorial. A rate may become 0; a count in such a state is then impossible.

    References
    ----------
    .. [1] W. Zucchini, I. MacDonald, R. Langrock (2016), Hidden Markov models for time series,
       section 1.

    Examples
    --------
    >>> from sklearn_extra_ml.hmm import PoissonHMM
    >>> truth = PoissonHMM.from_parameters(
    ...     startprob=[0.5, 0.5], transmat=[[0.9, 0.1], [0.2, 0.8]], lambdas=[[1.0], [8.0]]
    ... )
    >>> X, _ = truth.sample(2000, random_state=0)
    >>> model = PoissonHMM(n_components=2, random_state=0).fit(X)
    >>> sorted(model.lambdas_.ravel().round().tolist())
    [1.0, 8.0]
    """

    _emission_names = ("lambdas_",)

    def __init__(
        self,
        n_components=1,
        *,
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
    def from_parameters(cls, startprob, transmat, lambdas, **params):
        """Return a model with known parameters, as if fitted.

        Parameters
        ----------
        startprob : array-like of shape (n_components,)
        transmat : array-like of shape (n_components, n_components)
        lambdas : array-like of shape (n_components, n_features)
        **params
            Further parameters of the class.

        Returns
        -------
        model : PoissonHMM
        """
        emission = {"lambdas_": np.array(lambdas, dtype=np.float64)}
        return cls._from_parameters(startprob, transmat, emission, params)

    def _emission(self):
        rates, K = np.asarray(self.lambdas_, np.float64), len(self.startprob_)
        good = rates.ndim == 2 and len(rates) == K and np.isfinite(rates).all()
        if not good or (rates < 0).any():
            raise bad_value(
                "lambdas_", rates, "are no rates", f"numbers from 0 on, shape ({K}, n_features)", ""
            )
        return PoissonEmission(rates)

    def _emission_attributes(self, emission):
        return {"lambdas_": emission.table}

    def _check_rows(self, X, *, reset=False):
        if not reset:
            self._check_width(X, np.shape(self.lambdas_)[1], "rates")
        self._refuse_negative(X)
        return Counts.of(X)

    def _draw_start(self, problem, weights, states, rng):
        # square roots have equal variances, whatever the rate
        labels, found = self._clusters(problem, np.sqrt(problem.data.X), states, rng)
        overall = found.weights @ found.means / found.weights.sum()
        # A tenth of the overall mean: no rate starts at 0, from where it could not rise.
        rates = np.where(found.weights[:, None] > 0, 0.9 * found.means + 0.1 * overall, overall)
        return Model(*chain_from_labels(labels, problem.sequences, weights), PoissonEmission(rates))
