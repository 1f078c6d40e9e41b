"""VAE: probabilistic PCA, bounds against the exact integral, classes, samples, imputation, tables."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit
from scipy.stats import multivariate_normal, norm
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from sklearn_extra_ml.neural_network import VAE

LINEAR = {
    "hidden_layer_sizes": (),
    "alpha": 0.0,
    "learning_rate_init": 1e-2,
    "max_iter": 300,
    "random_state": 0,
}


@pytest.mark.parametrize(("k", "anchor"), [(2, -0.22), (10, 16.71), (20, 25.99)])
def test_linear_vae_reaches_the_likelihood_of_probabilistic_pca(k, anchor, digits):
    train, test, *_ = digits
    exact = PCA(k).fit(train).score(test)
    assert exact == pytest.approx(anchor, abs=0.01)
    vae = VAE(k, n_importance_samples=256, **LINEAR).fit(train)
    assert abs(vae.score(test) - exact) <= 0.5


def test_linear_vae_bound_is_the_density_of_its_own_gaussian(digits):
    """A linear decoder makes x Gaussian: its density is known, whatever the training reached."""
    train, test, *_ = digits
    vae = VAE(2, n_importance_samples=2000, **LINEAR | {"max_iter": 100}).fit(train)
    layer = vae.net_.module_.decoder[-1]
    W, b = layer.weight.detach().numpy().astype(float), layer.bias.detach().numpy()
    scale, mean = vae._encoder.scale[0], vae._encoder.mean
    cov = scale**2 * (W @ W.T + float(vae.net_.module_.observation.variance) * np.eye(64))
    exact = multivariate_normal(mean + scale * b, cov).logpdf(test)
    bound = vae.score_samples(test)
    assert np.mean(bound) <= np.mean(exact) + 0.02
    assert np.mean(bound) >= np.mean(exact) - 0.3


def test_bound_rises_with_the_number_of_samples(digits):
    train, test, *_ = digits
    vae = VAE(8, max_iter=100, random_state=0).fit(train)
    rows = []
    for n in (1, 2, 8, 64, 512, 4096):
        rows.append(vae.set_params(n_importance_samples=n).score_samples(test[:200]))
    # groups of the same draws: Jensen's inequality holds for every row
    assert np.all(np.diff(rows[:4], axis=0) >= -1e-4)
    assert np.all(np.diff(np.mean(rows, axis=1)) > 0)


def test_bound_of_one_code_number_is_the_integral_over_it(digits):
    train, test, *_ = digits
    train, test = (train >= 0.5).astype(float), (test >= 0.5).astype(float)[:200]
    vae = VAE(
        1, likelihood="bernoulli", max_iter=100, n_importance_samples=4096, random_state=0
    ).fit(train)
    score = vae.score(test)
    z = np.linspace(-7, 7, 4001)
    p = vae.inverse_transform(z[:, None]).astype(float).clip(1e-7, 1 - 1e-7)
    log_likelihood = test @ np.log(p).T + (1 - test) @ np.log(1 - p).T
    terms = log_likelihood + norm.logpdf(z) + np.log(z[1] - z[0])
    exact = np.logaddexp.reduce(terms, axis=1)
    assert exact.mean() - 0.5 < score <= exact.mean() + 0.02


def test_score_changes_with_the_units_by_the_log_jacobian(digits, rng):
    train, test, *_ = digits
    train = train + 0.05 * rng.normal(size=train.shape)  # no column is constant
    test = test[:100]
    for standardize in ("global", "column"):
        vae = VAE(2, standardize=standardize, max_iter=10, random_state=0)
        plain = vae.fit(train).score_samples(test)
        scaled = clone(vae).fit(train * 8 + 1).score_samples(test * 8 + 1)
        np.testing.assert_allclose(scaled, plain - 64 * np.log(8), rtol=1e-2, atol=0.5)


def test_score_of_a_row_does_not_depend_on_the_others(digits):
    train, test, *_ = digits
    vae = VAE(2, max_iter=5, random_state=0).fit(train)
    whole = vae.score_samples(test)
    np.testing.assert_allclose(vae.score_samples(test[5:9]), whole[5:9], rtol=1e-5)
    np.testing.assert_array_equal(vae.score_samples(test), whole)


def test_binarised_digits_with_the_constructor_of_the_guide(digits):
    """17.0 nats; a mixture of 50 Bernoulli distributions has 17.93."""
    train, test = ((X >= 0.5).astype(float) for X in digits[:2])
    vae = VAE(
        n_components=16,
        likelihood="bernoulli",
        dropout=0.1,
        alpha=0.1,
        kl_warmup=0.3,
        learning_rate_init=2e-3,
        max_iter=500,
        n_importance_samples=500,
        random_state=0,
    ).fit(train)
    assert -vae.score(test) <= 17.0


def test_code_keeps_what_a_classifier_needs(digits):
    train, test, y_train, y_test = digits
    vae = VAE(16, conditional=False, dropout=0.1, alpha=0.1, kl_warmup=0.3, random_state=0)
    pipeline = make_pipeline(vae, LogisticRegression(max_iter=5000))
    assert pipeline.fit(train, y_train).score(test, y_test) >= 0.955


# --- the loss ------------------------------------------------------------------------------------


def test_loss_is_minus_the_elbo_of_a_numpy_reference(rng):
    from sklearn_extra_ml.neural_network import _vae_net as nets

    torch.manual_seed(0)
    encoder, decoder = torch.nn.Linear(5, 4), torch.nn.Linear(2, 5)
    net = nets.VAENet(
        encoder, decoder, nets.BernoulliObservation(5), 2, beta=0.7, kl_warmup=0.0
    ).train()
    X = torch.from_numpy(rng.integers(0, 2, size=(20, 5)).astype(np.float32))
    torch.manual_seed(1)
    loss = net.batch_loss(X).item()
    torch.manual_seed(1)
    noise = torch.randn(20, 2).numpy()
    out = encoder(X).detach().numpy()
    mean, log_var = out[:, :2], out[:, 2:]
    z = mean + np.exp(0.5 * log_var) * noise
    p = expit(decoder(torch.from_numpy(z)).detach().numpy())
    x = X.numpy()
    log_likelihood = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1)
    kl = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(axis=1)
    assert loss == pytest.approx(np.mean(0.7 * kl - log_likelihood), rel=1e-5)


def test_kl_weight_rises_over_its_share_of_the_training(digits):
    import skorch

    seen = []

    class Watch(skorch.callbacks.Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(float(net.module_.kl_weight))

    VAE(2, kl_warmup=0.5, beta=3.0, max_iter=10, callbacks=[Watch()], random_state=0).fit(
        digits[0][:300]
    )
    np.testing.assert_allclose(seen[:6], 3 * np.arange(6) / 5, rtol=1e-6)
    np.testing.assert_allclose(seen[6:], 3.0)


def test_larger_beta_uses_less_of_the_code(digits):
    train = digits[0]

    def divergence(beta):
        vae = VAE(4, beta=beta, max_iter=60, random_state=0).fit(train)
        rows = torch.from_numpy(vae._encoder.transform(train))
        mean, log_var = vae.net_.module_.posterior(rows)
        return float(0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=1).mean().detach())

    assert divergence(20.0) < 0.8 * divergence(1.0)


def test_variance_is_the_mean_squared_error_of_the_posterior(digits):
    train = digits[0]
    vae = VAE(2, max_iter=20, random_state=0).fit(train)
    rows = torch.from_numpy(vae._encoder.transform(train))
    with torch.no_grad():
        mean, log_var = vae.net_.module_.posterior(rows)
        z = mean + (0.5 * log_var).exp() * torch.randn(
            200, *mean.shape, generator=torch.Generator().manual_seed(5)
        )
        errors = (vae.net_.module_.output(z) - rows).square().mean()
    assert float(vae.net_.module_.observation.variance) == pytest.approx(float(errors), rel=0.02)


# --- samples and classes -----------------------------------------------------------------------------


def test_samples_of_a_linear_vae_have_the_moments_of_the_data(digits):
    train = digits[0]
    S = VAE(10, **LINEAR).fit(train).sample(8000, random_state=1)
    np.testing.assert_allclose(S.mean(axis=0), train.mean(axis=0), atol=0.02)
    assert S.var(axis=0).sum() == pytest.approx(train.var(axis=0).sum(), rel=0.06)


def test_samples_have_the_moments_of_the_density_and_follow_the_seed(digits):
    """Not those of the data, which have 17 % more variance: 1,257 rows (7 nats) are told apart by 22
    nats of code, so their codes are not spread as the prior, which is what a sample is drawn from."""
    vae = VAE(10, random_state=0).fit(digits[0])
    S = vae.sample(20_000, random_state=1)
    assert S.dtype == np.float32
    means = vae.inverse_transform(np.random.default_rng(5).normal(size=(20_000, 10)))
    noise = vae._encoder.scale[0] ** 2 * float(vae.net_.module_.observation.variance)
    np.testing.assert_allclose(S.mean(axis=0), means.mean(axis=0), atol=0.015)
    np.testing.assert_allclose(S.var(axis=0), means.var(axis=0) + noise, atol=0.005)
    assert S.var(axis=0).sum() == pytest.approx(means.var(axis=0).sum() + 64 * noise, rel=0.01)
    np.testing.assert_array_equal(S, vae.sample(20_000, random_state=1))
    np.testing.assert_array_equal(vae.sample(5), vae.sample(5))
    assert not np.array_equal(vae.sample(5), vae.sample(5, random_state=3))
    before = dict(vars(vae))
    vae.sample(3)
    assert vars(vae) == before


def test_bernoulli_samples_are_zeros_and_ones(digits):
    train = (digits[0] >= 0.5).astype(float)
    vae = VAE(10, likelihood="bernoulli", random_state=0).fit(train)
    S = vae.sample(8000)
    assert set(np.unique(S)) == {0.0, 1.0}
    np.testing.assert_allclose(S.mean(axis=0), train.mean(axis=0), atol=0.05)
    with pytest.raises(ValueError, match=r"needs X in \[0, 1\]"):
        VAE(likelihood="bernoulli").fit(digits[0] * 16)


@pytest.fixture(scope="module")
def by_class(digits):
    train, _, y, _ = digits
    vae = VAE(8, beta=2.0, max_iter=100, learning_rate_init=2e-3, random_state=0)
    return vae.fit(train, np.array(list("abcdefghij"))[y])


def test_classifier_trained_on_samples_works_on_real_rows(digits):
    """0.97 by an SVC, which reaches 0.987 when it is trained on the real rows."""
    train, test, y_train, y_test = digits
    vae = VAE(
        10,
        beta=2.0,
        dropout=0.2,
        alpha=0.1,
        hidden_layer_sizes=(512, 256),
        learning_rate_init=2e-3,
        max_iter=400,
        random_state=0,
    ).fit(train, y_train)
    labels = np.arange(10).repeat(200)
    scores = [
        SVC()
        .fit(vae.sample(2000, y=labels, random_state=seed).clip(0, 1), labels)
        .score(test, y_test)
        for seed in range(3)
    ]
    assert np.mean(scores) >= 0.97


def test_class_conditional_samples_are_of_the_class(by_class, digits):
    train, _, y, _ = digits
    judge = LogisticRegression(max_iter=2000).fit(train, np.array(list("abcdefghij"))[y])
    for label in "aeh":
        assert np.mean(judge.predict(by_class.sample(200, y=label)) == label) > 0.85
    mixed = np.array(["a", "h"])[np.arange(100) % 2]
    assert np.mean(judge.predict(by_class.sample(100, y=mixed)) == mixed) > 0.85
    assert len(set(judge.predict(by_class.sample(300)))) == 10


def test_class_conditional_score_sums_the_classes_out(by_class, digits):
    test = digits[1][:50]
    rows = torch.from_numpy(by_class._encoder.transform(test))
    noise = by_class._noise(by_class.n_importance_samples)
    with torch.no_grad():
        module = by_class.net_.module_
        weights, Z = module.log_joint_terms(rows, noise)
        terms = []
        for c in range(10):
            output = module.output(Z, torch.full(Z.shape[:-1], c))
            terms.append(module.observation.log_prob(output, rows) + module.log_prior[c])
        ratio = weights - module.log_likelihood(Z, rows)
        total = torch.logsumexp(torch.logsumexp(torch.stack(terms), 0) + ratio, 0)
    expected = total.numpy() - np.log(len(noise)) + by_class._encoder.log_jacobian
    np.testing.assert_allclose(by_class.score_samples(test), expected, rtol=1e-3, atol=1e-2)


def test_reconstruction_uses_the_class_that_explains_the_row(by_class, digits):
    test = digits[1]
    error = np.mean((by_class.predict(test) - test) ** 2)
    fixed = by_class.inverse_transform(by_class.transform(test), y="a")
    assert error < 0.5 * np.mean((fixed - test) ** 2)
    average = by_class.inverse_transform(by_class.transform(test[:3]))
    parts = [by_class.inverse_transform(by_class.transform(test[:3]), y=c) for c in "abcdefghij"]
    shares = np.exp(by_class._log_prior)
    np.testing.assert_allclose(average, np.tensordot(shares, np.array(parts), 1), atol=1e-4)


def test_classes_are_optional_and_unknown_ones_refused(by_class, digits):
    train, _, y, _ = digits
    with pytest.raises(ValueError, match="'z', which was not seen"):
        by_class.sample(2, y="z")
    with pytest.raises(ValueError, match="has 3 entries for 2 rows"):
        by_class.sample(2, y=["a", "b", "c"])
    with pytest.raises(ValueError, match="`n_samples`=0"):
        by_class.sample(0)
    short = {"max_iter": 1, "random_state": 0}
    for plain in (
        VAE(conditional=False, **short).fit(train, y),
        VAE(**short).fit(train, np.linspace(0, 1, len(train))),  # a regression's target
    ):
        assert plain.classes_ is None
        with pytest.raises(ValueError, match="fitted without classes"):
            plain.sample(2, y=1)
    with pytest.raises(ValueError, match="`conditional`=True needs classes"):
        VAE(conditional=True, **short).fit(train)
    with pytest.raises(ValueError, match="does not go with a continuous y"):
        VAE(conditional=True, **short).fit(train, np.linspace(0, 1, len(train)))
    with pytest.raises(ValueError, match="fitted with classes"):
        by_class.partial_fit(train)


def test_partial_fit_takes_all_classes_beforehand(digits):
    train, _, y, _ = digits
    vae = VAE(2, random_state=0).partial_fit(train[y < 5], y[y < 5], classes=np.arange(10))
    vae.partial_fit(train[y >= 5], y[y >= 5])
    assert vae.n_iter_ == 2
    assert vae.sample(3, y=9).shape == (3, 64)


# --- missing entries -----------------------------------------------------------------------------------


def test_imputation_of_a_gaussian_is_its_conditional_mean(rng):
    """A linear VAE is a Gaussian: E[missing | observed] is known."""
    W = rng.normal(size=(6, 2))
    X = rng.normal(size=(1500, 2)) @ W.T + 0.3 * rng.normal(size=(1500, 6))
    vae = VAE(2, n_importance_samples=500, **LINEAR | {"max_iter": 150}).fit(X)
    gaps = X[:100].copy()
    gaps[:, [1, 4]] = np.nan
    filled = vae.impute(gaps)
    seen, lost = [0, 2, 3, 5], [1, 4]
    cov, mean = W @ W.T + 0.09 * np.eye(6), X.mean(axis=0)
    gain = cov[np.ix_(lost, seen)] @ np.linalg.inv(cov[np.ix_(seen, seen)])
    exact = mean[lost] + (X[:100][:, seen] - mean[seen]) @ gain.T
    np.testing.assert_array_equal(filled[:, seen], X[:100][:, seen].astype(np.float32))
    spread = np.sqrt(np.diag(cov)[lost])
    assert np.abs((filled[:, lost] - exact) / spread).mean() < 0.1


def test_imputation_beats_the_mean_and_leaves_full_rows_alone(digits, rng):
    train, test, *_ = digits
    vae = VAE(16, dropout=0.1, random_state=0).fit(train)
    gaps = test.copy()
    lost = rng.random(test.shape) < 0.3
    lost[0], lost[1] = False, True
    gaps[lost] = np.nan
    filled = vae.impute(gaps)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~lost], test.astype(np.float32)[~lost])
    by_mean = np.broadcast_to(train.mean(axis=0), test.shape)
    error, base = (np.mean((guess - test)[lost] ** 2) for guess in (filled, by_mean))
    assert error < 0.5 * base
    with pytest.raises(ValueError, match="NaN"):
        vae.score_samples(gaps)


# --- tables ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table():
    data = load_iris(as_frame=True)
    frame = data.data.copy()
    frame["species"] = pd.Categorical(data.target_names[data.target])
    frame["large"] = frame.iloc[:, 0] > 5.8
    frame.loc[frame.index % 5 == 0, "sepal width (cm)"] = np.nan
    return frame


@pytest.fixture(scope="module")
def of_table(table):
    return VAE(
        3,
        likelihood="mixed",
        standardize="column",
        max_iter=400,
        learning_rate_init=3e-3,
        random_state=0,
    ).fit(table)


def test_table_comes_back_with_its_dtypes_categories_and_gaps(of_table, table):
    S = of_table.sample(1000)
    assert list(S.columns) == list(table.columns)
    assert S.dtypes.to_dict() == table.dtypes.to_dict()
    assert S["sepal width (cm)"].isna().mean() == pytest.approx(0.2, abs=0.08)
    np.testing.assert_allclose(S["species"].value_counts(normalize=True), 1 / 3, atol=0.1)
    for name in table.columns[:4]:
        assert S[name].mean() == pytest.approx(table[name].mean(), abs=0.3 * table[name].std())
    # the columns go together: petals of setosa are short
    assert S.loc[S["species"] == "setosa", "petal length (cm)"].median() < 2.2
    assert of_table.predict(table).dtypes.to_dict() == table.dtypes.to_dict()


def test_table_cells_are_imputed_by_the_rest_of_the_row(of_table, table):
    gaps = table.copy()
    gaps["species"] = gaps["species"].where(gaps.index % 2 == 0)
    gaps.loc[gaps.index % 3 == 0, "petal length (cm)"] = np.nan
    filled = of_table.impute(gaps)
    assert not filled.isna().any().any()
    assert filled.dtypes.to_dict() == table.dtypes.to_dict()
    assert np.mean(filled["species"].astype(str) == table["species"].astype(str)) > 0.9
    lost = gaps["petal length (cm)"].isna()
    error = filled.loc[lost, "petal length (cm)"] - table.loc[lost, "petal length (cm)"]
    assert error.std() < 0.35 * table["petal length (cm)"].std()
    pd.testing.assert_series_equal(filled["large"], table["large"])


def test_table_score_counts_numbers_categories_and_gaps(table):
    """One constant code: the density is a product of what the marginals say."""
    vae = VAE(
        1,
        likelihood="mixed",
        standardize="column",
        beta=1e4,
        hidden_layer_sizes=(),
        max_iter=600,
        learning_rate_init=0.02,
        alpha=0.0,
        n_importance_samples=8,
        random_state=0,
    ).fit(table)
    numbers = table.iloc[:, :4].to_numpy()
    expected = norm(np.nanmean(numbers, axis=0), np.nanstd(numbers, axis=0)).logpdf(numbers)
    expected = np.nansum(expected, axis=1) + np.log(1 / 3)
    share = table["large"].mean()
    expected += np.where(table["large"], np.log(share), np.log(1 - share))
    gaps = table["sepal width (cm)"].isna()
    expected += np.where(gaps, np.log(0.2), np.log(0.8))
    np.testing.assert_allclose(vae.score_samples(table), expected, atol=0.25)


def test_table_model_saves_and_loads(of_table, table, tmp_path):
    of_table.save(tmp_path / "t")
    loaded = VAE.load(tmp_path / "t")
    np.testing.assert_array_equal(loaded.score_samples(table), of_table.score_samples(table))
    pd.testing.assert_frame_equal(loaded.sample(20), of_table.sample(20))


def test_array_with_named_categories_and_gaps(rng):
    X = np.column_stack([rng.normal(size=120), rng.integers(0, 3, size=120)])
    X[::7, 0] = np.nan
    vae = VAE(
        1,
        likelihood="mixed",
        standardize="column",
        categorical_features=[1],
        max_iter=30,
        random_state=0,
    ).fit(X)
    S = vae.sample(200)
    assert set(np.unique(S[:, 1])) <= {0.0, 1.0, 2.0}
    assert np.isfinite(vae.score_samples(X)).all()
    assert np.isfinite(vae.impute(X)).all()


# --- networks -------------------------------------------------------------------------------


class Network(torch.nn.Module):
    def __init__(self, n_features, n_components):
        super().__init__()
        self.mean = torch.nn.Linear(n_features, n_components)
        self.log_var = torch.nn.Linear(n_features, n_components)
        self.back = torch.nn.Linear(n_components, n_features)

    def encode(self, X):
        return self.mean(X), self.log_var(X)

    def decode(self, Z):
        return self.back(Z)


def test_network_of_ones_own(digits, tmp_path):
    train, test, *_ = digits
    vae = VAE(2, module=Network, **LINEAR | {"max_iter": 150}).fit(train)
    assert abs(vae.score(test) - PCA(2).fit(train).score(test)) < 1
    vae.save(tmp_path / "v")
    loaded = VAE.load(tmp_path / "v", module=Network)
    np.testing.assert_array_equal(loaded.score_samples(test), vae.score_samples(test))
    with pytest.raises(ValueError, match=r"`module`: decode returned shape \(2, 60\)"):
        VAE(2, module=Narrow).fit(train)


class Narrow(Network):
    """Decodes to the wrong width."""

    def __init__(self, n_features, n_components):
        super().__init__(n_features, n_components)
        self.back = torch.nn.Linear(n_components, 60)


@pytest.mark.usefixtures("one_thread")
def test_convolutional_vae_scores_and_samples_digits_by_class(digits):
    train, test, y_train, _ = digits
    vae = VAE(
        4,
        image_shape=(1, 8, 8),
        hidden_layer_sizes=(8, 16),
        max_iter=60,
        learning_rate_init=3e-3,
        random_state=0,
    ).fit(train, y_train)
    test = test[:50]
    assert vae.score(test) > PCA(4).fit(train).score(test)
    judge = LogisticRegression(max_iter=2000).fit(train, y_train)
    labels = np.arange(10).repeat(20)
    assert judge.score(vae.sample(200, y=labels), labels) > 0.8


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "mixed"])
def test_constant_columns_and_one_row_give_finite_models(likelihood):
    for X in (np.ones((20, 3)), np.array([[0.0, 1.0, 0.5]])):
        vae = VAE(2, likelihood=likelihood, max_iter=20, random_state=0).fit(X)
        assert np.isfinite(vae.score_samples(X)).all()
        assert np.isfinite(vae.sample(4)).all()
        assert np.isfinite(vae.predict(X)).all()
