"""The operator's console: what runs, who has money, and what is wrong."""
