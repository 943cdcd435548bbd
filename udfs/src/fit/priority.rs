//! How does a thread let interactive work go first?

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Steps below the usual scheduling priority: enough that a query's thread preempts a fit at once.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// One pause of a thread that steps aside.
const PAUSE: Duration = Duration::from_micros(250);
/// Longest time that a thread steps aside at a stretch: most interactive statements are over by then.
const PATIENCE_MAX: Duration = Duration::from_millis(40);
/// Time that a thread computes before it enters the kernel.
const COMPUTING_MAX: Duration = Duration::from_micros(200);
/// What a new thread may step aside before it has worked.
const PATIENCE_FIRST: Duration = Duration::from_millis(10);

thread_local! {
    static LOWERED: Cell<bool> = const { Cell::new(false) };
    static ENTERED: Cell<Option<Instant>> = const { Cell::new(None) };
    static PATIENCE: Cell<Patience> = const { Cell::new(Patience::FRESH) };
}

/// How long a thread may still step aside: as long as it has worked before, so that training keeps half of its speed
/// however many statements there are.
#[derive(Debug, Clone, Copy)]
struct Patience {
    left: Duration,
    resumed: Option<Instant>,
}

impl Patience {
    const FRESH: Self = Self {
        left: PATIENCE_FIRST,
        resumed: None,
    };
}

/// Lets others go first: the kernel may run another thread here now and then, and while interactive statements run the
/// calling thread pauses, as far as its patience goes.
pub fn step_aside(busy: impl Fn() -> bool) {
    enter_kernel();
    if !busy() {
        return;
    }
    PATIENCE.with(|own| {
        let Patience { left, resumed } = own.get();
        let mut now = Instant::now();
        let worked = resumed.map_or(Duration::ZERO, |resumed| now - resumed);
        let mut left = (left + worked).min(PATIENCE_MAX);
        while left >= PAUSE && busy() {
            std::thread::sleep(PAUSE);
            let paused = now.elapsed();
            left = left.saturating_sub(paused);
            now += paused;
        }
        own.set(Patience {
            left,
            resumed: Some(now),
        });
    });
}

/// A Linux kernel that preempts lazily stops a thread that only computes at its next timer tick, up to 4 ms after another
/// thread has woken up for this core; a thread that enters the kernel gives way at once.
fn enter_kernel() {
    ENTERED.with(|entered| {
        let now = Instant::now();
        let due = |last: Instant| now - last >= COMPUTING_MAX;
        if entered.get().is_none_or(due) {
            std::thread::yield_now();
            entered.set(Some(now));
        }
    });
}

/// Lowers the scheduling priority of the calling thread, once; a system that refuses leaves it as it is.
pub fn lower_own_priority() {
    LOWERED.with(|lowered| {
        if !lowered.replace(true) {
            lower();
        }
    });
}

#[cfg(target_os = "linux")]
fn lower() {
    unsafe extern "C" {
        fn setpriority(which: i32, who: u32, priority: i32) -> i32;
    }
    // SAFETY: `setpriority` takes plain integers and touches no memory of ours. On Linux `PRIO_PROCESS` (0) with `who`
    // 0 means the calling thread alone.
    let _ = unsafe { setpriority(0, 0, NICE) };
}

#[cfg(not(target_os = "linux"))]
fn lower() {}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_of_work(slice_length: Duration, busy: impl Fn() -> bool) -> f64 {
        let began = Instant::now();
        let mut worked = Duration::ZERO;
        while began.elapsed() < Duration::from_millis(400) {
            let slice = Instant::now();
            while slice.elapsed() < slice_length {}
            worked += slice.elapsed();
            step_aside(&busy);
        }
        worked.as_secs_f64() / began.elapsed().as_secs_f64()
    }

    #[test]
    fn a_thread_keeps_half_its_speed_under_any_load_and_all_of_it_without() {
        let share = std::thread::spawn(|| share_of_work(Duration::from_micros(200), || true));
        let share = share.join().unwrap();
        assert!((0.3..0.7).contains(&share), "{share}");
        let alone = std::thread::spawn(|| share_of_work(Duration::from_micros(200), || false));
        assert!(alone.join().unwrap() > 0.9);
    }

    #[test]
    fn a_short_statement_is_waited_for_to_its_end() {
        let until = Instant::now() + Duration::from_millis(8);
        std::thread::spawn(move || {
            step_aside(|| Instant::now() < until);
            assert!(Instant::now() >= until);
        })
        .join()
        .unwrap();
    }
}
