"""Training that can be stopped anywhere, on three backends."""
