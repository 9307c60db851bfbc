"""Answering from a bundle, without torch."""
