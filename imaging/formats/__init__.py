"""File formats that TensorFlow does not decode: their headers, and their pixels as a BMP."""
