"""Int8 backbones inside a checkpoint: OpenVINO's two files, and what they may contain."""
