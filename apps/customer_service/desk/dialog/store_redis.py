"""Conversations in Redis: a hash, a hash of replies and a list of turns for each.

What must happen at once is a Lua script, which Redis runs alone. The conversation's name is in
braces, so that a cluster keeps its three keys on one node. Redis keeps what it was told to keep:
without its append-only file, a crash of the server loses the last turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from desk.dialog.records import reply_from_json, reply_to_json, turn_from_json, turn_to_json
from desk.dialog.state import Conversation, from_json, to_json
from desk.dialog.store import LEASE, Claim
from desk.types import Reply, Turn

# KEYS: conversation, replies. ARGV: message's key, holder, lease in seconds, the new state.
# Gives {"reply", JSON}, {"busy"} or {"claim", version, state}. Times are the server's.
_CLAIM = """
local reply = redis.call('HGET', KEYS[2], ARGV[1])
if reply then return {'reply', reply} end
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local held = redis.call('HMGET', KEYS[1], 'holder', 'held_until')
if held[1] and held[1] ~= '' and tonumber(held[2]) >= now then return {'busy'} end
redis.call('HSETNX', KEYS[1], 'state', ARGV[4])
local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HSET', KEYS[1], 'holder', ARGV[2], 'held_until', string.format('%.6f', now + ARGV[3]))
return {'claim', version, redis.call('HGET', KEYS[1], 'state')}
"""
# KEYS: conversation, replies, turns. ARGV: version, holder, state, message's key, reply, turns…
_FINISH = """
local held = redis.call('HMGET', KEYS[1], 'version', 'holder')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'holder', '')
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
for i = 6, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[i]) end
return 1
"""
_DROP = """
local held = redis.call('HMGET', KEYS[1], 'version', 'holder')
if held[1] == ARGV[1] and held[2] == ARGV[2] then redis.call('HSET', KEYS[1], 'holder', '') end
return 1
"""


class RedisStore:
    """One for all threads of a process."""

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ImportError:
            raise ImportError(
                "conversations in Redis need its client: pip install 'attar[redis]'"
            ) from None
        self._redis = redis.Redis.from_url(url, decode_responses=True)
        self._claim = self._redis.register_script(_CLAIM)
        self._finish = self._redis.register_script(_FINISH)
        self._drop = self._redis.register_script(_DROP)

    def claim(self, conversation: str, key: str, lease: float = LEASE) -> Claim | Reply | None:
        holder = uuid4().hex
        found = self._claim(
            keys=_keys(conversation)[:2],
            args=[key, holder, lease, to_json(Conversation(conversation))],
        )
        if found[0] == "reply":
            return reply_from_json(found[1])
        if found[0] == "busy":
            return None
        return Claim(from_json(found[2]), int(found[1]), holder)

    def finish(
        self,
        claim: Claim,
        conversation: Conversation,
        turns: Sequence[Turn],
        key: str,
        reply: Reply,
    ) -> bool:
        said = [turn_to_json(turn) for turn in turns]
        state, answer = to_json(conversation), reply_to_json(reply)
        written = self._finish(
            keys=_keys(conversation.id),
            args=[claim.version, claim.holder, state, key, answer, *said],
        )
        return bool(written)

    def drop(self, claim: Claim) -> None:
        self._drop(keys=_keys(claim.conversation.id)[:1], args=[claim.version, claim.holder])

    def load(self, conversation: str) -> Conversation | None:
        state = self._redis.hget(_keys(conversation)[0], "state")
        return None if state is None else from_json(str(state))

    def turns(self, conversation: str) -> tuple[Turn, ...]:
        found = self._redis.lrange(_keys(conversation)[2], 0, -1)
        return tuple(turn_from_json(str(one)) for one in found)

    def ping(self) -> None:
        self._redis.ping()

    def close(self) -> None:
        self._redis.close()


def _keys(conversation: str) -> list[str]:
    return [f"desk:{{{conversation}}}{part}" for part in ("", ":replies", ":turns")]
