"""`lake collect`: from WebSocket messages to sealed raw files."""
