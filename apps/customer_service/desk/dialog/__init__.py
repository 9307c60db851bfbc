"""Conversations: what is wanted, what is missing, what is done and what is said."""

from __future__ import annotations

from desk.dialog.desk import OnHanded, ServiceDesk
from desk.dialog.store import Store, open_store

__all__ = ["OnHanded", "ServiceDesk", "Store", "open_store"]
