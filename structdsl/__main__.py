"""`python -m structdsl` is `structdsl`."""

from structdsl.cli.main import main

main()
