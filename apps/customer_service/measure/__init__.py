"""Measures the desk on invented customers: a day of conversations, follow-ups, and a sale day.

`python -m measure.day` plays conversations against the desk and an invented shop and judges them by
what has happened in the shop. `python -m measure.follow_ups` looks at the second message of two.
`python -m measure.peak` sends ten times as many customers, and kills a worker. Nothing here is used
by the desk, and nothing here tells the desk what a customer wants, except where `--oracle` puts the
rows' own truth in the model's place.
"""
