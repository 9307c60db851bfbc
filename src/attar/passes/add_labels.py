"""Add labels: new columns beside a trained model's own, which stay as they are.

Encoder and old columns keep their weights to the bit, so that among the old labels every
text gets the answer it got; what can go wrong is only that a new label takes a text that is
not its own. New columns are fitted (softmax regression, old logits given) to the rows of
the new labels, against *replay*: train rows of old labels; the unlabeled texts, for which
the model's own answer stands (learning without forgetting, Li & Hoiem 2016, with the shared
weights fixed instead of tied by a loss); and an imagined embedding for each old label, so that
no label is without any. Texts of the new labels among the unlabeled ones work against them:
give texts from before the labels were needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from attar.errors import AttarError
from attar.passes import Artifact, Context, Pass
from attar.train.models import Model

STRENGTH = 0.3  # inverse of the L2 penalty, as scikit-learn's C, on standardized embeddings
MARGIN = 5.0  # by which the logit of an imagined embedding's label exceeds the others
ITERATIONS = 200


@dataclass(frozen=True, slots=True)
class AddLabels(Pass):
    """known: the names of the source's columns, in order; all are among the context's."""

    name: ClassVar[str] = "add_labels"
    reads: ClassVar[tuple[str, ...]] = ("data",)

    known: tuple[str, ...]

    def run(self, source: Artifact, folder: Path, context: Context) -> None:
        old = Model.load(source.folder)
        new_names = self._new_names(old, context)
        rows, unlabeled = context.dataset.train, context.dataset.unlabeled
        texts = [row.text for row in (*rows, *unlabeled)]
        logits, embedding = map(
            torch.from_numpy, old.answer(texts, context.progress, "add labels: embed")
        )
        names = (*self.known, *new_names)
        inputs = old.head.inputs(embedding)
        made_up = imagined_embeddings(old.head.linear, inputs.mean(0))
        embedding = torch.cat([inputs, made_up])
        with torch.no_grad():
            logits = torch.cat([logits, old.head.linear(made_up)])
        target = torch.zeros(len(logits), len(names), dtype=torch.float64)
        gold = [names.index(row.label) for row in rows if row.label is not None]
        target[torch.arange(len(rows)), torch.tensor(gold)] = 1.0
        replayed = functional.softmax(logits[len(rows) :].double(), dim=-1)
        target[len(rows) :, : len(self.known)] = replayed
        weight, bias = fit_columns(embedding, logits, target)
        _widened(old, names, context.columns, weight, bias).save(folder)

    def _new_names(self, old: Model, context: Context) -> list[str]:
        lost = sorted(set(self.known) - set(context.columns))
        if len(self.known) != old.columns or lost:
            raise AttarError(
                f"add_labels: the model has {old.columns} columns and {len(self.known)} names are "
                f"known, of which {lost or 'none'} would be lost"
            )
        new = [name for name in context.columns if name not in self.known]
        learned = {row.label for row in context.dataset.train}
        absent = [name for name in new if name not in learned]
        if not new or absent:
            raise AttarError(
                f"add_labels: no train row has the new label {absent[0]!r}; add some"
                if absent
                else "add_labels: the model knows all labels of the train rows already; "
                "add rows of a new label, or continue without keep_labels"
            )
        return new


def imagined_embeddings(head: nn.Linear, center: Tensor) -> Tensor:
    """For each column of `head` an embedding that it answers with that column, by `MARGIN`,
    and of these the one nearest to `center` (hidden,). Returns (columns, hidden).

    What a layer can tell of the data it was fitted to, as in data-free distillation (Nayak
    et al. 2019, there for whole networks).
    """
    weight, bias, middle = (t.detach().double() for t in (head.weight, head.bias, center))
    now = weight @ middle + bias  # (columns,)
    wanted = MARGIN * torch.eye(len(bias), dtype=torch.float64) - MARGIN / len(bias) + now.mean()
    found: Tensor = middle + (wanted - now) @ torch.linalg.pinv(weight).T
    return found.float()


def fit_columns(embedding: Tensor, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (new, hidden) and biases (new,) of the columns that `target` has more than
    `logits`, minimizing cross-entropy over all columns while `logits` stay as given.

    embedding: (texts, hidden); logits: (texts, old); target: (texts, old + new), each row a
    distribution. Every column counts alike, whatever the number of its texts: the texts
    of old labels weigh, together, as much as so many labels with the new ones' mean number
    of texts.
    """
    old, new = logits.shape[1], target.shape[1] - logits.shape[1]
    fixed, wanted = logits.double(), target.double()
    mean, scale = embedding.double().mean(0), embedding.double().std(0, unbiased=False) + 1e-6
    inputs = (embedding.double() - mean) / scale
    is_new = wanted[:, old:].sum(1) > 0.5
    weights = torch.ones(len(inputs), dtype=torch.float64)
    if not bool(is_new.all()):
        weights[~is_new] = float(is_new.sum()) * old / new / float((~is_new).sum())
    weight = torch.zeros(new, inputs.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(new, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe", tolerance_grad=1e-6
    )

    def loss() -> Tensor:
        search.zero_grad()
        columns = torch.cat([fixed, inputs @ weight.T + bias], dim=1)
        each = functional.cross_entropy(columns, wanted, reduction="none")
        total = (weights * each).sum() + weight.square().sum() / (2 * STRENGTH)
        total.backward()  # type: ignore[no-untyped-call]
        return total

    search.step(loss)  # type: ignore[no-untyped-call]
    scaled = weight.detach() / scale
    return scaled.float(), (bias.detach() - scaled @ mean).float()


def _widened(
    old: Model, names: tuple[str, ...], columns: tuple[str, ...], weight: Tensor, bias: Tensor
) -> Model:
    """The model with its own and the new columns, named by `names`, in the order of `columns`."""
    made = Model(old.task, old.encoder, len(columns), old.tokenizer, old.max_length, old.windows)
    order = torch.tensor([names.index(name) for name in columns])
    made.head.unit = old.head.unit
    with torch.no_grad():
        made.head.linear.weight.copy_(torch.cat([old.head.linear.weight, weight])[order])
        made.head.linear.bias.copy_(torch.cat([old.head.linear.bias, bias])[order])
    return made
