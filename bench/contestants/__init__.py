"""Make music as each peer's users do, and with ours: a contestant is a program, told what to do by lines."""
