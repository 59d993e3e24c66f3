"""Import audiocraft, demucs and OmegaConf, with stand-ins for what these import and our use of them never touches."""
