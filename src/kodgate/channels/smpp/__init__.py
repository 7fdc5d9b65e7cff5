"""SMS over SMPP 3.4 (D10)."""
