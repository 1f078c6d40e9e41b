"""U-Net for images: what `ConditionalMLP` is for tables, with the same call.

The image is halved level by level, and enlarged again; at each size the way up sees what the way down
saw there (Ronneberger et al. 2015), so that the coarse levels decide on the whole and the fine ones on
strokes. Every block is told the noise level, which is added, and the context, which multiplies.

    8 x 8    first conv - block --------------------------------- cat - block - last conv
                             | halve                              | double
    4 x 4                    block - (attention) - block ---------+

No part looks at more than one row: normalisation is over groups of channels of one image. Odd sides
are halved upwards, and enlarged to the size that they had.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from ._blocks import (
    ACTIVATIONS,
    ConditionEmbedding,
    ConvBlock,
    conv3,
    group_norm,
    linear,
    sides_of,
    zero_,
)

_HEAD_WIDTH = 32


class UNet(nn.Module):
    """U-Net with the call of `ConditionalMLP`: flat rows in, flat rows out.

    The last layers of blocks, attention and network start at zero: at first every block is the
    identity, every context is ignored and the output is 0.

    Parameters
    ----------
    image_shape : tuple of (channels, height, width)
        Of the images that rows hold, flattened in this order.

    channels : sequence of int
        Channels of each level, the finest first; each level has half of the sides of the one before.

    n_blocks : int, default=1
        Residual blocks of each level, on the way down and again on the way up.

    activation : str, default="silu"
        A key of `ACTIVATIONS`.

    n_context : int, default=0
        Columns of the context; 0 for none.

    dropout : float, default=0.0
        Share of the channels inside a block that are left out in training.

    attention : bool, default=False
        Whether, at the coarsest level, every pixel attends to all others, and to the columns of the
        context.
    """

    def __init__(
        self,
        image_shape,
        channels,
        n_blocks=1,
        activation="silu",
        n_context=0,
        dropout=0.0,
        attention=False,
        has_classes=False,
    ):
        super().__init__()
        self.image_shape, self.channels = tuple(image_shape), tuple(channels)
        n_in, height, width = self.image_shape
        n_levels = len(self.channels)
        self.sizes = list(
            zip(sides_of(height, n_levels - 1), sides_of(width, n_levels - 1), strict=True)
        )
        block_widths = []

        def block(n_in, n_out):
            block_widths.append(n_out)
            return ConvBlock(n_in, n_out, activation, dropout=dropout)

        def same(n, n_more):
            return nn.ModuleList(block(n, n) for _ in range(n_more))

        *finer, coarsest = self.channels
        self.inner = conv3(n_in, self.channels[0], "identity")
        self.down = nn.ModuleList(same(n, n_blocks) for n in finer)
        self.halve = nn.ModuleList(
            conv3(n, n_next, "identity", stride=2)
            for n, n_next in zip(finer, self.channels[1:], strict=True)
        )
        self.bottom = same(coarsest, n_blocks)
        self.attention = None
        if attention:
            self.attention = nn.ModuleList([Attention(coarsest)])
            if n_context:
                self.attention.append(Attention(coarsest, n_context))
        self.bottom_out = block(coarsest, coarsest)
        self.up = nn.ModuleList(
            nn.ModuleList([block(n + n_below, n), *same(n, n_blocks - 1)])
            for n, n_below in reversed(list(zip(finer, self.channels[1:], strict=True)))
        )
        self.norm, self.activation = group_norm(self.channels[0]), ACTIVATIONS[activation]()
        self.outer = zero_(conv3(self.channels[0], n_in, "identity"))
        hidden = max(_HEAD_WIDTH, max(self.channels))
        self.embedding = ConditionEmbedding(
            block_widths, activation, n_context, hidden, has_classes
        )
        self.to(memory_format=torch.channels_last)  # faster on GPUs, and a little on CPUs

    @property
    def row_size(self):
        """Numbers of the largest layer for one row."""
        return max(n * math.prod(size) for n, size in zip(self.channels, self.sizes, strict=True))

    def forward(self, u, log_sigma, context=None):
        """Return the output for rows `u` of unit variance, log noise levels (n, 1) or (1, 1)."""
        shifts, scales = self.embedding(log_sigma, context)
        if scales is None:
            scales = [None] * len(shifts)
        told = iter(zip(shifts, scales, strict=True))
        h = u.view(-1, *self.image_shape).contiguous(memory_format=torch.channels_last)
        h, skips = self.inner(h), []
        for blocks, halve in zip(self.down, self.halve, strict=True):
            for block in blocks:
                h = block(h, *next(told))
            skips.append(h)
            h = halve(h)
        for block in self.bottom:
            h = block(h, *next(told))
        if self.attention is not None:
            for attend in self.attention:
                h = attend(h, context)
        h = self.bottom_out(h, *next(told))
        for blocks in self.up:
            skip = skips.pop()
            h = torch.cat((F.interpolate(h, size=skip.shape[2:], mode="nearest"), skip), dim=1)
            for block in blocks:
                h = block(h, *next(told))
        return self.outer(self.activation(self.norm(h))).flatten(1)


class Attention(nn.Module):
    """``h + last(attention of the pixels)``: to each other, or to the columns of the context.

    A column j of the context is a token: its value times a vector, plus another (both learnt).
    """

    def __init__(self, channels, n_context=0):
        super().__init__()
        self.n_heads = max(n for n in range(1, channels // _HEAD_WIDTH + 2) if channels % n == 0)
        self.norm = group_norm(channels)
        self.query = linear(channels, channels)
        self.last = zero_(linear(channels, channels))
        self.tokens = None
        if n_context:
            self.tokens = nn.Parameter(torch.randn(2, n_context, channels))
        self.key_value = linear(channels, 2 * channels)

    def forward(self, h, context=None):
        pixels = self.norm(h).flatten(2).transpose(1, 2)  # (n, pixels, channels)
        source = pixels
        if self.tokens is not None:
            source = torch.addcmul(self.tokens[1], context[:, :, None], self.tokens[0])
        key, value = self.key_value(source).chunk(2, dim=-1)
        parts = (self._heads(part) for part in (self.query(pixels), key, value))
        out = F.scaled_dot_product_attention(*parts)  # (n, heads, pixels, width)
        out = self.last(out.transpose(1, 2).flatten(2)).transpose(1, 2)
        return h + out.reshape(h.shape)

    def _heads(self, part):
        return part.unflatten(2, (self.n_heads, -1)).transpose(1, 2)
