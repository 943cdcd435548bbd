//! How does a thread let interactive work go first?

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Steps below the usual scheduling priority: enough that a query's thread preempts a fit at once.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// One pause of a thread that steps aside.
const PAUSE: Duration = Duration::from_micros(250);
/// Longest time that a thread steps aside at a stretch: most interactive statements are over by then.
const PATIENCE_MAX: Duration = Duration::from_millis(40);
/// Time that a thread computes before it yields, when interactive statements come.
const COMPUTING_MAX: Duration = Duration::from_micros(200);
/// How long after one interactive statement the next is expected.
const PRESSED_LATELY: Duration = Duration::from_secs(1);
/// What a new thread may step aside before it has worked.
const PATIENCE_FIRST: Duration = Duration::from_millis(4);

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
/// When a fit last saw an interactive statement, in microseconds since [`STARTED`].
static PRESSED_AT_US: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static LOWERED: Cell<bool> = const { Cell::new(false) };
    static YIELDED_AT_US: Cell<u64> = const { Cell::new(0) };
    static PATIENCE: Cell<Patience> = const { Cell::new(Patience::FRESH) };
}

/// How long a thread may still step aside: as long as it has computed before, so that training keeps half of its speed
/// however many statements there are. Time in which other threads had the core is no work and earns no pause.
#[derive(Debug, Clone, Copy)]
struct Patience {
    left: Duration,
    /// Processor time of the thread when it last resumed its work.
    resumed: Option<Duration>,
}

impl Patience {
    const FRESH: Self = Self {
        left: PATIENCE_FIRST,
        resumed: None,
    };
}

/// Lets interactive statements go first: while they run the calling thread pauses, as far as its patience goes, and while
/// they come it yields often.
pub fn step_aside(busy: impl Fn() -> bool) {
    let pressed = busy();
    yield_often(pressed);
    if !pressed {
        return;
    }
    PATIENCE.with(|own| {
        let Patience { left, resumed } = own.get();
        let computed = thread_time();
        let worked = resumed.map_or(Duration::ZERO, |resumed| computed.saturating_sub(resumed));
        let mut left = (left + worked).min(PATIENCE_MAX);
        while left >= PAUSE && busy() {
            let now = Instant::now();
            std::thread::sleep(PAUSE);
            left = left.saturating_sub(now.elapsed());
        }
        own.set(Patience {
            left,
            resumed: Some(thread_time()),
        });
    });
}

/// Processor time that this thread has used.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn thread_time() -> Duration {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    const THREAD_CPUTIME: i32 = 3;
    let mut time = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: `time` has the layout of `struct timespec` on 64-bit Linux and lives through the call.
    let refused = unsafe { clock_gettime(THREAD_CPUTIME, &raw mut time) };
    if refused != 0 {
        return Duration::ZERO;
    }
    Duration::from_secs(time.seconds as u64) + Duration::from_nanos(time.nanoseconds as u64)
}

/// Time since the thread first asked, where the system does not tell its processor time.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn thread_time() -> Duration {
    thread_local! {
        static STARTED: Instant = Instant::now();
    }
    STARTED.with(Instant::elapsed)
}

/// A scheduler lets a thread that computes finish its slice, 4 ms or so, before one that has woken up may have the core:
/// longer than a point query takes. So a fit yields often, but only while interactive statements come: yielding gives way
/// to everybody, and among busy neighbours it would cost a training most of its time.
fn yield_often(pressed: bool) {
    let now = STARTED.elapsed().as_micros() as u64;
    if pressed {
        PRESSED_AT_US.store(now, Ordering::Relaxed);
    }
    let pressed_at = PRESSED_AT_US.load(Ordering::Relaxed);
    if now.saturating_sub(pressed_at) > PRESSED_LATELY.as_micros() as u64 {
        return;
    }
    YIELDED_AT_US.with(|yielded| {
        if now.saturating_sub(yielded.get()) >= COMPUTING_MAX.as_micros() as u64 {
            std::thread::yield_now();
            yielded.set(now);
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

    /// Which share of its time a thread works, of the time that it could have worked.
    fn share_of_work(slice_length: Duration, busy: impl Fn() -> bool) -> f64 {
        let began = Instant::now();
        let (mut paused, mut worked) = (Duration::ZERO, thread_time());
        while began.elapsed() < Duration::from_millis(400) {
            let slice = Instant::now();
            while slice.elapsed() < slice_length {}
            let pause = Instant::now();
            step_aside(&busy);
            paused += pause.elapsed();
        }
        worked = thread_time() - worked;
        worked.as_secs_f64() / (worked + paused).as_secs_f64()
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
    #[cfg(target_os = "linux")]
    fn a_thread_lowers_itself_and_no_other() {
        unsafe extern "C" {
            fn getpriority(which: i32, who: u32) -> i32;
        }
        // SAFETY: `getpriority` takes and gives plain integers.
        let own = || unsafe { getpriority(0, 0) };
        let before = own();
        let lowered = std::thread::spawn(move || {
            lower_own_priority();
            own()
        });
        assert_eq!(lowered.join().unwrap(), NICE.max(before));
        assert_eq!(own(), before);
    }

    #[test]
    fn a_short_statement_is_waited_for_to_its_end() {
        std::thread::spawn(|| {
            let until = Instant::now() + Duration::from_millis(3);
            step_aside(|| Instant::now() < until);
            assert!(Instant::now() >= until);
        })
        .join()
        .unwrap();
    }
}
