//! Do the programs that people use find a server that they know?

mod drivers;
mod psql;
