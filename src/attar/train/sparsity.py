"""Sparse matrices: weights that are zero, and stay zero while the others learn."""

from __future__ import annotations

from torch import Tensor, nn


def linears_of(encoder: nn.Module) -> list[nn.Linear]:
    """The matrices that masks are made for: all but embeddings, norms and the head."""
    return [part for part in encoder.modules() if isinstance(part, nn.Linear)]


def is_sparse(linear: nn.Linear) -> bool:
    """True where some weights are exactly zero, which neither chance nor training brings
    about; a matrix of nothing but zeros is one that has yet to learn, such as an adapter's."""
    share = float((linear.weight == 0).float().mean())
    return 0 < share < 1


def hold_zeros(encoder: nn.Module) -> None:
    """From now on zero weights of sparse matrices get no gradient. AdamW then leaves them:
    its moments of them are zero, and so is their decay."""
    for linear in linears_of(encoder):
        if linear.weight.requires_grad and is_sparse(linear):
            only = _Only((linear.weight != 0).detach())
            linear.weight.register_hook(only)  # type: ignore[no-untyped-call]


class _Only:
    def __init__(self, kept: Tensor) -> None:
        self.kept = kept

    def __call__(self, gradient: Tensor) -> Tensor:
        return gradient * self.kept
