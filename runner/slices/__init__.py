"""`lake slice`: a stretch of the lake in one file, with its proof."""
