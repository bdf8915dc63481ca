use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::threads;

/// Runs samples over threads, one simulator for each thread, and gives the results in order of the samples.
///
/// `run(simulator, sample)` must bring the simulator to the start of the sample by itself, so the results do
/// not depend on the number of threads or on which samples a simulator had before.
///
/// # Errors
/// The error of the first sample, in order, that failed; those behind it that have not begun are left out.
///
/// At most [`MOST_THREADS`](crate::MOST_THREADS) are used, and fewer where the system starts no more.
///
/// # Panics
/// If `run` panics.
pub fn run_samples<S, R, E>(
    samples: std::ops::Range<usize>,
    threads: usize,
    simulator: &S,
    run: impl Fn(&mut S, usize) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E>
where
    S: Clone + Send + Sync,
    R: Send,
    E: Send,
{
    let pool = if threads > 1 { threads::start(threads) } else { None };
    let Some(pool) = pool else {
        let mut simulator = simulator.clone();
        return samples.map(|sample| run(&mut simulator, sample)).collect();
    };
    // Samples are taken in order by whichever thread is free, so a thread keeps its simulator's memory warm.
    let idle = Mutex::new(Vec::new());
    let first_failed = AtomicUsize::new(usize::MAX);
    let results: Vec<Option<Result<R, E>>> = pool.install(|| {
        samples
            .into_par_iter()
            .with_max_len(1)
            .map(|sample| {
                // What comes behind a sample that failed cannot change what is returned.
                if sample > first_failed.load(Ordering::Relaxed) {
                    return None;
                }
                let waiting = idle.lock().expect("no thread panics while it holds the lock").pop();
                let mut simulator = waiting.unwrap_or_else(|| simulator.clone());
                let result = run(&mut simulator, sample);
                if result.is_err() {
                    first_failed.fetch_min(sample, Ordering::Relaxed);
                }
                idle.lock().expect("no thread panics while it holds the lock").push(simulator);
                Some(result)
            })
            .collect()
    });
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_in_order_is_returned_and_a_long_batch_ends_soon_after_it() {
        for threads in 1..4 {
            let begun = AtomicUsize::new(0);
            let run = |(): &mut (), sample: usize| {
                begun.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_micros(1));
                if matches!(sample, 7 | 9) { Err(sample) } else { Ok(sample) }
            };
            assert_eq!(run_samples(0..1_000_000, threads, &(), run), Err(7));
            // Threads take what lies side by side, so some have begun elsewhere by then.
            assert!(begun.load(Ordering::Relaxed) < 500_000, "{threads} threads");
            assert_eq!(run_samples(0..7, threads, &(), run), Ok((0..7).collect()));
        }
    }
}
