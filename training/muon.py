"""The optimiser Muon for convolutions, which makes each momentum nearly orthogonal (Jordan et al., 2024)."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

STEPS = 5  # of Newton and Schulz: singular values between .7 and 1.2
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of Jordan's quintic, chosen for the steepest slope at 0
LEAST_CHANNELS = 8
NAMED_OUT = ("entry_conv", ".head.", "squeeze", "excite", "pyramid", "cliffs", "content_bridges")
"""Parts of names whose kernels are no wide matrices, or are depth itself; and MDENet's decoder, whose fusion multiplies
features: under steps of fixed length L_MDE went from .27 to 170 and 560 within a few hundred steps."""


def owned_by_muon(model: nn.Module) -> set[str]:
    """Names of the kernels that gain from it: both channel counts 8 or more, no entry, head, gate,
    deconvolution or part of MDENet's decoder."""
    transposed = {f"{name}.weight" for name, layer in model.named_modules() if isinstance(layer, nn.ConvTranspose2d)}
    return {
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim == 4
        and min(parameter.shape[:2]) >= LEAST_CHANNELS
        and name not in transposed
        and not any(part in name for part in NAMED_OUT)
    }


class Muon(torch.optim.Optimizer):
    """Momentum with Nesterov's look ahead, flattened to (out, in * k * k), orthogonalised, times a rate.

    `torch.optim.Muon` takes matrices only. Kernels of one shape are stacked, so that a step launches few products.

    Parameters
    ----------
    params
        Kernels (out, in, k, k).
    lr
        Length of the step: every singular value of an update is about lr * sqrt(max(1, rows / columns)).
    momentum
        Of the gradient's running sum.
    weight_decay
        Share of `lr` by which a step shrinks the kernels first. Their singular values stay below its inverse. Without
        it, steps of one length let the features of deep stages grow a thousandfold, until attention gates close.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of all parameters that have a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape].append(parameter)
            for shape, parameters in alike.items():
                gradients = [p.grad for p in parameters if p.grad is not None]
                sums = [self._running_sum(p) for p in parameters]
                torch._foreach_mul_(sums, group["momentum"])
                torch._foreach_add_(sums, gradients)
                ahead = torch._foreach_add(gradients, sums, alpha=group["momentum"])
                matrices = orthogonalise(torch.stack([x.flatten(1) for x in ahead]))
                rows, columns = matrices.shape[1:]
                length = group["lr"] * max(1.0, rows / columns) ** 0.5
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(parameters, [m.view(shape) for m in matrices], alpha=-length)

    def _running_sum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "sum" not in state:
            state["sum"] = torch.zeros_like(parameter)
        kept: Tensor = state["sum"]
        return kept


def orthogonalise(matrices: Tensor) -> Tensor:
    """(N, rows, columns) -> the same shape, singular values near 1, by five Newton-Schulz steps."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(a * x, torch.baddbmm(b * gram, gram, gram, alpha=c), x)
    return x.mT if tall else x
