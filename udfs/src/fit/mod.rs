//! How do many fits share one machine with queries and with each other?

mod priority;
pub mod queue;
