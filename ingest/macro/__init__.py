"""`lake macro`: minutes of macro instruments from Yahoo."""
