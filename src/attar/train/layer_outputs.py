"""What the layers of a transformer compute on the way: hidden states and projections.

For objectives that compare a student's layers with a teacher's. Recorded by hooks, so
that the model and the training loop stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection
from types import TracebackType
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from attar.errors import AttarError
from attar.train.encoders import TransformerEncoder

#: Names of the query, key and value projections: BERT's family, DistilBERT, MPNet, others.
PROJECTIONS = (
    ("query", "key", "value"),
    ("q_lin", "k_lin", "v_lin"),
    ("q", "k", "v"),
    ("q_proj", "k_proj", "v_proj"),
)


class Attended(NamedTuple):
    """Queries, keys and values of one layer, all heads side by side: (batch, time, width)."""

    query: Tensor
    key: Tensor
    value: Tensor


class LayerOutputs:
    """Records the latest forward pass of an encoder; `with` removes the hooks again.

    hidden: (batch, time, hidden) of the embeddings and then of every layer. attended: by
    layer number, for the layers asked for.
    """

    def __init__(self, encoder: TransformerEncoder, attended: Collection[int] = ()) -> None:
        layers = list(encoder.layers)
        self.hidden: list[Tensor] = []
        self._projected: dict[tuple[int, int], Tensor] = {}
        self._handles: list[RemovableHandle] = [
            layers[0].register_forward_pre_hook(self._keep_embeddings, with_kwargs=True),
            *(layer.register_forward_hook(self._keep_hidden) for layer in layers),
        ]
        for number in attended:
            for place, module in enumerate(_projections(layers[number])):
                self._watch(module, (number, place))

    def attended(self, layer: int) -> Attended:
        return Attended(*(self._projected[layer, place].float() for place in range(3)))

    def __enter__(self) -> LayerOutputs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _keep_embeddings(self, _: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        self.hidden = [(args[0] if args else kwargs["hidden_states"]).float()]

    def _keep_hidden(self, _: nn.Module, __: Any, output: Any) -> None:
        self.hidden.append((output if isinstance(output, Tensor) else output[0]).float())

    def _watch(self, module: nn.Module, key: tuple[int, int]) -> None:
        def keep(_: nn.Module, __: Any, output: Tensor) -> None:
            self._projected[key] = output

        self._handles.append(module.register_forward_hook(keep))


def has_projections(encoder: nn.Module) -> bool:
    """True where queries, keys and values can be told apart: not in layers that fuse them."""
    return isinstance(encoder, TransformerEncoder) and all(
        _attention_parts(layer) is not None for layer in encoder.layers
    )


def _projections(layer: nn.Module) -> list[nn.Module]:
    """The three linear modules of a layer's self-attention, in the order of `Attended`."""
    found = _attention_parts(layer)
    if found is None:
        raise AttarError(
            f"a {type(layer).__name__} has no separate query, key and value projections, which "
            "distilling attention needs; distill hidden states alone (relation_weight = 0)"
        )
    return found


def _attention_parts(layer: nn.Module) -> list[nn.Module] | None:
    by_name = {
        name.rpartition(".")[2]: module
        for name, module in layer.named_modules()
        if isinstance(module, nn.Linear)
    }
    for names in PROJECTIONS:
        if all(name in by_name for name in names):
            return [by_name[name] for name in names]
    return None
