"""Types of arrays, named by what one element is."""

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
LabelArray = npt.NDArray[np.integer]

NO_SCORES: Float64Array = np.zeros(0)
