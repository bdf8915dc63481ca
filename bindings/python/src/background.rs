//! Long work beside the interpreter, which stays open to signals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::prelude::*;

/// How often the waiting thread looks whether the user wants to interrupt the work.
const LOOK: Duration = Duration::from_millis(40);

/// Does `work` in a thread of its own, without the interpreter's lock, and gives its result. Meanwhile signals are looked
/// after, and `look` is called now and then.
///
/// When a signal or `look` raises an exception, that is returned at once: `stop` is set, and the work, which nobody waits for
/// any more, ends where it looks at it the next time.
pub fn run<T: Send + 'static>(
    py: Python<'_>,
    stop: &Arc<AtomicBool>,
    mut look: impl FnMut(Python<'_>) -> PyResult<()> + Send,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let (give, result) = channel();
    py.detach(move || {
        let worker = std::thread::spawn(move || {
            // Nobody is there to take it if the work was interrupted.
            let _ = give.send(work());
        });
        loop {
            match result.recv_timeout(LOOK) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Timeout) => {
                    let looked = Python::attach(|py| py.check_signals().and_then(|()| look(py)));
                    if let Err(exception) = looked {
                        stop.store(true, Ordering::Relaxed);
                        return Err(exception);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => match worker.join() {
                    Err(panic) => std::panic::resume_unwind(panic),
                    Ok(()) => unreachable!("a thread that ends has given its result"),
                },
            }
        }
    })
}

/// The same for work that cannot be stopped in between, and tells nothing.
pub fn wait<T: Send + 'static>(py: Python<'_>, work: impl FnOnce() -> T + Send + 'static) -> PyResult<T> {
    run(py, &Arc::default(), |_| Ok(()), work)
}

/// Tells the thread that waits how much is done.
#[derive(Clone, Default)]
pub struct Counter {
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Counter {
    /// So many more are done. Gives whether anybody still waits for the rest.
    pub fn add(&self, more: usize) -> bool {
        self.done.fetch_add(more, Ordering::Relaxed);
        !self.stop.load(Ordering::Relaxed)
    }
}

/// The same for work that counts what is done, of which `progress` is told.
pub fn counted<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(Counter) -> T + Send + 'static,
) -> PyResult<T> {
    let counter = Counter::default();
    let mut told = 0;
    let mut tell = |py: Python<'_>| -> PyResult<()> {
        let now = counter.done.load(Ordering::Relaxed);
        if let Some(progress) = progress
            && now > told
        {
            progress.call1(py, (now - told,))?;
        }
        told = now;
        Ok(())
    };
    let counts = counter.clone();
    let result = run(py, &counter.stop, &mut tell, move || work(counts))?;
    tell(py)?;
    Ok(result)
}
