"""Everything that talks to the outside: it writes raw files and computes nothing."""
