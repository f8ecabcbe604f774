"""The wheel, installed outside the clone."""
