"""Microsoft's own check of tokens beside the desk's: needs botframework-connector, not attar.

The same tokens go to the package and to /api/messages, with expectReplies, so that nothing is
sent anywhere. Both must say the same; where the desk asks for more, that is said and counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import jwt
import requests
from botframework.connector.auth import ChannelValidation, SimpleCredentialProvider

ISSUER = "https://api.botframework.com"
SERVICE = "https://smba.botframework.example/uk/"


def main() -> None:
    facts = json.load(sys.stdin)
    ChannelValidation.open_id_metadata_endpoint = facts["metadata"]
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "aud": facts["app"],
        "serviceurl": SERVICE,
        "nbf": now - 5,
        "exp": now + 600,
    }
    alike: list[tuple[str, dict[str, Any], str, bool]] = [
        ("good", {}, "msteams", True),
        ("another endorsed channel", {}, "webchat", True),
        ("a channel that is not endorsed", {}, "skype", False),
        ("another app", {"aud": "another"}, "msteams", False),
        ("another issuer", {"iss": "https://sts.evil.example"}, "msteams", False),
        ("another address", {"serviceurl": "https://evil.example"}, "msteams", False),
        ("no address", {"serviceurl": None}, "msteams", False),
        ("expired a minute ago", {"exp": now - 60}, "msteams", True),  # clocks may differ: 5 min
        ("expired an hour ago", {"exp": now - 3600}, "msteams", False),
        ("of tomorrow", {"nbf": now + 86_400}, "msteams", False),
    ]
    for name, change, channel, wanted in alike:
        claims = {k: v for k, v in {**good, **change}.items() if v is not None}
        token = signed(facts, claims)
        ours, theirs = desk_says(facts, token, channel), package_says(facts, token, channel)
        assert ours == theirs == wanted, f"{name}: desk {ours}, package {theirs}"
    token = signed(facts, good)
    head, body, signature = token.split(".")
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    tampered = f"{head}.{body}.{signature[:middle]}{other}{signature[middle + 1 :]}"
    shared_secret = jwt.encode(good, "s" * 40, "HS256", headers={"kid": facts["kid"]})
    unsigned = jwt.encode(good, "", "none", headers={"kid": facts["kid"]})
    broken = {"tampered": tampered, "HS256": shared_secret, "unsigned": unsigned, "none": "x"}
    for name, token in broken.items():
        ours, theirs = desk_says(facts, token), package_says(facts, token)
        assert ours == theirs is False, f"{name}: desk {ours}, package {theirs}"
    timeless = signed(facts, {k: v for k, v in good.items() if k != "exp"})
    assert package_says(facts, timeless)
    assert not desk_says(facts, timeless)
    print(f"tokens: {len(alike) + len(broken)} judged alike by botframework-connector, "
          "1 (without an end) refused by us alone")  # fmt: skip


def signed(facts: dict[str, str], claims: dict[str, Any]) -> str:
    return jwt.encode(claims, facts["pem"], "RS256", headers={"kid": facts["kid"]})


def package_says(facts: dict[str, str], token: str, channel: str = "msteams") -> bool:
    credentials = SimpleCredentialProvider(facts["app"], "")
    try:
        identity = asyncio.run(
            ChannelValidation.authenticate_channel_token_with_service_url(
                f"Bearer {token}", credentials, SERVICE, channel
            )
        )
    except Exception:  # it raises PermissionError, PyJWT's own, IndexError and bare Exception
        return False
    return bool(identity.is_authenticated)


def desk_says(facts: dict[str, str], token: str, channel: str = "msteams") -> bool:
    activity = {
        "type": "message",
        "id": f"a-{time.monotonic_ns()}",
        "channelId": channel,
        "serviceUrl": SERVICE,
        "from": {"id": "customer"},
        "recipient": {"id": "bot"},
        "conversation": {"id": "c"},
        "text": "hello",
        "deliveryMode": "expectReplies",
    }
    answer = requests.post(
        f"{facts['url']}/api/messages",
        json=activity,
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


if __name__ == "__main__":
    main()
