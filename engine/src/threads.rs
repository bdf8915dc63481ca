//! Threads of this machine.

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The most threads that anything is spread over, however many are asked for.
pub const MOST_THREADS: usize = 256;

/// The number of threads that a batch uses if none is asked for: one for each processor, at most [`MOST_THREADS`].
#[must_use]
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS)
}

/// So many threads, at most [`MOST_THREADS`]; half as many, and half of these, where the system starts no more. `None` if
/// it starts none: the calling thread then does the work, with the same results.
pub(crate) fn start(threads: usize) -> Option<ThreadPool> {
    let mut threads = threads.min(MOST_THREADS);
    while threads > 0 {
        if let Ok(pool) = ThreadPoolBuilder::new().num_threads(threads).build() {
            return Some(pool);
        }
        threads /= 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_threads_are_started_than_the_cap_and_none_for_none() {
        assert!(start(0).is_none());
        assert_eq!(start(2).unwrap().current_num_threads(), 2);
        assert!(start(usize::MAX).unwrap().current_num_threads() <= MOST_THREADS);
        assert!((1..=MOST_THREADS).contains(&default_threads()));
    }
}
