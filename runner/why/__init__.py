"""`lake why`: one bar explained."""
