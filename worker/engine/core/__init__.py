"""Share the engine's values between its threads: requests, handles, streams, failures."""
