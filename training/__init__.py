"""The recipe that made models/tiny: data -> codec -> language model -> evaluation -> export. Not part of the server."""
