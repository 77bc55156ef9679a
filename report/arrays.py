"""Names for the two columns that every figure is made of."""

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]

NO_SCORES: Floats = np.zeros(0)
