//! Holds a law against random networks; one that breaks it is made small and told in words.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::case::{Built, Case};
use crate::{draw, shrink};

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`; allowed is a number")),
        Err(_) => default,
    }
}

/// The seeds of this test run.
pub fn seeds() -> std::ops::Range<u64> {
    let first = setting("SNN_SEED", 0);
    first..first + setting("SNN_NETWORKS", 2_000)
}

/// What a law says of a case.
enum Verdict {
    /// It holds, and counted so much of what it is about.
    Holds(u64),
    /// The engine refuses the network: there is nothing to hold it against.
    Refused(String),
    /// It does not hold, and why.
    Broken(String),
}

thread_local! {
    /// Whether panics of this thread are caught and kept instead of printed.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
    /// The last one, with its place.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs something; a panic comes back as its message with its place.
fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if CAUGHT.get() {
                LAST.with_borrow_mut(|last| *last = panic.to_string());
            } else {
                before(panic);
            }
        }));
    });
    let outer = CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    CAUGHT.set(outer);
    // A panic of another thread is printed there, and its message passed on.
    result.map_err(|payload| {
        let last = LAST.take();
        match payload.downcast_ref::<String>() {
            Some(text) if last.is_empty() => text.clone(),
            _ => last,
        }
    })
}

fn judge(case: &Case, law: &impl Fn(&Built) -> u64) -> Verdict {
    match caught(|| case.build()) {
        Err(panic) => Verdict::Broken(panic),
        Ok(Err(error)) => Verdict::Refused(error.to_string()),
        Ok(Ok(built)) => match caught(|| law(&built)) {
            Ok(counted) => Verdict::Holds(counted),
            Err(panic) => Verdict::Broken(panic),
        },
    }
}

/// The smallest case found that breaks a law if `case` does, in words; else what the law counted.
fn held(case: Case, law: &impl Fn(&Built) -> u64) -> Result<u64, String> {
    let seed = case.seed;
    match judge(&case, law) {
        Verdict::Holds(counted) => return Ok(counted),
        Verdict::Refused(error) => return Err(format!("seed {seed} is no network: {error}\n{case}")),
        Verdict::Broken(_) => {}
    }
    let size = |case: &Case| {
        format!(
            "{} populations, {} projections, {} neurons, {} weights, {} samples of {} steps",
            case.populations.len(),
            case.projections.len(),
            case.neurons(),
            case.weights(),
            case.samples.len(),
            case.steps
        )
    };
    let before = size(&case);
    let (small, tries) = shrink::smallest(case, |case| matches!(judge(case, law), Verdict::Broken(_)));
    let why = match judge(&small, law) {
        Verdict::Broken(why) => why,
        Verdict::Holds(_) | Verdict::Refused(_) => {
            "not every time: it held when it was tried again".to_owned()
        }
    };
    Err(format!(
        "seed {seed} breaks the law: {before}\nmade smaller in {tries} tries: {}\n{small}{why}",
        size(&small)
    ))
}

/// Holds a law, which panics where it is broken, against the cases of some seeds. Returns the sum of what it counted.
pub fn hold(seeds: impl Iterator<Item = u64>, law: impl Fn(&Built) -> u64) -> u64 {
    hold_cases(seeds.map(draw::case), law)
}

/// The same against cases that are driven from outside.
pub fn hold_driven(seeds: impl Iterator<Item = u64>, law: impl Fn(&Built) -> u64) -> u64 {
    hold_cases(seeds.map(draw::driven), law)
}

fn hold_cases(cases: impl Iterator<Item = Case>, law: impl Fn(&Built) -> u64) -> u64 {
    cases.map(|case| held(case, &law).unwrap_or_else(|broken| panic!("{broken}"))).sum()
}

#[test]
fn a_law_that_is_broken_tells_the_smallest_network_that_breaks_it() {
    // No neuron ever fires a second time: false, and one neuron that fires twice is enough to see it.
    let law = |built: &Built| {
        let mut fired = std::collections::BTreeSet::new();
        for sample in &built.samples {
            for (source, raster) in &sample.spikes {
                for step in 0..raster.steps() {
                    for &neuron in raster.step(step) {
                        assert!(fired.insert((*source, neuron)), "{source}/{neuron} fires again");
                    }
                }
            }
        }
        fired.len() as u64
    };
    let broken = (0..).find_map(|seed| held(draw::case(seed), &law).err()).unwrap();
    let small = "1 populations, 0 projections, 1 neurons, 0 weights, 1 samples of 2 steps";
    assert!(broken.contains(small) && broken.contains("fires again"), "{broken}");
    assert!(broken.contains("population 0 fires in step 0 [0], in step 1 [0]"), "{broken}");
}

#[test]
fn a_panic_inside_the_engine_breaks_a_law_like_any_other_fault() {
    let law = |built: &Built| {
        let none: Option<u64> = (built.steps < 2).then_some(0);
        none.expect("a step too many")
    };
    let broken = (0..).find_map(|seed| held(draw::case(seed), &law).err()).unwrap();
    assert!(broken.contains("1 populations, 0 projections, 0 neurons"), "{broken}");
    assert!(broken.contains("a step too many") && broken.contains("judge.rs"), "{broken}");
}
