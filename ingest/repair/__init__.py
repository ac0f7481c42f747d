"""`lake repair`: missing trades, fetched by their ids."""
