"""`lake schedule`: the system's own scheduler starts the lake."""
