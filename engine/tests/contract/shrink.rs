//! Makes a failing case small before it is printed: fewer steps, samples, populations, projections, neurons, spikes and
//! weights, and simpler numbers, as long as it still fails.
//!
//! The parts of a case depend on each other (a neuron less is a row less in some tables, a column less in others, and
//! other ids in a stimulus), which is more than the value trees of a property-testing library know; and a case is the
//! same whatever took it apart. The search is delta debugging (Zeller and Hildebrandt 2002): of every kind of part all,
//! halves, quarters … single ones are taken away in turn, and what still fails is kept, until nothing more can go.

mod geometry;
mod neurons;

use std::ops::Range;

use snn_engine::Layout;

use crate::case::{Case, Form, Gives, Kind};

/// The most cases that are tried.
const MOST_TRIES: usize = 20_000;

/// A case that fails and that cannot be made smaller by what is tried here, and the number of cases that were tried.
pub fn smallest(case: Case, fails: impl FnMut(&Case) -> bool) -> (Case, usize) {
    let mut search = Search { case, fails, tries: 0 };
    loop {
        let before = search.case.clone();
        search.samples();
        search.steps();
        search.populations();
        search.projections();
        search.forms();
        search.geometries();
        search.neurons();
        search.stimulus();
        search.gifts();
        search.delays();
        search.parameters();
        search.weights();
        if search.case == before || search.tries >= MOST_TRIES {
            return (search.case, search.tries);
        }
    }
}

struct Search<F> {
    case: Case,
    fails: F,
    tries: usize,
}

impl<F: FnMut(&Case) -> bool> Search<F> {
    /// Goes on with another case if that fails, too.
    fn take(&mut self, candidate: Case) -> bool {
        if self.tries >= MOST_TRIES || candidate == self.case {
            return false;
        }
        self.tries += 1;
        let fails = (self.fails)(&candidate);
        if fails {
            self.case = candidate;
        }
        fails
    }

    /// Changes the case in place, if it then still fails.
    fn change(&mut self, how: impl FnOnce(&mut Case)) -> bool {
        let mut candidate = self.case.clone();
        how(&mut candidate);
        self.take(candidate)
    }

    /// Takes away as many of `length` parts as can go: all, then halves, down to pieces of `finest`.
    fn without(&mut self, mut length: usize, finest: usize, remove: impl Fn(&mut Case, Range<usize>)) {
        let mut piece = length;
        while piece >= finest.max(1) {
            let mut end = length;
            while end > 0 {
                let start = end.saturating_sub(piece);
                if self.change(|case| remove(case, start..end)) {
                    length -= end - start;
                }
                end = start;
            }
            piece /= 2;
        }
    }

    fn samples(&mut self) {
        self.without(self.case.samples.len(), 1, |case, range| drop(case.samples.drain(range)));
    }

    fn steps(&mut self) {
        // The hundreds of a run across a re-base go by the piece.
        let steps = self.case.steps as usize;
        self.without(steps, steps / 64, |case, range| {
            case.steps -= range.len() as u64;
            for (_, steps) in case.samples.iter_mut().flat_map(|sample| &mut sample.spikes) {
                steps.drain(range.clone());
            }
            let (start, end) = (range.start as u64, range.end as u64);
            for sample in &mut case.samples {
                sample.gifts.retain(|gift| !(start..end).contains(&gift.step));
                let later = sample.gifts.iter_mut().filter(|gift| gift.step >= end);
                later.for_each(|gift| gift.step -= end - start);
            }
        });
    }

    fn populations(&mut self) {
        self.without(self.case.populations.len(), 1, |case, range| {
            case.populations.drain(range.clone());
            let stays = |at: usize| !range.contains(&at);
            let place = |at: &mut usize| *at -= if *at >= range.end { range.len() } else { 0 };
            case.projections.retain(|one| stays(one.source) && stays(one.target));
            for one in &mut case.projections {
                place(&mut one.source);
                place(&mut one.target);
            }
            for sample in &mut case.samples {
                sample.values = sample.values.take().filter(|(source, _)| stays(*source));
                sample.spikes.retain(|(source, _)| stays(*source));
                sample.values.iter_mut().for_each(|(source, _)| place(source));
                sample.spikes.iter_mut().for_each(|(source, _)| place(source));
                sample.gifts.retain(|gift| stays(gift.population));
                sample.gifts.iter_mut().for_each(|gift| place(&mut gift.population));
            }
        });
    }

    fn projections(&mut self) {
        self.without(self.case.projections.len(), 1, |case, range| drop(case.projections.drain(range)));
    }

    /// Plain tables instead of convolutions and pairs, sparse rows instead of others, vectors instead of images.
    fn forms(&mut self) {
        for at in 0..self.case.projections.len() {
            if let Some(table) = neurons::table(&self.case, at) {
                self.change(|case| case.projections[at].kind = Kind::Rows { form: Form::Sparse, table });
            }
            self.change(|case| match &mut case.projections[at].kind {
                Kind::Rows { form, .. } | Kind::Conv2d { form, .. } => *form = Form::Sparse,
                Kind::OneToOne(_) => {}
            });
        }
        for at in 0..self.case.populations.len() {
            self.change(|case| {
                let group = &mut case.populations[at];
                group.layout = Layout::Flat(group.size() as u32);
            });
        }
    }

    fn geometries(&mut self) {
        for at in 0..self.case.projections.len() {
            while geometry::smaller(&self.case, at).into_iter().any(|candidate| self.take(candidate)) {}
        }
    }

    fn neurons(&mut self) {
        for at in 0..self.case.populations.len() {
            self.without(self.case.populations[at].size(), 1, |case, range| {
                let size = case.populations[at].size();
                neurons::keep(case, at, |neuron| !range.contains(&neuron));
                let kept = (0..size).filter(|neuron| !range.contains(neuron)).count();
                case.populations[at].layout = Layout::Flat(kept as u32);
            });
        }
    }

    fn stimulus(&mut self) {
        for at in 0..self.case.samples.len() {
            self.change(|case| case.samples[at].values = None);
            let values = self.case.samples[at].values.as_ref().map_or(0, |(_, values)| values.len());
            for value in 0..values {
                for simple in [0.0, 1.0] {
                    let simpler = |values: &mut Vec<f32>| {
                        let done = values[value] == 0.0;
                        values[value] = if done { 0.0 } else { simple };
                    };
                    self.change(|case| {
                        case.samples[at].values.iter_mut().for_each(|(_, values)| simpler(values));
                    });
                }
            }
            for source in 0..self.case.samples[at].spikes.len() {
                let spikes = |case: &Case| case.samples[at].spikes[source].1.iter().map(Vec::len).sum();
                // All values 1 at once, else each.
                self.change(|case| {
                    let steps = &mut case.samples[at].spikes[source].1;
                    steps.iter_mut().flatten().for_each(|(_, value)| *value = 1);
                });
                self.without(spikes(&self.case), 1, |case, range| {
                    let mut place = 0;
                    for step in &mut case.samples[at].spikes[source].1 {
                        step.retain(|_| {
                            place += 1;
                            !range.contains(&(place - 1))
                        });
                    }
                });
                for place in 0..spikes(&self.case) {
                    let steps = &self.case.samples[at].spikes[source].1;
                    let now = steps.iter().flatten().nth(place).map_or(1, |(_, value)| *value);
                    for simpler in [1, -1, 2].into_iter().take_while(|simpler| *simpler != now) {
                        let change = |case: &mut Case| {
                            let spikes = case.samples[at].spikes[source].1.iter_mut().flatten();
                            spikes.skip(place).take(1).for_each(|(_, value)| *value = simpler);
                        };
                        if self.change(change) {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn gifts(&mut self) {
        for at in 0..self.case.samples.len() {
            let gifts = self.case.samples[at].gifts.len();
            self.without(gifts, 1, |case, range| drop(case.samples[at].gifts.drain(range)));
            for gift in 0..self.case.samples[at].gifts.len() {
                let simpler: Vec<Gives> = match self.case.samples[at].gifts[gift].what {
                    Gives::Current(now) => simpler(now, 1.0).into_iter().map(Gives::Current).collect(),
                    Gives::Spike(now) => {
                        [1, -1, 2].into_iter().take_while(|one| *one != now).map(Gives::Spike).collect()
                    }
                };
                for what in simpler {
                    if self.change(|case| case.samples[at].gifts[gift].what = what) {
                        break;
                    }
                }
            }
        }
    }

    fn delays(&mut self) {
        for at in 0..self.case.projections.len() {
            for delay in 0..self.case.projections[at].delay {
                if self.change(|case| case.projections[at].delay = delay) {
                    break;
                }
            }
        }
    }

    fn parameters(&mut self) {
        for at in 0..self.case.populations.len() {
            let model = self.case.populations[at].model;
            for (column, parameter) in model.parameters.iter().enumerate() {
                let simplest = parameter.simplest;
                if self.change(|case| case.populations[at].parameters[column] = vec![simplest]) {
                    continue;
                }
                self.change(|case| case.populations[at].parameters[column].truncate(1));
                for value in 0..self.case.populations[at].parameters[column].len() {
                    let now = self.case.populations[at].parameters[column][value];
                    for simpler in simpler(now, simplest) {
                        if self.change(|case| case.populations[at].parameters[column][value] = simpler) {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn weights(&mut self) {
        for at in 0..self.case.projections.len() {
            let nonzero = |case: &Case| {
                let weights = case.projections[at].weights().iter().enumerate();
                weights.filter(|(_, weight)| **weight != 0.0).map(|(place, _)| place).collect::<Vec<_>>()
            };
            self.without(nonzero(&self.case).len(), 1, |case, range| {
                for place in &nonzero(case)[range] {
                    case.projections[at].weights_mut()[*place] = 0.0;
                }
            });
            for place in nonzero(&self.case) {
                let now = self.case.projections[at].weights()[place];
                for simpler in simpler(now, 1.0) {
                    if self.change(|case| case.projections[at].weights_mut()[place] = simpler) {
                        break;
                    }
                }
            }
        }
    }
}

/// Numbers that are easier to think about than `now`, the easiest first.
fn simpler(now: f32, simplest: f32) -> Vec<f32> {
    let tenths = (now * 10.0).round() / 10.0;
    let halves = (now * 2.0).round() / 2.0;
    let candidates = [simplest, -simplest, now.round(), halves, tenths];
    let first = candidates.iter().position(|&candidate| candidate == now).unwrap_or(candidates.len());
    candidates[..first].to_vec()
}
