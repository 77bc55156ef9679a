"""What every program and package may use: settings, whole files, locks, TensorFlow's start."""
