"""`lake derivatives`: funding rates and open interest."""
