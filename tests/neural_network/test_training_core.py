"""The training core, on the smallest estimator: bits, resuming, storing, callbacks, bad input."""

import copy
import io
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings

import joblib
import numpy as np
import pytest
import skorch
import torch
from callbacks import Watcher
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sklearn_extra_ml._torch import _net
from sklearn_extra_ml._torch._batches import DeviceBatches, TensorData
from sklearn_extra_ml._torch._flat import lay_end_to_end
from sklearn_extra_ml._torch._plan import TrainingPlan
from sklearn_extra_ml.neural_network import AutoEncoder, DiffusionModel, _checkpoint


def small(**parameters):
    """Return an autoencoder that trains in a blink."""
    return AutoEncoder(
        **{"hidden_layer_sizes": (8,), "max_iter": 6, "batch_size": 64, "random_state": 0}
        | parameters
    )


def weights(estimator):
    """Every weight and buffer of a fitted estimator as one array."""
    values = estimator.net_.module_.state_dict().values()
    return np.concatenate([t.detach().cpu().numpy().ravel() for t in values])


class Stop(Exception):
    pass


class StopAt(skorch.callbacks.Callback):
    """Raises in the middle of a training, as a crash would."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) > self.epoch:
            raise Stop


HARD = {
    "plain": {},
    "everything": {
        "dropout": 0.2,
        "noise": "gaussian",
        "normalization": "batch",
        "ema_decay": 0.9,
        "early_stopping": True,
        "n_iter_no_change": 2,
        "max_grad_norm": 1.0,
        "warmup": 0.2,
    },
    "sgd": {"solver": "sgd", "learning_rate": "constant", "noise": "masking"},
    "adam": {"solver": "adam", "tied_weights": True, "sparsity": 0.1},
}
hard = pytest.mark.parametrize("parameters", HARD.values(), ids=HARD)


# --- bits ----------------------------------------------------------------------------------------


@hard
def test_fit_twice_with_a_seed_gives_equal_bits(parameters, blob):
    first, second = (small(**parameters).fit(blob) for _ in range(2))
    np.testing.assert_array_equal(weights(first), weights(second))
    assert first.loss_curve_ == second.loss_curve_


def test_fit_leaves_every_global_random_state_and_setting_alone(blob):
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    expected = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    settings = (
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
        torch.is_grad_enabled(),
    )
    filters = list(warnings.filters)
    model = small(dropout=0.5, precision="tf32").fit(blob)
    model.predict(blob)
    np.testing.assert_array_equal(torch.rand(3), expected[0])
    np.testing.assert_array_equal(np.random.rand(3), expected[1])  # noqa: NPY002
    assert settings == (
        torch.get_num_threads(),
        torch.get_float32_matmul_precision(),
        torch.is_grad_enabled(),
    )
    assert list(warnings.filters) == filters


def test_random_state_none_follows_the_seed_of_numpy_as_scikit_learn_does(blob):
    fits = []
    for _ in range(2):
        np.random.seed(3)  # noqa: NPY002
        fits.append(weights(small(random_state=None).fit(blob)))
    np.testing.assert_array_equal(*fits)
    assert not np.array_equal(fits[0], weights(small(random_state=None).fit(blob)))


def test_fits_in_threads_give_the_bits_of_fits_one_after_the_other(blob):
    def run(seed):
        return weights(small(dropout=0.3, random_state=seed).fit(blob))

    one_by_one = [run(seed) for seed in range(4)]
    at_once = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(run)(seed) for seed in range(4)
    )
    for a, b in zip(one_by_one, at_once, strict=True):
        np.testing.assert_array_equal(a, b)


# --- batches and the plan -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"), [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (1, 4, [1]), (8, 4, [4, 4])]
)
def test_batches_cover_every_row_once_and_none_has_a_single_row(n, batch_size, sizes):
    data = TensorData(np.arange(n, dtype=np.float32)[:, None], np.arange(n))
    seen = list(DeviceBatches(data, batch_size, shuffle=True))
    assert [len(X) for X, _ in seen] == sizes
    rows = torch.cat([y for _, y in seen])
    assert sorted(rows.tolist()) == list(range(n))
    for X, y in seen:
        np.testing.assert_array_equal(X[:, 0], y)


def test_rate_warms_up_then_falls_as_a_cosine_to_zero():
    plan = TrainingPlan(learning_rate_init=2.0, warmup=0.1)
    rates = [plan.rate(step, 100) for step in range(100)]
    np.testing.assert_allclose(rates[:10], 2.0 * np.arange(1, 11) / 10)
    done = np.arange(90) / 90
    np.testing.assert_allclose(rates[10:], 1 + np.cos(np.pi * done))
    assert TrainingPlan(learning_rate="constant", learning_rate_init=2.0).rate(50, 100) == 2.0


def test_loss_curve_is_the_mean_over_rows_of_what_the_hand_loop_computes(blob):
    """One epoch of one batch from given weights: loss and update of plain torch."""
    model = small(batch_size=200, max_iter=1, learning_rate="constant", alpha=0.3).fit(blob)
    rows = torch.from_numpy(model._standardizer.transform(blob))
    start = small(batch_size=200, max_iter=1, learning_rate="constant", learning_rate_init=1e-30)
    module = start.fit(blob).net_.module_.train()
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.3}, {"params": vectors, "weight_decay": 0.0}],
        lr=1e-3,
    )
    loss = ((module(rows) - rows) ** 2).mean()
    loss.backward()
    optimizer.step()
    assert model.loss_curve_ == pytest.approx([loss.item()], rel=1e-5)
    np.testing.assert_allclose(weights(model), weights(start), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("solver", ["adamw", "adam"])
def test_lean_update_gives_the_bits_of_the_optimisers_own_step(solver, blob, monkeypatch):
    lean = small(solver=solver, alpha=0.1).fit(blob)
    assert lean.net_.optimizer_.state_dict()["state"][0]["step"] == 24
    monkeypatch.setattr(_net, "FusedUpdate", lambda optimizer: optimizer.step)
    own = small(solver=solver, alpha=0.1).fit(blob)
    np.testing.assert_array_equal(weights(lean), weights(own))
    assert lean.loss_curve_ == own.loss_curve_


def test_callback_with_state_of_its_own_is_copied_and_left_alone(blob):
    class Count(skorch.callbacks.Callback):
        def __init__(self):
            self.seen = 0  # for skorch a parameter, which __init__ does not take

        def on_epoch_end(self, net, **kwargs):
            self.seen += 1
            net.history.record("seen", self.seen)

    given = Count()
    model = small(max_iter=3, callbacks=[given]).fit(blob)
    assert [row["seen"] for row in model.net_.history] == [1, 2, 3]
    assert given.seen == 0


def test_averaged_weights_follow_the_formula(blob):
    """An average of decay 0 is the weights; a real one is the recursion, replayed by hand."""
    model = small(ema_decay=0.0).fit(blob)
    for a, b in zip(
        model.net_.averaged_module_.parameters(), model.net_.module_.parameters(), strict=True
    ):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-6, atol=1e-7)
    seen = []

    class Watch(skorch.callbacks.Callback):
        def on_batch_end(self, net, training, **kwargs):
            seen.append(next(net.module_.parameters()).detach().clone())

    model = small(ema_decay=0.9, callbacks=[Watch()]).fit(blob)
    first = small(ema_decay=0.9, max_iter=1, learning_rate_init=1e-30).fit(blob)
    average = next(first.net_.module_.parameters()).detach().clone()
    for step, value in enumerate(seen, start=1):
        average = torch.lerp(average, value, 1 - min(0.9, (1 + step) / (10 + step)))
    found = next(model.net_.averaged_module_.parameters()).detach()
    np.testing.assert_allclose(found, average, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("channels_last", [False, True])
def test_parameters_end_to_end_keep_values_strides_and_identity(channels_last):
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.Linear(3, 4).double())
    if channels_last:
        module.to(memory_format=torch.channels_last)
    before = [(p, p.detach().clone(), p.stride()) for p in module.parameters()]
    flats = lay_end_to_end(module.parameters())
    assert [flat.dtype for flat in flats] == [torch.float32, torch.float64]
    for (p, values, strides), after in zip(before, module.parameters(), strict=True):
        assert p is after and p.stride() == strides and p.requires_grad and p.is_leaf
        assert p.data_ptr() % 64 == 0  # fast kernels of GPUs ask for 16
        torch.testing.assert_close(p.detach(), values, rtol=0, atol=0)
    for flat in flats:
        flat.mul_(2.0)
    copied = copy.deepcopy(module)
    for (p, values, _), own in zip(before, copied.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), 2 * values, rtol=0, atol=0)
        assert own.untyped_storage().nbytes() == own.nbytes


def test_parameters_with_gaps_are_trained_where_they_are(blob):
    class Strided(torch.nn.Linear):
        def __init__(self, n_in, n_out):
            super().__init__(n_in, n_out)
            self.weight = torch.nn.Parameter(torch.zeros(n_out, 2 * n_in)[:, ::2])

    model = DiffusionModel(
        module=lambda n, _: Network(Strided(n, n)), max_iter=5, random_state=0
    ).fit(blob)
    weight = model.net_.module_.network.layer.weight
    assert weight.stride()[1] == 2 and weight.detach().abs().max() > 0


class Network(torch.nn.Module):
    """A network of one layer that does not look at the noise level."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, u, log_sigma, context):
        return self.layer(u)


# --- going on ------------------------------------------------------------------------------------


@hard
def test_resumed_training_gives_the_bits_of_the_uninterrupted_one(
    parameters, blob, tmp_path, monkeypatch
):
    monkeypatch.setattr(_checkpoint, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole = small(**parameters).fit(blob)
    with pytest.raises(Stop):
        small(**parameters, checkpoint_dir=tmp_path, callbacks=[StopAt(3)]).fit(blob)
    assert len(list(tmp_path.iterdir())) == 1
    resumed = small(**parameters, checkpoint_dir=tmp_path).fit(blob)
    np.testing.assert_array_equal(weights(resumed), weights(whole))
    np.testing.assert_array_equal(resumed.predict(blob), whole.predict(blob))
    assert resumed.loss_curve_ == whole.loss_curve_
    # a finished one is loaded, not trained again
    small(**parameters, checkpoint_dir=tmp_path, callbacks=[StopAt(0)]).fit(blob)
    again = small(**parameters, checkpoint_dir=tmp_path).fit(blob)
    np.testing.assert_array_equal(weights(again), weights(whole))
    # and goes on with the same stream
    np.testing.assert_array_equal(
        weights(again.partial_fit(blob)), weights(whole.partial_fit(blob))
    )


def test_checkpoint_of_other_data_or_parameters_is_left_alone(blob, tmp_path):
    small(checkpoint_dir=tmp_path).fit(blob)
    small(checkpoint_dir=tmp_path, max_iter=3).fit(blob)
    other = small(checkpoint_dir=tmp_path).fit(blob**2)
    assert len(list(tmp_path.iterdir())) == 3
    np.testing.assert_array_equal(weights(other), weights(small().fit(blob**2)))


def test_checkpoint_without_a_seed_resumes_with_the_seed_it_was_begun_with(
    blob, tmp_path, monkeypatch
):
    monkeypatch.setattr(_checkpoint, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    np.random.seed(11)  # noqa: NPY002
    whole = small(random_state=None).fit(blob)
    np.random.seed(11)  # noqa: NPY002
    with pytest.raises(Stop):
        small(random_state=None, checkpoint_dir=tmp_path, callbacks=[StopAt(2)]).fit(blob)
    resumed = small(random_state=None, checkpoint_dir=tmp_path).fit(blob)
    np.testing.assert_array_equal(weights(resumed), weights(whole))


def test_killed_training_leaves_a_checkpoint_that_resumes_bit_equal(tmp_path):
    """Three kills at moments of their own here; `tests/neural_network/kill.py 20` runs twenty."""
    script = os.path.join(os.path.dirname(__file__), "kill.py")
    done = subprocess.run(
        [sys.executable, script, "3", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # whence we import
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "3 kills" in done.stdout


def test_warm_start_goes_on_from_weights_and_random_state(blob):
    model = small(warm_start=True).fit(blob)
    before = weights(model)
    copied = copy.deepcopy(model).fit(blob)
    model.fit(blob)
    assert model.n_iter_ == 12
    np.testing.assert_array_equal(weights(model), weights(copied))
    assert not np.array_equal(weights(model), before)
    assert min(model.loss_curve_[6:]) < min(model.loss_curve_[:6])


def test_warm_start_on_other_columns_is_refused(blob):
    model = small(warm_start=True).fit(blob)
    with pytest.raises(ValueError, match="expecting 6 features"):
        model.fit(blob[:, :4])


def test_partial_fit_is_one_pass_and_six_of_them_learn_as_a_constant_rate_does(blob):
    model = small()
    for i in range(6):
        model.partial_fit(blob)
        assert model.n_iter_ == i + 1
    fitted = small(learning_rate="constant").fit(blob)
    np.testing.assert_allclose(model.loss_curve_, fitted.loss_curve_, rtol=1e-4)


def test_partial_fit_goes_on_after_fit_and_keeps_the_scale(blob):
    model = small(batch_size=32).fit(blob)
    scale = model._standardizer.scale.copy()
    model.partial_fit(blob[:50] * 3)
    np.testing.assert_array_equal(model._standardizer.scale, scale)
    assert model.n_iter_ == 7
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(blob[:, :3])


def test_early_stopping_keeps_the_best_weights(blob):
    model = small(
        early_stopping=True, n_iter_no_change=3, max_iter=300, learning_rate_init=0.05
    ).fit(blob)
    losses = model.history_["validation_loss"]
    assert model.n_iter_ < 300
    assert model.best_loss_ == min(losses)
    assert model.net_.best_["epoch"] == int(np.argmin(losses)) + 1
    shorter = small(
        early_stopping=True,
        n_iter_no_change=300,
        max_iter=300,
        learning_rate_init=0.05,
        callbacks=[StopAfter(model.net_.best_["epoch"])],
    ).fit(blob)
    np.testing.assert_array_equal(weights(model), weights(shorter))


class StopAfter(skorch.callbacks.Callback):
    """Ends a training the way skorch's own callbacks do."""

    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) >= self.epochs:
            raise KeyboardInterrupt


# --- storing -------------------------------------------------------------------------------------


@hard
def test_pickle_and_deepcopy_predict_and_train_on_alike(parameters, blob):
    model = small(**parameters).fit(blob)
    for copied in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(copied.predict(blob), model.predict(blob))
        np.testing.assert_array_equal(
            weights(copied.partial_fit(blob)), weights(copy.deepcopy(model).partial_fit(blob))
        )


@hard
def test_save_and_load_predict_alike_and_execute_nothing(parameters, blob, tmp_path):
    import pandas as pd

    frame = pd.DataFrame(blob, columns=list("abcdef"))
    model = small(**parameters).fit(frame)
    model.save(tmp_path / "model.safetensors")
    loaded = AutoEncoder.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(frame), model.predict(frame))
    assert loaded.get_params() == model.get_params()
    assert loaded.loss_curve_ == model.loss_curve_
    assert list(loaded.feature_names_in_) == list("abcdef")
    loaded.partial_fit(frame)
    assert loaded.n_iter_ == model.n_iter_ + 1
    assert b"pickle" not in (tmp_path / "model.safetensors").read_bytes()


def test_load_refuses_other_files_and_other_classes(blob, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"not a model at all")
    with pytest.raises(ValueError, match="no safetensors file"):
        AutoEncoder.load(path)
    from sklearn_extra_ml._torch._storage import save_model

    save_model(path, {"class": "KMeans"})
    with pytest.raises(ValueError, match="is a model of class KMeans"):
        AutoEncoder.load(path)


def test_saved_model_keeps_its_network_when_parameters_changed_after_the_fit(blob, tmp_path):
    model = small().fit(blob).set_params(hidden_layer_sizes=(3, 3))
    model.save(tmp_path / "m")
    loaded = AutoEncoder.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict(blob), model.predict(blob))
    assert loaded.hidden_layer_sizes == (3, 3)


def test_model_of_a_gpu_loads_on_a_machine_without_one(blob, monkeypatch):
    model = small().fit(blob)
    model.device = "cuda:7"  # as if it had been trained there
    stored = pickle.dumps(model)
    with pytest.warns(UserWarning, match="loaded to the CPU"):
        loaded = pickle.load(io.BytesIO(stored))
    np.testing.assert_array_equal(loaded.predict(blob), small().fit(blob).predict(blob))


def test_atomic_write_leaves_the_old_file_when_the_writer_fails(tmp_path):
    from sklearn_extra_ml._torch._storage import write_atomically

    path = tmp_path / "state"
    write_atomically(path, lambda file: file.write(b"old"))

    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


# --- skorch and scikit-learn around it ------------------------------------------------------------


def test_net_is_a_skorch_net_and_its_callbacks_work(blob, tmp_path):
    callbacks = [
        ("stop", skorch.callbacks.EarlyStopping("train_loss", patience=2, threshold=10.0)),
        skorch.callbacks.Checkpoint(dirname=str(tmp_path), monitor="train_loss_best"),
        skorch.callbacks.EpochTimer(),
        skorch.callbacks.GradientNormClipping(1.0),
        skorch.callbacks.EpochScoring(
            lambda net, X, y: float(len(X)), name="rows", on_train=True, use_caching=False
        ),
    ]
    model = small(max_iter=50, callbacks=callbacks).fit(blob)
    net = model.net_
    assert isinstance(net, skorch.NeuralNet)
    assert model.n_iter_ == 3
    assert net.history[:2, "rows"] == [200, 200]  # "stop" ended the third epoch before it
    assert (tmp_path / "params.pt").exists()
    rows = model._standardizer.transform(blob)
    np.testing.assert_allclose(
        model._standardizer.inverse_transform(net.predict(rows)), model.predict(blob), rtol=1e-5
    )
    assert callbacks[0][1].get_params()["patience"] == 2
    assert callbacks[0][1].misses_ == 0  # the user's own was not touched


def test_skorch_scheduler_drives_a_constant_rate(blob):
    scheduler = skorch.callbacks.LRScheduler("StepLR", step_size=1, gamma=0.5)
    model = small(learning_rate="constant", callbacks=[scheduler]).fit(blob)
    rate = model.net_.optimizer_.param_groups[0]["lr"]
    assert rate == pytest.approx(1e-3 * 0.5**6)


def test_scikit_learn_callbacks_see_every_epoch_and_a_usable_model(blob):
    watch = Watcher("epoch", lambda fitted: fitted.score(blob), stop_at="epoch", n=4)
    model = small(max_iter=20, learning_rate_init=0.01).set_callbacks(watch).fit(blob)
    assert model.n_iter_ == 4
    assert watch.seen[-1] == model.score(blob)
    assert watch.seen[0] < watch.seen[-1]


class Interrupt(skorch.callbacks.Callback):
    """Raises once, in the middle of the epoch after this one, as Ctrl-C does."""

    def __init__(self, epoch, hook):
        self.epoch, self.hook = epoch, hook

    def raise_in(self, hook, net):
        if hook == self.hook and len(net.history) == self.epoch + 1:
            self.hook = None
            raise KeyboardInterrupt

    def on_epoch_begin(self, net, **kwargs):
        self.raise_in("on_epoch_begin", net)

    def on_batch_end(self, net, **kwargs):
        self.raise_in("on_batch_end", net)

    def on_train_end(self, net, **kwargs):
        self.ended = True


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_batch_end"])
def test_keyboard_interrupt_ends_fit_and_leaves_no_fitted_model(hook, blob):
    before = torch.get_rng_state()
    model = small(callbacks=[Interrupt(3, hook)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(blob)
    assert not hasattr(model, "net_")
    assert torch.equal(torch.get_rng_state(), before)
    model.set_params(callbacks=None).fit(blob)
    np.testing.assert_array_equal(weights(model), weights(small().fit(blob)))


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_batch_end"])
def test_interrupted_continuation_keeps_the_weights_of_the_last_whole_epoch(hook, blob):
    model = small(warm_start=True, callbacks=[Interrupt(8, hook)]).fit(blob)
    whole = small(warm_start=True, callbacks=[StopAfter(8)]).fit(blob).fit(blob)
    assert len(whole.net_.history) == 8
    with pytest.raises(KeyboardInterrupt):
        model.fit(blob)
    assert len(model.net_.history) == 8
    assert dict(model.net_.callbacks_)["Interrupt"].ended
    np.testing.assert_array_equal(weights(model), weights(whole))
    assert len(pickle.loads(pickle.dumps(model)).partial_fit(blob).loss_curve_) == 9


def test_interrupted_fit_goes_on_from_its_checkpoint(blob, tmp_path, monkeypatch):
    monkeypatch.setattr(_checkpoint, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        small(checkpoint_dir=tmp_path, callbacks=[Interrupt(3, "on_batch_end")]).fit(blob)
    seen = []

    class Count(skorch.callbacks.Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(len(net.history))

    resumed = small(checkpoint_dir=tmp_path, callbacks=[Count()]).fit(blob)
    assert seen == [4, 5, 6]
    np.testing.assert_array_equal(weights(resumed), weights(small().fit(blob)))


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end"])
def test_signal_ends_fit_within_two_seconds_wherever_it_comes(hook, blob):
    """In ``on_epoch_end`` too, where a callback's own KeyboardInterrupt is a wish to stop."""

    def press(self, net, **kwargs):
        if len(net.history) == 3:
            moments.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(10):
                pass

    moments = []
    callback = type("Press", (skorch.callbacks.Callback,), {hook: press})()
    X = np.tile(blob, (20, 1))
    # a test run in the background of a shell ignores the signal
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            small(max_iter=20_000, callbacks=[callback]).fit(X)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(moments) == 1
    assert time.monotonic() - moments[0] < 2


INTERRUPTED = """
import signal
import numpy as np
from sklearn_extra_ml.neural_network import AutoEncoder, DiffusionModel
signal.signal(signal.SIGINT, signal.default_int_handler)
X = np.random.default_rng(0).normal(size=(20_000, 16))
class Tell:
    def setup(self, estimator, context): pass
    def on_fit_task_begin(self, estimator, context): pass
    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch": print("epoch", flush=True)
    def teardown(self, estimator, context): pass
try:
    {model}(max_iter=100_000).set_callbacks(Tell()).fit(X)
    print("ended", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("model", ["AutoEncoder", "DiffusionModel"])
def test_ctrl_c_reaches_the_caller_within_two_seconds(model):
    code = INTERRUPTED.format(model=model)
    with subprocess.Popen(
        (sys.executable, "-c", code),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout.readline() == "epoch\n"
        start = time.perf_counter()
        process.send_signal(signal.SIGINT)
        line = next(line for line in process.stdout if line != "epoch\n")
        assert time.perf_counter() - start < 2
        assert line == "interrupted\n"


def test_verbose_prints_a_line_an_epoch(blob, capsys):
    small(verbose=True, early_stopping=True).fit(blob)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("Iteration 1, loss = ")
    assert "validation loss" in lines[0]
    small().fit(blob)
    assert capsys.readouterr().out == ""


def test_grid_search_in_processes_by_its_own_score(blob):
    grid = {"n_components": [1, 3], "hidden_layer_sizes": [(), (8,)]}
    model = small(max_iter=60, learning_rate_init=0.01)
    search = GridSearchCV(model, grid, cv=2, n_jobs=2).fit(blob)
    assert search.best_params_["n_components"] == 3
    alone = GridSearchCV(model, grid, cv=2).fit(blob)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"], rtol=1e-3
    )


# --- hardware ------------------------------------------------------------------------------------


def test_fit_in_a_forked_child_after_a_fit_in_the_parent_ends(blob):
    X = np.tile(blob, (10, 1))
    model = small(hidden_layer_sizes=(256, 256)).fit(X)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        clone(model).fit(X).predict(X)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_bf16_trains_about_as_well_and_returns_float32(blob):
    exact = small(max_iter=30, learning_rate_init=0.01).fit(blob)
    model = small(max_iter=30, learning_rate_init=0.01, precision="bf16").fit(blob)
    assert model.predict(blob).dtype == np.float32
    assert not np.array_equal(weights(model), weights(exact))
    assert model.score(blob) > 3 * exact.score(blob)  # scores are negative


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own
def test_compiled_loss_gives_what_the_eager_one_gives(blob):
    eager = small().fit(blob)
    model = small(compile=True).fit(blob)
    np.testing.assert_allclose(model.loss_curve_, eager.loss_curve_, rtol=1e-3)
    assert not [name for name in model.net_.module_.state_dict() if "_orig_mod" in name]
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(model)).predict(blob), model.predict(blob)
    )


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cuda:99", "nonsense", "meta:x", 3.5])
def test_device_that_does_not_exist_is_named(device, blob):
    with pytest.raises(ValueError, match=r"`device`=.* cannot be used on this machine. Allowed"):
        small(device=device).fit(blob)


def test_missing_torch_names_the_extra():
    code = """if True:
        import sys
        class NoTorch:
            def find_spec(self, name, path=None, target=None):
                if name == "torch":
                    raise ModuleNotFoundError("No module named 'torch'", name="torch")
        sys.meta_path.insert(0, NoTorch())
        from sklearn_extra_ml.neural_network import AutoEncoder
        try:
            AutoEncoder().fit([[0.0, 1.0], [1.0, 0.0]])
        except ImportError as error:
            assert 'pip install "sklearn-extra-ml[deep]"' in str(error), error
            print("named")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "named\n", done.stderr


def test_diverging_training_stops_and_keeps_the_last_good_weights(blob):
    class Explode(skorch.callbacks.Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 4:
                for group in net.optimizer_.param_groups:
                    group["lr"] = 1e30

    with pytest.warns(ConvergenceWarning, match=r"not finite in epoch \d.*`learning_rate_init`"):
        model = small(learning_rate="constant", max_iter=50, callbacks=[Explode()]).fit(blob)
    good = small(learning_rate="constant", max_iter=3).fit(blob)
    assert model.n_iter_ < 50
    np.testing.assert_array_equal(weights(model), weights(good))
    assert np.isfinite(model.predict(blob)).all()
    assert model.best_loss_ == min(good.loss_curve_)


def test_diverging_from_the_first_epoch_warns_and_stays_finite(blob):
    with pytest.warns(ConvergenceWarning, match="not finite in epoch"):
        model = small(learning_rate_init=1e30, max_iter=50).fit(blob)
    assert np.isfinite(model.predict(blob)).all()


def test_batch_larger_than_the_data_warns_and_is_the_whole_data(blob):
    with pytest.warns(UserWarning, match=r"`batch_size`=999 is larger than n_samples=200"):
        large = small(batch_size=999).fit(blob)
    np.testing.assert_array_equal(weights(large), weights(small(batch_size=200).fit(blob)))


def test_one_row_and_constant_columns_give_finite_models(blob):
    for X in (blob[:1], np.ones((30, 4)), np.full((30, 2), 1e8)):
        model = small(max_iter=50, batch_size="auto").fit(X)
        np.testing.assert_allclose(model.predict(X), X, rtol=0.05, atol=0.3)


def test_early_stopping_needs_a_row_to_train_on(blob):
    with pytest.raises(ValueError, match=r"`validation_fraction`=0\.1 leaves no row"):
        small(early_stopping=True, batch_size="auto").fit(blob[:1])


def test_nan_is_refused(blob):
    blob[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        small().fit(blob)


def test_module_without_parameters_is_refused(blob):
    class Nothing(torch.nn.Module):
        def encode(self, X):
            return X[:, :2]

        def decode(self, Z):
            return torch.zeros(len(Z), 6)

    with pytest.raises(ValueError, match="no parameters to train"):
        small(module=Nothing()).fit(blob)
