//! Does the server start, stop and recover as an operator expects?

mod backup;
mod crash;
mod earlier_data;
mod model_bytes;
mod operation;
mod quickstart;
