"""A bare Starlette handler around ONNX Runtime, without batching: what one writes first.

python bare.py FOLDER PORT THREADS
"""

from __future__ import annotations

import sys

import uvicorn
from model import Model
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

model = Model(sys.argv[1], int(sys.argv[3]))


async def predict(request: Request) -> JSONResponse:
    body = await request.json()
    return JSONResponse(model([body["text"]])[0])


app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
