"""`python -m tallylight` is `tallylight`."""

from tallylight.cli import main

main()
