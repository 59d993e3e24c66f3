"""The version of the product, said in /health, in presence records and in every answer that names it."""

VERSION = "0.1.0"
