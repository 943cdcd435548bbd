//! How does a thread let interactive work go first?

use std::cell::Cell;

thread_local! {
    static LOWERED: Cell<bool> = const { Cell::new(false) };
}

/// Steps below the usual scheduling priority: enough that a query's thread preempts a fit at once.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

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
