"""Train the language model: its words, its configuration, its starting weights, its training, and its export."""
