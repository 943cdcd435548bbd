//! How much memory does a piece of work ask for? An allocator that counts what its thread holds and asked for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator with counters per thread.
pub struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// What a piece of work asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Most bytes held at once beyond those held before.
    pub peak: usize,
    /// Calls for memory.
    pub calls: usize,
    /// Bytes of the largest call.
    pub largest: usize,
}

/// Runs `work` and counts what this thread asks for meanwhile.
pub fn usage<T>(work: impl FnOnce() -> T) -> (T, Usage) {
    let before = HELD.get();
    PEAK.set(before);
    CALLS.set(0);
    LARGEST.set(0);
    let result = work();
    let usage = Usage {
        peak: (PEAK.get() - before).max(0) as usize,
        calls: CALLS.get(),
        largest: LARGEST.get(),
    };
    (result, usage)
}

fn grown(by: isize, asked: usize) {
    // While a thread ends its counters may be gone already; nobody reads them then.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + by);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
    if asked > 0 {
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(asked)));
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size() as isize, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size() as isize, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        grown(-(layout.size() as isize), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size as isize - layout.size() as isize, size);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}
