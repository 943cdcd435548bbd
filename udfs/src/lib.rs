//! What can a SELECT call?
