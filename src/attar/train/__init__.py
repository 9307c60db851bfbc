"""Torch side of attar: models, heads and the only training loop."""
