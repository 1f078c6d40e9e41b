"""Hidden Markov models against hmmlearn (both implementations) and pomegranate.

The task is 20 iterations of EM from the same parameters and the most likely path of every sequence;
nobody pays for a start. One case is a whole fit by each library's own defaults for the start
(k-means), 20 iterations again. hmmlearn runs without its priors, which it would count in the M-step
but not in the objective. pomegranate works in single precision, its default, and learns
probabilities of ending, which the others have not.

Quality is the mean log-likelihood of a row (nats) of the parameters found, computed for everybody by
hmmlearn; `path` is the share of rows whose state agrees with the state that drew them, up to the
names of the states. Peers that take more than half a minute run once, not warmed up.

Symbols (CategoricalHMM), counts (PoissonHMM) and trials (MultinomialHMM) are done alike, with Poisson
rates and probabilities in place of means and covariances. pomegranate has no trials.
"""

import warnings

import numpy as np
from runner import Case
from scipy.optimize import linear_sum_assignment

N_ITER = 20


def sticky(n_states, rng):
    """Transitions that stay in nine of ten steps."""
    return 0.1 * rng.dirichlet(np.ones(n_states), size=n_states) + 0.9 * np.eye(n_states)


def paths(transmat, n_sequences, length, rng):
    """States of sequences one after another."""
    n_states = len(transmat)
    states = np.empty((n_sequences, length), np.intp)
    states[:, 0] = rng.integers(n_states, size=n_sequences)
    cumulative = np.cumsum(transmat, axis=1)
    for t in range(1, length):
        u = rng.uniform(size=(n_sequences, 1))
        states[:, t] = (u > cumulative[states[:, t - 1]]).sum(axis=1).clip(0, n_states - 1)
    return states.ravel()


def series(n_sequences, length, n_states, n_features, kind):
    """Sequences drawn from a random model, and a start not far from it."""

    def make():
        rng = np.random.default_rng(0)
        n = n_sequences * length
        transmat = sticky(n_states, rng)
        means = (2.0 if kind == "diag" else 0.6) * rng.normal(size=(n_states, n_features))
        roots = np.eye(n_features) + (kind == "full") * 0.3 * rng.normal(
            size=(n_states, n_features, n_features)
        )
        states = paths(transmat, n_sequences, length, rng)
        noise = rng.normal(size=(n, n_features))
        if kind == "full":
            noise = np.einsum("ni,nij->nj", noise, roots[states])
        X = means[states] + noise
        covars = np.ones((n_states, n_features)) * 1.5
        return {
            "X": X,
            "states": states,
            "lengths": np.full(n_sequences, length),
            "kind": kind,
            "start": np.full(n_states, 1 / n_states),
            "transmat": 0.5 * np.eye(n_states) + 0.5 / n_states,
            "means": means + 0.5 * rng.normal(size=means.shape),
            "covars": covars if kind == "diag" else covars[:, :, None] * np.eye(n_features),
        }

    return make


def ours(data, same_start=True):
    from sklearn_extra_ml.hmm import GaussianHMM

    model = GaussianHMM(
        len(data["start"]), data["kind"], reg_covar=0, max_iter=N_ITER, tol=0, random_state=0
    )
    if same_start:
        model.set_params(warm_start=True)
        model.startprob_, model.transmat_ = data["start"], data["transmat"]
        model.means_, model.covars_ = data["means"], data["covars"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(data["X"], lengths=data["lengths"])
    path = model.predict(data["X"], lengths=data["lengths"])
    return model.startprob_, model.transmat_, model.means_, model.covars_, path


def hmmlearn(implementation, same_start=True):
    def run(data):
        import logging

        from hmmlearn.hmm import GaussianHMM

        logging.disable(logging.CRITICAL)
        model = GaussianHMM(
            len(data["start"]),
            data["kind"],
            covars_prior=0,
            covars_weight=1 if data["kind"] == "diag" else 0,
            n_iter=N_ITER,
            tol=-np.inf,
            init_params="" if same_start else "stmc",
            implementation=implementation,
            random_state=0,
        )
        if same_start:
            model.startprob_, model.transmat_ = data["start"].copy(), data["transmat"].copy()
            model.means_, model.covars_ = data["means"].copy(), data["covars"].copy()
        model.fit(data["X"], data["lengths"])
        path = model.predict(data["X"], data["lengths"])
        return model.startprob_, model.transmat_, model.means_, model._covars_, path

    return run


def dense_hmm(data, X, emissions):
    """Fit pomegranate's model in place; return start, transitions and the Viterbi path."""
    import torch
    from pomegranate.hmm import DenseHMM

    model = DenseHMM(
        emissions,
        edges=torch.tensor(data["transmat"], dtype=torch.float32),
        starts=torch.tensor(data["start"], dtype=torch.float32),
        max_iter=N_ITER,
        tol=1e-9,  # the smallest that it takes is above 0
    )
    model.fit(X)
    path = model.viterbi(X).numpy().ravel()
    transmat = np.exp(model.edges.detach().numpy().astype(float))
    start = np.exp(model.starts.detach().numpy().astype(float))
    return start / start.sum(), transmat / transmat.sum(axis=1, keepdims=True), path


def pomegranate(data):
    import torch
    from pomegranate.distributions import Normal

    n_features = data["X"].shape[1]
    X = torch.tensor(data["X"], dtype=torch.float32).reshape(len(data["lengths"]), -1, n_features)
    emissions = [
        Normal(
            means=torch.tensor(m, dtype=torch.float32),
            covs=torch.tensor(c, dtype=torch.float32),
            covariance_type=data["kind"],
        )
        for m, c in zip(data["means"], data["covars"], strict=True)
    ]
    start, transmat, path = dense_hmm(data, X, emissions)
    means = np.array([e.means.numpy() for e in emissions], dtype=float)
    covars = np.array([e.covs.numpy() for e in emissions], dtype=float)
    return start, transmat, means, covars, path


def quality(data, result):
    """Log-likelihood of the parameters, and agreement of the path with the truth."""
    from hmmlearn.hmm import GaussianHMM

    start, transmat, means, covars, path = result
    model = GaussianHMM(len(start), data["kind"], implementation="scaling")
    model.startprob_, model.transmat_, model.means_, model.covars_ = start, transmat, means, covars
    return judged(model, data, path)


def judged(model, data, path):
    """The figures, of hmmlearn's `model` with the parameters that somebody found."""
    n, n_states = len(data["X"]), len(data["start"])
    counts = np.zeros((n_states, n_states))
    np.add.at(counts, (data["states"], path), 1)
    agree = counts[linear_sum_assignment(-counts)].sum() / n
    return {"log_likelihood": model.score(data["X"], data["lengths"]) / n, "path": agree}


def discrete(kind, n_sequences, length, n_states, width):
    """Symbols (one of `width`), counts or 20 trials (in `width` columns), and a start near the truth."""

    def make():
        rng = np.random.default_rng(0)
        transmat = sticky(n_states, rng)
        states = paths(transmat, n_sequences, length, rng)
        if kind == "symbols":
            emission = rng.dirichlet(np.full(width, 0.3), size=n_states)
            u = rng.uniform(size=(len(states), 1))
            X = (u > np.cumsum(emission, axis=1)[states]).sum(axis=1).clip(0, width - 1)[:, None]
            emission = 0.5 * emission + 0.5 / width
        elif kind == "trials":
            emission = rng.dirichlet(np.full(width, 2.0), size=n_states)
            X = rng.multinomial(20, emission[states])
            emission = 0.5 * emission + 0.5 / width
        else:
            emission = rng.gamma(1.5, 4.0, size=(n_states, width))
            X = rng.poisson(emission[states])
            emission = emission * rng.uniform(0.7, 1.4, size=emission.shape) + 0.2
        return {
            "X": X,
            "states": states,
            "lengths": np.full(n_sequences, length),
            "kind": kind,
            "start": np.full(n_states, 1 / n_states),
            "transmat": 0.5 * np.eye(n_states) + 0.5 / n_states,
            "emission": emission,
        }

    return make


PARAMETER = {"symbols": "emissionprob_", "counts": "lambdas_", "trials": "emissionprob_"}
MODEL = {"symbols": "CategoricalHMM", "counts": "PoissonHMM", "trials": "MultinomialHMM"}


def ours_discrete(data):
    from sklearn_extra_ml import hmm

    model = getattr(hmm, MODEL[data["kind"]])(
        len(data["start"]), warm_start=True, max_iter=N_ITER, tol=0
    )
    model.startprob_, model.transmat_ = data["start"], data["transmat"]
    setattr(model, PARAMETER[data["kind"]], data["emission"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(data["X"], lengths=data["lengths"])
    path = model.predict(data["X"], lengths=data["lengths"])
    return model.startprob_, model.transmat_, getattr(model, PARAMETER[data["kind"]]), path


def hmmlearn_model(data, start, transmat, emission, **params):
    from hmmlearn import hmm

    if data["kind"] == "trials":
        params["n_trials"] = 20
    model = getattr(hmm, MODEL[data["kind"]])(len(start), **params)
    model.startprob_, model.transmat_ = start.copy(), transmat.copy()
    setattr(model, PARAMETER[data["kind"]], emission.copy())
    if data["kind"] != "counts":
        model.n_features = emission.shape[1]
    return model


def hmmlearn_discrete(implementation):
    def run(data):
        import logging

        logging.disable(logging.CRITICAL)
        model = hmmlearn_model(
            data,
            data["start"],
            data["transmat"],
            data["emission"],
            n_iter=N_ITER,
            tol=-np.inf,
            init_params="",
            implementation=implementation,
        )
        model.fit(data["X"], data["lengths"])
        path = model.predict(data["X"], data["lengths"])
        return model.startprob_, model.transmat_, getattr(model, PARAMETER[data["kind"]]), path

    return run


def pomegranate_discrete(data):
    import torch
    from pomegranate.distributions import Categorical, Poisson

    symbols = data["kind"] == "symbols"
    X = torch.tensor(data["X"], dtype=torch.int64 if symbols else torch.float32)
    X = X.reshape(len(data["lengths"]), -1, X.shape[1])
    emissions = [
        Categorical([row.tolist()]) if symbols else Poisson(row.tolist())
        for row in data["emission"].astype(np.float32)
    ]
    start, transmat, path = dense_hmm(data, X, emissions)
    emission = np.array(
        [e.probs.numpy()[0] if symbols else e.lambdas.numpy() for e in emissions], dtype=float
    )
    if symbols:
        emission /= emission.sum(axis=1, keepdims=True)
    return start, transmat, emission, path


def discrete_quality(data, result):
    *parameters, path = result
    return judged(hmmlearn_model(data, *parameters, implementation="scaling"), data, path)


PEERS = {
    "sklearn-extra-ml": ours,
    "hmmlearn log": hmmlearn("log"),
    "hmmlearn scaling": hmmlearn("scaling"),
}
WHOLE_FIT = {
    "sklearn-extra-ml": lambda data: ours(data, same_start=False),
    "hmmlearn log": hmmlearn("log", same_start=False),
    "hmmlearn scaling": hmmlearn("scaling", same_start=False),
}
WITH_POMEGRANATE = PEERS | {"pomegranate": pomegranate}
DISCRETE = {
    "sklearn-extra-ml": ours_discrete,
    "hmmlearn log": hmmlearn_discrete("log"),
    "hmmlearn scaling": hmmlearn_discrete("scaling"),
    "pomegranate": pomegranate_discrete,
}

CASES = [
    Case(
        "100 x 1000 rows, d=4, 8 states, diag: 20 iterations and Viterbi",
        series(100, 1000, 8, 4, "diag"),
        WITH_POMEGRANATE,
        quality,
        repeats=3,
    ),
    Case(
        "100 x 1000 rows, d=8, 8 states, full: 20 iterations and Viterbi",
        series(100, 1000, 8, 8, "full"),
        WITH_POMEGRANATE,
        quality,
        repeats=3,
    ),
    Case(
        "1 x 500,000 rows, d=2, 4 states, diag: 20 iterations and Viterbi",
        series(1, 500_000, 4, 2, "diag"),
        WITH_POMEGRANATE,
        quality,
        repeats=1,
        timeout=100,
    ),
    Case(
        "20,000 x 20 rows, d=2, 5 states, diag: 20 iterations and Viterbi",
        series(20_000, 20, 5, 2, "diag"),
        WITH_POMEGRANATE,
        quality,
        repeats=1,
    ),
    Case(
        "100 x 1000 rows, d=4, 8 states, diag: whole fit, 20 iterations",
        series(100, 1000, 8, 4, "diag"),
        WHOLE_FIT,
        quality,
        repeats=3,
    ),
    Case(
        "symbols: 100 x 1000 rows, 8 states, 20 symbols: 20 iterations and Viterbi",
        discrete("symbols", 100, 1000, 8, 20),
        DISCRETE,
        discrete_quality,
        repeats=3,
        peer_repeats=2,
    ),
    Case(
        "counts: 100 x 1000 rows, d=4, 8 states: 20 iterations and Viterbi",
        discrete("counts", 100, 1000, 8, 4),
        DISCRETE,
        discrete_quality,
        repeats=3,
        peer_repeats=2,
    ),
    Case(
        "trials: 100 x 1000 rows of 20, 8 states, 10 categories: 20 iterations and Viterbi",
        discrete("trials", 100, 1000, 8, 10),
        {name: run for name, run in DISCRETE.items() if name != "pomegranate"},
        discrete_quality,
        repeats=3,
        peer_repeats=2,
    ),
]
