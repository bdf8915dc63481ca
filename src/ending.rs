//! What a signal that ends the program leaves behind: nothing.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// From now on a signal that ends the program first takes away what unfinished files have names. The exit status stays
/// that of the signal.
pub fn leave_nothing() {
    let wanted: Vec<i32> =
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(signal)).collect();
    // Without a handler the signals end the program as they always do; only file systems without nameless files notice.
    let Ok(mut signals) = signal_hook::iterator::Signals::new(wanted) else { return };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            snn_formats::atomic::abandon();
            // It ends the program; if that fails there is nothing left to try.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
}

/// Whether whoever started the program wants it to go on: `nohup` ignores SIGHUP, a shell script SIGINT for what it runs
/// in the background. Only Linux tells without `unsafe` code.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
