"""Solvers, flow and densities with the denoiser of a Gaussian, for which everything is known."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from reference.diffusion import GaussianDenoiser, karras_sigmas
from sklearn_extra_ml._torch import _probability_flow as flow
from sklearn_extra_ml._torch import _solvers as solvers
from sklearn_extra_ml._torch._denoiser import ConditionalMLP, Denoiser, guided, with_context

ORDER = {"euler": 1, "ddim": 1, "heun": 2, "dpmpp_2m": 2}


@pytest.fixture
def gaussian(rng):
    """Three correlated columns of variance about 1."""
    root = rng.normal(size=(3, 3))
    covariance = root @ root.T + 0.3 * np.eye(3)
    scale = np.sqrt(np.diag(covariance))
    covariance /= np.outer(scale, scale)
    return GaussianDenoiser(rng.uniform(-0.5, 0.5, size=3), covariance)


@pytest.mark.parametrize("name", ORDER)
def test_solver_error_falls_with_its_order(gaussian, rng, name):
    x = 80 * rng.normal(size=(30, 3))
    exact = gaussian.flow(x, 80.0, 0.05)
    errors = []
    for n_steps in (80, 160):
        sigmas = karras_sigmas(n_steps, 0.05, 80.0)[:-1]
        found = solvers.SOLVERS[name](gaussian.denoise, x, sigmas)
        errors.append(np.abs(found - exact).max())
    order = math.log2(errors[0] / errors[1])
    assert abs(order - ORDER[name]) < 0.2


@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_samples_have_mean_and_covariance_of_the_gaussian(gaussian, rng, name):
    n = 4000
    sigmas = karras_sigmas(200, 0.002, 80.0)

    def noise(like):
        return rng.normal(size=like.shape)

    x = solvers.SOLVERS[name](gaussian.denoise, 80 * noise(np.empty((n, 3))), sigmas, noise)
    mean_error = (x.mean(axis=0) - gaussian.mean) / np.sqrt(1 / n)
    assert np.abs(mean_error).max() < 3.5
    products = (x - gaussian.mean)[:, :, None] * (x - gaussian.mean)[:, None, :]
    error = products.mean(axis=0) - gaussian.covariance
    assert (np.abs(error) < 3.5 * products.std(axis=0) / np.sqrt(n) + 0.01).all()


def test_ddpm_on_the_chain_has_the_variance_of_the_posterior():
    # one column: q(x_next | x, x0) of the chain, by completing the square
    sigma, following, x, x0 = 2.0, 1.5, 1.0, 0.4
    drawn = []

    def noise(like):
        drawn.append(np.ones_like(like))
        return drawn[-1]

    out = solvers.ddpm(lambda x, sigma: np.array([x0]), np.array([x]), [sigma, following], noise)
    precision = 1 / following**2 + 1 / (sigma**2 - following**2)
    mean = (x0 / following**2 + x / (sigma**2 - following**2)) / precision
    assert out[0] == pytest.approx(mean + np.sqrt(1 / precision))


def test_chain_levels_equal_the_product_of_the_schedule():
    betas = np.linspace(1e-4, 0.02, 1000)
    kept = np.cumprod(1 - betas)
    levels = solvers.chain_sigmas("linear", 1000)
    np.testing.assert_allclose(levels, np.sqrt((1 - kept) / kept), rtol=1e-9)
    assert (np.diff(solvers.chain_sigmas("cosine", 50)) > 0).all()
    respaced = solvers.respaced_sigmas(levels, 10)
    assert respaced[0] == levels[-1] and respaced[-2] == levels[0] and respaced[-1] == 0


def test_watch_sees_every_state_and_changes_nothing(gaussian, rng):
    x = 80 * rng.normal(size=(5, 3))
    sigmas = karras_sigmas(8, 0.002, 80.0)
    for solver in (solvers.dpmpp_2m, solvers.heun, solvers.euler, solvers.ddim):
        seen = []
        watched = solver(gaussian.denoise, x, sigmas, None, lambda *s, seen=seen: seen.append(s))
        assert [i for i, *_ in seen] == list(range(8))
        np.testing.assert_array_equal(seen[0][1], x)
        np.testing.assert_array_equal(watched, solver(gaussian.denoise, x, sigmas))


def test_repaint_draws_from_the_conditional_gaussian(rng):
    covariance = np.array([[1.0, 0.8], [0.8, 1.0]])
    gaussian = GaussianDenoiser(np.zeros(2), covariance)
    n = 4000
    known, mask = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    x = solvers.repaint(
        gaussian.denoise,
        np.tile(known, (n, 1)),
        mask,
        karras_sigmas(80, 0.01, 20.0),
        lambda like: rng.normal(size=like.shape),
        n_resample=20,
    )
    np.testing.assert_array_equal(x[:, 0], 1.0)
    std = np.sqrt(1 - 0.8**2)
    assert abs(x[:, 1].mean() - 0.8) < 0.02 + 3 * std / np.sqrt(n)
    assert abs(x[:, 1].std() - std) < 0.06


# --- the flow ------------------------------------------------------------------------------------


def test_log_density_of_a_gaussian_is_right_to_a_thousandth_nat(gaussian, rng):
    x = rng.multivariate_normal(gaussian.mean, gaussian.covariance, size=200)
    field, traced = gaussian.field_functions()
    grid = flow.flow_grid(32, 0.002, 80.0)
    found = flow.log_density(field, traced, torch.from_numpy(x), grid).numpy()
    noisy = gaussian.covariance + 0.002**2 * np.eye(3)
    np.testing.assert_allclose(
        found, multivariate_normal(gaussian.mean, noisy).logpdf(x), rtol=0, atol=1e-3
    )


def test_noise_of_a_gaussian_is_standard_normal_and_leads_back(gaussian, rng):
    x = torch.from_numpy(rng.multivariate_normal(gaussian.mean, gaussian.covariance, size=4000))
    field, _ = gaussian.field_functions()
    grid = flow.flow_grid(20, 0.002, 80.0)
    z = flow.to_noise(field, x, grid)
    assert (z.mean(dim=0).abs() < 4 / np.sqrt(4000)).all()
    assert (torch.cov(z.T) - torch.eye(3)).abs().max() < 0.1
    assert (flow.from_noise(field, z, grid) - x).abs().max() < 1e-4


def random_denoiser(parameterization="edm", n_features=4, n_context=0):
    torch.manual_seed(0)
    seen = n_context + 1 if n_context else 0
    network = ConditionalMLP(n_features, (16, 24), "silu", seen)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    denoiser = Denoiser(network, parameterization, n_context=n_context)
    return denoiser.double().eval()


@pytest.mark.parametrize("parameterization", ["edm", "eps"])
@pytest.mark.parametrize("n_context", [0, 3])
def test_trace_by_hand_equals_automatic_differentiation(parameterization, n_context):
    denoiser = random_denoiser(parameterization, n_context=n_context)
    u = torch.randn(7, 4, dtype=torch.float64)
    context = torch.randn(7, n_context + 1, dtype=torch.float64) if n_context else None
    field, trace = denoiser.field_and_trace(u, 0.7, torch.eye(4).double(), 1.0, context=context)
    for i in range(7):
        own = None if context is None else context[i : i + 1]
        jacobian = torch.autograd.functional.jacobian(
            lambda v, own=own: denoiser.field(v[None], 0.7, own)[0], u[i]
        )
        assert trace[i].item() == pytest.approx(torch.trace(jacobian).item(), rel=1e-9)
    torch.testing.assert_close(field, denoiser.field(u, 0.7, context))


def test_contexts_that_are_classes_give_what_any_contexts_give():
    """The table of the classes is a way to compute the same factors, and the same gradients."""
    torch.manual_seed(0)
    any_context = ConditionalMLP(4, (16, 24), "silu", 4).double()
    for parameter in any_context.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    classes = ConditionalMLP(4, (16, 24), "silu", 4, has_classes=True).double()
    classes.load_state_dict(any_context.state_dict())
    context = with_context(torch.eye(3).double()[torch.tensor([0, 2, 1, 1, 0])])
    context[3] = 0.0  # dropped
    u, log_sigma = torch.randn(5, 4).double(), torch.randn(5, 1).double()
    gradients = []
    for network in (any_context, classes):
        loss = network(u, log_sigma, context).square().sum()
        gradients.append(torch.autograd.grad(loss, list(network.parameters())))
    torch.testing.assert_close(
        classes(u, log_sigma, context), any_context(u, log_sigma, context), rtol=1e-12, atol=1e-12
    )
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-9)


def test_trace_of_a_network_without_its_own_is_the_same():
    denoiser = random_denoiser()
    u, probes = torch.randn(5, 4, dtype=torch.float64), torch.eye(4).double()
    expected = denoiser.field_and_trace(u, 0.7, probes, 1.0)
    found = flow.field_and_trace(lambda v: denoiser.field(v, 0.7), u, probes, 1.0)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("parameterization", ["edm", "eps"])
def test_field_and_denoiser_are_two_views_of_one_function(parameterization):
    denoiser = random_denoiser(parameterization)
    x, tau = torch.randn(6, 4, dtype=torch.float64), 0.9
    sigma = math.tan(tau)
    u = math.cos(tau) * x
    clean = math.cos(tau) * u + math.sin(tau) * denoiser.field(u, tau)
    torch.testing.assert_close(denoiser.denoise(x, sigma), clean)


def test_more_than_64_columns_take_fixed_probes():
    like = torch.zeros(1, 65)
    draw = flow.probes_for(65, like)
    probes, weight = draw()
    assert probes.shape == (flow.N_PROBES, 65) and weight == 1 / flow.N_PROBES
    assert torch.equal(probes, draw()[0])
    assert set(probes.unique().tolist()) == {-1.0, 1.0}
    # unbiased for the diagonal: v D v = tr D for signs
    matrix = torch.diag(torch.arange(65.0))
    values, traces = flow.field_and_trace(lambda v: v @ matrix, torch.zeros(2, 65), probes, weight)
    torch.testing.assert_close(traces, torch.full((2,), matrix.trace().item()))
    assert values.shape == (2, 65)


# --- the network ---------------------------------------------------------------------------------


def test_untrained_network_predicts_the_best_linear_denoiser_of_unit_variance():
    denoiser = Denoiser(ConditionalMLP(2, (8,), "silu"))
    x = torch.randn(5, 2)
    torch.testing.assert_close(denoiser.denoise(x, 2.0), x / 5)


def test_context_multiplies_and_time_is_added():
    denoiser = random_denoiser(n_context=2)
    network = denoiser.network
    with torch.no_grad():
        for last in (*network.embedding.scales, *network.embedding.shifts):
            torch.nn.init.zeros_(last.weight)
            torch.nn.init.zeros_(last.bias)
    u, level = torch.randn(3, 4, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    contexts = torch.randn(2, 3, 3, dtype=torch.float64)
    # no scale, no shift: neither context nor level is seen
    torch.testing.assert_close(network(u, level, contexts[0]), network(u, level + 1, contexts[1]))
    with torch.no_grad():
        for layer in network.embedding.scales:
            layer.bias.fill_(-1.0)  # scale 0 switches every block's inside off
    expected = network.outer(network.activation(network.inner(u)))
    torch.testing.assert_close(network(u, level, contexts[0]), expected)


def test_guidance_extrapolates_from_the_dropped_to_the_given_context():
    denoiser = random_denoiser(n_context=2)
    x = torch.randn(3, 4, dtype=torch.float64)
    context = torch.randn(3, 2, dtype=torch.float64)
    given = denoiser.denoise(x, 1.0, with_context(context))
    dropped = denoiser.denoise(x, 1.0, torch.zeros(3, 3).double())
    for scale in (0.0, 1.0, 2.5):
        found = guided(denoiser, context, scale)(x, 1.0)
        torch.testing.assert_close(found, dropped + scale * (given - dropped))
    torch.testing.assert_close(guided(denoiser, None, 2.5)(x, 1.0), dropped)


@pytest.mark.parametrize("parameterization", ["edm", "eps"])
def test_loss_of_the_true_denoiser_is_the_least(parameterization):
    """The network that returns the best guess has a lower loss than ones around it."""
    torch.manual_seed(0)

    class Scaled(torch.nn.Module):  # for standard normal rows the best output is known
        factor = 1.0

        def forward(self, u, log_sigma, context):
            sigma = log_sigma.exp()
            best = 0.0 * u if parameterization == "edm" else u * sigma / (1 + sigma**2).sqrt()
            return self.factor * best + (self.factor - 1) * u

    network = Scaled()
    denoiser = Denoiser(network, parameterization)
    X = torch.randn(20_000, 1)
    losses = []
    for factor in (0.9, 1.0, 1.1):
        network.factor = factor
        torch.manual_seed(1)
        losses.append(denoiser.batch_loss(X, None).item())
    assert losses[1] < min(losses[0], losses[2])


def test_levels_are_stratified_over_the_batch():
    denoiser = Denoiser(ConditionalMLP(1, (8,), "silu"), log_sigma_law=(-1.0, 1.5))
    levels = denoiser.draw_log_sigmas(1000, torch.zeros(1))[:, 0]
    share = torch.special.ndtr((levels + 1.0) / 1.5)
    torch.testing.assert_close(share, torch.arange(1000) / 1000 + 0.0005, rtol=0, atol=6e-4)
    chain = Denoiser(ConditionalMLP(1, (8,), "silu"), "eps", chain=("linear", 10))
    levels = chain.draw_log_sigmas(40, torch.zeros(1))[:, 0]
    assert torch.equal(levels.unique(), chain.log_levels)


def test_missing_entries_do_not_count_in_the_loss():
    denoiser = Denoiser(ConditionalMLP(2, (8,), "silu"), has_missing=True)
    X = torch.randn(50, 2)
    X[:, 1] = torch.nan
    with torch.no_grad():
        denoiser.network.outer.bias.copy_(torch.tensor([0.0, 1e6]))
    assert denoiser.batch_loss(X, None) < 10
