"""Decide who is asking and what they may do: keys, links, rate limits, and which web pages may ask."""
