"""Make models/tiny: codec -> language model -> encoder -> export -> evaluation. Not part of the server."""
