"""DiffusionModel: what its methods mean, and what it refuses."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_extra_ml.metrics import energy_distance
from sklearn_extra_ml.neural_network import DiffusionModel

SMALL = {"hidden_layer_sizes": (32, 32), "random_state": 0}
TINY = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0}
MEAN, COVARIANCE = np.array([3.0, -50.0]), np.array([[4.0, 12.0], [12.0, 100.0]])


@pytest.fixture(scope="module")
def gaussian():
    """A model of a Gaussian with correlation 0.6, and new rows."""
    rng = np.random.default_rng(0)
    X = rng.multivariate_normal(MEAN, COVARIANCE, size=2000)
    model = DiffusionModel(hidden_layer_sizes=(64, 64), max_iter=250, random_state=0).fit(X)
    return model, rng.multivariate_normal(MEAN, COVARIANCE, size=400)


@pytest.fixture(scope="module")
def classes():
    """A model of two blobs, conditioned on string labels."""
    rng = np.random.default_rng(0)
    y = rng.choice(["left", "right"], p=[0.25, 0.75], size=600)
    X = rng.normal(size=(600, 2)) * 0.5 + np.where(y == "left", -3.0, 3.0)[:, None]
    return DiffusionModel(**SMALL, max_iter=300).fit(X, y)


@pytest.fixture(scope="module")
def table():
    """A model of a mixed table and the table."""
    rng = np.random.default_rng(0)
    n = 400
    kind = rng.choice(["a", "b", "c"], size=n, p=[0.5, 0.3, 0.2])
    level = rng.normal(size=n) + 3 * (kind == "a")
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical(kind, ["c", "b", "a", "unused"]),
            "level": level,
            "count": rng.poisson(np.exp(0.5 * level.clip(-2, 3))),
            "gap": np.where(rng.random(n) < 0.25, np.nan, level + 0.1 * rng.normal(size=n)),
            "flag": level > 1,
            "one": np.ones(n, dtype=np.float32),
        }
    )
    return DiffusionModel(hidden_layer_sizes=(64, 64), max_iter=400, random_state=0).fit(
        frame
    ), frame


# --- density and the flow ------------------------------------------------------------------------


def test_log_density_is_in_nats_of_the_input_space(gaussian):
    model, X = gaussian
    true = multivariate_normal(MEAN, COVARIANCE).logpdf(X)
    found = model.score_samples(X)
    assert found.dtype == np.float32
    assert abs((found - true).mean()) < 0.08
    assert np.corrcoef(found, true)[0, 1] > 0.95
    assert model.score(X) == pytest.approx(found.mean(dtype=float))


def test_density_does_not_depend_on_the_other_rows(gaussian):
    model, X = gaussian
    together = model.score_samples(X)
    np.testing.assert_allclose(model.score_samples(X[7:8]), together[7:8], rtol=1e-6)
    np.testing.assert_allclose(model.score_samples(X[::-1]), together[::-1], rtol=1e-6)
    np.testing.assert_allclose(model.transform(X[7:9]), model.transform(X)[7:9], rtol=1e-5)


def test_rows_become_standard_normal_noise_and_come_back(gaussian):
    model, X = gaussian
    Z = model.transform(X)
    assert Z.shape == X.shape and Z.dtype == np.float32
    assert np.abs(Z.mean(axis=0)).max() < 0.2 and np.abs(np.cov(Z.T) - np.eye(2)).max() < 0.3
    error = (model.inverse_transform(Z) - X) / np.sqrt(np.diag(COVARIANCE))
    assert np.abs(error).max() < 1e-3
    assert list(model.get_feature_names_out()) == ["diffusionmodel0", "diffusionmodel1"]


def test_round_trip_of_a_curved_density_is_below_a_thousandth():
    X, _ = make_moons(500, noise=0.1, random_state=0)
    model = DiffusionModel(**SMALL, max_iter=400).fit(X)
    assert np.abs(model.inverse_transform(model.transform(X)) - X).max() < 1e-3


def test_predict_is_the_expectation_of_the_clean_row(gaussian):
    model, X = gaussian
    scale = model.denoise_sigma * np.diag(X.std(axis=0))
    noisy = X + np.random.default_rng(1).normal(size=X.shape) @ scale
    gain = COVARIANCE @ np.linalg.inv(COVARIANCE + scale**2)
    expected = MEAN + (noisy - MEAN) @ gain.T
    error = (model.predict(noisy) - expected) / X.std(axis=0)
    assert np.sqrt((error**2).mean()) < 0.1


def test_many_columns_take_the_estimated_trace():
    X = np.random.default_rng(0).normal(size=(200, 70))
    model = DiffusionModel(hidden_layer_sizes=(16,), max_iter=20, random_state=0).fit(X)
    values = model.score_samples(X[:20])
    assert np.isfinite(values).all()
    np.testing.assert_allclose(model.score_samples(X[3:5]), values[3:5], rtol=1e-6)


# --- samples -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "heun", "euler", "ddim", "ddpm"])
def test_every_sampler_draws_the_gaussian(gaussian, sampler):
    model = clone(gaussian[0]).set_params(sampler=sampler)
    vars(model).update(
        {k: v for k, v in vars(gaussian[0]).items() if k.endswith("_") or k[0] == "_"}
    )
    n_steps = 200 if sampler in ("ddpm", "ddim", "euler") else 30
    X = model.sample(2000, n_steps=n_steps, random_state=1)
    assert X.shape == (2000, 2) and X.dtype == np.float32
    std = np.sqrt(np.diag(COVARIANCE))
    assert np.abs((X.mean(axis=0) - MEAN) / std).max() < 0.12
    assert np.abs(np.cov(X.T) / np.outer(std, std) - COVARIANCE / np.outer(std, std)).max() < 0.15


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_eps_parameterization_learns_density_and_samples(schedule):
    rng = np.random.default_rng(0)
    X = rng.multivariate_normal(MEAN, COVARIANCE, size=1000)
    model = DiffusionModel(
        hidden_layer_sizes=(64, 64),
        parameterization="eps",
        noise_schedule=schedule,
        sampler="ddpm",
        n_sampling_steps=300,
        max_iter=400,
        random_state=0,
    ).fit(X)
    true = multivariate_normal(MEAN, COVARIANCE).logpdf(X).mean()
    assert abs(model.score(X) - true) < 0.25
    drawn = model.sample(1000)
    assert (
        energy_distance(StandardScaler().fit(X).transform(drawn), StandardScaler().fit_transform(X))
        < 0.2
    )


def test_samples_repeat_for_a_seed_and_differ_between_seeds(gaussian):
    model, _ = gaussian
    state = torch.get_rng_state()
    np.testing.assert_array_equal(model.sample(5), model.sample(5))
    np.testing.assert_array_equal(model.sample(5, random_state=3), model.sample(5, random_state=3))
    assert not np.array_equal(model.sample(5, random_state=3), model.sample(5, random_state=4))
    assert torch.equal(state, torch.get_rng_state())


def test_trajectory_leads_from_noise_to_the_sample(gaussian):
    model, _ = gaussian
    X, trajectory = model.sample(300, n_steps=12, return_trajectory=True)
    assert len(trajectory.states) == len(trajectory.sigmas) == 13 == len(trajectory.denoised) + 1
    np.testing.assert_array_equal(trajectory.states[-1], X)
    np.testing.assert_array_equal(X, model.sample(300, n_steps=12))
    first = (trajectory.states[0] - MEAN) / np.sqrt(np.diag(COVARIANCE))
    assert np.abs(np.corrcoef(first.T)[0, 1]) < 0.2 and abs(first.std() - 1) < 0.15
    assert (np.diff(trajectory.sigmas) < 0).all()


def test_samples_stay_in_the_range_unless_told_otherwise(gaussian):
    model, _ = gaussian
    low, high = model._table.lowest, model._table.highest
    X = model.sample(3000)
    assert (X >= low - 1e-4).all() and (X <= high + 1e-4).all()


def test_whole_numbers_are_drawn_whole_unless_told_otherwise():
    rng = np.random.default_rng(0)
    X = np.c_[rng.integers(5, size=100), rng.normal(size=100)].astype(float)
    model = DiffusionModel(**SMALL, max_iter=20).fit(X)
    drawn = model.sample(50)
    as_drawn = model.set_params(round_samples=False).sample(50)
    np.testing.assert_array_equal(drawn[:, 0], np.round(as_drawn[:, 0]))
    np.testing.assert_array_equal(drawn[:, 1], as_drawn[:, 1])
    assert (as_drawn[:, 0] != drawn[:, 0]).any()
    gaps = X.copy()
    gaps[:9, 0] = np.nan
    filled = model.set_params(round_samples=True).impute(gaps)
    np.testing.assert_array_equal(filled[:, 0], np.round(filled[:, 0]))


def test_amounts_that_are_mostly_zero_are_drawn_as_zero_as_often():
    rng = np.random.default_rng(0)
    bought = rng.random(600) < 0.35
    X = np.c_[
        np.where(bought, rng.lognormal(2, 0.5, size=600), 0.0), rng.normal(size=600) + 2 * bought
    ]
    drawn = DiffusionModel(random_state=0).fit(X).sample(2000)
    zero = drawn[:, 0] == 0
    assert abs(zero.mean() - (X[:, 0] == 0).mean()) < 0.05
    assert drawn[~zero, 0].mean() == pytest.approx(X[bought, 0].mean(), rel=0.1)
    assert drawn[~zero, 1].mean() - drawn[zero, 1].mean() == pytest.approx(2, abs=0.3)


def test_decimals_are_drawn_as_in_the_training_rows():
    rng = np.random.default_rng(0)
    X = np.c_[np.round(rng.normal(size=80), 1), rng.normal(size=80)]
    model = DiffusionModel(**SMALL, max_iter=20).fit(X)
    drawn = model.sample(50)
    np.testing.assert_array_equal(drawn[:, 0], np.round(drawn[:, 0], 1))
    assert (drawn[:, 1] != np.round(drawn[:, 1], 4)).all()


def test_classes_are_drawn_as_asked_and_as_frequent(classes):
    left = classes.sample(200, y="left")
    assert (left.sum(axis=1) < 0).mean() > 0.97
    mixed = classes.sample(4, y=["left", "right", "left", "right"])
    np.testing.assert_array_equal(mixed.sum(axis=1) < 0, [True, False, True, False])
    share = (classes.sample(1000).sum(axis=1) < 0).mean()
    assert abs(share - 0.25) < 0.07
    assert list(classes.classes_) == ["left", "right"]


def test_guidance_makes_classes_purer(classes):
    def spread(scale):
        model = pickle.loads(pickle.dumps(classes)).set_params(guidance_scale=scale)
        X = model.sample(400, y="left")
        return np.abs(X.mean() + 3)

    assert spread(0.0) > 1  # no context: both classes
    assert spread(1.0) < 0.3


def test_conditional_density_prefers_the_own_class(classes):
    X = np.array([[-3.0, -3.0], [3.0, 3.0]])
    own = classes.score_samples(X, y=["left", "right"])
    other = classes.score_samples(X, y=["right", "left"])
    assert (own > other + 3).all()
    assert np.isfinite(classes.score_samples(X)).all()
    # the noise of one class, decoded as the other, is carried over
    moved = classes.inverse_transform(
        classes.transform(X, y=["left", "right"]), y=["right", "left"]
    )
    np.testing.assert_allclose(moved, X[::-1], atol=1.0)


def test_score_of_unseen_classes_is_their_density_without_context(classes):
    X = np.array([[-3.0, -3.0], [3.0, 3.0], [2.5, 3.0]])
    values = classes.score_samples(X[:2], y=["left", "right"]), classes.score_samples(X[2:])
    expected = np.concatenate(values).mean(dtype=np.float64)
    assert classes.score(X, ["left", "right", "middle"]) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="not fitted with"):
        classes.score_samples(X, y=["left", "right", "middle"])


def test_feature_context_moves_the_samples():
    rng = np.random.default_rng(0)
    y = rng.uniform(-1, 1, size=(800, 2))
    X = 5 * y + 0.1 * rng.normal(size=(800, 2))
    model = DiffusionModel(**SMALL, max_iter=300).fit(X, y)
    wanted = np.array([[0.5, -0.5], [-0.5, 0.5]])
    drawn = model.sample(2, y=wanted)
    np.testing.assert_allclose(drawn, 5 * wanted, atol=1.2)
    assert not hasattr(model, "classes_")
    assert model.sample(50).shape == (50, 2)


# --- missing values and conditions ---------------------------------------------------------------


def test_imputed_cells_follow_their_conditional_distribution(gaussian):
    model, _ = gaussian
    X = np.full((600, 2), np.nan)
    X[:, 0] = MEAN[0] + 2.0  # one standard deviation
    filled = model.impute(X)
    np.testing.assert_array_equal(filled[:, 0], X[:, 0])
    assert filled.dtype == X.dtype and np.isnan(X[:, 1]).all()
    mean, std = MEAN[1] + 0.6 * 10, 10 * 0.8
    assert abs(filled[:, 1].mean() - mean) < 0.2 * std
    assert abs(filled[:, 1].std() / std - 1) < 0.25
    complete = model.impute(model.sample(5))
    assert complete.dtype == np.float32


def test_conditions_equal_imputation_and_waste_no_row(gaussian):
    model, _ = gaussian
    drawn = model.sample(300, conditions={0: MEAN[0] - 2.0})
    np.testing.assert_allclose(drawn[:, 0], MEAN[0] - 2.0, rtol=1e-6)
    assert abs(drawn[:, 1].mean() - (MEAN[1] - 6)) < 2
    each = model.sample(3, conditions={1: [-60.0, -50.0, -40.0]})
    np.testing.assert_allclose(each[:, 1], [-60, -50, -40], rtol=1e-6)


def test_table_is_drawn_with_dtypes_levels_and_gaps(table):
    model, frame = table
    drawn = model.sample(600)
    pd.testing.assert_series_equal(drawn.dtypes, frame.dtypes)
    assert set(drawn["kind"]) == {"a", "b", "c"} and (drawn["one"] == 1).all()
    assert abs(drawn["gap"].isna().mean() - 0.25) < 0.1
    assert abs((drawn["kind"] == "a").mean() - 0.5) < 0.12
    assert (
        drawn["level"][drawn["kind"] == "a"].mean()
        > drawn["level"][drawn["kind"] == "b"].mean() + 2
    )
    assert (drawn["flag"] == (drawn["level"] > 1)).mean() > 0.9
    assert drawn["count"].min() >= 0


def test_table_is_drawn_given_columns(table):
    model, frame = table
    drawn = model.sample(50, conditions={"kind": "b", "count": 4, "flag": True})
    assert (drawn["kind"] == "b").all() and (drawn["count"] == 4).all() and drawn["flag"].all()
    pd.testing.assert_series_equal(drawn.dtypes, frame.dtypes)
    assert drawn.notna().all().all()


def test_table_is_imputed_with_its_index(table):
    model, frame = table
    holes = frame.iloc[10:40].copy()
    holes.loc[holes.index[::2], "kind"] = None
    holes.loc[holes.index[::3], "level"] = np.nan
    filled = model.impute(holes)
    assert filled.notna().all().all() and filled.index.equals(holes.index)
    pd.testing.assert_series_equal(filled.dtypes, frame.dtypes)
    known = holes["level"].notna()
    pd.testing.assert_series_equal(filled["level"][known], holes["level"][known])
    near = (filled["level"] - frame["level"].loc[filled.index])[~known & holes["gap"].notna()]
    assert near.abs().mean() < 0.8  # told by `gap`
    assert np.isfinite(model.score_samples(frame.iloc[:9])).all()


def test_polars_frames_come_back():
    frame = pl.DataFrame({"x": np.arange(30.0), "c": ["u", "v"] * 15})
    model = DiffusionModel(**TINY).fit(frame)
    assert model.sample(4).schema == frame.schema
    assert model.impute(frame.with_columns(c=pl.lit(None, pl.String))).schema == frame.schema
    assert model.predict(frame).schema == frame.schema


def test_arrays_with_missing_entries_are_drawn_with_some():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    X[rng.random(300) < 0.4, 1] = np.nan
    model = DiffusionModel(**SMALL, max_iter=200).fit(X)
    drawn = model.sample(400)
    assert not np.isnan(drawn[:, 0]).any()
    assert abs(np.isnan(drawn[:, 1]).mean() - 0.4) < 0.15
    assert model.transform(X).shape == (300, 3) and np.isfinite(model.transform(X)).all()


# --- training ------------------------------------------------------------------------------------


def test_default_number_of_steps_grows_with_the_data():
    from sklearn_extra_ml.neural_network._diffusion_base import gradient_steps

    assert [gradient_steps(n) for n in (1, 10, 100, 160, 500)] == [100, 150, 1500, 2400, 2400]
    assert 2400 < gradient_steps(1000) < gradient_steps(10_000) < 10_000
    X = np.random.default_rng(0).normal(size=(40, 2))
    model = DiffusionModel(hidden_layer_sizes=(4,), random_state=0).fit(X)
    assert model.net_.n_steps_ == 600 == model.n_iter_


@pytest.mark.parametrize("n", [40, 256, 300, 455, 1257])
def test_default_epochs_make_the_steps_that_are_promised(n):
    from sklearn_extra_ml.neural_network import DiffusionClassifier
    from sklearn_extra_ml.neural_network._diffusion_base import gradient_steps

    batch_size = min(256, n)
    n_batches = -(-n // batch_size)  # of one epoch, the smaller last one counted
    for model, promised in (
        (DiffusionModel(), gradient_steps(n)),
        (DiffusionClassifier(), max(100, gradient_steps(n) // 2)),
    ):
        assert 0 <= model._n_epochs(n, batch_size) * n_batches - promised < n_batches


def test_fit_repeats_bit_for_bit_and_leaves_no_trace():
    X = np.random.default_rng(0).normal(size=(50, 2))
    state = torch.get_rng_state()
    one, two = DiffusionModel(**TINY).fit(X), DiffusionModel(**TINY).fit(X)
    np.testing.assert_array_equal(one.sample(9), two.sample(9))
    assert torch.equal(state, torch.get_rng_state())


def test_partial_fit_is_one_pass_and_warm_start_goes_on():
    X = np.random.default_rng(0).normal(size=(50, 2))
    model = DiffusionModel(**TINY, batch_size=10)
    for n in (1, 2):
        model.partial_fit(X)
        assert model.net_.n_steps_ == 5 * n
    model = DiffusionModel(**TINY, warm_start=True).fit(X).fit(X)
    assert model.n_iter_ == 6
    with pytest.raises(ValueError, match="without y"):
        model.fit(X, np.zeros(50, dtype=int))
    conditional = DiffusionModel(**TINY).partial_fit(X, np.arange(50) % 2)
    with pytest.raises(ValueError, match="fitted with y"):
        conditional.partial_fit(X)
    with pytest.raises(ValueError, match="`y`=7 is a class"):
        conditional.partial_fit(X, np.full(50, 7))


def test_checkpoint_resumes_bit_equal(tmp_path):
    X = np.random.default_rng(0).normal(size=(50, 2))
    whole = DiffusionModel(**TINY).fit(X)

    model = DiffusionModel(**TINY, checkpoint_dir=tmp_path)
    stored = model.fit(X).sample(5)
    again = DiffusionModel(**TINY, checkpoint_dir=tmp_path).fit(X).sample(5)
    np.testing.assert_array_equal(stored, whole.sample(5))
    np.testing.assert_array_equal(again, stored)


def test_saved_model_draws_the_same(table, classes, tmp_path):
    for model in (table[0], classes):
        model.save(tmp_path / "model")
        loaded = DiffusionModel.load(tmp_path / "model")
        copy = pickle.loads(pickle.dumps(model))
        for other in (loaded, copy):
            a, b = model.sample(7), other.sample(7)
            assert pd.DataFrame(a).equals(pd.DataFrame(b))


def test_early_stopping_ends_before_the_last_epoch():
    X = np.random.default_rng(0).normal(size=(100, 2))
    model = DiffusionModel(
        hidden_layer_sizes=(8,),
        max_iter=500,
        early_stopping=True,
        n_iter_no_change=5,
        random_state=0,
    ).fit(X)
    assert model.n_iter_ < 500 and "validation_loss" in model.history_


def test_pipeline_and_grid_search_by_score():
    X, _ = make_moons(60, noise=0.1, random_state=0)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), DiffusionModel(max_iter=40, random_state=0)),
        {
            "diffusionmodel__hidden_layer_sizes": [(8,), (32, 32)],
            "diffusionmodel__n_sampling_steps": [5],
        },
        cv=2,
    ).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_[-1].sample(3).shape == (3, 2)


def test_own_network_is_trained():
    class Own(torch.nn.Module):
        def __init__(self, n_features, n_context):
            super().__init__()
            self.layer = torch.nn.Linear(n_features + n_context, n_features)

        def forward(self, u, log_sigma, context):
            return self.layer(u if context is None else torch.cat((u, context), dim=1))

    X, y = make_moons(60, random_state=0)
    for target in (None, y):
        model = DiffusionModel(module=Own, max_iter=5, random_state=0).fit(X, target)
        assert np.isfinite(model.score_samples(X)).all() and model.sample(3).shape == (3, 2)
    with pytest.raises(ValueError, match="`module` returned shape"):
        DiffusionModel(module=lambda n, c: Wrong(), max_iter=5).fit(X)


class Wrong(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 3)

    def forward(self, u, log_sigma, context):
        return self.layer(u)


# --- odd and bad input ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((1, 2)),
        np.zeros((20, 3)),
        np.repeat([[1.0, 2.0], [3.0, 4.0]], 10, axis=0),
        1e8 + np.random.default_rng(0).normal(size=(30, 2)),
        np.asfortranarray(np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)),
    ],
    ids=["one row", "constant", "duplicates", "huge offset", "float32, Fortran order"],
)
def test_odd_data_give_finite_samples_and_densities(X):
    X.setflags(write=False)
    model = DiffusionModel(hidden_layer_sizes=(8,), max_iter=30, random_state=0).fit(X)
    assert np.isfinite(model.sample(20)).all()
    assert np.isfinite(model.score_samples(X)).all()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"sigma_min": 0.5, "sigma_max": 0.5}, "sigma_max"),
        ({"hidden_layer_sizes": ()}, "hidden_layer_sizes"),
        ({"categorical_features": [9]}, "categorical_features"),
        ({"sampler": "rk45"}, "sampler"),
        ({"standardize": "other"}, "standardize"),
    ],
)
def test_bad_parameters_are_named(parameters, words):
    with pytest.raises(ValueError, match=words):
        DiffusionModel(**parameters).fit(np.zeros((5, 2)))


def test_bad_input_is_named(gaussian, classes):
    model, X = gaussian
    for n in (0, -1, 2.5):
        with pytest.raises(ValueError, match="`n_samples`"):
            model.sample(n)
    with pytest.raises(ValueError, match="`n_steps`=0"):
        model.sample(1, n_steps=0)
    with pytest.raises(ValueError, match="fitted without y"):
        model.sample(1, y=1)
    with pytest.raises(ValueError, match="`y`='up' is a class that the model was not fitted with"):
        classes.sample(1, y="up")
    with pytest.raises(ValueError, match="does not fit 3 rows"):
        classes.sample(3, y=["left"] * 2)
    with pytest.raises(ValueError, match="`conditions`=5 is no column"):
        model.sample(1, conditions={5: 0.0})
    with pytest.raises(ValueError, match="`conditions`='size' is no column"):
        model.sample(1, conditions={"size": 0.0})
    with pytest.raises(ValueError, match="has 2 values"):
        model.sample(3, conditions={0: [1.0, 2.0]})
    with pytest.raises(ValueError, match="NaN in column"):
        model.score_samples(np.full((1, 2), np.nan))
    with pytest.raises(ValueError, match="infinity"):
        model.impute(np.full((1, 2), np.inf))
    with pytest.raises(ValueError, match="the noise has 2"):
        model.inverse_transform(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="minimum of 1 is required"):
        DiffusionModel().fit(pd.DataFrame({"a": []}))
    with pytest.raises(ValueError, match="inconsistent numbers"):
        DiffusionModel(**TINY).fit(X, np.zeros(3))
