//! Does it do what the SQL says, seen from a client?
