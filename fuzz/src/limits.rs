//! What every input is held to: no panic, and no more memory than its length justifies. Time is libFuzzer's to watch
//! (`-timeout`).

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use libfuzzer_sys::Corpus;

/// Bytes that an input may take however short it is; eight times its length on top of it.
const MOST: usize = 64 << 20;

/// Bytes in use, the most ever in use, and how many end the program.
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The system's allocator, counting, which ends the program at the limit: what asks for too much shows where it does.
struct Counting;

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises about `layout` are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there for a moment if it has to move.
        count(size);
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above; `place` came from this allocator, that is from the system's.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(size: usize) {
    let now = IN_USE.fetch_add(size, Relaxed) + size;
    PEAK.fetch_max(now, Relaxed);
    if now > LIMIT.load(Relaxed) {
        // Telling takes memory as well.
        LIMIT.store(usize::MAX, Relaxed);
        let place = std::backtrace::Backtrace::force_capture();
        eprintln!("{size} bytes were asked for, more than the input's length justifies, at\n{place}");
        std::process::abort();
    }
}

/// What the inputs of a target were like.
#[derive(Default)]
struct Record {
    target: &'static str,
    inputs: u64,
    accepted: u64,
    time: Duration,
    slowest: Duration,
    peak: usize,
}

static RECORD: Mutex<Option<Record>> = Mutex::new(None);

/// One in so many inputs that were refused is kept to be mutated further: what comes of them is nearly always refused too,
/// and there are many more ways to be refused than to be accepted.
const KEPT: u32 = 16;

/// Lets a target read an input, within the limits, and says whether it is worth mutating. What all of them were like is
/// printed when the program ends.
pub fn held(target: &'static str, bytes: &[u8], read: fn(&[u8]) -> bool) -> Corpus {
    let before = IN_USE.load(Relaxed);
    PEAK.store(before, Relaxed);
    LIMIT.store(before + MOST + 8 * bytes.len(), Relaxed);
    let began = Instant::now();
    let accepted = read(bytes);
    let time = began.elapsed();
    LIMIT.store(usize::MAX, Relaxed);
    let peak = PEAK.load(Relaxed) - before;

    let mut record = RECORD.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let record = record.get_or_insert_with(|| {
        // SAFETY: `print` is a function of no arguments that lives as long as the program.
        unsafe { libc::atexit(print) };
        Record { target, ..Record::default() }
    });
    record.inputs += 1;
    record.accepted += u64::from(accepted);
    record.time += time;
    record.slowest = record.slowest.max(time);
    record.peak = record.peak.max(peak);
    if accepted || crc32fast::hash(bytes).is_multiple_of(KEPT) { Corpus::Keep } else { Corpus::Reject }
}

extern "C" fn print() {
    let record = RECORD.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(Record { target, inputs, accepted, time, slowest, peak }) = &*record {
        println!(
            "{target}: {inputs} inputs, {:.1} % accepted, {:.1} s, the slowest {:.1} ms, the largest {:.1} MiB",
            100.0 * *accepted as f64 / *inputs as f64,
            time.as_secs_f64(),
            1e3 * slowest.as_secs_f64(),
            *peak as f64 / f64::from(1 << 20),
        );
    }
}
