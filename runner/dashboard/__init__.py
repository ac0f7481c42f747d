"""`lake dashboard`: the lake in the browser."""
