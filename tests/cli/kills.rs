//! Commands that are ended at random moments. `SNN_KILLS=100 cargo test --test cli kills` does so more often.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use rustix::process::{Pid, Signal, kill_process};

use crate::snn_event;

/// The command line as a child of its own, silent.
fn child(folder: &Path, line: &str) -> Command {
    let prepared = snn_event(folder, line);
    let mut command = Command::new(prepared.get_program());
    command.args(prepared.get_args()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// SIGINT as of Ctrl-C; SIGTERM where the tests run in the background of a script, whose children ignore SIGINT.
fn interrupt() -> Signal {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
    let ignored = u64::from_str_radix(mask.trim(), 16).unwrap() >> (Signal::INT.as_raw() - 1) & 1 == 1;
    if ignored { Signal::TERM } else { Signal::INT }
}

/// Runs the command and ends it after a while, if it has not ended before.
fn ended(mut command: Command, after: Duration, signal: Signal) -> ExitStatus {
    let mut child = command.spawn().unwrap();
    std::thread::sleep(after);
    // Not waited for yet, so the number is still the child's.
    kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Bytes of the outputs, but for reports, which hold times: those only must be whole.
fn outputs(folder: &Path, names: &[&str]) -> BTreeMap<String, Option<Vec<u8>>> {
    let of = |name: &&str| {
        let bytes = std::fs::read(folder.join(name)).ok();
        if let Some(bytes) = bytes.as_ref().filter(|bytes| name.ends_with(".json") && **bytes != b"old") {
            serde_json::from_slice::<serde_json::Value>(bytes).expect("a whole report");
            return ((*name).to_owned(), Some(vec![]));
        }
        ((*name).to_owned(), bytes)
    };
    names.iter().map(of).collect()
}

#[test]
fn kills_at_random_moments_of_every_writing_command_leave_nothing_half_done() {
    let kills: u32 = std::env::var("SNN_KILLS").map_or(12, |number| number.parse().unwrap());
    let onnx = "--model @examples/mnist/mlp300-p90.onnx";
    let run = "run --net @examples/mnist/net.bin --input @examples/mnist/x.npy --T 32 --batch-range 0:100";
    let convert =
        format!("convert {onnx} --calib @examples/mnist/x_calib.npy --T 4 --out %o.bin --report %r.json");
    let check = "check --net @examples/mnist/net.bin --input @examples/mnist/x.npy --T 16 --batch-range 0:10";
    let commands: [(&str, &[&str]); 6] = [
        (&convert, &["o.bin", "r.json"]),
        (
            &format!(
                "{run} --counts %c.npy --potentials %v.npy --outputs %y.npy --spikes %s.npz --json %r.json"
            ),
            &["c.npy", "v.npy", "y.npy", "s.npz", "r.json"],
        ),
        (&format!("prune {onnx} --sparsity 0.95 --out %p.onnx --json %r.json"), &["p.onnx", "r.json"]),
        (
            "generate --sizes 500,500,10 --density 0.5 --rate 0.1 --out %g.bin --json %r.json",
            &["g.bin", "r.json"],
        ),
        (&format!("{check} --json %r.json"), &["r.json"]),
        ("inspect --net @examples/mnist/net.bin --json %r.json", &["r.json"]),
    ];
    let mut random = Xoshiro256PlusPlus::seed_from_u64(std::process::id().into());
    let mut early = 0;
    for (line, written) in commands {
        let folder = tempfile::tempdir().unwrap();
        let began = Instant::now();
        assert!(child(folder.path(), line).status().unwrap().success(), "{line}");
        let whole = began.elapsed();
        let complete = outputs(folder.path(), written);
        for kill in 0..kills {
            let replacing = kill % 2 == 1;
            for name in written {
                let path = folder.path().join(name);
                if replacing {
                    std::fs::write(path, "old").unwrap()
                } else {
                    let _ = std::fs::remove_file(path);
                }
            }
            let before = outputs(folder.path(), written);
            let signal = [Signal::KILL, Signal::TERM, interrupt()][(kill / 2) as usize % 3];
            let after = whole.mul_f64(random.random_range(0.0..1.1));
            let status = ended(child(folder.path(), line), after, signal);
            assert!(
                status.success() || status.signal() == Some(signal.as_raw()),
                "{line}\nended by {signal:?} after {after:?} with {status}"
            );
            early += u32::from(!status.success());
            let mut left = names(folder.path());
            if replacing && signal == Signal::KILL {
                // Between the two calls of the kernel that put a file into another's place: the next run tidies up.
                let hidden = left.iter().filter(|name| name.ends_with(".replacing")).count();
                if hidden > 0 {
                    println!("killed exactly while a file took another's place: {left:?}");
                    assert!(hidden == 1 && child(folder.path(), line).status().unwrap().success());
                    left = names(folder.path());
                }
            }
            let allowed = |name: &String| written.contains(&name.as_str());
            assert!(left.iter().all(allowed), "{line}\n{signal:?} after {after:?} left {left:?}");
            for (name, bytes) in outputs(folder.path(), written) {
                assert!(
                    bytes == before[&name] || bytes == complete[&name],
                    "{line}\n{signal:?} after {after:?} left {name} neither as it was nor complete"
                );
            }
        }
    }
    assert!(early > 0, "no command was ended before its end");
}

#[test]
fn ctrl_c_ends_a_long_conversion_a_long_sample_and_a_long_check_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let net = "--net @examples/mnist/net.bin --input @examples/mnist/x.npy --batch-range 0:1 --T 4000000000";
    let calib = "--model @examples/mnist/mlp300-p90.onnx --calib @examples/mnist/x_calib.npy";
    for line in [
        format!("run {net} --counts %c.npy --spikes %s.npz"),
        format!("run {net} --mode dense --json %r.json"),
        format!("check {net} --json %r.json"),
        format!("convert {calib} --T 20000 --fit --out %o.bin"),
    ] {
        let mut child = child(folder.path(), &line).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(700));
        assert!(child.try_wait().unwrap().is_none(), "it should be at work still: {line}");
        kill_process(Pid::from_child(&child), interrupt()).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(interrupt().as_raw()), "{line}\n{status}");
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{line}");
    }
}

#[test]
fn a_signal_that_the_starting_shell_ignores_does_not_end_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let line = "run --net @examples/mnist/net.bin --input @examples/mnist/x.npy --T 2000 --counts %c.npy";
    let plain = child(folder.path(), line);
    let mut ignoring = Command::new("sh");
    ignoring.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
    ignoring.stdout(Stdio::null()).stderr(Stdio::null());
    let status = ended(ignoring, Duration::from_millis(300), Signal::HUP);
    assert!(status.success() || cfg!(not(target_os = "linux")), "{status}");
}
