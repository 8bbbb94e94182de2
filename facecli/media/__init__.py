"""Photos and folders as they are on disk."""
