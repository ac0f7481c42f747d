"""`lake validate` and `lake check`: whether the data can be used."""
