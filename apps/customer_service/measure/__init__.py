"""Measurements of the whole desk, over a made-up shop and conversations written by hand."""
