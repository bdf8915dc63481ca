use std::time::{Duration, Instant};

use crate::clock::thread_seconds;

/// Something to be timed over several samples.
pub trait Contender {
    /// Makes sample `sample` ready: not timed.
    fn prepare(&mut self, sample: usize);

    /// Runs it: timed.
    fn run(&mut self);
}

/// What a contender needed: seconds of processor time of every run of every sample.
#[derive(Clone, Debug)]
pub struct Times(Vec<Vec<f64>>);

impl Times {
    /// The best run of each sample, averaged over the samples, in seconds.
    #[must_use]
    pub fn best(&self) -> f64 {
        self.average(|runs| runs[0])
    }

    /// The median run of each sample, averaged over the samples, in seconds.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.average(|runs| runs[runs.len() / 2])
    }

    /// The fewest runs that any sample had.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.0.iter().map(Vec::len).min().unwrap_or(0)
    }

    fn average(&self, of: impl Fn(&[f64]) -> f64) -> f64 {
        self.0.iter().map(|runs| of(runs)).sum::<f64>() / self.0.len() as f64
    }
}

/// How long a contender has its turn, so that its own memory is in the cache for most of it.
const TURN: Duration = Duration::from_millis(10);

/// The fewest rounds, however long they take.
const ROUNDS: usize = 3;

/// Times contenders in turns, round after round, so that a disturbance of the machine hits all of them, for
/// about the given time. Their own time is that of the [thread](thread_seconds). Each runs every sample in each of its turns.
///
/// # Panics
/// If there are no samples.
#[must_use]
pub fn race(contenders: &mut [&mut dyn Contender], samples: usize, time: Duration) -> Vec<Times> {
    assert!(samples > 0, "a race over no samples");
    let mut times = vec![vec![vec![]; samples]; contenders.len()];
    let started = Instant::now();
    let mut rounds = 0;
    while rounds < ROUNDS || started.elapsed() < time {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            let turn = Instant::now();
            loop {
                for (sample, times) in times.iter_mut().enumerate() {
                    contender.prepare(sample);
                    let started = thread_seconds();
                    contender.run();
                    times.push(thread_seconds() - started);
                }
                if turn.elapsed() >= TURN {
                    break;
                }
            }
        }
        rounds += 1;
    }
    for runs in times.iter_mut().flatten() {
        runs.sort_by(f64::total_cmp);
    }
    times.into_iter().map(Times).collect()
}
