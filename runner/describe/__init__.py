"""`lake describe`: what relations, their columns and raw lines mean."""
