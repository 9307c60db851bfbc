"""`python -m attar.cli`, the same as the `attar` command."""

from attar.cli import main

main()
