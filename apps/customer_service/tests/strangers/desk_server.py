"""The desk's application with a desk that is told what to say, for programs that others wrote.

Runs in the project's own environment, on a port of loopback; prints one line of JSON with its
addresses when it listens, and ends when its standard input does. It also publishes a key, as
Google and Microsoft do, and gives its private half to the program that is to sign with it.
"""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

import uvicorn

from channels_desk import FakeDesk
from channels_tokens import publishing
from desk.app import make_app
from desk.channels.settings import Bot, Dialogflow, Secret, Settings

AUDIENCE, EMAIL = "https://desk.example/dialogflow", "service-1@dialogflow.example"
NAME, APP = "agent:pass", "11111111-2222-3333-4444-555555555555"


def main() -> None:
    playground = "--playground" in sys.argv  # which brings no tokens
    with publishing() as publisher, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        bot = Bot() if playground else Bot(APP, Secret("p" * 20), keys_url=publisher.metadata)
        settings = Settings(
            dialogflow=Dialogflow(
                basic=Secret(NAME), audience=AUDIENCE, email=EMAIL, keys_url=publisher.url
            ),
            bot=bot,
        )
        app = make_app(FakeDesk(), settings)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True).start()
        facts = {
            "url": url,
            "keys": publisher.url,
            "metadata": publisher.metadata,
            "kid": publisher.kid,
            "pem": publisher.pem().decode(),
            "basic": "Basic " + base64.b64encode(NAME.encode()).decode(),
            "audience": AUDIENCE,
            "email": EMAIL,
            "app": APP,
        }
        print(json.dumps(facts), flush=True)
        sys.stdin.read()
        server.should_exit = True


if __name__ == "__main__":
    main()
