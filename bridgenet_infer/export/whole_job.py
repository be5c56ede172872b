"""The whole call as one torch module of operations that export: LR depth and RGB in, depth in the caller's unit out.

Every step is the package's own rule (`pipeline/`), written without a host, a tile or a loop over samples. Depth is in
float32 and indices are in int32, since OpenVINO computes with nothing wider.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..graph import SIZE_MULTIPLE, BridgeNet
from ..pipeline.enlarge import SUPPORT
from ..pipeline.normalise import denormalise, local_range, normalise
from ..pipeline.validate import ALIKE, MAX_SCALE, MIN_SCALE
from ..pipeline.wild import AROUND, FAR, LEAST_AROUND, WILD

MOST_SIDE = 2**13  # of LR depth: squared distances to NOWHERE fit int32, and no sample is as far away
NOWHERE = 30_000  # row and column of the source of a hole that knows none
TINY = torch.finfo(torch.float32).tiny


class WholeJob(nn.Module):
    """A network with all that `DepthUpsampler` does around it, for float32 depth and uint8 RGB.

    Shapes: rgb (H, W, 3) uint8 and lr_depth (h, w) float32, with 0, NaN and infinity as holes -> depth (H, W) float32,
    NaN in holes, valid (H, W) bool, and of networks with a head for it the expected error like depth. With `batched`
    all have a leading axis.

    Negative depth, which the package refuses, is a hole as well. Depth is to be less than 1e37.
    """

    def __init__(self, network: BridgeNet, batched: bool) -> None:
        super().__init__()
        self.network, self.batched = network, batched

    def forward(self, rgb: Tensor, lr_depth: Tensor) -> tuple[Tensor, ...]:
        """Depth, valid and perhaps the expected error, see the class."""
        if self.batched:
            return self.upsample(rgb, lr_depth)
        return tuple(each[0] for each in self.upsample(rgb[None], lr_depth[None]))

    def upsample(self, rgb: Tensor, lr_depth: Tensor) -> tuple[Tensor, ...]:
        """(B, H, W, 3) and (B, h, w) -> (B, H, W) each."""
        height, width = rgb.shape[1:3]
        # comparisons with NaN differ between runtimes
        lr_depth = torch.where(lr_depth.isnan(), 0.0, lr_depth)
        if isinstance(height, torch.SymInt):  # sizes that are known were checked already
            lr_depth = lr_depth + refuse_misfit(lr_depth, rgb)
        measured = (lr_depth > 0) & (lr_depth < math.inf)
        seen = without_wild(lr_depth, measured)
        pivot = torch.where(seen, lr_depth, math.inf).amin((1, 2), keepdim=True)
        filled = fill_holes(torch.where(seen, lr_depth - pivot, 0.0), seen)
        rows, columns = padded_positions(height), padded_positions(width)
        maps = torch.stack((filled, seen.float()), 1)
        enlarged = enlarge(maps, (height, width), rows, columns, cubic)
        ranges = enlarge(torch.cat(local_range(filled[:, None]), 1), (height, width), rows, columns, triangle)
        d_up, mid, reach = enlarged[:, :1], ranges[:, :1], ranges[:, 1:]
        depth_input = normalise(d_up, mid, reach)
        if self.network.config.validity_input:
            depth_input = torch.cat((depth_input, enlarged[:, 1:]), 1)
        pixels = rgb.index_select(1, rows).index_select(2, columns).permute(0, 3, 1, 2)
        outputs = self.network(pixels.float() / 255, depth_input, expect_error=self.network.expects_error)
        above = denormalise(outputs.residual, d_up, reach)[:, 0, :height, :width]
        depth = (above + pivot).clamp_min(TINY)
        valid, kept, raw = (nearest(x, (height, width)) for x in (measured, measured & ~seen, lr_depth))
        results = [torch.where(valid, torch.where(kept, raw, depth), math.nan), valid]
        if outputs.expected_error is not None:
            error = torch.where(kept, (raw - depth).abs(), (outputs.expected_error * reach)[:, 0, :height, :width])
            results.append(torch.where(valid, error, math.nan))
        return tuple(results)


def fill_holes(depth: Tensor, valid: Tensor) -> Tensor:
    """`pipeline.holes.fill_holes` of (B, h, w): the same sources, by the same rule, found all at once in each step."""
    height, width = depth.shape[1:]
    rows = torch.arange(height, dtype=torch.int32)[:, None]
    columns = torch.arange(width, dtype=torch.int32)
    row, column = (torch.where(valid, x, NOWHERE) for x in (rows, columns))
    steps = 2 ** torch.arange(MOST_SIDE.bit_length(), dtype=torch.int32)
    first = torch.where((steps < height) | (steps < width), steps, 1).amax(0)

    def goes_on(step: Tensor, row: Tensor, column: Tensor) -> Tensor:
        return step > 0

    def flood(step: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        down, across = neighbours(rows[:, 0], step), neighbours(columns, step)
        near_row, near_column = (at_neighbours(x, down, across) for x in (row, column))  # (B, 9, h, w)
        distance = square(near_row - rows) + square(near_column - columns)
        near_row = torch.where(distance == distance.amin(1, keepdim=True), near_row, NOWHERE)
        row = near_row.amin(1, keepdim=True)
        near_column = torch.where(near_row == row, near_column, NOWHERE)
        return step // 2, row[:, 0], near_column.amin(1)

    # without holes there is no step
    start = torch.where(valid.all(), 0, first)
    _, row, column = torch.while_loop(goes_on, flood, (start, row, column))  # type: ignore[no-untyped-call]
    source = (row * width + column).clamp(0, height * width - 1)
    return depth.flatten(1).gather(1, source.flatten(1).long()).view_as(depth)


def square(x: Tensor) -> Tensor:
    """A power would take many times as long in onnxruntime."""
    return x * x


def neighbours(positions: Tensor, step: Tensor) -> Tensor:
    """(n,) -> (3 n,): before, at and after each position; n, which is no position, outside the image."""
    around = torch.cat((positions - step, positions, positions + step))
    count = positions.shape[0]
    return torch.where((around >= 0) & (around < count), around, count)


def at_neighbours(x: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """(B, h, w) -> (B, 9, h, w), `NOWHERE` outside the image."""
    height, width = x.shape[1:]
    # columns first, while there are few rows: those are gathered one number at a time
    x = nn.functional.pad(x, (0, 1, 0, 1), value=NOWHERE).index_select(2, across).view(-1, height + 1, 3, width)
    return x.transpose(1, 2).index_select(2, down).reshape(-1, 9, height, width)


def without_wild(depth: Tensor, valid: Tensor) -> Tensor:
    """`pipeline.wild.without_wild` of (B, h, w)."""
    values = torch.where(valid, depth, math.inf).flatten(1).sort(1).values
    last = (valid.sum((1, 2)) - 1)[:, None]
    # the ranks of 5, 50 and 95 %, rounded inwards
    low, median, high = (values.gather(1, x.clamp(0)) for x in ((last + 19) // 20, last // 2, 19 * last // 20))
    spread = torch.where(last >= LEAST_AROUND, high - low, 0.0)[:, :, None]
    far = valid & ((depth - median[:, :, None]).abs() / FAR > spread) & (spread > 0)

    def look(depth: Tensor, valid: Tensor, far: Tensor, spread: Tensor) -> Tensor:
        return valid & ~(far & are_wild(depth, valid, spread))

    def pass_on(depth: Tensor, valid: Tensor, far: Tensor, spread: Tensor) -> Tensor:
        return valid.clone()

    kept: Tensor = torch.cond(far.any(), look, pass_on, (depth, valid, far, spread))
    return kept


def are_wild(depth: Tensor, valid: Tensor, spread: Tensor) -> Tensor:
    """(B, h, w) bool: by the samples around alone, far or not."""
    height, width = depth.shape[1:]
    around = nn.functional.pad(torch.where(valid, depth, math.inf), (AROUND,) * 4, value=math.inf)
    side = 2 * AROUND + 1
    others = [(i, j) for i in range(side) for j in range(side) if (i, j) != (AROUND, AROUND)]
    samples = torch.stack([around[:, i : i + height, j : j + width] for i, j in others], -1).sort(-1).values
    count = (samples < math.inf).sum(-1, keepdim=True)
    last = (count - 1).clamp(0)
    median = samples.gather(-1, last // 2) / 2 + samples.gather(-1, count // 2) / 2
    farthest = torch.maximum(median - samples[..., :1], samples.gather(-1, last) - median)
    step = (depth - median[..., 0]).abs() / WILD
    return (count[..., 0] >= LEAST_AROUND) & (step > torch.maximum(farthest[..., 0], spread))


def padded_positions(side: int) -> Tensor:
    """The pixels of an axis, its last one repeated up to the graph's grid."""
    padded = (side + SIZE_MULTIPLE - 1) // SIZE_MULTIPLE * SIZE_MULTIPLE
    return torch.arange(padded, dtype=torch.int32).clamp(max=side - 1)


def enlarge(
    maps: Tensor, size: tuple[int, int], rows: Tensor, columns: Tensor, kernel: Callable[[Tensor], Tensor]
) -> Tensor:
    """(B, C, h, w) -> (B, C, n, m): the given rows and columns of (H, W), as `pipeline.enlarge` makes them."""
    down, across = (
        weights(low, high, positions, kernel)
        for low, high, positions in zip(maps.shape[2:], size, (rows, columns), strict=True)
    )
    return down @ (maps @ across.mT)


def weights(low: int, high: int, positions: Tensor, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """(n, low): the weights of LR samples at HR positions.

    Made in float64, as the package's: where the reach is small beside the depth, the network would see their errors.
    """
    samples = torch.arange(low, dtype=torch.int32)
    distance = (2 * positions[:, None] + 1) * low - (2 * samples + 1) * high
    table = kernel(distance.double().abs() / (2 * high))
    return (table / table.sum(1, keepdim=True)).float()


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic kernel with a = -0.5, at distances."""
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, inner, torch.where(x < SUPPORT, outer, 0.0))


def triangle(x: Tensor) -> Tensor:
    """The bilinear kernel."""
    return (1 - x).clamp_min(0)


def nearest(lr: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, h, w) -> (B, H, W): the sample whose area holds the pixel's centre."""
    down, across = (
        ((2 * torch.arange(high, dtype=torch.int32) + 1) * low) // (2 * high)
        for low, high in zip(lr.shape[1:], size, strict=True)
    )
    return lr.index_select(1, down).index_select(2, across)


def refuse_misfit(lr_depth: Tensor, rgb: Tensor) -> Tensor:
    """(1,) zero, or an error of the runtime where no scale explains the sizes: it finds nothing where one is."""
    low, high = (
        torch.stack([torch.scalar_tensor(side, dtype=torch.float32) for side in sides])
        for sides in (lr_depth.shape[1:], rgb.shape[1:3])
    )
    vertical, horizontal = high / low
    slack = torch.where((vertical / horizontal - 1).abs() < ALIKE, 2.0, 1.0)
    least = (high / (low + slack)).amax(0).clamp_min(MIN_SCALE)
    most = torch.where(low > slack, high / (low - slack), MAX_SCALE).amin(0).clamp_max(MAX_SCALE)
    found = torch.nonzero((least <= most).view(1))
    torch._check(found.shape[0] == 1)  # type: ignore[no-untyped-call]
    return found.view(1)
