//! Parts of runs and evaluations, run on many machines, joined to the whole.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use snn_engine::{Network, Outcome, PopulationStatistics, Statistics};
use snn_formats::{AtomicFile, FormatError, Origin, regular};

use crate::digest::SpikeDigest;
use crate::evaluate::{Ended, Evaluation, Point};
use crate::study::Shard;

/// What a run gave, sample by sample.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOutcomes {
    /// Of the samples, in order; without their spikes.
    pub outcomes: Vec<Outcome>,
    /// By population, which spikes it emitted; none if they were not kept.
    pub digests: Option<Vec<SpikeDigest>>,
    /// By the clock on the wall; of joined parts the sum.
    pub seconds: f64,
    /// Threads; of joined parts the most.
    pub threads: usize,
}

/// What some samples gave, in a form that files have, and how the parts make the whole.
pub trait Joined: Sized {
    /// The form of files.
    type Told: Serialize + DeserializeOwned;

    /// In the form of files.
    fn told(&self) -> Self::Told;

    /// From that form; none if the numbers do not belong together.
    fn of(told: Self::Told) -> Option<Self>;

    /// Whether it is of so many samples of such a network.
    fn fits(&self, network: &Network, samples: usize) -> bool;

    /// Adds what the samples behind these gave; false if it is of other populations, points or rules.
    fn join(&mut self, next: Self) -> bool;
}

/// Why parts are not the whole.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// A file that cannot be read, or is no part of this.
    #[error(transparent)]
    File(#[from] FormatError),
    /// A part that is not among those given.
    #[error("part {number} of {of} is missing")]
    Missing {
        /// The first that is.
        number: usize,
        /// How many there are.
        of: usize,
    },
    /// Nothing was given.
    #[error("there are no parts to be joined; at least one is needed")]
    None,
}

#[derive(Serialize, Deserialize)]
struct Part<T> {
    /// What the whole is made of.
    whole: Value,
    number: usize,
    of: usize,
    /// The first of its samples, and the one behind the last.
    samples: [usize; 2],
    gave: T,
}

/// Writes what a part of the samples gave. `whole` says what the whole is made of; it is the same for all parts.
///
/// # Errors
/// If the file cannot be written.
pub fn write_part<J: Joined>(
    path: &Path,
    whole: &Value,
    shard: Shard,
    samples: Range<usize>,
    gave: &J,
) -> Result<(), FormatError> {
    let part = Part {
        whole: whole.clone(),
        number: shard.number,
        of: shard.of,
        samples: [samples.start, samples.end],
        gave: gave.told(),
    };
    let text = serde_json::to_vec(&part).map_err(|error| Origin::file(path).error(error.to_string()))?;
    let mut file = AtomicFile::create(path)?;
    file.append(&text)?;
    file.append(b"\n")?;
    file.commit()
}

fn read_part<J: Joined>(path: &Path, whole: &Value, network: &Network) -> Result<Part<J>, FormatError> {
    let origin = Origin::file(path);
    let bytes = regular::read(path)
        .map_err(|error| origin.system_error(error.kind(), format!("cannot be read: {error}")))?;
    let part: Part<J::Told> = serde_json::from_slice(&bytes)
        .map_err(|error| origin.error(format!("it is no part of a run: {error}")))?;
    let Part { whole: theirs, number, of, samples, gave } = part;
    if theirs != *whole {
        return Err(origin.error(format!("it is part of something else: {}", differences(whole, &theirs))));
    }
    let wanted = samples[1].checked_sub(samples[0]);
    let gave = J::of(gave).filter(|gave| wanted.is_some_and(|samples| gave.fits(network, samples)));
    let gave = gave.ok_or_else(|| origin.error("its numbers do not belong together: it is damaged"))?;
    Ok(Part { whole: theirs, number, of, samples, gave })
}

/// In which entries two objects differ, those of options each by itself.
fn differences(whole: &Value, theirs: &Value) -> String {
    fn look(at: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
        match (one, other) {
            (Value::Object(one), Value::Object(other)) => {
                let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
                for name in names {
                    let (one, other) = (one.get(name), other.get(name));
                    let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                    look(&at, one.unwrap_or(&Value::Null), other.unwrap_or(&Value::Null), found);
                }
            }
            _ if one != other => found.push(format!("{at} is {other} there and {one} here")),
            _ => {}
        }
    }
    let mut found = vec![];
    look("", whole, theirs, &mut found);
    found.join("; ")
}

/// Joins what all parts of some samples gave, in any order, to what they give in a single run.
///
/// # Errors
/// If a part is missing, given twice, of something else, or damaged.
pub fn join_parts<J: Joined>(
    paths: &[PathBuf],
    whole: &Value,
    samples: Range<usize>,
    network: &Network,
) -> Result<J, PartError> {
    let mut parts: Vec<(&PathBuf, Part<J>)> = paths
        .iter()
        .map(|path| Ok((path, read_part(path, whole, network)?)))
        .collect::<Result<_, FormatError>>()?;
    parts.sort_by_key(|(_, part)| part.number);
    let of = parts.first().ok_or(PartError::None)?.1.of;
    let mut joined: Option<J> = None;
    let (mut number, mut first) = (1, samples.start);
    for (path, part) in parts {
        let refused = |what: String| PartError::File(Origin::file(path).error(what));
        if part.of != of {
            return Err(refused(format!("it is one of {} parts, and others are of {of}", part.of)));
        }
        if part.number > number {
            return Err(PartError::Missing { number, of });
        }
        let mine = Shard::new(part.number, of).map(|shard| shard.range(samples.len()));
        let mine = mine.map(|mine| [samples.start + mine.start, samples.start + mine.end]);
        if part.number < number || part.samples[0] != first || mine != Some(part.samples) {
            return Err(refused(format!(
                "it is part {} of {of} with the samples {} to {}, and part {number} was expected, from sample {first} on; give each \
                 part once",
                part.number, part.samples[0], part.samples[1]
            )));
        }
        (number, first) = (part.number + 1, part.samples[1]);
        match &mut joined {
            None => joined = Some(part.gave),
            Some(before) => {
                if !before.join(part.gave) {
                    return Err(refused("it is of other points or rules than the part before".into()));
                }
            }
        }
    }
    if number <= of {
        return Err(PartError::Missing { number, of });
    }
    joined.ok_or(PartError::None)
}

/// Steps, and of each population spikes, magnitude, synaptic operations and updates.
type Sums = (u64, Vec<[u64; 4]>);

fn sums(of: &Statistics) -> Sums {
    let each = |of: &PopulationStatistics| [of.spikes, of.magnitude, of.synaptic_operations, of.updates];
    (of.steps, of.populations.iter().map(each).collect())
}

fn statistics((steps, populations): Sums) -> Statistics {
    let each = |[spikes, magnitude, synaptic_operations, updates]: [u64; 4]| PopulationStatistics {
        spikes,
        magnitude,
        synaptic_operations,
        updates,
    };
    Statistics { steps, populations: populations.into_iter().map(each).collect() }
}

fn texts(digests: &[SpikeDigest]) -> Vec<String> {
    digests.iter().map(SpikeDigest::to_string).collect()
}

fn digests(texts: &[String]) -> Option<Vec<SpikeDigest>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}

fn add(sums: &mut [u64], parts: &[u64]) {
    sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
}

fn merge(digests: &mut [SpikeDigest], others: &[SpikeDigest]) {
    digests.iter_mut().zip(others).for_each(|(digest, other)| digest.merge(other));
}

/// An [`Outcome`]; potentials by their bits.
#[derive(Serialize, Deserialize)]
pub struct ToldOutcome {
    counts: Vec<i64>,
    potentials: Vec<u32>,
    class: usize,
    quiet_after: Option<u64>,
    statistics: Sums,
    drive_operations: Vec<u64>,
}

/// [`RunOutcomes`] in the form of files.
#[derive(Serialize, Deserialize)]
pub struct ToldRun {
    outcomes: Vec<ToldOutcome>,
    digests: Option<Vec<String>>,
    seconds: f64,
    threads: usize,
}

impl Joined for RunOutcomes {
    type Told = ToldRun;

    fn told(&self) -> ToldRun {
        let outcome = |of: &Outcome| ToldOutcome {
            counts: of.counts.clone(),
            potentials: of.potentials.iter().map(|potential| potential.to_bits()).collect(),
            class: of.class,
            quiet_after: of.quiet_after,
            statistics: sums(&of.statistics),
            drive_operations: of.drive_operations.clone(),
        };
        ToldRun {
            outcomes: self.outcomes.iter().map(outcome).collect(),
            digests: self.digests.as_deref().map(texts),
            seconds: self.seconds,
            threads: self.threads,
        }
    }

    fn of(told: ToldRun) -> Option<Self> {
        let outcome = |of: ToldOutcome| Outcome {
            counts: of.counts,
            potentials: of.potentials.into_iter().map(f32::from_bits).collect(),
            class: of.class,
            quiet_after: of.quiet_after,
            statistics: statistics(of.statistics),
            drive_operations: of.drive_operations,
            spikes: None,
        };
        let digests = match told.digests {
            Some(texts) => Some(digests(&texts)?),
            None => None,
        };
        let outcomes = told.outcomes.into_iter().map(outcome).collect();
        Some(Self { outcomes, digests, seconds: told.seconds, threads: told.threads })
    }

    fn fits(&self, network: &Network, samples: usize) -> bool {
        let (populations, output) =
            (network.populations().len(), network.population(network.output()).size());
        self.outcomes.len() == samples
            && self.digests.as_ref().is_none_or(|digests| digests.len() == populations)
            && self.outcomes.iter().all(|outcome| {
                outcome.counts.len() == output
                    && (outcome.potentials.len() == output || outcome.potentials.is_empty())
                    && outcome.class < output
                    && outcome.statistics.populations.len() == populations
                    && outcome.drive_operations.len() == populations
            })
    }

    fn join(&mut self, next: Self) -> bool {
        self.outcomes.extend(next.outcomes);
        self.digests = self.digests.take().zip(next.digests).map(|(mut digests, others)| {
            merge(&mut digests, &others);
            digests
        });
        self.seconds += next.seconds;
        self.threads = self.threads.max(next.threads);
        true
    }
}

/// An [`Ended`].
#[derive(Serialize, Deserialize)]
pub struct ToldEnded {
    rule: String,
    steps: Vec<u32>,
    unended: u64,
    classes: Vec<usize>,
    statistics: Sums,
}

/// An [`Evaluation`] in the form of files.
#[derive(Serialize, Deserialize)]
pub struct ToldEvaluation {
    points: Vec<(u32, Vec<usize>, Sums)>,
    stops: Vec<ToldEnded>,
    digests: Vec<String>,
    drive_operations: Vec<u64>,
    ternary_drive_operations: Vec<u64>,
    membrane_updates: Vec<u64>,
    graded_operations: Vec<u64>,
    neuron_spikes: Vec<Vec<u64>>,
}

impl Joined for Evaluation {
    type Told = ToldEvaluation;

    fn told(&self) -> ToldEvaluation {
        let point = |of: &Point| (of.steps, of.classes.clone(), sums(&of.statistics));
        let stop = |of: &Ended| ToldEnded {
            rule: of.rule.to_string(),
            steps: of.steps.clone(),
            unended: of.unended,
            classes: of.classes.clone(),
            statistics: sums(&of.statistics),
        };
        ToldEvaluation {
            points: self.points.iter().map(point).collect(),
            stops: self.stops.iter().map(stop).collect(),
            digests: texts(&self.digests),
            drive_operations: self.drive_operations.clone(),
            ternary_drive_operations: self.ternary_drive_operations.clone(),
            membrane_updates: self.membrane_updates.clone(),
            graded_operations: self.graded_operations.clone(),
            neuron_spikes: self.neuron_spikes.clone(),
        }
    }

    fn of(told: ToldEvaluation) -> Option<Self> {
        let points = told.points.into_iter().map(|(steps, classes, sums)| Point {
            steps,
            classes,
            statistics: statistics(sums),
        });
        let stop = |of: ToldEnded| {
            Some(Ended {
                rule: of.rule.parse().ok()?,
                steps: of.steps,
                unended: of.unended,
                classes: of.classes,
                statistics: statistics(of.statistics),
            })
        };
        Some(Self {
            points: points.collect(),
            stops: told.stops.into_iter().map(stop).collect::<Option<_>>()?,
            digests: digests(&told.digests)?,
            drive_operations: told.drive_operations,
            ternary_drive_operations: told.ternary_drive_operations,
            membrane_updates: told.membrane_updates,
            graded_operations: told.graded_operations,
            neuron_spikes: told.neuron_spikes,
        })
    }

    fn fits(&self, network: &Network, samples: usize) -> bool {
        let populations = network.populations();
        let output = network.population(network.output()).size();
        let classes =
            |classes: &[usize]| classes.len() == samples && classes.iter().all(|&class| class < output);
        let known = |statistics: &Statistics| statistics.populations.len() == populations.len();
        let sizes = self.neuron_spikes.iter().zip(populations);
        !self.points.is_empty()
            && self.points.iter().all(|point| classes(&point.classes) && known(&point.statistics))
            && self
                .stops
                .iter()
                .all(|stop| classes(&stop.classes) && known(&stop.statistics) && stop.steps.len() == samples)
            && self.digests.len() == populations.len()
            && [
                &self.drive_operations,
                &self.ternary_drive_operations,
                &self.membrane_updates,
                &self.graded_operations,
            ]
            .iter()
            .all(|sums| sums.len() == populations.len())
            && (self.neuron_spikes.is_empty() || self.neuron_spikes.len() == populations.len())
            && sizes.into_iter().all(|(spikes, population)| spikes.len() == population.size())
    }

    fn join(&mut self, next: Self) -> bool {
        let alike = self.points.len() == next.points.len()
            && self.points.iter().zip(&next.points).all(|(one, other)| one.steps == other.steps)
            && self.stops.len() == next.stops.len()
            && self.stops.iter().zip(&next.stops).all(|(one, other)| one.rule == other.rule)
            && self.neuron_spikes.len() == next.neuron_spikes.len();
        if !alike {
            return false;
        }
        for (point, next) in self.points.iter_mut().zip(next.points) {
            point.classes.extend(next.classes);
            point.statistics += &next.statistics;
        }
        for (stop, next) in self.stops.iter_mut().zip(next.stops) {
            stop.steps.extend(next.steps);
            stop.unended += next.unended;
            stop.classes.extend(next.classes);
            stop.statistics += &next.statistics;
        }
        merge(&mut self.digests, &next.digests);
        add(&mut self.drive_operations, &next.drive_operations);
        add(&mut self.ternary_drive_operations, &next.ternary_drive_operations);
        add(&mut self.membrane_updates, &next.membrane_updates);
        add(&mut self.graded_operations, &next.graded_operations);
        self.neuron_spikes.iter_mut().zip(&next.neuron_spikes).for_each(|(sums, more)| add(sums, more));
        true
    }
}
