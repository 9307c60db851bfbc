"""Google's own packages against the webhooks: needs google-cloud-dialogflow and -cx, not attar.

Requests are made as Google makes them, by its own messages turned into JSON; answers must parse
into its own messages strictly, where one misspelt field is an error. ID tokens are judged by
google-auth and by the desk: both must say the same.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import requests
from google.auth import crypt, jwt
from google.auth.transport.requests import Request
from google.cloud import dialogflow_v2 as es
from google.cloud import dialogflowcx_v3 as cx
from google.oauth2 import id_token
from google.protobuf import json_format

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from desk.channels.imports import read_agent

SESSION = "projects/shop/locations/global/agents/a/sessions/s-1"
SAID = ("hello", "how do I return it", "cancel 48213", "agent please", "größer 👍🏽", "break")


def main() -> None:
    facts = json.load(sys.stdin)
    misspelt_is_noticed()
    for number, text in enumerate(SAID):
        parsed(es_answer(facts, text, f"es-{number}"), es.WebhookResponse)
        parsed(cx_answer(facts, text, f"cx-{number}"), cx.WebhookResponse)
    empty = cx.WebhookRequest(
        detect_intent_response_id="event",
        trigger_event="WELCOME",
        session_info=cx.SessionInfo(session=SESSION),
    )
    parsed(posted(facts, "cx", empty), cx.WebhookResponse)
    print(f"strict: {2 * len(SAID) + 1} answers parsed into Google's own messages")
    tokens(facts)
    imported()


def es_answer(facts: dict[str, str], text: str, key: str) -> dict[str, Any]:
    request = es.WebhookRequest(
        session=SESSION,
        response_id=key,
        query_result=es.QueryResult(
            query_text=text,
            language_code="en",
            action="orders",
            parameters={"number": 48213, "color": ["blue"], "none": None},
            intent=es.Intent(name="projects/shop/agent/intents/1", display_name="Orders"),
            intent_detection_confidence=0.87,
            all_required_params_present=True,
            output_contexts=[
                es.Context(name=f"{SESSION}/contexts/c", lifespan_count=5, parameters={"n": 1})
            ],
            sentiment_analysis_result=es.SentimentAnalysisResult(
                query_text_sentiment=es.Sentiment(score=0.1, magnitude=0.2)
            ),
        ),
        original_detect_intent_request=es.OriginalDetectIntentRequest(
            source="google", version="2", payload={"user": {"id": "x"}}
        ),
    )
    return posted(facts, "es", request)


def cx_answer(facts: dict[str, str], text: str, key: str) -> dict[str, Any]:
    info = cx.PageInfo.FormInfo.ParameterInfo(
        display_name="number", required=True, state="FILLED", value=48213, just_collected=True
    )
    request = cx.WebhookRequest(
        detect_intent_response_id=key,
        text=text,
        language_code="en",
        fulfillment_info=cx.WebhookRequest.FulfillmentInfo(tag="desk"),
        intent_info=cx.WebhookRequest.IntentInfo(
            last_matched_intent="projects/shop/intents/1", display_name="orders", confidence=0.9
        ),
        page_info=cx.PageInfo(
            current_page="projects/shop/pages/p",
            display_name="Start",
            form_info=cx.PageInfo.FormInfo(parameter_info=[info]),
        ),
        session_info=cx.SessionInfo(session=SESSION, parameters={"n": 1, "t": "x"}),
        messages=[cx.ResponseMessage(text=cx.ResponseMessage.Text(text=["Hello"]))],
        payload={"from": "somewhere"},
        language_info=cx.LanguageInfo(
            input_language_code="en", resolved_language_code="en", confidence_score=0.9
        ),
    )
    return posted(facts, "cx", request)


def posted(facts: dict[str, str], kind: str, request: Any) -> dict[str, Any]:
    answer = requests.post(
        f"{facts['url']}/dialogflow/{kind}",
        data=json_format.MessageToJson(type(request).pb(request)),
        headers={"Authorization": facts["basic"], "Content-Type": "application/json"},
        timeout=10,
    )
    assert answer.status_code == 200, f"{kind}: {answer.status_code} {answer.text}"
    assert len(answer.content) < 64 * 1024
    found: dict[str, Any] = answer.json()
    return found


def parsed(answer: dict[str, Any], kind: Any) -> Any:
    return json_format.ParseDict(answer, kind.pb()(), ignore_unknown_fields=False)


def misspelt_is_noticed() -> None:
    """A check that could not fail would prove nothing."""
    for kind in (es.WebhookResponse, cx.WebhookResponse):
        try:
            parsed({"fulfilmentText": "x"}, kind)
        except json_format.ParseError:
            continue
        raise AssertionError(f"{kind.__name__}: a misspelt field was not noticed")


def tokens(facts: dict[str, str]) -> None:
    signer = crypt.RSASigner.from_string(facts["pem"], key_id=facts["kid"])
    now = int(time.time())
    good = {
        "iss": "https://accounts.google.com",
        "aud": facts["audience"],
        "email": facts["email"],
        "email_verified": True,
        "iat": now - 5,
        "exp": now + 600,
    }
    changes: dict[str, tuple[dict[str, Any], bool]] = {
        "good": ({}, True),
        "another audience": ({"aud": "https://other.example"}, False),
        "expired": ({"iat": now - 900, "exp": now - 300}, False),
        "of tomorrow": ({"iat": now + 80_000, "exp": now + 86_400}, False),
    }
    for name, (change, wanted) in changes.items():
        token = jwt.encode(signer, {**good, **change}).decode()
        ours, theirs = desk_says(facts, token), google_says(facts, token)
        assert ours == theirs == wanted, f"{name}: desk {ours}, google-auth {theirs}"
    token = jwt.encode(signer, good).decode()
    head, body, signature = token.split(".")
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    broken = f"{head}.{body}.{signature[:middle]}{other}{signature[middle + 1 :]}"
    assert desk_says(facts, broken) == google_says(facts, broken) is False
    # Where we ask for more than verify_token does: whose account and whose issuer it is.
    for change in ({"email": "x@y.example"}, {"iss": "https://evil.example"}):
        token = jwt.encode(signer, {**good, **change}).decode()
        assert google_says(facts, token)
        assert not desk_says(facts, token), change
    print(f"tokens: {len(changes) + 1} judged alike by google-auth, 2 refused by us alone")


def imported() -> None:
    """Phrases and entities as Google's own messages, packed as CX exports them, read back."""
    part = cx.Intent.TrainingPhrase.Part
    phrases = [
        cx.Intent.TrainingPhrase(
            id="1",
            parts=[part(text="return my "), part(text="blue mug", parameter_id="product")],
            repeat_count=1,
        ),
        cx.Intent.TrainingPhrase(id="2", parts=[part(text="größer 👍🏽")], repeat_count=1),
    ]
    said = [json_format.MessageToDict(type(one).pb(one)) for one in phrases]
    entity = cx.EntityType.Entity(value="blue", synonyms=["blue", "navy"])
    value = json_format.MessageToDict(cx.EntityType.Entity.pb(entity))
    files = {
        "agent.json": {},
        "intents/Send back/trainingPhrases/en.json": {"trainingPhrases": said},
        "entityTypes/color/entities/en.json": {"entities": [value]},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "agent.zip"
        with zipfile.ZipFile(path, "w") as made:
            for name, content in files.items():
                made.writestr(name, json.dumps(content))
        agent = read_agent(path)
    found = [(p.text, p.intent, p.spans) for p in agent.phrases]
    assert found == [
        ("return my blue mug", "Send back", ((10, 18, "product"),)),
        ("größer 👍🏽", "Send back", ()),
    ], found
    assert agent.entities == {"color": [("blue", ("blue", "navy"))]}
    print("import: phrases and entities of Google's own messages read back")


def google_says(facts: dict[str, str], token: str) -> bool:
    try:
        id_token.verify_token(token, Request(), facts["audience"], certs_url=facts["keys"])
    except Exception:  # google-auth raises ValueError, GoogleAuthError and PyJWT's own
        return False
    return True


def desk_says(facts: dict[str, str], token: str) -> bool:
    request = cx.WebhookRequest(
        detect_intent_response_id="token", text="hello", session_info=cx.SessionInfo(session="s")
    )
    status = requests.post(
        f"{facts['url']}/dialogflow/cx",
        data=json_format.MessageToJson(cx.WebhookRequest.pb(request)),
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    ).status_code
    assert status in (200, 401), status
    return status == 200


if __name__ == "__main__":
    main()
