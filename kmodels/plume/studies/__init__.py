"""What goes beyond a forecast: where a cloud comes from."""
