//! Do damaged model bytes ever panic, read wildly or ask for memory without bound?
//!
//! `cargo bench -p tarn-gpu --bench fuzz_bytes -- [SECONDS] [SEED]` damages models of every learner for so long (60 s) and
//! prints how many were refused and how many still scored; a broken promise ends it with the case's seed and number.

#[path = "../tests/counting/mod.rs"]
mod counting;
#[path = "../tests/model_bytes/fuzz.rs"]
mod fuzz;

use std::time::{Duration, Instant};

use fuzz::Verdict;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn main() {
    let mut numbers = std::env::args().filter_map(|word| word.parse::<u64>().ok());
    let time = Duration::from_secs(numbers.next().unwrap_or(60));
    let seed = numbers.next().unwrap_or(1);
    let specimens = fuzz::specimens();
    let started = Instant::now();
    let (mut refused, mut accepted, mut case) = (0u64, 0u64, 0u64);
    let mut told = Duration::ZERO;
    while started.elapsed() < time {
        let (bytes, features) = fuzz::damaged(seed, case, &specimens);
        let verdict = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            fuzz::examine(&bytes, features)
        }));
        match verdict {
            Ok(Verdict::Refused) => refused += 1,
            Ok(Verdict::Accepted) => accepted += 1,
            Err(_) => {
                println!("seed {seed}, case {case}: broken");
                std::process::exit(1);
            }
        }
        case += 1;
        if started.elapsed() - told >= Duration::from_secs(300) {
            told = started.elapsed();
            println!("{:>5} s: {case} cases", told.as_secs());
        }
    }
    println!(
        "seed {seed}: {case} damaged models of {} in {} s, {refused} refused, {accepted} scored, none broken",
        specimens.len(),
        started.elapsed().as_secs()
    );
}
