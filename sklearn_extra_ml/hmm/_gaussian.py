"""A hidden Markov model with Gaussian emissions."""

from numbers import Real

import numpy as np

from .._core._gaussian import COVARIANCES
from .._core._validation import Interval, StrOptions, bad_value
from ._base import BaseHMM
from ._baum_welch import Model
from ._emissions import GaussianEmission
from ._starts import SEEDINGS, blend_statistics, chain_from_labels, cluster_labels

__all__ = ["GaussianHMM"]

KINDS = ("full", "tied", "diag", "spherical")


class GaussianHMM(BaseHMM):
    """Hidden Markov model whose states emit Gaussian rows.

    A chain moves among `n_components` states; each row is drawn from the Gaussian of the current
    state. Fitted by expectation-maximisation (Baum-Welch), it divides time series into regimes that
    recur (markets, machine states, gestures), gives the probability of each regime at each row and
    the density of new series, and draws series like those it saw.

    Rows are time steps and order matters; where it does not, use
    :class:`sklearn.mixture.GaussianMixture`. Time O(n_samples * (n_components ** 2 + n_components *
    n_features)) an iteration ("full", "tied": n_features ** 2), memory for two arrays (n_samples,
    n_components) beside the data.

    Parameters
    ----------
    n_components : int, default=1
        Number of states.

    covariance_type : {"diag", "full", "tied", "spherical"}, default="diag"
        Covariance of each state: a variance for each column; a matrix; one matrix for all states;
        one variance.

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
        Where EM starts: from k-means of the rows, columns scaled to unit variance, and the
        transitions between its labels; or from rows drawn at random, the best of ten such starts
        after five iterations.

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

    means_ : ndarray of shape (n_components, n_features)
        Mean of each state.

    covars_ : ndarray
        (n_components, n_features) for "diag", (n_components, n_features, n_features) for "full",
        (n_features, n_features) for "tied", (n_components,) for "spherical".

    stationary_distribution_ : ndarray of shape (n_components,)
        Long-run share of time in each state.

    history_ : ndarray of shape (`n_iter_` + 1,)
        Objective of the best run, nats a row: at its start and after each iteration. The mean
        log-likelihood of a row, of rows and known states together where `states` were given, less
        ``reg_covar / 2`` times the expected trace of the precision.

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
    GMMHMM : Several Gaussians for each state.
    CategoricalHMM : For symbols.
    PoissonHMM : For counts.
    sklearn.mixture.GaussianMixture : The same without order in time.

    Notes
    -----
    `startprob_`, `transmat_`, `means_` and `covars_` may be set; every method reads them anew. See
    `from_parameters` for a model made without fitting.

    References
    ----------
    .. [1] L. Baum, T. Petrie, G. Soules, N. Weiss (1970), A maximization technique occurring in the
       statistical analysis of probabilistic functions of Markov chains. Ann. Math. Statist. 41.
    .. [2] L. Rabiner (1989), A tutorial on hidden Markov models and selected applications in speech
       recognition. Proc. IEEE 77.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.hmm import GaussianHMM
    >>> truth = GaussianHMM.from_parameters(
    ...     startprob=[0.5, 0.5],
    ...     transmat=[[0.95, 0.05], [0.1, 0.9]],
    ...     means=[[0.0], [3.0]],
    ...     covars=[[1.0], [0.5]],
    ... )
    >>> X, states = truth.sample(2000, random_state=0)
    >>> model = GaussianHMM(n_components=2, random_state=0).fit(X)
    >>> order = np.argsort(model.means_[:, 0])
    >>> bool(np.allclose(model.means_[order], truth.means_, atol=0.15))
    True
    >>> bool(np.mean(np.argsort(order)[model.predict(X)] == states) > 0.97)
    True
    """

    _parameter_constraints: dict = {
        **BaseHMM._parameter_constraints,
        "covariance_type": [StrOptions(set(KINDS))],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
        "init_params": [StrOptions(set(SEEDINGS))],
    }
    _emission_names = ("means_", "covars_")

    def __init__(
        self,
        n_components=1,
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
        cls, startprob, transmat, means, covars, *, covariance_type="diag", **params
    ):
        """Return a model with known parameters, as if fitted.

        Parameters
        ----------
        startprob : array-like of shape (n_components,)
        transmat : array-like of shape (n_components, n_components)
        means : array-like of shape (n_components, n_features)
        covars : array-like
            Shaped as `covars_`.
        covariance_type : {"diag", "full", "tied", "spherical"}, default="diag"
        **params
            Further parameters of the class.

        Returns
        -------
        model : GaussianHMM
        """
        emission = {
            "means_": np.array(means, dtype=np.float64),
            "covars_": np.array(covars, dtype=np.float64),
        }
        params["covariance_type"] = covariance_type
        return cls._from_parameters(startprob, transmat, emission, params)

    @property
    def _one_start(self):
        return self.init_params == "kmeans"

    def _emission(self):
        means = np.asarray(self.means_, np.float64)
        covars = np.asarray(self.covars_, np.float64)
        K = len(self.startprob_)
        if means.ndim != 2 or len(means) != K or not np.isfinite(means).all():
            raise bad_value("means_", means, "are no means", f"shape ({K}, n_features)", "")
        d = means.shape[1]
        shape = {"full": (K, d, d), "tied": (d, d), "diag": (K, d), "spherical": (K,)}
        check_covariances(covars, shape[self.covariance_type], self.covariance_type)
        return GaussianEmission.of(self.covariance_type, means, covars, self.reg_covar)

    def _emission_attributes(self, emission):
        gaussian = emission.gaussian
        return {"means_": gaussian.means, "covars_": gaussian.covariances}

    def _check_rows(self, X, *, reset=False):
        if not reset:
            self._check_width(X, np.shape(self.means_)[1], "means")
        return X

    def _draw_start(self, problem, weights, states, rng):
        X, sequences = problem.data, problem.sequences
        per_row = problem.row_weights
        labels = cluster_labels(
            X,
            sequences.n_states,
            seeding=self.init_params,
            weights=per_row,
            states=states,
            rng=rng,
            n_threads=problem.n_threads,
        )
        family = COVARIANCES[self.covariance_type]
        statistics = family.accumulate(
            X,
            labels,
            n_components=sequences.n_states,
            sample_weight=per_row,
            n_threads=problem.n_threads,
        )
        gaussian = family.maximise(blend_statistics(statistics, family), reg_covar=self.reg_covar)
        return Model(
            *chain_from_labels(labels, sequences, weights),
            GaussianEmission(gaussian, self.reg_covar),
        )


def check_covariances(covars, shape, kind):
    """Refuse what are no covariances of one of the `KINDS`, by the shape that they must have."""
    if covars.shape != shape:
        raise bad_value(
            "covars_",
            covars,
            f"has the shape {covars.shape} with covariance_type={kind!r}",
            f"shape {shape}",
            "",
        )
    dense = kind in ("full", "tied")
    variances = np.diagonal(covars, axis1=-2, axis2=-1) if dense else covars
    if not np.isfinite(covars).all() or not (variances > 0).all():
        raise bad_value("covars_", covars, "has variances that are not positive", "> 0", "")
    if dense:
        _check_positive_definite(covars)


def _check_positive_definite(covars):
    """Refuse matrices that are no covariances."""
    if not np.allclose(covars, np.swapaxes(covars, -1, -2), rtol=1e-6, atol=0):
        raise bad_value("covars_", covars, "is not symmetric", "symmetric matrices", "")
    smallest = np.linalg.eigvalsh(covars).min()
    if smallest < 0 and -smallest > 1e-10 * np.abs(covars).max():
        raise bad_value(
            "covars_",
            covars,
            f"has an eigenvalue of {smallest:.3g}",
            "positive definite matrices",
            "",
        )
