"""What all hidden Markov models share: input, the run of EM, inference."""

import warnings
from abc import ABCMeta, abstractmethod
from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    DensityMixin,
    TransformerMixin,
)
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from .._core._em import best_run, run_em
from .._core._threads import threads_for_rows
from .._core._validation import (
    Interval,
    StrOptions,
    as_floats,
    bad_value,
    check_sample_weight,
    fit_context,
    warn,
)
from ._baum_welch import BaumWelch, Model
from ._chain import InitialState, Transitions, draw_paths, stationary_distribution
from ._inference import Workspace, filtered, likelihood, smooth, viterbi
from ._sequences import (
    Sequences,
    boundaries,
    fill_gaps,
    join,
    refuse_lengths_as_y,
    split_column,
)
from ._watch import Watch

N_CANDIDATES = 10  # random starts, of which the best after a short run is taken
SHORT_RUN = 5
SHORT_ROWS = 20_000


class BaseHMM(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DensityMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """A chain of hidden states and what they emit.

    A subclass says what its emissions are: `_emission_names` (their learnt attributes), `_emission`
    (from those attributes), `_emission_attributes` (back), `_check_rows` (validated X to what the
    emission takes) and `_draw_start`.
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "sequence_col": [Integral, str, None],
        "missing": [StrOptions({"error", "ignore"})],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }
    _emission_names: tuple = ()
    _one_start = False  # whether starts differ so little that one will do

    # ------------------------------------------------------------------ what a subclass provides

    @abstractmethod
    def _emission(self):
        """Return the emission component made from the learnt attributes."""

    @abstractmethod
    def _emission_attributes(self, emission):
        """Return the learnt attributes of an emission, by name."""

    def _check_width(self, X, n_columns, what):
        """Refuse rows of another number of columns than the learnt (or set) attributes have."""
        if X.shape[1] != n_columns:
            raise ValueError(
                f"X has {X.shape[1]} columns to model, but the {what} have {n_columns}. Allowed: as "
                "many."
            )

    @abstractmethod
    def _check_rows(self, X):
        """Return validated rows as the emission takes them; refuse what it cannot emit."""

    @abstractmethod
    def _draw_start(self, problem, weights, states, rng):
        """Return a `Model` to start from."""

    # --------------------------------------------------------------------------------- parameters

    def _model(self):
        """The learnt attributes as components. They are read anew on every call, so they may be set."""
        model = Model(
            InitialState.checked(self.startprob_),
            Transitions.checked(self.transmat_),
            self._emission(),
        )
        if len(model.initial.probabilities) != len(model.transitions.matrix):
            raise bad_value(
                "transmat_",
                self.transmat_,
                f"has another number of states than `startprob_` "
                f"({len(model.initial.probabilities)})",
                "(n_components, n_components)",
                "",
            )
        return model

    def _attributes(self, model):
        """The learnt attributes of a model, by name."""
        return {
            "startprob_": model.initial.probabilities,
            "transmat_": model.transitions.matrix,
            **self._emission_attributes(model.emission),
        }

    def __sklearn_is_fitted__(self):
        return all(
            hasattr(self, name) for name in ("startprob_", "transmat_", *self._emission_names)
        )

    @classmethod
    def _from_parameters(cls, startprob, transmat, emission, params):
        """An estimator with these parameters as if learnt."""
        names = set(cls._get_param_names())
        unknown = set(params) - names
        if unknown:
            raise TypeError(f"Unknown parameters {sorted(unknown)}. Allowed: {sorted(names)}.")
        startprob = InitialState.checked(startprob, "startprob").probabilities
        model = cls(**{"n_components": len(startprob), **params})
        model.startprob_ = startprob.copy()
        model.transmat_ = Transitions.checked(transmat, "transmat").matrix.copy()
        for name, value in emission.items():
            setattr(model, name, value)
        model._model()
        return model

    @property
    def stationary_distribution_(self):
        """ndarray of shape (n_components,): long-run share of time in each state."""
        check_is_fitted(self)
        return stationary_distribution(
            InitialState.checked(self.startprob_), Transitions.checked(self.transmat_)
        )

    # -------------------------------------------------------------------------------------- input

    def _read(self, X, groups, lengths, *, reset=False):
        """Return validated rows without the id column, lengths of the sequences, and gaps.

        Gaps: which rows are missing, None where none is. They hold numbers all the same.
        """
        X, own = join(X)
        if own is not None:
            if lengths is not None or groups is not None:
                raise ValueError(
                    "X is divided into sequences already. Allowed with a list of arrays or a 3-D "
                    "array: neither `groups` nor `lengths`. Leave them out."
                )
            lengths = own
        ids, options = None, {"dtype": [np.float64, np.float32], "order": "C"}
        if self.missing == "ignore":
            options["ensure_all_finite"] = "allow-nan"
        if self.sequence_col is None:
            X = validate_data(self, X, reset=reset, **options)
        else:
            rest, ids = split_column(X, self.sequence_col)
            validate_data(self, X, reset=reset, skip_check_array=True)
            X = check_array(rest, estimator=self, input_name="X", **options)
        lengths = boundaries(X, groups, lengths, ids=ids)
        X, gaps = fill_gaps(X) if self.missing == "ignore" else (X, None)
        return X, lengths, gaps

    def _prepare(self, X, groups, lengths):
        """Check that the model is fitted; return it, log-densities, a workspace, and gaps."""
        check_is_fitted(self)
        model = self._model()
        X, lengths, gaps = self._read(X, groups, lengths)
        sequences = Sequences.of(lengths, len(model.initial.probabilities))
        space = Workspace(sequences, threads_for_rows(len(X), self.n_jobs))
        density = model.emission.log_density(self._check_rows(X), space.n_threads)
        if gaps is not None:
            density[gaps] = 0.0
        return model, density, space, gaps

    def _check_states(self, states, n_rows):
        if states is None:
            return None
        states = column_or_1d(states)
        if len(states) != n_rows:
            raise ValueError(
                f"`states` has {len(states)} entries, but X has {n_rows} rows. Allowed: one for "
                "each row, -1 where the state is unknown."
            )
        numbers = as_floats(states)
        if numbers.shape != states.shape or not np.isfinite(numbers).all():
            raise bad_value(
                "states",
                states,
                "holds what is no number of a state",
                f"integers from 0 to {self.n_components - 1}, and -1 for unknown",
                "Number the states, for example with LabelEncoder, and write -1 where none is known.",
            )
        whole = numbers.astype(np.intp)
        if (whole != numbers).any() or whole.min() < -1 or whole.max() >= self.n_components:
            raise bad_value(
                "states",
                states,
                f"names states that do not exist with n_components={self.n_components}",
                f"integers from 0 to {self.n_components - 1}, and -1 for unknown",
                "",
            )
        return whole

    def _check_weights(self, sample_weight, X, lengths):
        """Return lengths and weights of the sequences.

        Within a sequence the weight must not change, but for one state: then rows are independent,
        and each may be taken as a sequence.
        """
        if sample_weight is None:
            return lengths, None
        sample_weight = check_sample_weight(sample_weight, X).astype(np.float64)
        first = np.cumsum(lengths) - lengths
        if np.array_equal(np.repeat(sample_weight[first], lengths), sample_weight):
            return lengths, sample_weight[first].copy()
        if self.n_components == 1:
            return np.ones(len(X), np.intp), sample_weight
        raise ValueError(
            "`sample_weight` changes within a sequence. Allowed: the same weight for all rows of a "
            "sequence. Give the sequences by `groups` or `sequence_col`, and each one weight."
        )

    # ---------------------------------------------------------------------------------------- fit

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, groups=None, lengths=None, sample_weight=None, states=None):
        """Estimate the parameters by expectation-maximisation (Baum-Welch).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows are time steps, sequences one after another. Also a list of 2-D arrays or a 3-D
            array (n_sequences, length, n_features), outside pipelines and cross-validation.

        y : Ignored
            Not used, present here for API consistency by convention.

        groups : array-like of shape (n_samples,), default=None
            The id of each row's sequence. A new sequence begins wherever the id changes; an id that
            comes back after a gap is a new sequence. With metadata routing
            (``set_fit_request(groups=True)``) the array that `GroupKFold` splits by. None: all rows
            are one sequence, unless `lengths` or `sequence_col` say otherwise.

        lengths : array-like of shape (n_sequences,), default=None
            Lengths of the sequences. Not for cross-validation, which cannot split them.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, the same for all rows of a sequence: 2 counts a sequence twice.
            With one state rows are independent and may have any weights.

        states : array-like of shape (n_samples,), default=None
            The state of each row where it is known, -1 elsewhere.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        ValueError
            For bad input, fewer rows than states, boundaries that do not fit the rows or are given
            twice, weights that change within a sequence, and states that do not exist.
        """
        refuse_lengths_as_y(X, y)
        given = X
        X, lengths, gaps = self._read(X, groups, lengths, reset=True)
        n_rows = len(X) if gaps is None else int(np.count_nonzero(~gaps))
        if n_rows < self.n_components:
            raise bad_value(
                "n_components",
                self.n_components,
                f"is larger than n_samples={n_rows}{'' if gaps is None else ' that are not missing'}",
                f"1 to {n_rows}",
                "Lower `n_components` or pass more rows.",
            )
        data = self._check_rows(X, reset=True)
        states = self._check_states(states, len(X))
        lengths, weights = self._check_weights(sample_weight, X, lengths)
        problem = BaumWelch(
            data,
            Sequences.of(lengths, self.n_components),
            weights=weights,
            states=states,
            gaps=gaps,
            n_threads=threads_for_rows(len(X), self.n_jobs),
        )

        best = self._run(problem, weights, states, Watch.of(self, given, groups))

        self._store(best)
        return self

    def _run(self, problem, weights, states, watch):
        """All runs of EM; the best one."""
        rng = check_random_state(self.random_state)
        again = self.warm_start and self.__sklearn_is_fitted__()
        if again:
            self._refuse_to_go_on("n_components", len(self.startprob_), "states")
        n_init = 1 if again else self.n_init
        with watch:
            best = best_run(
                watch.run(
                    lambda hook: run_em(
                        problem.fresh(),
                        self._model() if again else self._start(problem, weights, states, rng),
                        max_iter=self.max_iter,
                        tol=self.tol,
                        watch=hook,
                    )
                )
                for _ in range(n_init)
                if not watch.stopped
            )
            watch.last = best.model
        return best

    def _refuse_to_go_on(self, name, found, what):
        """Raise where a parameter is not what the model has that a warm start goes on from."""
        value = getattr(self, name)
        if found != value:
            raise bad_value(
                name,
                value,
                f"differs from the {found} {what} to go on from (warm_start=True)",
                f"{found}",
                "Set warm_start=False.",
            )

    def _draw_starts(self, problem, weights, states, rng):
        """The models that a run may start from."""
        one = self.n_components == 1 or self._one_start
        return [
            self._draw_start(problem, weights, states, rng)
            for _ in range(1 if one else N_CANDIDATES)
        ]

    def _start(self, problem, weights, states, rng):
        """The only start, or the best of several after a short run on some sequences."""
        draws = self._draw_starts(problem, weights, states, rng)
        if len(draws) == 1:
            return draws[0]
        part = problem.part(SHORT_ROWS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            runs = [run_em(part.fresh(), draw, max_iter=SHORT_RUN, tol=0.0) for draw in draws]
        return best_run(runs).model

    def _store(self, run):
        """Set what a fit learns."""
        for name, value in self._attributes(run.model).items():
            setattr(self, name, value)
        self.history_, self.n_iter_ = run.history, run.n_iter
        self.converged_ = bool(run.converged)
        if run.history[-1] == -np.inf:
            warn(
                f"EM did not find a model that explains X in {run.n_iter} iterations: its "
                "probability stayed 0, for zeros in `startprob_`, `transmat_` or the emissions "
                "forbid some row, and EM never raises a zero. Start from larger numbers, or from "
                "none (warm_start=False).",
                ConvergenceWarning,
            )
        elif not run.converged:
            last, before = float(run.history[-1]), float(run.history[-2])
            warn(
                f"EM did not converge in {run.n_iter} iterations: the last one raised the "
                f"mean log-likelihood of a row from {before:.6g} to {last:.6g}, by more than "
                f"tol={self.tol:.3g}. Raise `max_iter` or `tol`.",
                ConvergenceWarning,
            )

    def fit_transform(
        self, X, y=None, *, groups=None, lengths=None, sample_weight=None, states=None
    ):
        """Fit, and return the state probabilities of the same rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sequences one after another.

        y : Ignored
            Not used, present here for API consistency by convention.

        groups, lengths, sample_weight, states
            As in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_components)
            As `transform` returns them.
        """
        self.fit(X, y, groups=groups, lengths=lengths, sample_weight=sample_weight, states=states)
        return self.transform(X, groups=groups, lengths=lengths)

    # ---------------------------------------------------------------------------------- inference

    def decode(self, X, *, groups=None, lengths=None):
        """Return the most likely paths and their log-probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sequences one after another.

        groups, lengths
            Boundaries of the sequences, as in `fit`.

        Returns
        -------
        log_probability : float
            log p(path, X) in nats, summed over sequences; -inf when no path explains X.

        states : ndarray of shape (n_samples,), int32
            The path (Viterbi), as `predict` returns it.
        """
        model, density, space, _ = self._prepare(X, groups, lengths)
        path, log_probability = viterbi(density, model.initial, model.transitions, space)
        return float(log_probability.sum()), path

    def predict(self, X, *, groups=None, lengths=None):
        """Return the most likely path of each sequence (Viterbi).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sequences one after another.

        groups, lengths
            Boundaries of the sequences, as in `fit`.

        Returns
        -------
        states : ndarray of shape (n_samples,), int32
            The states of the one path that is most likely as a whole; the lowest of equals. Where
            no path explains a row, the path begins anew there.
        """
        return self.decode(X, groups=groups, lengths=lengths)[1]

    def predict_proba(self, X, *, groups=None, lengths=None):
        """Return the probability of each state at each row, given the whole sequence.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sequences one after another.

        groups, lengths
            Boundaries of the sequences, as in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_components)
            Smoothed posteriors p(state at t | x_1, ..., x_T). Where no path explains a row, the
            chain begins anew there.
        """
        model, density, space, _ = self._prepare(X, groups, lengths)
        return smooth(density, model.initial, model.transitions, space).states

    def transform(self, X, *, groups=None, lengths=None):
        """Return the probability of each state at each row: `predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sequences one after another.

        groups, lengths
            Boundaries of the sequences, as in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_components)
        """
        return self.predict_proba(X, groups=groups, lengths=lengths)

    def filter(self, X, *, groups=None, lengths=None):
        """Return the probability of each state at each row, given the rows up to it.

        For use as rows come in: what is returned for a row does not change when more follow.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sequences one after another.

        groups, lengths
            Boundaries of the sequences, as in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_components)
            p(state at t | x_1, ..., x_t).
        """
        model, density, space, _ = self._prepare(X, groups, lengths)
        return filtered(density, model.initial, model.transitions, space)

    def score_samples(self, X, *, groups=None, lengths=None):
        """Return the log-density of each row given the rows before it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sequences one after another.

        groups, lengths
            Boundaries of the sequences, as in `fit`.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            log p(x_t | x_1, ..., x_{t-1}) in nats, whose sum over a sequence is its
            log-likelihood; -inf for a row that no path explains, 0 for one that is missing.
        """
        return self._score_rows(X, groups, lengths)[0]

    def _score_rows(self, X, groups, lengths):
        """Return what `score_samples` does, and the rows that are missing (None: none)."""
        model, density, space, gaps = self._prepare(X, groups, lengths)
        return likelihood(density, model.initial, model.transitions, space, by_row=True), gaps

    def log_likelihood(self, X, *, groups=None, lengths=None):
        """Return the log-likelihood of all sequences together, in nats.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sequences one after another.

        groups, lengths
            Boundaries of the sequences, as in `fit`.

        Returns
        -------
        log_likelihood : float
            What hmmlearn calls ``score``.
        """
        model, density, space, _ = self._prepare(X, groups, lengths)
        return float(likelihood(density, model.initial, model.transitions, space).sum())

    def score(self, X, y=None, *, groups=None, lengths=None, sample_weight=None):
        """Return the mean log-likelihood of a row, in nats: what `GridSearchCV` maximises.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sequences one after another.

        y : Ignored
            Not used, present here for API consistency by convention.

        groups, lengths
            Boundaries of the sequences, as in `fit`.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the mean. None: ones.

        Returns
        -------
        score : float
            `log_likelihood` divided by the number of rows that are not missing; -inf when some row
            of positive weight is impossible.
        """
        refuse_lengths_as_y(X, y)
        rows, gaps = self._score_rows(X, groups, lengths)
        weights = np.ones(len(rows))
        if sample_weight is not None:
            weights = check_sample_weight(sample_weight, rows)
        counts = weights > 0  # 0 * -inf
        if gaps is not None:
            counts &= ~gaps
        if not counts.any():
            raise ValueError(
                "Every row of X is missing or has weight 0. Allowed: some rows to score. Pass them."
            )
        return float(np.average(rows[counts], weights=weights[counts]))

    def aic(self, X, *, groups=None, lengths=None):
        """Akaike's information criterion on X: the lower the better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sequences one after another.

        groups, lengths
            Boundaries of the sequences, as in `fit`.

        Returns
        -------
        aic : float
            -2 log-likelihood + 2 times the number of free parameters.
        """
        penalty = 2 * self._model_of_fitted().n_parameters
        return penalty - 2 * self.log_likelihood(X, groups=groups, lengths=lengths)

    def bic(self, X, *, groups=None, lengths=None):
        """Bayesian information criterion on X: the lower the better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sequences one after another.

        groups, lengths
            Boundaries of the sequences, as in `fit`.

        Returns
        -------
        bic : float
            -2 log-likelihood + log(number of rows that are not missing) times the number of free
            parameters.
        """
        rows, gaps = self._score_rows(X, groups, lengths)
        n_rows = len(rows) if gaps is None else np.count_nonzero(~gaps)
        penalty = np.log(n_rows) * self._model_of_fitted().n_parameters
        return float(penalty - 2 * rows.sum())

    def _model_of_fitted(self):
        check_is_fitted(self)
        return self._model()

    def sample(self, n_samples=1, *, n_sequences=1, startprob=None, random_state=None):
        """Draw sequences from the model.

        To go on after rows that were seen, begin where the filter leads: ``model.sample(10,
        startprob=model.filter(X)[-1] @ model.transmat_)``.

        Parameters
        ----------
        n_samples : int, default=1
            Rows of each sequence.

        n_sequences : int, default=1
            Sequences, one after another.

        startprob : array-like of shape (n_components,), default=None
            Probability of each state at the first row of a sequence. None: `startprob_`.

        random_state : int, RandomState instance or None, default=None
            None: the estimator's own `random_state`.

        Returns
        -------
        X : ndarray of shape (n_sequences * n_samples, n_features)
            What was emitted (without a column of ids).

        states : ndarray of shape (n_sequences * n_samples,), int32
            The states that emitted it.
        """
        model = self._model_of_fitted()
        for name, value in (("n_samples", n_samples), ("n_sequences", n_sequences)):
            if not isinstance(value, Integral) or value < 1:
                raise bad_value(name, value, "is no number of draws", "integers from 1 on", "")
        initial = model.initial
        if startprob is not None:
            initial = InitialState.checked(startprob, "startprob")
            if len(initial.probabilities) != len(model.initial.probabilities):
                raise bad_value(
                    "startprob",
                    startprob,
                    "has another number of states than the model",
                    f"{len(model.initial.probabilities)} probabilities",
                    "",
                )
        rng = check_random_state(self.random_state if random_state is None else random_state)
        states = draw_paths(initial, model.transitions, n_sequences, n_samples, rng).ravel()
        return model.emission.sample(states, rng), states

    @property
    def _n_features_out(self):
        return len(self.startprob_)
