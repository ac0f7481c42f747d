"""`lake compact` and `lake prune`: days that are over."""
