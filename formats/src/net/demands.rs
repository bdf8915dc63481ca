//! What a network asks for when it is run, beside the length of its file.
//!
//! A file of 836 bytes can declare 16 million neurons, a delay of 65,535 steps or two thousand projections of eight million
//! synapses each, with valid checksums. What a run needs at the least is therefore told and bounded before anyone makes a
//! simulator: in memory, in closed form ([`Memory`]), and in synapses to visit.

use snn_engine::{Connectivity, Memory, Mode, Network};

use super::entry::NetEntry;

/// The bytes that any network may take in a run if no limit is given.
pub const LEAST_MEMORY_LIMIT: u64 = 384 << 20;

/// The bytes that a run may take for every byte of the file if no limit is given: 64 of a file of f32, whose weights may be
/// a quarter as long.
const TIMES_FILE: u64 = 256;

/// Bytes of a run that are reckoned for a neuron: state, parameters, currents, spikes of some steps.
const NEURON: u64 = 96;

/// Synapses that a network may have for every byte of its memory limit. All of them may have to be visited in a step.
const SYNAPSES: u64 = 8;

/// Pairs of source neuron and tap of the convolutions for every byte of the memory limit. All are visited before a run.
const TAPS: u64 = 2;

/// The memory limit, in bytes, of a file of so many bytes if none is given: 384 MiB, or 256 times the file.
#[must_use]
pub fn default_memory_limit(file: u64) -> u64 {
    LEAST_MEMORY_LIMIT.max(file.saturating_mul(TIMES_FILE))
}

/// A number of bytes, with K, M, G or T for powers of 1024: `512M`.
///
/// # Errors
/// A sentence, if it is none or beyond 2^64.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let refused =
        || format!("`{text}` is no number of bytes; allowed are for instance 512M, 4G and 8589934592");
    let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
    let power = match &text[digits.len()..] {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err(refused()),
    };
    let number: u64 = digits.parse().map_err(|_| refused())?;
    number.checked_mul(1 << (10 * power)).ok_or_else(refused)
}

/// What to do about a demand beyond the limit.
fn beyond(what: &str, needed: u64, allowed: u64, limit: u64) -> String {
    format!(
        "{what}: {needed}; allowed are {allowed} with a memory limit of {limit} bytes; raise the memory limit if the file is \
         to be trusted"
    )
}

/// Refuses a head that asks for too much to be made a network of.
pub(super) fn check_head(entry: &NetEntry, limit: u64) -> Result<(), String> {
    let neurons = entry.populations.iter().fold(0u64, |sum, population| {
        let lengths = population.shape.0.shape();
        let size = lengths.iter().fold(1u64, |n, &length| n.saturating_mul(length as u64));
        sum.saturating_add(size)
    });
    if neurons > limit / NEURON {
        return Err(beyond("neurons are declared", neurons, limit / NEURON, limit));
    }
    // The spikes of every population are kept for so long.
    let longest = entry.projections.iter().map(|projection| projection.delay).max().unwrap_or(0);
    let kept = u64::from(longest).saturating_mul(entry.populations.len() as u64);
    if kept > limit / NEURON {
        let populations = entry.populations.len();
        let what = format!(
            "a delay of {longest} steps in a net of {populations} populations is declared; their product"
        );
        return Err(beyond(&what, kept, limit / NEURON, limit));
    }
    Ok(())
}

/// Refuses a network of which no simulator would fit into `limit` bytes, or that no simulator would get through.
pub(super) fn check_network(network: &Network, limit: u64) -> Result<(), String> {
    let least = Memory::of(Mode::Auto, network, 1).of_simulators(1);
    if least > limit {
        return Err(beyond("bytes that a run takes at the least", least, limit, limit));
    }
    let taps = network.projections().iter().fold(0u64, |sum, projection| match projection.connectivity() {
        Connectivity::Conv2d(conv) => {
            let [down, across] = conv.geometry().kernel.map(u64::from);
            let taps = down.saturating_mul(across).saturating_mul(conv.geometry().sources() as u64);
            sum.saturating_add(taps)
        }
        Connectivity::Rows(_) | Connectivity::OneToOne(_) => sum,
    });
    let allowed = limit.saturating_mul(TAPS);
    if taps > allowed {
        return Err(beyond("source neurons times taps of its convolutions", taps, allowed, limit));
    }
    let (synapses, allowed) = (Memory::synapses(network), limit.saturating_mul(SYNAPSES));
    if synapses > allowed {
        return Err(beyond("synapses", synapses, allowed, limit));
    }
    Ok(())
}
