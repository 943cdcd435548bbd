//! Model bytes that somebody damaged: an error, or a model that scores within bounds of memory. A few seconds of what
//! `cargo bench -p tarn-gpu --bench fuzz_bytes -- SECONDS` does for as long as asked.

#[path = "../counting/mod.rs"]
mod counting;
mod fuzz;

use fuzz::Verdict;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

#[test]
fn damaged_bytes_are_refused_or_score() {
    let specimens = fuzz::specimens();
    for specimen in &specimens {
        assert_eq!(
            fuzz::examine(&specimen.bytes, &specimen.features),
            Verdict::Accepted
        );
        for cut in (0..specimen.bytes.len()).step_by(1 + specimen.bytes.len() / 50) {
            assert_eq!(
                fuzz::examine(&specimen.bytes[..cut], &specimen.features),
                Verdict::Refused
            );
        }
    }
    // A root that became a leaf above nodes that nobody asks any more was once scored two ways.
    let (bytes, features) = fuzz::damaged(7, 85_736_659, &specimens);
    fuzz::examine(&bytes, features);
    let mut accepted = 0;
    for case in 0..20_000 {
        let (bytes, features) = fuzz::damaged(3, case, &specimens);
        accepted += usize::from(fuzz::examine(&bytes, features) == Verdict::Accepted);
    }
    // Both ends of the promise are reached.
    assert!((500..19_500).contains(&accepted), "{accepted}");
}
