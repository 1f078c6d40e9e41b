"""The network that a variational autoencoder trains.

Generative model: z ~ N(0, I), x ~ p(x | z) by the decoder; the encoder q(z | x) = N(mu, diag(var)).
Training maximises the evidence lower bound (ELBO) ``E_q log p(x | z) - KL(q || N(0, I))``, summed over
features (Kingma and Welling 2014). With classes the decoder sees a one-hot class beside z, the encoder
does not, so that a row can be encoded without its class.

Gaussian observations share one variance. Its best value given the means is the mean squared error
(Rybkin, Daniilidis and Levine 2021), so the loss of a batch uses just that, ``d / 2 log(mse)``, without
a parameter that gradient descent would have to find; an average over batches is kept in a buffer for
validation, and after the training it is set from all rows.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .._torch import _blocks as blocks

_LOG_2PI = math.log(2 * math.pi)
_MIN_VARIANCE = 1e-6  # of the standardised rows: a perfect reconstruction has no density
_MOMENTUM = 0.1
_LOG_VARIANCE_RANGE = (-20.0, 10.0)


class GaussianObservation(nn.Module):
    """Columns that are Gaussian around the decoder's output, all with one variance."""

    def __init__(self, n_features):
        super().__init__()
        self.n_outputs = n_features
        self.register_buffer("variance", torch.ones(()))

    def training_loss(self, output, X):
        """Minus the mean log-density at the best variance; remember that variance."""
        return self._loss_at_best_variance(output, X, torch.ones_like(X))

    def _loss_at_best_variance(self, output, X, mask):
        squares = (output - X).square() * mask
        n_seen = mask.sum()
        variance = (squares.sum() / n_seen.clamp_min(1)).clamp_min(_MIN_VARIANCE).detach()
        with torch.no_grad():
            self.variance.lerp_(variance, _MOMENTUM)
        return 0.5 * (squares.sum() / variance + n_seen * (variance.log() + _LOG_2PI)) / len(X)

    def log_prob(self, output, X, mask=None):
        """log p(X | output), summed over the features (those in `mask`, if given)."""
        terms = (output - X).square() / self.variance + self.variance.log() + _LOG_2PI
        return -0.5 * (terms if mask is None else terms * mask).sum(dim=-1)

    def mean(self, output):
        return output

    def sample(self, output, generator):
        noise = torch.randn(output.shape, generator=generator).to(output.device)
        return output + self.variance.sqrt() * noise

    def squared_errors(self, output, X):
        """Sum over the columns of the squared errors of each row, and how many they are."""
        return (output - X).square().sum(dim=1), torch.full((len(X),), float(X.shape[1]))


class BernoulliObservation(nn.Module):
    """Columns in [0, 1]; the decoder gives logits."""

    def __init__(self, n_features):
        super().__init__()
        self.n_outputs = n_features

    def training_loss(self, output, X):
        return -self.log_prob(output, X).mean()

    def log_prob(self, output, X, mask=None):
        # x * logit - softplus(logit), which needs no sigmoid
        terms = X * output - F.softplus(output)
        return (terms if mask is None else terms * mask).sum(dim=-1)

    def mean(self, output):
        return torch.sigmoid(output)

    def sample(self, output, generator):
        uniform = torch.rand(output.shape, generator=generator).to(output.device)
        return (uniform < torch.sigmoid(output)).to(output.dtype)


class MixedObservation(GaussianObservation):
    """Rows that `TableEncoder` made: Gaussian numbers, Bernoulli gaps, categories by softmax.

    Numbers that are missing have no density; that they are is told by their column of gaps.

    Parameters
    ----------
    n_numbers : int
        Columns of numbers.

    gaps : tuple of three sequences
        For each column that tells where a number is missing: which number; mean and scale that its
        0 and 1 were standardised with.

    codes : list of float arrays of shape (n_levels, n_levels)
        For each column of categories, the points that stand for its levels.
    """

    def __init__(self, n_numbers, gaps, codes):
        super().__init__(n_numbers)
        which, mean, scale = gaps
        self.n_numbers, self.n_gaps = n_numbers, len(which)
        self.register_buffer("which", torch.as_tensor(which, dtype=torch.int64))
        self.register_buffer("gap_mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("gap_scale", torch.as_tensor(scale, dtype=torch.float32))
        self.n_levels = [len(code) for code in codes]
        for i, code in enumerate(codes):
            self.register_buffer(f"codes{i}", torch.as_tensor(code, dtype=torch.float32))
        self.n_outputs = n_numbers + self.n_gaps + sum(self.n_levels)

    def _split(self, values):
        """Numbers, gaps, and the block of each column of categories."""
        parts = values.split([self.n_numbers, self.n_gaps, *self.n_levels], dim=-1)
        return parts[0], parts[1], parts[2:]

    def _targets(self, X):
        """Numbers, gaps as 0 and 1, numbers' mask, and level numbers."""
        numbers, gaps, blocks = self._split(X)
        gaps = (gaps * self.gap_scale + self.gap_mean > 0.5).to(X.dtype)
        seen = torch.ones_like(numbers)
        seen[:, self.which] = 1 - gaps
        levels = []
        for i, block in enumerate(blocks):
            codes = getattr(self, f"codes{i}")
            levels.append((codes.square().sum(dim=1) - 2 * block @ codes.T).argmin(dim=1))
        return numbers, gaps, seen, levels

    def _log_prob_of_the_rest(self, output, X, mask=None):
        """Gaps and categories."""
        _, gaps, _, levels = self._targets(X)
        _, gap_logits, blocks = self._split(output)
        masks = self._split(torch.ones_like(X) if mask is None else mask)
        total = ((gaps * gap_logits - F.softplus(gap_logits)) * masks[1]).sum(dim=-1)
        for logits, level, seen in zip(blocks, levels, masks[2], strict=True):
            index = level.expand(logits.shape[:-1])[..., None]
            term = torch.log_softmax(logits, dim=-1).gather(-1, index)[..., 0]
            total = total + term * seen[..., 0]
        return total

    def training_loss(self, output, X):
        numbers, _, seen, _ = self._targets(X)
        loss = self._loss_at_best_variance(output[..., : self.n_numbers], numbers, seen)
        return loss - self._log_prob_of_the_rest(output, X).mean()

    def log_prob(self, output, X, mask=None):
        numbers, _, seen, _ = self._targets(X)
        if mask is not None:
            seen = seen * mask[..., : self.n_numbers]
        density = super().log_prob(output[..., : self.n_numbers], numbers, seen)
        return density + self._log_prob_of_the_rest(output, X, mask)

    def mean(self, output):
        numbers, gap_logits, blocks = self._split(output)
        gaps = (torch.sigmoid(gap_logits) - self.gap_mean) / self.gap_scale
        return torch.cat([numbers, gaps, *self._expected_codes(blocks)], dim=-1)

    def _expected_codes(self, blocks):
        # the nearest code to an expected code is that of the likeliest level
        return [
            torch.softmax(logits, dim=-1) @ getattr(self, f"codes{i}")
            for i, logits in enumerate(blocks)
        ]

    def sample(self, output, generator):
        numbers, gap_logits, blocks = self._split(output)
        numbers = super().sample(numbers, generator)
        uniform = torch.rand(gap_logits.shape, generator=generator).to(output.device)
        gaps = ((uniform < torch.sigmoid(gap_logits)).float() - self.gap_mean) / self.gap_scale
        drawn = []
        for i, logits in enumerate(blocks):
            shares = torch.softmax(logits, dim=-1).cpu()
            level = torch.multinomial(shares, 1, generator=generator)[:, 0].to(output.device)
            drawn.append(getattr(self, f"codes{i}")[level])
        return torch.cat([numbers, gaps, *drawn], dim=-1)

    def squared_errors(self, output, X):
        numbers, _, seen, _ = self._targets(X)
        squares = (output[..., : self.n_numbers] - numbers).square() * seen
        return squares.sum(dim=1), seen.sum(dim=1)


class VAENet(nn.Module):
    """Encoder (mean and log-variance), decoder, observation model, prior of the classes."""

    def __init__(self, encoder, decoder, observation, n_code, *, beta, kl_warmup, log_prior=None):
        super().__init__()
        self.encoder, self.decoder, self.observation = encoder, decoder, observation
        self.n_code, self.beta, self.kl_warmup = n_code, beta, kl_warmup
        self.register_buffer("kl_weight", torch.full((), float(beta)))
        self.register_buffer("log_prior", log_prior)  # (n_classes,) or None

    def set_progress(self, fraction):
        share = 1.0 if self.kl_warmup == 0 else min(1.0, fraction / self.kl_warmup)
        self.kl_weight.fill_(self.beta * share)

    # --- the distributions ---

    def posterior(self, X):
        """Mean and log-variance of q(z | x), each (n, n_code)."""
        mean, log_var = self.encoder(X).to(X.dtype).chunk(2, dim=-1)
        return mean, log_var.clamp(*_LOG_VARIANCE_RANGE)

    def output(self, Z, y=None):
        """The decoder's output for codes (..., n_code) and class numbers of the same shape."""
        if self.log_prior is not None:
            Z = torch.cat([Z, F.one_hot(y, len(self.log_prior)).to(Z.dtype)], dim=-1)
        flat = self.decoder(Z.reshape(-1, Z.shape[-1])).to(Z.dtype)
        return flat.reshape(*Z.shape[:-1], -1)

    def batch_loss(self, X, y=None):
        """Minus the ELBO, its KL term weighted (Higgins et al. 2017; warm-up: Bowman et al. 2016)."""
        mean, log_var = self.posterior(X)
        Z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(dim=1).mean()
        misfit = self.observation.training_loss if self.training else self._misfit
        return misfit(self.output(Z, y), X) + self.kl_weight * kl

    def _misfit(self, output, X):
        return -self.observation.log_prob(output, X).mean()

    # --- what the estimator asks for ---

    def encode(self, X):
        return self.posterior(X)[0]

    def decode(self, Z, y=None):
        """Mean of p(x | z, y); without a class, averaged over the classes' shares."""
        if self.log_prior is None or y is not None:
            return self.observation.mean(self.output(Z, y))
        means = [self.observation.mean(self.output(Z, self._class(Z, c))) for c in self._classes()]
        return sum(weight * mean for weight, mean in zip(self.log_prior.exp(), means, strict=True))

    def forward(self, X):
        """Reconstruction at the posterior mean, by the class that explains the row best."""
        Z = self.encode(X)
        if self.log_prior is None:
            return self.decode(Z)
        outputs = torch.stack([self.output(Z, self._class(Z, c)) for c in self._classes()])
        fits = self.observation.log_prob(outputs, X) + self.log_prior[:, None]
        best = fits.argmax(dim=0)
        return self.observation.mean(outputs[best, torch.arange(len(X), device=X.device)])

    def _classes(self):
        return range(len(self.log_prior))

    def _class(self, Z, c):
        return torch.full(Z.shape[:-1], c, dtype=torch.int64, device=Z.device)

    def log_joint_terms(self, X, noise, mask=None):
        """Importance weights' logarithms and codes for draws ``mean + std * noise``.

        Returns log p(x, z) - log q(z | x) of shape (n_draws, n) and the codes (n_draws, n, n_code);
        classes are summed out. `noise` of shape (n_draws, n_code) is the same for every row.
        """
        mean, log_var = self.posterior(X)
        Z = mean + (0.5 * log_var).exp() * noise[:, None, :]
        # log N(z; 0, I) - log q(z): the constants cancel
        ratio = -0.5 * (Z.square() - noise[:, None, :].square() - log_var).sum(dim=-1)
        return self.log_likelihood(Z, X, mask) + ratio, Z

    def log_likelihood(self, Z, X, mask=None):
        """log p(x | z), classes summed out: Z of shape (n_draws, n, n_code)."""
        if self.log_prior is None:
            return self.observation.log_prob(self.output(Z), X, mask)
        terms = [
            self.observation.log_prob(self.output(Z, self._class(Z, c)), X, mask)
            + self.log_prior[c]
            for c in self._classes()
        ]
        return torch.logsumexp(torch.stack(terms), dim=0)

    def bound(self, X, noise, n_groups=1):
        """Importance-weighted bound of log p(x) for each row (Burda, Grosse, Salakhutdinov 2016).

        With several groups of draws, the mean of the bound by each.
        """
        if n_groups > 1:
            weights = torch.cat([self.log_joint_terms(X, part)[0] for part in noise.split(16)])
            weights = weights.reshape(n_groups, -1, len(X))
            return torch.logsumexp(weights, dim=1).mean(dim=0) - math.log(weights.shape[1])
        total = None
        for part in noise.split(16):  # few draws at a time: memory
            weights = torch.logsumexp(self.log_joint_terms(X, part)[0], dim=0)
            total = weights if total is None else torch.logaddexp(total, weights)
        return total - math.log(len(noise))

    def impute(self, X, mask, noise, n_steps):
        """E[x | observed entries], by self-normalised importance sampling (Mattei, Frellsen 2019).

        `mask` is 1 where X is observed. The missing entries start at 0 and are replaced `n_steps`
        times by the conditional mean given the code of the filled row, so that the proposal
        q(z | filled row) is near the true posterior when the final weights are taken.
        """
        for _ in range(n_steps):
            X = torch.where(mask > 0, X, self._conditional_mean(X, mask, noise))
        return X

    def _conditional_mean(self, X, mask, noise):
        weights, Z = self.log_joint_terms(X, noise, mask)
        shares = torch.softmax(weights, dim=0)[..., None]
        if self.log_prior is None:
            return (shares * self.observation.mean(self.output(Z))).sum(dim=0)
        outputs = torch.stack([self.output(Z, self._class(Z, c)) for c in self._classes()])
        fits = self.observation.log_prob(outputs, X, mask) + self.log_prior[:, None, None]
        by_class = torch.softmax(fits, dim=0)[..., None] * self.observation.mean(outputs)
        return (shares * by_class.sum(dim=0)).sum(dim=0)

    def draw(self, Z, y=None, *, generator):
        """Draw rows from p(x | z, y)."""
        return self.observation.sample(self.output(Z, y), generator)

    def squared_errors(self, X, y=None, *, noise):
        """Squared errors of the numbers of each row, averaged over draws, and how many they are."""
        mean, log_var = self.posterior(X)
        parts = [
            self.observation.squared_errors(self.output(mean + (0.5 * log_var).exp() * draw, y), X)
            for draw in noise
        ]
        total, count = (torch.stack(part).mean(dim=0) for part in zip(*parts, strict=True))
        return total, count.to(total.device)


class _GivenEncoder(nn.Module):
    """(mean, log-variance) of a user's network, side by side."""

    def __init__(self, network):
        super().__init__()
        self._network = (network,)

    def forward(self, X):
        return torch.cat(self._network[0].encode(X), dim=-1)


class _GivenDecoder(nn.Module):
    def __init__(self, network):
        super().__init__()
        self._network = (network,)

    def forward(self, Z):
        return self._network[0].decode(Z)


class GivenVAENet(VAENet):
    """The same around a user's network with ``encode`` (mean, log-variance) and ``decode``."""

    def __init__(self, network, observation, n_code, **options):
        super().__init__(
            _GivenEncoder(network), _GivenDecoder(network), observation, n_code, **options
        )
        self.network = network


def dense_or_conv_vae(n_in, n_out, n_code, n_classes, sizes, activation, image_shape, options):
    """Return (encoder, decoder) for a VAE: the encoder ends in mean and log-variance."""
    if image_shape is not None:
        return (
            blocks.conv_encoder(image_shape, sizes, 2 * n_code, activation, **options),
            blocks.conv_decoder(image_shape, sizes, n_code + n_classes, activation, **options),
        )
    encoder = blocks.mlp((n_in, *sizes, 2 * n_code), activation, **options)
    return encoder, blocks.mlp((n_code + n_classes, *sizes[::-1], n_out), activation, **options)
