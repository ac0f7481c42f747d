"""`lake run`: jobs as processes of their own, day and night."""
