/// Seconds for which a processor has worked for the present thread, counted from some fixed moment.
///
/// On a machine that others use too, the time on the wall is longer for long runs only because they are
/// interrupted more often; this one is not. On an idle machine both are the same. Where the system does not
/// tell, it is the time on the wall.
#[must_use]
pub fn thread_seconds() -> f64 {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call writes one `timespec`, which is there.
        if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } == 0 {
            return time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9;
        }
    }
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed().as_secs_f64()
}
