//! What is a day, a moment, an interval and a time zone?
//!
//! The calendar that functions compute with and that the wire prints with: one for both.

pub mod calendar;
pub mod clock;
pub mod field;
pub mod interval;
pub mod moment;
pub mod parts;
pub mod zone;
