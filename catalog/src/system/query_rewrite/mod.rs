//! How do clients' catalog queries become plans?
