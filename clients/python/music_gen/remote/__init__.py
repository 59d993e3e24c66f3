"""Call a server: requests, retries, events, streamed sound."""
