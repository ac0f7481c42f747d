"""`lake backfill`: the exchange's official klines."""
