"""What a chat completion says: a label, spans, a document or a summary in words, in a schema, or
as function calls.

Functions are called by a model that knows functions of its own; otherwise a tool's parameters
are filled as a schema is. Nothing is made up: what the model cannot say is refused with 400,
and where no function is to be called the answer is a plain one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

from attar.predictions import Extraction, Ranking, Summary
from attar.runtime.quotes import plain
from attar.serve.answer import Answer
from attar.serve.chat_bodies import ChatRequest, Function, JsonSchema
from attar.serve.document_fill import DocumentFilling, SummaryFilling, as_object, in_words
from attar.serve.item_fill import NothingFoundError
from attar.serve.openai_other import scores_of
from attar.serve.schema_fill import CannotFillError, filled
from attar.serve.served import Served
from attar.serve.span_fill import SpanFilling
from attar.serve.wire import HttpError

LEAST_SCORE = 1e-9  # so that a logarithm is finite


class Said(NamedTuple):
    """content: None where functions are called. calls: name, and arguments as JSON, of each."""

    content: str | None
    calls: Sequence[Mapping[str, str]] = ()

    @property
    def written(self) -> str:
        """All that the model wrote."""
        return self.content or "\n".join(call["arguments"] for call in self.calls)


def say(served: Served, body: ChatRequest, answer: Answer) -> Said:
    """Raises HttpError, 400 where what is asked for cannot be said."""
    tools = [] if body.tool_choice == "none" else [tool.function for tool in body.tools or ()]
    named = _named(body, tools)
    found = _certain(answer)
    must = named is not None or body.tool_choice == "required"
    if not tools:
        return Said(_content(served, body, answer))
    if found is None:
        function = named or _only(tools)
        try:
            made = _filling(served, answer, function.parameters or {})
        except NothingFoundError as error:
            if must:
                _refuse(served, error, "tools")
            return Said(_content(served, body, answer))
        except CannotFillError as error:
            _refuse(served, error, "tools")
        return Said(None, [_call(function.name, made)])
    offered = tools if named is None else [named]
    if found.calls is not None:
        # OpenAI's names hold no dots: light_turn_on is the model's light.turn_on.
        names = {plain(one.name): one.name for one in offered} | {o.name: o.name for o in offered}
        wanted = [(names.get(c.name) or names.get(plain(c.name)), c) for c in found.calls]
        calls = [_call(name, call.arguments) for name, call in wanted if name]
    else:
        calls = _filled_call(served, answer, offered, must)
    if body.parallel_tool_calls is False:
        calls = calls[:1]
    if must and not calls:
        of = f" to {named.name!r}" if named is not None else ""
        raise HttpError(
            400, "no_call", f"the model finds no call{of} in this text, and tool_choice asks for "
            'one; "auto" would be answered plainly', param="tool_choice",
        )  # fmt: skip
    return Said(None, calls) if calls else Said(_content(served, body, answer))


def logprobs(answer: Answer, written: str, body: ChatRequest) -> dict[str, Any]:
    """The answer as one token: logarithms of the model's scores (natural, as OpenAI's)."""

    def token(label: str, score: float) -> dict[str, Any]:
        logprob = math.log(max(LEAST_SCORE, score))
        return {"token": label, "logprob": logprob, "bytes": list(label.encode("utf-8"))}

    prediction = answer.prediction
    whole = answer.extraction is not None or isinstance(prediction, Ranking | Summary)
    if whole:  # alternatives are of the text's label, not of the whole
        top = [(written, prediction.score)]
    elif _several(answer) is None:
        top = [(prediction.label, prediction.score), *prediction.alternatives]
    else:  # of each label by itself: the set of them is no token
        top = sorted(scores_of(prediction).items(), key=lambda one: -one[1])
    entry = token(written, prediction.score)
    entry["top_logprobs"] = [token(*one) for one in top[: body.top_logprobs or 0]]
    return {"content": [entry], "refusal": None}


def _content(served: Served, body: ChatRequest, answer: Answer) -> str:
    """The label, or the JSON that was asked for. Raises HttpError where it cannot be filled."""
    wanted = body.response_format
    if wanted is not None and wanted.type == "json_schema":
        if not isinstance(wanted.json_schema, JsonSchema):
            raise HttpError(
                400, "invalid_schema", "json_schema is missing", param="response_format"
            )
        schema = wanted.json_schema.schema or {}
        return _json(_in_schema(served, answer, schema, "response_format"))
    any_object = wanted is not None and wanted.type == "json_object"
    of_documents = _of_documents(answer)
    if of_documents is not None:
        said = _json(as_object(of_documents)) if any_object else in_words(of_documents)
        return said if said or not _is_nobody(answer) else served.abstain_text
    found, several, nobody = _certain(answer), _several(answer), _is_nobody(answer)
    score = {"score": round(answer.prediction.score, 6), "abstained": nobody}
    if found is not None:
        if nobody and served.model.abstain_text and not any_object:
            return served.model.abstain_text
        return _json(
            _shown(found) | (score if any_object else {"abstained": True} if nobody else {})
        )
    label = None if several is not None else served.abstain_text if nobody else answer.label
    if any_object:
        return _json(({"label": label} if several is None else {"labels": several}) | score)
    if several is not None:
        return ", ".join(several) if several and not nobody else served.abstain_text
    assert label is not None
    return label


def _in_schema(served: Served, answer: Answer, schema: Mapping[str, Any], param: str) -> Any:
    """A value of the client's schema. Raises HttpError, 400."""
    try:
        return _filling(served, answer, schema)
    except CannotFillError as error:
        _refuse(served, error, param)


def _refuse(served: Served, error: CannotFillError, param: str) -> NoReturn:
    known = "label, score, abstained"
    if served.ranks:
        known = "answer, id, title, text, documents, score, abstained"
    elif served.sections:
        known = ", ".join(["summary, sentences, score, abstained", *served.sections])
    if served.marks:
        known = ", ".join(
            [known, "spans", *served.span_labels, *(["calls"] if served.calls else [])]
        )
    raise HttpError(
        400, "schema_not_filled", f"{error}. This model gives: {known}.", param=param
    ) from None


def _filling(served: Served, answer: Answer, schema: Mapping[str, Any]) -> Any:
    """Raises CannotFillError."""
    found, several, nobody = _certain(answer), _several(answer), _is_nobody(answer)
    documents = _of_documents(answer)
    if isinstance(documents, Ranking):
        return DocumentFilling(schema, documents, served.abstain_text, nobody).whole()
    if isinstance(documents, Summary):
        return SummaryFilling(schema, documents, served.sections, nobody).whole()
    if found is not None:
        return _spans_filling(served, answer, found, schema).whole()
    label = None if several is not None else served.abstain_text if nobody else answer.label
    names = several if several is not None else [label or ""]
    return filled(schema, label, names, answer.prediction.score, nobody)


def _spans_filling(
    served: Served, answer: Answer, found: Extraction, schema: Mapping[str, Any]
) -> SpanFilling:
    nobody = _is_nobody(answer)
    label = served.abstain_text if nobody and served.labels else found.text_label
    if found.calls is not None and len(found.calls) == 1:
        label = found.calls[0].name  # what the text is about
    return SpanFilling(schema, label, found, served.span_labels, nobody)


def _filled_call(
    served: Served, answer: Answer, offered: Sequence[Function], must: bool
) -> list[dict[str, str]]:
    """The call of a tool whose parameters are labels of spans; none where the text holds nothing
    of it. Among several tools the label of the text chooses. Raises HttpError."""
    found = _certain(answer)
    assert found is not None
    if len(offered) > 1:
        labels = {plain(label) for label in served.labels}
        if not any(plain(function.name) in labels for function in offered):
            _only(offered)
        wanted = plain(found.text_label or "")
        offered = [function for function in offered if plain(function.name) == wanted]
        if not offered:
            return []
    filling = _spans_filling(served, answer, found, offered[0].parameters or {})
    try:
        made = filling.whole()
    except NothingFoundError as error:
        if must:
            _refuse(served, error, "tools")
        return []
    except CannotFillError as error:
        _refuse(served, error, "tools")
    return [_call(offered[0].name, made)] if must or filling.drawn else []


def _named(body: ChatRequest, tools: Sequence[Function]) -> Function | None:
    """The function that tool_choice names. Raises HttpError where it is no tool."""
    named = body.tool_choice.get("function") if isinstance(body.tool_choice, dict) else None
    if not tools or not isinstance(named, dict):
        return None
    for function in tools:
        if function.name == named.get("name"):
            return function
    raise HttpError(400, "no_such_tool", "tool_choice names no tool of the request",
                    param="tool_choice")  # fmt: skip


def _only(tools: Sequence[Function]) -> Function:
    if len(tools) > 1:
        raise HttpError(400, "several_tools", "this model cannot choose among these tools: give "
                        "one, or name it in tool_choice", param="tools")  # fmt: skip
    return tools[0]


def _certain(answer: Answer) -> Extraction | None:
    """What was marked, nothing where nobody answers: a guess is no answer. None from a model
    that marks nothing."""
    found = answer.extraction
    if found is None:
        return None
    if _is_nobody(answer):
        return replace(found, text_label=None, spans=(), calls=None if found.calls is None else ())
    return found if found.calls is None else replace(found, text_label=None)


def _of_documents(answer: Answer) -> Ranking | Summary | None:
    """The ranking or the summary, empty where nobody answers; None from other models."""
    found = answer.prediction
    if isinstance(found, Ranking):
        return replace(found, label="", documents=()) if _is_nobody(answer) else found
    if isinstance(found, Summary):
        return replace(found, sentences=()) if _is_nobody(answer) else found
    return None


def _shown(found: Extraction) -> dict[str, Any]:
    spans = [
        {"text": found.text[s.start : s.end], "label": s.label, "start": s.start, "end": s.end}
        for s in found.spans
    ]
    shown: dict[str, Any] = {"label": found.text_label, "spans": spans}
    if found.calls is not None:
        shown["calls"] = [{"name": c.name, "arguments": dict(c.arguments)} for c in found.calls]
    return shown


def _is_nobody(answer: Answer) -> bool:
    return answer.answered_by in ("nobody", "person")


def _several(answer: Answer) -> list[str] | None:
    """The labels of an answer that gives a text any number of them, None for one label."""
    found = answer.prediction.to_json().get("labels")
    return None if found is None else [label for label, _ in found]


def _call(name: str, arguments: Any) -> dict[str, str]:
    return {"name": name, "arguments": _json(arguments)}


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False)
