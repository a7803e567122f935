// SPDX-License-Identifier: Apache-2.0
//! A budget of memory for work whose needs its input decides: a template can double a text as often as it likes.
//!
//! All that is handed out counts, given back or not, so that the time is bounded too. Past the budget the program starts
//! again without that work (see [`fault`](crate::fault)), as nothing else can be done in the middle of an allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fault;

const NO_BUDGET: usize = usize::MAX;

static LEFT: AtomicUsize = AtomicUsize::new(NO_BUDGET);

/// Does `work`, which may take `bytes` of memory in all.
pub fn within<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    LEFT.store(bytes, Ordering::Relaxed);
    let done = work();
    LEFT.store(NO_BUDGET, Ordering::Relaxed);
    done
}

/// The system's allocator, which heeds the budget.
pub struct Counting;

fn take(bytes: usize) {
    let left = LEFT.load(Ordering::Relaxed);
    if left == NO_BUDGET {
        return;
    }
    if bytes <= left {
        LEFT.store(left - bytes, Ordering::Relaxed);
    } else {
        LEFT.store(NO_BUDGET, Ordering::Relaxed);
        fault::give_up("this needs too much memory");
    }
}

// SAFETY: everything is the system allocator's; `take` comes back, or the process ends.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's promises are those that the system asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
