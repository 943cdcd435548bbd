//! How does a statement become rows?
