use std::hint::black_box;

use snn_engine::kernel;

use crate::clock::thread_seconds;

/// How many weights a second this machine can add to distinct places, one store each, when everything stays in
/// the first-level cache: the fastest of the machine's scatter kernels, best of many.
///
/// Rows of 256 weights with 16-bit targets, eight of them over 2048 currents: 20 KiB. A delivery that does not
/// store once per weight can be beyond it.
#[must_use]
pub fn scatter_limit() -> f64 {
    const ROWS: usize = 8;
    const WIDTH: usize = 256;
    const PASSES: usize = 200;
    let targets: Vec<u16> =
        (0..ROWS).flat_map(|row| (0..WIDTH).map(move |at| (at * ROWS + row) as u16)).collect();
    let weights = vec![1.0_f32; ROWS * WIDTH];
    let mut best: f64 = 0.0;
    for kernels in kernel::available() {
        let mut currents = vec![0.0_f32; ROWS * WIDTH];
        for _ in 0..50 {
            let started = thread_seconds();
            for _ in 0..PASSES {
                for (targets, weights) in targets.chunks_exact(WIDTH).zip(weights.chunks_exact(WIDTH)) {
                    (kernels.scatter_u16)(targets, weights, black_box(&mut currents));
                }
            }
            let seconds = thread_seconds() - started;
            best = best.max((PASSES * ROWS * WIDTH) as f64 / seconds);
        }
        let expected = (50 * PASSES) as f32;
        assert!(currents.iter().all(|&current| current == expected), "{} lost weights", kernels.name);
    }
    best
}
