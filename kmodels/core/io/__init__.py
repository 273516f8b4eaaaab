"""Reading and writing what others wrote and will read."""
