//! What a `net.bin` says about its network beside the network itself: what its numbers stand for.

use serde::{Deserialize, Serialize};
use snn_engine::{IntegrateFire, Network, NetworkError, Outcome, PerNeuron, Population, Reset, Until};

/// What a `net.bin` says about the network beside the network itself. Nothing of it changes a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// Where the network is from, in words of the program that made it: its version, the options given, the
    /// model's file name and checksum. At most [`LONGEST_PROVENANCE`](super::LONGEST_PROVENANCE) bytes of JSON.
    pub provenance: serde_json::Map<String, serde_json::Value>,
    /// What the conversion did, layer by layer, as a JSON object; none if nothing was converted. At most
    /// [`LONGEST_REPORT`](super::LONGEST_REPORT) bytes, kept as they are.
    pub report: Option<String>,
    /// The runs that the network is made for, if it is made for some.
    pub run: Option<RunLength>,
    /// The values of the input that it was calibrated on, if it was.
    pub input: Option<InputRange>,
    /// What the rates of each population stand for, in order of declaration; empty if that is not known.
    pub units: Vec<Option<Unit>>,
}

/// The runs that a network is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunLength {
    /// Their number of steps, at least 1.
    pub steps: u32,
    /// What in the network depends on it.
    pub basis: Basis,
    /// When constant input and biases arrive.
    #[serde(default, skip_serializing_if = "Arrives::in_every_step")]
    pub arrives: Arrives,
    /// Whether samples are run until the network is quiet; the number of steps is the most then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub until_quiet: bool,
}

/// The most steps of a run until the network is quiet, if nothing is said.
pub const QUIET_STEPS: u32 = 10_000;

/// When constant input arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrives {
    /// As a current of every step.
    #[default]
    EveryStep,
    /// As a current of the first step, and all biases with it.
    Once,
}

impl Arrives {
    fn in_every_step(&self) -> bool {
        *self == Self::EveryStep
    }
}

impl RunLength {
    /// Runs of so many steps with input in every one of them.
    #[must_use]
    pub fn new(steps: u32, basis: Basis) -> Self {
        Self { steps, basis, arrives: Arrives::EveryStep, until_quiet: false }
    }

    /// What files of before this was stated have in the options of their provenance.
    pub(super) fn of_options(provenance: &serde_json::Map<String, serde_json::Value>) -> Option<Self> {
        let options = provenance.get("options")?;
        let steps = u32::try_from(options.get("T")?.as_u64()?).ok().filter(|&steps| steps > 0)?;
        // The command line then fitted to runs of up to 64 steps if nothing else was said.
        let unsaid = ["fit", "percentile"].iter().all(|option| options.get(option).is_none())
            && options.get("normalise").is_none_or(|normalise| normalise == "mse")
            && provenance.contains_key("calibration")
            && steps <= 64;
        let asked = options.get("fit").is_some_and(|fit| *fit == true || fit == "on");
        Some(Self::new(steps, if asked || unsaid { Basis::Fitted } else { Basis::Stated }))
    }
}

/// What in a network depends on the length of its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Scales, starts and biases are fitted to the spikes of such runs with constant input. In runs of other lengths, or
    /// with other input, results can be far off.
    Fitted,
    /// Scales are chosen for the rates that such runs can express. Other runs are less accurate.
    Scaled,
    /// Nothing; it is how long the user wants to run it.
    Stated,
    /// After so many steps, or when it is quiet, the network is at rest. Longer runs give the same.
    Settled,
}

/// The smallest and the largest value of the input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRange {
    /// The smallest value.
    pub smallest: f32,
    /// The largest value.
    pub largest: f32,
}

impl InputRange {
    /// The range of some values, if there are any and all are finite.
    #[must_use]
    pub fn of(values: &[f32]) -> Option<Self> {
        let ends = |ends: Option<(f32, f32)>, &value: &f32| {
            let (low, high) = ends.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        };
        let (smallest, largest) = values.iter().fold(None, ends)?;
        (values.iter().all(|value| value.is_finite())).then_some(Self { smallest, largest })
    }
}

/// What the rates of a population stand for: the value of a tensor of the trained net is
/// `scale · rate + offset`, with the rate in spikes per step.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The value of one spike in every step, per neuron.
    pub scale: PerNeuron,
    /// The value of no spikes, per neuron.
    pub offset: PerNeuron,
    /// The part of a potential after a run, in thresholds, that stands for no input but for rounding and for what a fit
    /// gives back in a run: it is left out where a value is read from potentials.
    pub zero: f32,
}

impl PartialEq for Unit {
    fn eq(&self, other: &Self) -> bool {
        let values = |unit: &Self| [unit.scale.values().to_vec(), unit.offset.values().to_vec()];
        values(self) == values(other) && self.zero == other.zero
    }
}

impl Unit {
    /// The value of one neuron at a rate: spikes, or thresholds of input, per step.
    #[must_use]
    pub fn value(&self, neuron: usize, rate: f64) -> f32 {
        (rate * f64::from(self.scale.get(neuron)) + f64::from(self.offset.get(neuron))) as f32
    }

    /// Whether it fits a population.
    pub(super) fn check(&self, population: &Population) -> Result<(), NetworkError> {
        for (part, values) in [("scale", &self.scale), ("offset", &self.offset)] {
            if !population.size().is_multiple_of(values.period()) {
                return Err(NetworkError::new(
                    format!("population `{}`: {part}", population.name()),
                    format!(
                        "has {} values, which do not repeat over {} neurons",
                        values.period(),
                        population.size()
                    ),
                ));
            }
        }
        if let Some(place) = self.scale.values().iter().position(|scale| *scale <= 0.0) {
            return Err(NetworkError::new(
                format!("population `{}`: scale[{place}]", population.name()),
                format!("is {}; allowed are numbers above 0", self.scale.values()[place]),
            ));
        }
        Ok(())
    }
}

impl Description {
    /// What the rates of a population stand for, by its place.
    #[must_use]
    pub fn unit(&self, population: usize) -> Option<&Unit> {
        self.units.get(population)?.as_ref()
    }

    /// The trained net's outputs as a run of this network estimates them, in their own unit and the user's order; `once` says
    /// that input and biases arrived once, so that what was received is no sum over steps; `None` if the description does not say what the last population stands for.
    ///
    /// They are read from all input that the neurons of the last population have had, not from their spikes alone, so that
    /// negative outputs and parts of a spike are not lost; only a population that is neither read out nor of integrate-and-fire
    /// neurons with reset by subtraction is read by its spikes.
    #[must_use]
    pub fn outputs(&self, network: &Network, outcome: &Outcome, once: bool) -> Option<Vec<f32>> {
        let id = network.output();
        let unit = self.unit(id.index())?;
        let population = network.population(id);
        let layout = population.layout();
        let steps = if once { 1.0 } else { outcome.statistics.steps.max(1) as f64 };
        let fires = population.neuron().as_model::<IntegrateFire>();
        let subtracts = fires.filter(|model| model.reset == Reset::Subtract);
        let value = |(place, &count): (usize, &i64)| {
            let neuron = layout.neuron_at(place);
            // Counts are far below 2^53.
            let spikes = count as f64;
            let potential = |place: usize| f64::from(outcome.potentials[place]);
            let received = match subtracts {
                _ if population.neuron().is_read_out() => potential(place),
                Some(model) => {
                    potential(place) / f64::from(model.threshold.get(neuron)) + spikes - f64::from(unit.zero)
                }
                None => spikes,
            };
            unit.value(neuron, received / steps)
        };
        Some(outcome.counts.iter().enumerate().map(value).collect())
    }

    /// What the user should know about a run: that the network is made for one of other length, or for input that arrives
    /// otherwise; `arrives` says when constant input does, nothing of spikes.
    #[must_use]
    pub fn note_on_run(&self, until: impl Into<Until>, arrives: Option<Arrives>) -> Option<String> {
        let made_for = self.run?;
        let (known, consequence) = match made_for.basis {
            Basis::Fitted => ("fitted to the spikes of", "its outputs can be far off"),
            Basis::Scaled => ("given scales for", "it is less accurate"),
            Basis::Settled => {
                ("made to come to rest in", "it is not at rest, and its outputs can be far off")
            }
            Basis::Stated => return None,
        };
        let settles = made_for.basis == Basis::Settled;
        let until = until.into();
        let (steps, this) = match until {
            Until::Steps(steps) => (steps, format!("this one has T = {steps}")),
            Until::Quiet { limit } => {
                (limit, format!("this one goes on until it is quiet, for at most {limit} steps"))
            }
        };
        let as_long = match until {
            _ if settles => steps >= made_for.steps || made_for.until_quiet,
            Until::Steps(steps) => steps == made_for.steps,
            Until::Quiet { .. } => false,
        };
        if !as_long {
            let instead = match until {
                _ if settles => format!("allow it T = {} or more", made_for.steps),
                Until::Steps(steps) => format!("convert again for T = {steps}"),
                Until::Quiet { .. } => "convert again for no number of steps".to_owned(),
            };
            return Some(format!(
                "the network was {known} runs of T = {}, and {this}: {consequence}; {instead}",
                made_for.steps
            ));
        }
        (made_for.basis != Basis::Scaled && arrives != Some(made_for.arrives)).then(|| match made_for.arrives {
            Arrives::EveryStep => format!(
                "the network was fitted to the spikes of constant input, and this input is given otherwise: {consequence}; \
                 convert again without the fit"
            ),
            Arrives::Once => "the network is made for input that arrives once, and this input is given otherwise: its outputs \
                              can be far off; give it the encoding `once`, or none"
                .into(),
        })
    }

    /// What the user should know about an input: that its values are of another size than those the network was calibrated
    /// on, or, where that is not known, that they look like bytes.
    #[must_use]
    pub fn note_on_input(&self, values: &[f32]) -> Option<String> {
        let given = InputRange::of(values)?;
        let span = |range: &InputRange| range.largest - range.smallest;
        let Some(known) = self.input else {
            let byte = |&value: &f32| (0.0..=255.0).contains(&value) && value.fract() == 0.0;
            return (given.largest > 16.0 && values.iter().all(byte)).then(|| {
                format!(
                    "the input holds whole numbers up to {}, as images of bytes do; if the net was trained on [0, 1], divide \
                     them by 255",
                    given.largest
                )
            });
        };
        let room = span(&known).max(f32::MIN_POSITIVE);
        let beyond = given.largest > known.largest + room || given.smallest < known.smallest - room;
        let within = span(&given) > 0.0 && span(&given) < span(&known) / 50.0;
        (beyond || within).then(|| {
            let byte = given.smallest >= 0.0 && (128.0..=255.0).contains(&given.largest) && known.largest <= 2.0;
            format!(
                "the input's values are from {} to {}, those that the network was calibrated on from {} to {}: give it values \
                 of the same size{}",
                given.smallest,
                given.largest,
                known.smallest,
                known.largest,
                if byte { ", divided by 255 if they are bytes" } else { "" }
            )
        })
    }
}
