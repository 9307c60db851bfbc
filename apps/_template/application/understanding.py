"""What a message asks for, by the model of one bundle of `classify`."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import attar
from application.types import Understood

_LOG = logging.getLogger(__name__)


class ModelUnderstands:
    """Raises attar.AttarError, when it is made, for a file that is no bundle of `classify`."""

    def __init__(self, bundle: str, threads: int = 1) -> None:
        self._predictor = attar.load(bundle, threads=threads)
        if self._predictor.manifest["task"] != "classify":
            raise attar.AttarError(
                f"{bundle}: expected a model of the task classify; "
                f"this one's is {self._predictor.manifest['task']}"
            )
        if not ((self._predictor.report or {}).get("handover") or {}).get("certified"):
            _LOG.warning(
                "%s: no share of wrong answers is guaranteed above its threshold; "
                "claim error_when_answering in the recipe", bundle,
            )  # fmt: skip

    @property
    def labels(self) -> Sequence[str]:
        outside = self._predictor.manifest["task_settings"]["out_of_scope"]
        return (*self._predictor.labels, *([outside] if outside else ()))

    def __call__(self, text: str) -> Understood:
        try:
            found = self._predictor(text)
        except attar.AttarError:
            # No text may stop the application: what cannot be read is not understood.
            _LOG.exception("a message could not be read by the model")
            return Understood("", 0.0, abstained=True)
        return Understood(found.label, found.score, found.abstained)
