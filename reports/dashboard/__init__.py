"""The pages of the dashboard, one file each, and the questions that they ask, one SQL file each."""
