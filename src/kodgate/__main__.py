"""`python -m kodgate` is the `kodgate` command."""

from kodgate.cli.main import main

main()
