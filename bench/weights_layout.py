"""Name the folders in which a contestant finds its weights. Imports nothing: a peer's boot shall be its own."""

AUDIOCRAFT_FOLDER, TRANSFORMERS_FOLDER = "audiocraft", "transformers"
OPENVINO_FOLDER = "openvino"  # converted from transformers' by its own contestant
