"""Measures the desk on invented customers: a day of conversations, and follow-ups.

`python -m measure.day` plays conversations against the desk and an invented shop and judges them by
what has happened in the shop. `python -m measure.follow_ups` looks at the second message of two.
Nothing here is used by the desk, and nothing here tells the desk what a customer wants, except
where `--oracle` puts the rows' own truth in the model's place.
"""
