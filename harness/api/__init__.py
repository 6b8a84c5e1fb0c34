"""What commands call and notebooks import; `rebench.py` offers it as `rebench`."""
