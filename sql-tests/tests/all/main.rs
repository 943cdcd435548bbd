//! Every test that looks at the project from outside, in one binary so that it links once.
#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps says where it failed"
)]

mod clients;
mod examples;
mod protocol;
mod server;
mod slt;
mod tidy;
