"""The SQL files of a lake: what each says, what reads what, and what a change of it makes stale."""
