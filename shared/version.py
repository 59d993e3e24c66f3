"""Define the version of the product, said in /health, in workers' records and in every response that names it."""

VERSION = "0.2.0"
