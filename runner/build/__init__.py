"""`lake build`: from raw lines and answers to published files."""
