use std::sync::Mutex;

use rayon::prelude::*;

/// The number of threads that a batch uses if none is asked for: one for each processor.
#[must_use]
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs samples over threads, one simulator for each thread, and gives the results in order of the samples.
///
/// `run(simulator, sample)` must bring the simulator to the start of the sample by itself, so the results do
/// not depend on the number of threads or on which samples a simulator had before.
///
/// # Errors
/// The error of the first sample, in order, that failed.
///
/// # Panics
/// If the threads cannot be started, or `run` panics.
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
    if threads <= 1 {
        let mut simulator = simulator.clone();
        return samples.map(|sample| run(&mut simulator, sample)).collect();
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap_or_else(|error| panic!("{threads} threads cannot be started: {error}"));
    // Samples are taken in order by whichever thread is free, so a thread keeps its simulator's memory warm.
    let idle = Mutex::new(Vec::new());
    let results: Vec<Result<R, E>> = pool.install(|| {
        samples
            .into_par_iter()
            .with_max_len(1)
            .map(|sample| {
                let waiting = idle.lock().expect("no thread panics while it holds the lock").pop();
                let mut simulator = waiting.unwrap_or_else(|| simulator.clone());
                let result = run(&mut simulator, sample);
                idle.lock().expect("no thread panics while it holds the lock").push(simulator);
                result
            })
            .collect()
    });
    results.into_iter().collect()
}
