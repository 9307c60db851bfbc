"""Evaluation: what the finished file is, measured on the certify split and this machine."""
