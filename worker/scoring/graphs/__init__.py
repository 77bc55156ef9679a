"""The graphs of networks, by the engine that computes them: TensorFlow, or OpenVINO for int8."""
