//! Here are numbers: fit them, score them, on whatever device exists.
