"""`lake lineage`: where a column comes from."""
