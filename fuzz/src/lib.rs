//! Mutated files for every reader of snn-event, and the limits that they are held to.
//!
//! A *target* reads an input as a program would read a file, and says whether it was accepted. libFuzzer makes the inputs,
//! guided by which branches they reach: from the seeds in `seeds`, the inputs that once did harm in `corpus/`, and what it
//! has found itself, by the mutations of `mutate`, which know the forms of the files. `limits` holds each input to its
//! limits. `run` builds and runs them all.

mod limits;
mod mutate;
mod seeds;
pub mod targets;

pub use limits::held;
pub use mutate::{Form, mutated};
pub use seeds::sow;

/// The entry points of a target: its name, and the form of its files ([`Form`]).
#[macro_export]
macro_rules! target {
    ($name:ident, $form:ident) => {
        libfuzzer_sys::fuzz_target!(
            init: $crate::sow(stringify!($name)),
            |bytes: &[u8]| -> libfuzzer_sys::Corpus {
                $crate::held(stringify!($name), bytes, $crate::targets::$name)
            }
        );
        libfuzzer_sys::fuzz_mutator!(|bytes: &mut [u8], size: usize, most: usize, seed: u32| {
            $crate::mutated(bytes, size, most, seed, $crate::Form::$form)
        });
    };
}
