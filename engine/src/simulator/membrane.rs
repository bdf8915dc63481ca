use crate::kernel::InstructionSet;
use crate::kernel::membrane::{BlockStep, Neurons};
use crate::lanes::{BLOCK, Line, flat};
use crate::network::{AnyModel, Population};
use crate::neuron::{Autonomy, REBASE};
use crate::state::{PopulationState, neuron_rests};

/// The neurons of a population of a model while it runs: the columns of its parameters and of its state, in lines of
/// 16 neurons; of every sample if several run side by side.
#[derive(Clone)]
pub(super) struct Membrane {
    model: AnyModel,
    n: usize,
    /// Whether spikes may have other values than 1.
    has_values: bool,
    /// Lines of one sample.
    lines: usize,
    /// Columns of parameters, real numbers and whole numbers.
    columns: [usize; 3],
    /// `[samples][lines][columns]`
    parameters: Vec<Line>,
    /// `[samples][lines][columns]`
    reals: Vec<Line>,
    /// `[samples][lines][columns]`
    counts: Vec<Line<i32>>,
    /// Of every sample whether some neuron has a bias.
    biased: Vec<bool>,
    /// The potentials that were asked for last, where they are not borrowed from `reals`.
    shown: Vec<f32>,
}

/// Writes a column of a population: element `i` to neuron `i` of lines of `columns` columns.
fn fill<T: Copy>(lines: &mut [Line<T>], columns: usize, column: usize, values: &[T]) {
    for (line, values) in lines[column..].iter_mut().step_by(columns).zip(values.chunks(BLOCK)) {
        line.0[..values.len()].copy_from_slice(values);
    }
}

/// Reads a column of `n` neurons.
fn read<T: Copy>(lines: &[Line<T>], columns: usize, column: usize, n: usize) -> Vec<T> {
    let mut values = Vec::with_capacity(n.next_multiple_of(BLOCK));
    if n > 0 {
        lines[column..].iter().step_by(columns).for_each(|line| values.extend_from_slice(&line.0));
    }
    values.truncate(n);
    values
}

impl Membrane {
    /// One sample of a population, in a whole number of groups of `group` lines.
    pub(super) fn new(population: &Population, model: &AnyModel, group: usize) -> Self {
        let n = population.size();
        let lines = n.div_ceil(BLOCK * group) * group;
        let description = model.description();
        let columns = [description.stepped, description.reals, description.state.len() - description.reals];
        let at_rest = description.parameters.iter().map(|parameter| Line::of(parameter.at_rest));
        let line: Vec<Line> = at_rest.take(columns[0]).collect();
        let mut parameters: Vec<Line> = line.iter().copied().cycle().take(lines * columns[0]).collect();
        for (column, values) in model.parameters().into_iter().take(columns[0]).enumerate() {
            if n > 0 {
                fill(&mut parameters, columns[0], column, &values.to_vec(n));
            }
        }
        let reals = vec![Line::of(0.0); lines * columns[1]];
        let counts = vec![Line::of(0); lines * columns[2]];
        let biased = vec![model.parameters()[0].values().iter().any(|&bias| bias != 0.0)];
        let shown = vec![];
        let has_values = !model.emission().is_unit();
        let model = model.clone();
        let membrane =
            Self { model, n, has_values, lines, columns, parameters, reals, counts, biased, shown };
        membrane.check_rest();
        membrane
    }

    /// What fills up the last line must never fire.
    fn check_rest(&self) {
        let description = self.model.description();
        let parameters: Vec<f32> =
            description.parameters[..self.columns[0]].iter().map(|parameter| parameter.at_rest).collect();
        for k in [1, REBASE] {
            let (mut reals, mut counts) = (vec![0.0; self.columns[1]], vec![0; self.columns[2]]);
            let value = self.model.erased().step(&parameters, &mut reals, &mut counts, None, k);
            assert!(
                value == 0,
                "a neuron of the model `{}` at rest, with the parameters {parameters:?}, emits {value}",
                description.name
            );
        }
    }

    pub(super) fn autonomy(&self) -> Autonomy {
        self.model.description().autonomy
    }

    pub(super) fn model(&self) -> &AnyModel {
        &self.model
    }

    /// Whether spikes may have other values than 1.
    pub(super) fn has_values(&self) -> bool {
        self.has_values
    }

    /// Lines of one sample.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// Makes room for so many samples; new ones are like the first.
    pub(super) fn make_room(&mut self, samples: usize) {
        if samples == self.biased.len() {
            return;
        }
        let [parameters, reals, counts] = self.columns.map(|columns| columns * self.lines);
        let first = self.parameters[..parameters].to_vec();
        self.parameters.truncate(samples * parameters);
        while self.parameters.len() < samples * parameters {
            self.parameters.extend_from_slice(&first);
        }
        self.reals.resize(samples * reals, Line::of(0.0));
        self.counts.resize(samples * counts, Line::of(0));
        self.biased.resize(samples, self.biased[0]);
    }

    /// Sets the biases of one sample; all are 0 if none are given.
    pub(super) fn set_biases(&mut self, sample: usize, biases: &[f32]) {
        let columns = self.columns[0];
        let parameters = &mut self.parameters[sample * self.lines * columns..][..self.lines * columns];
        if !biases.is_empty() {
            fill(parameters, columns, 0, biases);
        } else if self.biased[sample] {
            parameters.iter_mut().step_by(columns).for_each(|line| *line = Line::of(0.0));
        }
        self.biased[sample] = biases.iter().any(|&bias| bias != 0.0);
    }

    /// Takes the state of one sample.
    pub(super) fn take(&mut self, sample: usize, from: &PopulationState) {
        let [_, reals, counts] = self.columns;
        if self.n == 0 {
            return;
        }
        let values = std::iter::once(&from.potentials).chain(&from.reals);
        for (column, values) in values.enumerate() {
            fill(&mut self.reals[sample * self.lines * reals..][..self.lines * reals], reals, column, values);
        }
        for (column, values) in from.counts.iter().enumerate() {
            fill(
                &mut self.counts[sample * self.lines * counts..][..self.lines * counts],
                counts,
                column,
                values,
            );
        }
    }

    /// The state of one sample, without spikes.
    pub(super) fn state(&self, sample: usize) -> PopulationState {
        let [_, reals, counts] = self.columns;
        let of_reals = &self.reals[sample * self.lines * reals..][..self.lines * reals];
        let of_counts = &self.counts[sample * self.lines * counts..][..self.lines * counts];
        PopulationState {
            potentials: read(of_reals, reals, 0, self.n),
            reals: (1..reals).map(|column| read(of_reals, reals, column, self.n)).collect(),
            counts: (0..counts).map(|column| read(of_counts, counts, column, self.n)).collect(),
            ..PopulationState::default()
        }
    }

    /// The potentials of one sample: `u + bias·k` if there is a ramp, else `u`.
    ///
    /// Borrowed where they stand, O(1), if the model has no further real numbers and no neuron has a bias that leads
    /// along a ramp; else gathered, O(neurons), into memory that is kept.
    pub(super) fn potentials(&mut self, sample: usize, k: Option<f32>) -> &[f32] {
        let [parameters, reals, _] = self.columns;
        let of_sample = &self.reals[sample * self.lines * reals..][..self.lines * reals];
        let ramp = k.filter(|_| self.biased[sample]);
        if reals == 1 && ramp.is_none() {
            return &flat(of_sample)[..self.n];
        }
        self.shown.clear();
        for (line, of_line) in of_sample.chunks_exact(reals).enumerate() {
            let mut v = of_line[0].0;
            if let Some(k) = ramp {
                let biases = &self.parameters[(sample * self.lines + line) * parameters].0;
                v.iter_mut().zip(biases).for_each(|(v, bias)| *v += bias * k);
            }
            self.shown.extend_from_slice(&v);
        }
        &self.shown[..self.n]
    }

    /// `u ← u + b·R` in some lines, counted over all samples.
    pub(super) fn rebase(&mut self, line: usize) {
        let (biases, u) =
            (&self.parameters[line * self.columns[0]].0, &mut self.reals[line * self.columns[1]].0);
        for (u, bias) in u.iter_mut().zip(biases) {
            *u += bias * REBASE as f32;
        }
    }

    /// `u ← u + b·R` of all samples.
    pub(super) fn rebase_all(&mut self) {
        (0..self.parameters.len() / self.columns[0]).for_each(|line| self.rebase(line));
    }

    /// Whether some neuron of a line has a bias.
    pub(super) fn has_bias(&self, line: usize) -> bool {
        flat(&self.parameters[line * self.columns[0]..][..1]).iter().any(|&bias| bias != 0.0)
    }

    /// Whether all neurons of the first sample are at rest after `step` steps; `looked` is where the last one was found
    /// that was not, which is looked at first.
    pub(super) fn rests(&self, step: u64, looked: &mut usize) -> bool {
        let [parameters, reals, counts] = self.columns;
        let awake = |neuron: usize| {
            let (line, lane) = (neuron / BLOCK, neuron % BLOCK);
            let of = |lines: &[Line], columns: usize| -> Vec<f32> {
                lines[line * columns..][..columns].iter().map(|line| line.0[lane]).collect()
            };
            let counts: Vec<i32> =
                self.counts[line * counts..][..counts].iter().map(|line| line.0[lane]).collect();
            let (parameters, mut reals) = (of(&self.parameters, parameters), of(&self.reals, reals));
            !neuron_rests(&self.model, &parameters, &mut reals, &counts, step)
        };
        let first = (*looked).min(self.n);
        match (first..self.n).chain(0..first).find(|&neuron| awake(neuron)) {
            Some(neuron) => {
                *looked = neuron;
                false
            }
            None => true,
        }
    }

    /// One step of some blocks of the only sample.
    pub(super) fn integrate(&mut self, set: InstructionSet, step: BlockStep<'_>) -> u64 {
        let Self { model, parameters, reals, counts, .. } = self;
        model.erased().integrate_blocks(set, Neurons { parameters, reals, counts }, step)
    }

    /// One step of all neurons of the only sample, whose lines make whole words: `fired` has a bit for each.
    pub(super) fn integrate_words(
        &mut self,
        set: InstructionSet,
        currents: &mut [Line],
        k: u32,
        fired: &mut [u64],
        values: &mut Vec<i32>,
    ) -> u64 {
        let values = self.has_values.then_some(values);
        let Self { model, parameters, reals, counts, .. } = self;
        let neurons = Neurons { parameters, reals, counts };
        model.erased().integrate_words(set, neurons, currents, k, fired, values)
    }

    /// Ranges of lines of all samples: the first of one sample each, and as many as there are lines of one sample.
    pub(super) fn split(&mut self, samples: usize, each: usize) -> Vec<Range<'_>> {
        let Self { model, has_values, lines, columns, parameters, reals, counts, .. } = self;
        let erased = &*model;
        if each >= *lines {
            return vec![Range {
                model: erased,
                has_values: *has_values,
                first: 0,
                lines: *lines,
                columns: *columns,
                parameters,
                reals,
                counts,
            }];
        }
        assert_eq!(samples, 1, "samples side by side on several threads");
        let (mut parameters, mut reals, mut counts) = (&parameters[..], &mut reals[..], &mut counts[..]);
        let mut ranges = vec![];
        for first in (0..*lines).step_by(each) {
            let length = each.min(*lines - first);
            let of_parameters;
            (of_parameters, parameters) = parameters.split_at(length * columns[0]);
            let (of_reals, further) = reals.split_at_mut(length * columns[1]);
            reals = further;
            let (of_counts, further) = counts.split_at_mut(length * columns[2]);
            counts = further;
            ranges.push(Range {
                model: erased,
                has_values: *has_values,
                first,
                lines: length,
                columns: *columns,
                parameters: of_parameters,
                reals: of_reals,
                counts: of_counts,
            });
        }
        ranges
    }
}

/// Some lines of a population, in every sample.
pub(super) struct Range<'a> {
    pub(super) model: &'a AnyModel,
    /// Whether spikes may have other values than 1.
    pub(super) has_values: bool,
    /// The first line.
    pub(super) first: usize,
    /// Lines of one sample.
    pub(super) lines: usize,
    columns: [usize; 3],
    parameters: &'a [Line],
    reals: &'a mut [Line],
    counts: &'a mut [Line<i32>],
}

impl Range<'_> {
    /// Some of the lines in one sample.
    pub(super) fn neurons(&mut self, sample: usize, lines: std::ops::Range<usize>) -> Neurons<'_> {
        let (from, to) = (sample * self.lines + lines.start, sample * self.lines + lines.end);
        let [parameters, reals, counts] = self.columns;
        Neurons {
            parameters: &self.parameters[from * parameters..to * parameters],
            reals: &mut self.reals[from * reals..to * reals],
            counts: &mut self.counts[from * counts..to * counts],
        }
    }
}
