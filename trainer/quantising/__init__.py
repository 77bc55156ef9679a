"""From a float32 checkpoint to one whose backbone computes in int8."""
