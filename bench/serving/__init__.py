"""What `serve_load.py` measures: one module a contender, and the load that all of them get."""
