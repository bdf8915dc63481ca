use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rayon::ThreadPool;

use crate::threads::{self, MOST_THREADS};

/// The threads over which the work on one population is spread where there is enough of it.
///
/// Threads take targets or steps, never sources of one sum, so no result depends on their number.
#[derive(Clone, Default)]
pub(super) struct Threads {
    /// All threads but the calling one; clones share them.
    others: Option<Arc<ThreadPool>>,
    /// The predicted cycles from which the work is spread.
    from: f64,
}

impl Threads {
    /// Over so many threads, the calling one included, from so many predicted cycles on.
    pub(super) fn over(threads: usize, from: f64) -> Self {
        Self { others: threads::start(threads.clamp(1, MOST_THREADS) - 1).map(Arc::new), from }
    }

    /// Threads, the calling one included.
    pub(super) fn threads(&self) -> usize {
        1 + self.others.as_ref().map_or(0, |others| others.current_num_threads())
    }

    /// The threads for work of so many predicted cycles: all or one.
    pub(super) fn threads_for(&self, cycles: f64) -> usize {
        if cycles >= self.from { self.threads() } else { 1 }
    }

    /// Does every task on whichever thread is free first and sums up what they return. Tasks are begun in
    /// order; each thread has one of `places` to work in.
    ///
    /// # Panics
    /// If there is not one place for each thread, or a task panics.
    pub(super) fn sum<P: Send, T: Send>(
        &self,
        places: &mut [P],
        tasks: impl Iterator<Item = T> + Send,
        work: impl Fn(&mut P, T) -> u64 + Sync,
    ) -> u64 {
        assert_eq!(places.len(), self.threads(), "places to work in, threads");
        let tasks = Mutex::new(tasks);
        let total = AtomicU64::new(0);
        let until_done = |place: &mut P| {
            let mut sum = 0;
            loop {
                let task = tasks.lock().expect("no thread panics while it holds the lock").next();
                let Some(task) = task else { break };
                sum += work(place, task);
            }
            total.fetch_add(sum, Ordering::Relaxed);
        };
        match (&self.others, places) {
            (Some(others), [first, rest @ ..]) => others.in_place_scope(|scope| {
                for place in rest {
                    scope.spawn(|_| until_done(place));
                }
                until_done(first);
            }),
            (_, places) => places.iter_mut().for_each(until_done),
        }
        total.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_done_once_by_any_number_of_threads() {
        for threads in 1..5 {
            let team = Threads::over(threads, 0.0);
            let mut done = vec![0_u32; 100];
            let mut places = vec![0_u32; threads];
            let tasks = (0..).zip(&mut done);
            let sum = team.sum(&mut places, tasks, |place, (number, done): (u64, &mut u32)| {
                *place += 1;
                *done += 1;
                number
            });
            assert_eq!(sum, 4950);
            assert!(done.iter().all(|&times| times == 1));
            assert_eq!(places.iter().sum::<u32>(), 100);
        }
    }

    #[test]
    fn work_below_the_given_cycles_is_left_to_one_thread() {
        let team = Threads::over(3, 1e6);
        assert_eq!((team.threads_for(1e6), team.threads_for(9e5)), (3, 1));
        assert_eq!(Threads::over(1, 0.0).threads_for(1e9), 1);
    }
}
