"""The contenders, one module each, imported only when asked for."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import cast

from contenders import Peer

#: Name on the command line -> module. The order is the order of the table.
PEERS = {
    "attar": "peers.attar_bundle",
    "minilm": "peers.minilm_trainer",
    "frozen": "peers.minilm_frozen",
    "model2vec": "peers.model2vec_static",
    "fasttext": "peers.fasttext_autotune",
    "tfidf": "peers.tfidf_svm",
}


def get(name: str) -> Peer:
    return cast(Peer, import_module(PEERS[name]))


def missing(peer: Peer) -> list[str]:
    return [module for module in peer.MODULES if find_spec(module) is None]
