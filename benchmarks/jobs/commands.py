"""The lake's own commands, as the command line runs them."""

import lake


def command(arguments: list[str]) -> dict:
    """`lake …`; raises what the command complains of."""
    lake.cli.main(arguments, standalone_mode=False)
    return {}
