"""Types of arrays."""

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
