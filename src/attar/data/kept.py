"""The labels that a recipe keeps: those of the bundle that `[student] keep_labels` adds to."""

from __future__ import annotations

from pathlib import Path

from attar.bundle import read_bundle
from attar.errors import RecipeError
from attar.recipe import Recipe
from attar.tasks import TASKS


def kept_labels(recipe: Recipe) -> tuple[str, ...]:
    """The columns of `[student] start`, its out-of-scope label last; none where nothing is kept.

    They need no train rows. Raises RecipeError where they cannot be known or kept.
    """
    if not recipe.student.keep_labels:
        return ()
    if TASKS.get(recipe.task).gold_kind != "label":
        raise RecipeError(f"[student] keep_labels: not for the task {recipe.task!r}: take it out")
    path = Path(recipe.student.start or "")
    if not path.is_file():
        raise RecipeError(
            f"[student] keep_labels: start = {recipe.student.start!r} is not a bundle, so its "
            "labels are not known; name a *.attar file"
        )
    settings = read_bundle(path).manifest["task_settings"]
    outside = settings["out_of_scope"]
    if outside is not None and outside != recipe.data.out_of_scope:
        raise RecipeError(
            f"[student] keep_labels: {path.name} has the out-of-scope label {outside!r}; "
            f'write out_of_scope = "{outside}" under [data]'
        )
    return (*settings["labels"], *([outside] if outside is not None else []))
