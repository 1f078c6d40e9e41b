r"""Repulsion of t-SNE: three ways to sum over all pairs of points.

Between two points at distance :math:`r`, with :math:`\nu` degrees of freedom and
:math:`u = 1 + r^2 / \nu`, the similarity is :math:`w = u^{-(\nu + 1) / 2}`, and the force is
:math:`w / u` times their difference. Needed are, for each point, the sum of the forces, and over
all points the normaliser :math:`Z = \sum_{i \ne j} w_{ij}`.

The force is a gradient: :math:`-\nabla w = \frac{\nu + 1}{\nu} \, \frac{w}{u} \, (y_i - y_j)`. So
*one* potential, :math:`\phi(y) = \sum_j w(y - y_j)`, holds everything. On a grid it is a
convolution of unit charges with a fixed kernel: one forward and one inverse real Fourier
transform for each iteration, where FIt-SNE takes 4 and 4 and evaluates its kernel anew.

* Charges are spread with B-splines of order 6, and potential and gradient are read with the same
  spline and its derivative. Dividing the kernel's spectrum by the squared transform of the
  splines makes this interpolation of the kernel by cardinal splines.
* The spacing is fixed (0.4, the kernel's width being 1), so the spectrum depends on the size of
  the grid only and is kept from iteration to iteration. Sizes are :math:`2^a 3^b 5^c` and only
  grow. Small embeddings take a finer grid of the same number of nodes.
* What the grid makes of a charge's potential at its own place depends on the place within the
  cell alone, and is a sum of a constant and one wave to four digits: it is subtracted.

Measured against the exact sums over embeddings of span 1 to 200, 500 to 20,000 points: forces
within 0.7 % (relative L2), :math:`Z` within 0.01 %. FIt-SNE's quadratic interpolation at spacing
1/3: 4 % and 0.9 %. (Splines of order 4 need spacing 1/3 for the same, order 6 with one transform
for each component of the force gains nothing.)

Sources: G. C. Linderman et al., "Fast interpolation-based t-SNE for improved visualization of
single-cell RNA-seq data", Nature Methods 16, 2019 (the idea of the grid). U. Essmann et al., "A
smooth particle mesh Ewald method", J. Chem. Phys. 103, 1995 (splines and their deconvolution).
V. Ballenegger, J. J. Cerda, C. Holm, "Removal of spurious self-interactions in particle-mesh
methods", Comput. Phys. Commun. 182, 2011.
"""

import functools

import numpy as np
from scipy import fft

from .._native import _tsne_gradient, _tsne_grid, _tsne_tree

__all__ = [
    "FAR",
    "AdaptiveRepulsion",
    "ExactRepulsion",
    "GridRepulsion",
    "TreeRepulsion",
    "padded",
]

FAR = 1e15  # where the padding behind the points stands
SPACING = 0.4
# Below this span every pair is in the kernel's parabola and the sums have a closed form.
COMPACT = 0.05
# Cells along the longer side of a small embedding, at least.
FINE_CELLS = 25
MAX_NODES = 2**24
# Measured nanoseconds, both on two cores; only their ratio matters.
_TREE_COST = (3e4, 8.0)  # for an iteration, for n log2 n
_GRID_COST = (1e5, 4.0, 26.0)  # for an iteration, for a node, for a point


def padded(n):
    """Return `n` rounded up to the multiple that the kernels want."""
    return -(-n // _tsne_gradient.PAD) * _tsne_gradient.PAD


class _Repulsion:
    """What all ways share."""

    def normaliser(self, y, n):
        """Return Z of the points `y` (n_components, stride)."""
        return self.forces(y, n, np.empty_like(y))


class ExactRepulsion(_Repulsion):
    """All pairs: O(n^2), any number of components."""

    def __init__(self, dof, n_threads):
        self.dof, self.n_threads = dof, n_threads

    def forces(self, y, n, out):
        """Write the repulsion among the points `y` (n_components, stride) and return Z."""
        potential = np.empty(y.shape[1], dtype=np.float32)
        others = y.shape[0] > 3
        _tsne_gradient.repulsion(y, n, y, self.dof, self.n_threads, out, potential, others)
        return potential[:n].sum(dtype=np.float64) - (0 if others else n)

    def freeze(self, y, n):
        """Keep the points as charges for `at`."""
        self._frozen = y

    def at(self, queries, n_queries, out, potential):
        """Write force and potential of the frozen charges at other points."""
        _tsne_gradient.repulsion(
            queries, n_queries, self._frozen, self.dof, self.n_threads, out, potential
        )


class TreeRepulsion(_Repulsion):
    """Barnes and Hut: O(n log n), up to three components, any spread of the points."""

    def __init__(self, dof, n_threads, angle=0.5):
        self.dof, self.n_threads, self.angle = dof, n_threads, angle

    def forces(self, y, n, out):
        """Write the repulsion among the points `y` (n_components, stride) and return Z."""
        self.freeze(y, n)
        force = np.empty_like(self._sorted)
        potential = np.empty(force.shape[1], dtype=np.float32)
        self._walk(self._sorted, n, force, potential)
        _tsne_tree.scatter_points(force, self._order, out)
        return potential[:n].sum(dtype=np.float64) - n

    def freeze(self, y, n):
        """Keep the points as charges for `at`."""
        self._low = y[:, :n].min(axis=1).astype(np.float64)
        self._width = float((y[:, :n].max(axis=1) - self._low).max())
        self._bits = _tsne_tree.curve_bits(y.shape[0], n, self._width)
        self._order, codes = self._curve(y, n)
        self._sorted, self._n = _take(y, self._order), n
        self._tree = _tsne_tree.build(codes, self._sorted, self._width, self._bits)

    def at(self, queries, n_queries, out, potential):
        """Write force and potential of the frozen charges at other points."""
        # A query fills all lanes alone: its result must not depend on the others of the call.
        order, _ = self._curve(queries, n_queries)
        alone = np.repeat(_take(queries, order)[:, :n_queries], _tsne_gradient.PAD, axis=1)
        force = np.empty_like(alone)
        values = np.empty(alone.shape[1], dtype=np.float32)
        self._walk(alone, alone.shape[1], force, values)
        out[:, order] = force[:, :: _tsne_gradient.PAD]
        potential[order] = values[:: _tsne_gradient.PAD]

    def _curve(self, y, n):
        order, codes = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.uint64)
        _tsne_tree.sort_on_curve(
            y, n, self._low, self._width, self._bits, self.n_threads, codes, order
        )
        return order, codes

    def _walk(self, queries, n_queries, force, potential):
        _tsne_tree.repulsion(
            self._tree,
            self._sorted,
            self._n,
            queries,
            n_queries,
            self.dof,
            self.angle,
            self.n_threads,
            force,
            potential,
        )


def _take(y, order):
    """Return the points in another order, padded with copies of the last one."""
    out = np.empty((y.shape[0], padded(len(order))), dtype=np.float32)
    _tsne_tree.gather_points(y, order, out)
    return out


class GridRepulsion(_Repulsion):
    """Fourier transforms on a grid: O(n) and the area of the embedding, one or two components."""

    def __init__(self, dof, n_threads, angle=0.5):
        self.dof, self.n_threads = dof, n_threads
        self._wide = TreeRepulsion(dof, n_threads, angle)  # where a far outlier inflates the grid
        self._scale = min(1.0, np.sqrt(dof))  # width of the kernel, if narrower than 1
        self._spacing, self._size, self._spectrum = None, (0, 0), None

    def forces(self, y, n, out):
        """Write the repulsion among the points `y` (1 or 2, stride) and return Z."""
        return self._either(y, n, out)

    def _either(self, y, n, out, prefers_tree=None):
        """The forces by the grid, or by the tree where it must be or is preferred."""
        points = y[:, :n]
        low, high = points.min(axis=1), points.max(axis=1)
        if (high - low).max() < COMPACT * self._scale:
            out[:, :n] = n * (points - points.mean(axis=1, dtype=np.float64)[:, None])
            return float(n) * (n - 1)
        plan = self._plan(high - low)
        if plan is None or (prefers_tree is not None and prefers_tree(plan, n)):
            return self._wide.forces(y, n, out)
        geometry = self._geometry(plan, low, high)
        order = np.empty(n, dtype=np.int32)
        potential = self._solve(geometry, y, n, order)
        value = np.empty(n, dtype=np.float32)
        return _tsne_grid.gather(geometry, y, n, order, potential, True, self.n_threads, out, value)

    def freeze(self, y, n):
        """Keep the points as charges for `at`."""
        points = y[:, :n]
        low, high = points.min(axis=1), points.max(axis=1)
        margin = 2.0 + 0.05 * (high - low).max()  # new points stay near the old ones
        low, high = low - np.float32(margin), high + np.float32(margin)
        plan = self._plan(high - low)
        self._frozen = None if plan is None else self._geometry(plan, low, high)
        if plan is None:
            self._wide.freeze(y, n)
        else:
            order = np.empty(n, dtype=np.int32)
            self._field = self._solve(self._frozen, y, n, order)

    def at(self, queries, n_queries, out, potential):
        """Write force and potential of the frozen charges at other points."""
        if self._frozen is None:
            self._wide.at(queries, n_queries, out, potential)
        else:
            none = np.empty(0, dtype=np.int32)
            _tsne_grid.gather(
                self._frozen,
                queries,
                n_queries,
                none,
                self._field,
                False,
                self.n_threads,
                out,
                potential,
            )

    def _plan(self, extent):
        """Return spacing, nodes and size of the grid for a box; None where it would be too large."""
        extent = extent.astype(np.float64)
        widest = extent.max()
        if not widest < 1e7:
            return None
        spacing = SPACING * self._scale
        if widest < FINE_CELLS * spacing:  # halved in steps, so that few spectra are computed
            spacing *= 2.0 ** (-np.ceil(2 * np.log2(FINE_CELLS * spacing / widest)) / 2)
        nodes = [int(np.ceil(side / spacing)) + _tsne_grid.ORDER + 1 for side in extent]
        size = [_smooth_size(2 * (count + _tsne_grid.SLACK)) for count in nodes]
        if len(size) == 1:
            nodes, size = [1, *nodes], [1, *size]
        if spacing == self._spacing:
            size = [max(new, old) for new, old in zip(size, self._size, strict=True)]
        return None if size[0] * size[1] > MAX_NODES else (spacing, nodes, size)

    def _geometry(self, plan, low, high):
        """Return the grid of a plan over a box as the kernels take it."""
        spacing, nodes, size = plan
        dim = len(low)
        if spacing != self._spacing or size != self._size:
            self._spectrum = _spectrum(size, spacing, self.dof)
            if spacing != self._spacing:
                self._self_terms = _self_terms(dim, spacing, self.dof)
            self._charge = np.empty((max(1, size[0] // 2), size[1]), dtype=np.float32)
            self._spacing, self._size = spacing, size
        middle = (low.astype(np.float64) + high) / 2
        corner = middle - spacing * (np.asarray(nodes[-dim:]) - _tsne_grid.ORDER) / 2
        return {
            "low": (corner[0], corner[-1]),
            "spacing": spacing,
            "shape": tuple(nodes),
            "stride": size[1],
            "force_scale": -self.dof / (self.dof + 1),
            "self_terms": self._self_terms,
        }

    def _solve(self, geometry, y, n, order):
        """Return the potential of unit charges at the points, on the grid's rows."""
        charge = self._charge[: geometry["shape"][0]]
        _tsne_grid.spread(geometry, y, n, self.n_threads, order, charge)
        return _convolve(charge, self._spectrum, self._size, self.n_threads)


class AdaptiveRepulsion(GridRepulsion):
    """In each iteration the cheaper of tree and grid, by a fixed formula."""

    def normaliser(self, y, n):
        """Return Z of the points `y` (1 or 2, stride), by the grid: the more exact way."""
        return super().forces(y, n, np.empty_like(y))

    def forces(self, y, n, out):
        """Write the repulsion among the points `y` (1 or 2, stride) and return Z."""
        return self._either(y, n, out, self._prefers_tree)

    def _prefers_tree(self, plan, n):
        _, _, size = plan
        grid = _GRID_COST[0] + _GRID_COST[1] * size[0] * size[1] + _GRID_COST[2] * n
        return _TREE_COST[0] + _TREE_COST[1] * n * np.log2(n) < grid


def _convolve(charge, spectrum, size, n_threads):
    """Return the convolution of the rows of `charge` with a kernel of given real spectrum.

    Rows that hold nothing are not transformed: the padding is added between the two axes.
    """
    n_rows = charge.shape[0]
    values = fft.rfft(charge, axis=1, workers=n_threads)
    if n_rows > 1:
        values = fft.fft(values, n=size[0], axis=0, workers=n_threads)
    _tsne_grid.multiply(values.view(np.float32), spectrum, n_threads)
    if n_rows > 1:
        values = fft.ifft(values, axis=0, overwrite_x=True, workers=n_threads)[:n_rows]
    return fft.irfft(values, n=size[1], axis=1, workers=n_threads)


@functools.lru_cache(maxsize=4096)
def _smooth_size(n):
    """Return the smallest even 2^a 3^b 5^c that is at least `n`."""
    best = 2 ** int(np.ceil(np.log2(max(n, 2))))
    five = 1
    while five < best:
        three = five
        while three < best:
            two = 2 ** max(1, int(np.ceil(np.log2(n / three)))) if n > three else 2
            if three * two >= n:
                best = min(best, three * two)
            three *= 3
        five *= 5
    return best


def _kernel(sq_distance, dof):
    return (1.0 + sq_distance / dof) ** (-(dof + 1.0) / 2.0)


def _spline_transform(size):
    """Discrete Fourier transform of the order-6 B-spline at the first size // 2 + 1 frequencies."""
    angle = 2 * np.pi * np.arange(size // 2 + 1) / size
    return (66.0 + 52.0 * np.cos(angle) + 2.0 * np.cos(2 * angle)) / 120.0


def _spectrum(size, spacing, dof):
    """Return the kernel's real spectrum over that of the splines, (size[0], size[1] // 2 + 1)."""
    sq = [(np.arange(m // 2 + 1) * spacing) ** 2 for m in size]
    axes = [axis for axis in (0, 1) if size[axis] > 1]
    quarter = fft.dctn(_kernel(sq[0][:, None] + sq[1][None], dof), type=1, axes=axes)
    for axis in axes:
        shape = (-1, 1) if axis == 0 else (1, -1)
        quarter /= _spline_transform(size[axis]).reshape(shape) ** 2
    if size[0] > 1:
        quarter = np.concatenate([quarter, quarter[-2:0:-1]])
    return np.ascontiguousarray(quarter, dtype=np.float32)


def _self_terms(n_components, spacing, dof):
    """Return constant and wave of a charge's potential at its own place, and its force's wave.

    Computed from the definition, on a small periodic grid, at three places within a cell.
    """
    size = 64
    offset = np.minimum(np.arange(size), size - np.arange(size)) * spacing
    spline = _spline_transform(size)
    spline = np.concatenate([spline, spline[-2:0:-1]]) ** 2
    at = (np.arange(6)[:, None] - np.arange(6)[None]) % size
    if n_components == 1:
        response = fft.ifft(fft.fft(_kernel(offset**2, dof)) / spline).real[at]

        def value(t, derivative):
            return _weights(t)[derivative] @ response @ _weights(t)[0]
    else:
        sq = offset[:, None] ** 2 + offset[None] ** 2
        response = fft.ifft2(fft.fft2(_kernel(sq, dof)) / (spline[:, None] * spline[None])).real
        still = _weights(0.0)[0]
        # a wave along one axis, the other coordinate on a node
        across = np.einsum("ijkl,k,l->ij", response[at[:, :, None, None], at], still, still)

        def value(t, derivative):
            return _weights(t)[derivative] @ across @ _weights(t)[0]

    whole, half = value(0.0, 0), value(0.5, 0)
    wave = (whole - half) / 2
    constant = whole - n_components * wave
    force = -dof / (dof + 1) / spacing * value(0.25, 1)
    return float(constant), float(wave), float(force)


def _weights(t):
    """Return the six weights at `t` and their derivatives."""
    w = np.array(
        [
            [1, 26, 66, 26, 1, 0],
            [-5, -50, 0, 50, 5, 0],
            [10, 20, -60, 20, 10, 0],
            [-10, 20, 0, -20, 10, 0],
            [5, -20, 30, -20, 5, 0],
            [-1, 5, -10, 10, -5, 1],
        ]
    )
    powers = t ** np.arange(6.0)
    slopes = np.arange(6) * np.concatenate([[0.0], powers[:-1]])
    return powers @ w / 120, slopes @ w / 120
