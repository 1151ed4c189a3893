"""How the embedded demonstration models were made; see README.md. Not part of the wheel."""
