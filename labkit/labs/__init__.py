"""The labs as data: their parts, the steps of each, and the claims that must hold."""
