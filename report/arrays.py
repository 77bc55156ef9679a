"""Names for the arrays that figures are computed from."""

import numpy as np
import numpy.typing as npt

LabelArray = npt.NDArray[np.integer]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NO_SCORES: Float64Array = np.zeros(0)
