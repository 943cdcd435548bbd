//! Does the server start, stop and recover as an operator expects?

mod crash;
mod operation;
mod quickstart;
