//! A case in words.

use std::fmt::{Display, Formatter, Result};

use crate::case::{Case, Gift, Gives, Group, Kind, Synapses};

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (at, group) in self.populations.iter().enumerate() {
            writeln!(f, "  population {at}: {group}")?;
        }
        for synapses in &self.projections {
            let targets = self.populations[synapses.target].size();
            let Synapses { source, target, delay, kind } = synapses;
            write!(f, "  projection {source} → {target}, delay {delay}: ")?;
            kind.words(targets, f)?;
        }
        for (at, given) in self.samples.iter().enumerate() {
            writeln!(f, "  sample {at}, {} steps", self.steps)?;
            if let Some((source, values)) = &given.values {
                writeln!(f, "    population {source} has the constant values {values:?}")?;
            }
            for (source, steps) in &given.spikes {
                let spikes = steps.iter().enumerate().filter(|(_, spikes)| !spikes.is_empty());
                let steps: Vec<String> =
                    spikes.map(|(step, spikes)| format!("in step {step} [{}]", list(spikes))).collect();
                let steps = if steps.is_empty() { "never".to_owned() } else { steps.join(", ") };
                writeln!(f, "    population {source} fires {steps}")?;
            }
        }
        for (at, Gift { step, population, neuron, what }) in self
            .samples
            .iter()
            .enumerate()
            .flat_map(|(at, given)| given.gifts.iter().map(move |gift| (at, gift)))
        {
            let what = match what {
                Gives::Current(current) => format!("a current of {current}"),
                Gives::Spike(value) => format!("a spike of {value}"),
            };
            writeln!(
                f,
                "  sample {at}, step {step}: neuron {neuron} of population {population} is given {what}"
            )?;
        }
        if self.samples.is_empty() {
            writeln!(f, "  no samples, {} steps", self.steps)?;
        }
        Ok(())
    }
}

/// Neurons, with the values that are not 1.
fn list(spikes: &[(u32, i32)]) -> String {
    let words = spikes.iter().map(|(neuron, value)| match value {
        1 => neuron.to_string(),
        value => format!("{neuron} with {value}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

impl Display for Group {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}, {:?}", self.model.name, self.layout)?;
        for (parameter, values) in self.model.parameters.iter().zip(&self.parameters) {
            match &values[..] {
                [value] => write!(f, ", {} {value}", parameter.name)?,
                values => write!(f, ", {} {values:?}", parameter.name)?,
            }
        }
        Ok(())
    }
}

impl Kind {
    fn words(&self, targets: usize, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Rows { form, table } => {
                let weights = table.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
                let weights: Vec<String> = weights
                    .map(|(place, weight)| format!("{} → {}: {weight}", place / targets, place % targets))
                    .collect();
                writeln!(f, "{form:?} rows with the weights [{}]", weights.join(", "))
            }
            Self::Conv2d { geometry, form, table } => {
                writeln!(f, "{geometry:?}, {form:?} taps [tap · channel][target channel] {table:?}")
            }
            Self::OneToOne(weights) => writeln!(f, "one to one with the weights {weights:?}"),
        }
    }
}
