"""Hidden Markov models of mixtures (GMMHMM) against hmmlearn and pomegranate.

The task is 20 iterations of EM from the same parameters and the most likely path of every sequence; one
case is ten whole fits by each library's own start, of series whose states' parts lie in turns, to
convergence by each library's default tolerance, of at most 100 iterations; `failed` counts the fits that
end in NaN, the other figures are means over the rest.

Quality is the mean log-likelihood of a row (nats) of the parameters found, computed for everybody by
hmmlearn; `path` is the share of rows whose state agrees with the state that drew them, up to the names
of the states. hmmlearn's priors are flat by default. pomegranate works in single precision, its default.
"""

import warnings

import numpy as np
from bench_hmm import N_ITER, dense_hmm, judged, paths, sticky
from runner import Case

N_SERIES = 10


def mixture(n_sequences, length, n_states, n_mix, n_features, kind, *, seed=0, spread=2.0):
    """Sequences drawn from a random model, and a start not far from it."""
    rng = np.random.default_rng(seed)
    transmat = sticky(n_states, rng)
    means = spread * rng.normal(size=(n_states, n_mix, n_features))
    weights = rng.dirichlet(np.full(n_mix, 5.0), size=n_states)
    states = paths(transmat, n_sequences, length, rng)
    parts = (rng.uniform(size=(len(states), 1)) > np.cumsum(weights, axis=1)[states]).sum(axis=1)
    X = means[states, parts.clip(0, n_mix - 1)] + rng.normal(size=(len(states), n_features))
    covars = np.full((n_states, n_mix, n_features), 1.5)
    return {
        "X": X,
        "states": states,
        "lengths": np.full(n_sequences, length),
        "kind": kind,
        "start": np.full(n_states, 1 / n_states),
        "transmat": 0.5 * np.eye(n_states) + 0.5 / n_states,
        "weights": np.full((n_states, n_mix), 1 / n_mix),
        "means": means + 0.5 * rng.normal(size=means.shape),
        "covars": covars if kind == "diag" else covars[..., None] * np.eye(n_features),
    }


NAMES = ("startprob_", "transmat_", "weights_", "means_", "covars_")


def begin(model, data):
    for name, key in zip(NAMES, ("start", "transmat", "weights", "means", "covars"), strict=True):
        setattr(model, name, data[key].copy())
    return model


def results(model, data, **lengths):
    path = model.predict(data["X"], **lengths)
    return [*(getattr(model, name) for name in NAMES), path]


def ours(data):
    from sklearn_extra_ml.hmm import GMMHMM

    n_states, n_mix = data["weights"].shape
    model = GMMHMM(n_states, n_mix, data["kind"], reg_covar=0, max_iter=N_ITER, tol=0)
    begin(model.set_params(warm_start=True), data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(data["X"], lengths=data["lengths"])
    return results(model, data, lengths=data["lengths"])


def hmmlearn(implementation):
    def run(data):
        import logging

        from hmmlearn.hmm import GMMHMM

        logging.disable(logging.CRITICAL)
        model = GMMHMM(
            *data["weights"].shape,
            covariance_type=data["kind"],
            n_iter=N_ITER,
            tol=-np.inf,
            init_params="",
            implementation=implementation,
        )
        begin(model, data).fit(data["X"], data["lengths"])
        return results(model, data, lengths=data["lengths"])

    return run


def pomegranate(data):
    import torch
    from pomegranate.distributions import Normal
    from pomegranate.gmm import GeneralMixtureModel

    def tensor(values):
        return torch.tensor(values, dtype=torch.float32)

    n_features = data["X"].shape[1]
    X = tensor(data["X"]).reshape(len(data["lengths"]), -1, n_features)
    emissions = [
        GeneralMixtureModel(
            [
                Normal(tensor(m), tensor(c), covariance_type=data["kind"])
                for m, c in zip(means, covars, strict=True)
            ],
            priors=tensor(weights),
        )
        for weights, means, covars in zip(
            data["weights"], data["means"], data["covars"], strict=True
        )
    ]
    start, transmat, path = dense_hmm(data, X, emissions)
    weights = np.array([e.priors.numpy() for e in emissions], dtype=float)
    means, covars = (
        np.array(
            [[getattr(d, name).numpy() for d in e.distributions] for e in emissions], dtype=float
        )
        for name in ("means", "covs")
    )
    if (
        data["kind"] == "full"
    ):  # single precision leaves them a little askew, which hmmlearn refuses
        covars = 0.5 * (covars + np.swapaxes(covars, -1, -2))
    return start, transmat, weights / weights.sum(axis=1, keepdims=True), means, covars, path


def quality(data, result):
    from hmmlearn.hmm import GMMHMM

    *parameters, path = result
    model = GMMHMM(*data["weights"].shape, covariance_type=data["kind"], implementation="scaling")
    for name, value in zip(NAMES, parameters, strict=True):
        setattr(model, name, value)
    return judged(model, data, path)


def several_series():
    return [mixture(1, 3000, 4, 3, 3, "diag", seed=i, spread=2.5) for i in range(N_SERIES)]


def ours_from_data(several):
    from sklearn_extra_ml.hmm import GMMHMM

    found = []
    for data in several:
        model = GMMHMM(*data["weights"].shape, max_iter=100, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.append(results(model.fit(data["X"]), data))
    return found


def hmmlearn_from_data(implementation):
    def run(several):
        import logging

        from hmmlearn.hmm import GMMHMM

        logging.disable(logging.CRITICAL)
        found = []
        for data in several:
            model = GMMHMM(
                *data["weights"].shape, n_iter=100, random_state=0, implementation=implementation
            )
            try:
                found.append(results(model.fit(data["X"]), data))
            except ValueError:  # probabilities that are NaN
                found.append(None)
        return found

    return run


def mean_quality(several, found):
    pairs = zip(several, found, strict=True)
    figures = [quality(data, result) for data, result in pairs if result is not None]
    good = [f for f in figures if np.isfinite(f["log_likelihood"])]
    means = {name: np.mean([f[name] for f in good]) for name in good[0]}
    return means | {"failed": len(several) - len(good)}


PEERS = {
    "sklearn-extra-ml": ours,
    "hmmlearn log": hmmlearn("log"),
    "hmmlearn scaling": hmmlearn("scaling"),
    "pomegranate": pomegranate,
}

CASES = [
    Case(
        "mixtures: 100 x 1000 rows, d=4, 5 states of 3, diag: 20 iterations and Viterbi",
        lambda: mixture(100, 1000, 5, 3, 4, "diag"),
        PEERS,
        quality,
        repeats=3,
        peer_repeats=1,
    ),
    Case(
        "mixtures: 20 x 1000 rows, d=8, 5 states of 3, full: 20 iterations and Viterbi",
        lambda: mixture(20, 1000, 5, 3, 8, "full", spread=1.0),
        PEERS,
        quality,
        repeats=3,
        peer_repeats=1,
    ),
    Case(
        "mixtures: ten series of 3,000 rows, d=3, 4 states of 3, diag: whole fits",
        several_series,
        {
            "sklearn-extra-ml": ours_from_data,
            "hmmlearn log": hmmlearn_from_data("log"),
            "hmmlearn scaling": hmmlearn_from_data("scaling"),
        },
        mean_quality,
        repeats=3,
        peer_repeats=1,
    ),
]
