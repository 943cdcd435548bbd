//! The functions of a GROUP BY, a file each.

pub mod sum;
mod total;
pub mod train;
