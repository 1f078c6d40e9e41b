"""A hidden Markov model whose states emit mixtures of Gaussians."""

from numbers import Integral, Real

import numpy as np

from .._core._gaussian import COVARIANCES
from .._core._validation import Interval, StrOptions, bad_value
from ._base import N_CANDIDATES, BaseHMM
from ._baum_welch import Model
from ._gaussian import KINDS, check_covariances
from ._mixture_emission import MixtureEmission
from ._starts import (
    SEEDINGS,
    blend_statistics,
    chain_from_labels,
    cluster_labels,
    part_labels,
    succession_labels,
)

__all__ = ["GMMHMM"]


class GMMHMM(BaseHMM):
    """Hidden Markov model whose states emit mixtures of Gaussians.

    A chain moves among `n_components` states; each row is drawn from one of `n_mix` Gaussians of the
    current state, chosen anew at each row. For regimes whose rows are skewed, have heavy tails or
    several modes: a machine under way that meets light and heavy loads, calm days with rare shocks.
    Where the modes follow each other in time they are states of their own: `GaussianHMM`.

    Time O(n_samples * (n_components ** 2 + n_components * n_mix * n_features)) an iteration ("full",
    "tied": n_features ** 2), memory for two arrays (n_samples, n_components) and one (n_samples,
    n_components * n_mix) beside the data.

    Parameters
    ----------
    n_components : int, default=1
        Number of states.

    n_mix : int, default=1
        Number of Gaussians in the mixture of each state.

    covariance_type : {"diag", "full", "tied", "spherical"}, default="diag"
        Covariance of each Gaussian: a variance for each column; a matrix; one matrix for all Gaussians
        of a state; one variance.

    sequence_col : int or str, default=None
        Column of X (position, or name in a data frame) that holds the id of each row's sequence. It
        is taken out before modelling. A new sequence begins wherever the id changes. It needs no
        metadata routing and passes through pipelines, splitters and scorers.

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

    reg_covar : float, default=1e-6
        Added to every variance in every M-step, in squared units of X: the likelihood that EM
        maximises is that of rows blurred by noise of this variance, so no state shrinks to a point.

    init_params : {"kmeans", "random"}, default="kmeans"
        Where EM starts. From k-means of the rows, columns scaled to unit variance, in two ways, of which
        the better after five iterations is taken: `n_components` clusters, each divided into `n_mix`;
        or twice as many clusters as there are Gaussians, joined to states where the same clusters come
        before and after them. "random": five times each, from rows drawn at random in place of k-means.

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

    weights_ : ndarray of shape (n_components, n_mix)
        Share of each Gaussian in the mixture of its state.

    means_ : ndarray of shape (n_components, n_mix, n_features)
        Mean of each Gaussian.

    covars_ : ndarray
        (n_components, n_mix, n_features) for "diag", (n_components, n_mix, n_features, n_features) for
        "full", (n_components, n_features, n_features) for "tied", (n_components, n_mix) for
        "spherical".

    stationary_distribution_ : ndarray of shape (n_components,)
        Long-run share of time in each state.

    history_ : ndarray of shape (`n_iter_` + 1,)
        Objective of the best run, nats a row: at its start and after each iteration. The mean
        log-likelihood of a row, of rows and known states together where `states` were given, with
        each Gaussian multiplied by exp of ``-reg_covar / 2`` times the trace of its precision.

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
    GaussianHMM : One Gaussian for each state.
    sklearn.mixture.GaussianMixture : One mixture, without order in time.

    Notes
    -----
    `startprob_`, `transmat_`, `weights_`, `means_` and `covars_` may be set; every method reads them
    anew. See `from_parameters` for a model made without fitting.

    References
    ----------
    .. [1] B.-H. Juang (1985), Maximum-likelihood estimation for mixture multivariate stochastic
       observations of Markov chains. AT&T Technical Journal 64(6).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.hmm import GMMHMM
    >>> truth = GMMHMM.from_parameters(
    ...     startprob=[0.5, 0.5],
    ...     transmat=[[0.95, 0.05], [0.1, 0.9]],
    ...     weights=[[0.5, 0.5], [0.7, 0.3]],
    ...     means=[[[0.0], [6.0]], [[3.0], [9.0]]],
    ...     covars=[[[0.5], [0.5]], [[0.5], [0.5]]],
    ... )
    >>> X, states = truth.sample(2000, random_state=0)
    >>> model = GMMHMM(n_components=2, n_mix=2, random_state=0).fit(X)
    >>> order = np.argsort(model.means_[:, :, 0].min(axis=1))
    >>> bool(np.allclose(np.sort(model.means_[order, :, 0]), [[0, 6], [3, 9]], atol=0.2))
    True
    >>> bool(np.mean(np.argsort(order)[model.predict(X)] == states) > 0.95)
    True
    """

    _parameter_constraints: dict = {
        **BaseHMM._parameter_constraints,
        "n_mix": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions(set(KINDS))],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
        "init_params": [StrOptions(set(SEEDINGS))],
    }
    _emission_names = ("weights_", "means_", "covars_")

    def __init__(
        self,
        n_components=1,
        n_mix=1,
        covariance_type="diag",
        *,
        sequence_col=None,
        missing="error",
        n_init=1,
        max_iter=200,
        tol=1e-5,
        reg_covar=1e-6,
        init_params="kmeans",
        warm_start=False,
        random_state=None,
        n_jobs=None,
    ):
        self.n_components = n_components
        self.n_mix = n_mix
        self.covariance_type = covariance_type
        self.sequence_col = sequence_col
        self.missing = missing
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.reg_covar = reg_covar
        self.init_params = init_params
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs

    @classmethod
    def from_parameters(
        cls, startprob, transmat, weights, means, covars, *, covariance_type="diag", **params
    ):
        """Return a model with known parameters, as if fitted.

        Parameters
        ----------
        startprob : array-like of shape (n_components,)
        transmat : array-like of shape (n_components, n_components)
        weights : array-like of shape (n_components, n_mix)
        means : array-like of shape (n_components, n_mix, n_features)
        covars : array-like
            Shaped as `covars_`.
        covariance_type : {"diag", "full", "tied", "spherical"}, default="diag"
        **params
            Further parameters of the class.

        Returns
        -------
        model : GMMHMM
        """
        emission = {
            "weights_": np.array(weights, dtype=np.float64),
            "means_": np.array(means, dtype=np.float64),
            "covars_": np.array(covars, dtype=np.float64),
        }
        params["covariance_type"] = covariance_type
        if emission["weights_"].ndim == 2:
            params.setdefault("n_mix", emission["weights_"].shape[1])
        return cls._from_parameters(startprob, transmat, emission, params)

    def _emission(self):
        weights = np.asarray(self.weights_, np.float64)
        means = np.asarray(self.means_, np.float64)
        covars = np.asarray(self.covars_, np.float64)
        K = len(self.startprob_)
        good = weights.ndim == 2 and len(weights) == K and weights.size and (weights >= 0).all()
        if not good or not np.allclose(weights.sum(axis=1), 1):
            raise bad_value(
                "weights_",
                weights,
                "are no shares",
                f"numbers from 0 on, shape ({K}, n_mix), that sum to 1 in each row",
                "",
            )
        M = weights.shape[1]
        if means.ndim != 3 or means.shape[:2] != (K, M) or not np.isfinite(means).all():
            raise bad_value("means_", means, "are no means", f"shape ({K}, {M}, n_features)", "")
        d = means.shape[2]
        shape = {"full": (K, M, d, d), "tied": (K, d, d), "diag": (K, M, d), "spherical": (K, M)}
        check_covariances(covars, shape[self.covariance_type], self.covariance_type)
        return MixtureEmission.of(self.covariance_type, weights, means, covars, self.reg_covar)

    def _emission_attributes(self, emission):
        return {
            "weights_": emission.weights,
            "means_": emission.means,
            "covars_": emission.covariances,
        }

    def _check_rows(self, X, *, reset=False):
        if not reset:
            self._check_width(X, np.shape(self.means_)[2], "means")
        return X

    def _run(self, problem, weights, states, watch):
        if self.warm_start and self.__sklearn_is_fitted__():
            self._refuse_to_go_on("n_mix", np.shape(self.weights_)[-1], "Gaussians of each state")
        return super()._run(problem, weights, states, watch)

    @property
    def _n_clusters(self):
        """Clusters that states are joined from: pure ones matter more than few."""
        return 2 * self.n_components * self.n_mix

    def _draw_starts(self, problem, weights, states, rng):
        """Starts by place and by succession; the second needs parts, and names no known states."""
        places = [False]
        per_row = problem.row_weights
        n_counted = len(problem.data) if per_row is None else np.count_nonzero(per_row)
        has_parts = self.n_components > 1 and self.n_mix > 1 and n_counted >= self._n_clusters
        if has_parts and problem.known is None:
            places.append(True)
        n_draws = 1 if self.init_params == "kmeans" else N_CANDIDATES // len(places)
        return [
            self._draw_start(problem, weights, states, rng, by_succession=by_succession)
            for _ in range(n_draws)
            for by_succession in places
        ]

    def _draw_start(self, problem, weights, states, rng, *, by_succession=False):
        X, sequences, K, M = problem.data, problem.sequences, self.n_components, self.n_mix
        per_row = problem.row_weights
        options = {
            "seeding": self.init_params,
            "weights": per_row,
            "rng": rng,
            "n_threads": problem.n_threads,
        }
        if by_succession:
            labels = succession_labels(X, K, self._n_clusters, sequences, **options)
        else:
            labels = cluster_labels(X, K, states=states, **options)
        parts = part_labels(X, labels, K, M, **options)
        one_covariance = self.covariance_type == "tied"
        family = COVARIANCES["full" if one_covariance else self.covariance_type]
        found = family.accumulate(
            X, parts, n_components=K * M, sample_weight=per_row, n_threads=problem.n_threads
        )
        found = blend_statistics(found, family)
        shares = found.weights.reshape(K, M)
        emission = MixtureEmission(
            shares / shares.sum(axis=1, keepdims=True),
            family.maximise(found, reg_covar=self.reg_covar),
            one_covariance=one_covariance,
            reg_covar=self.reg_covar,
        )
        if one_covariance:
            emission = emission.maximise(found)
        return Model(*chain_from_labels(labels, sequences, weights), emission)
