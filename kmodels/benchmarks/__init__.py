"""What `bench` measures, beside plain PyTorch."""
