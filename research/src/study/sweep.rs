//! Running the cells of a study.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::{Value, json};
use snn_converter::model_file::ModelFileError;
use snn_formats::{FormatError, FormatErrorKind, GrowingFile};

use super::files::StudyFiles;
use super::results::{Results, rows};
use super::{Cell, Group, Material, Shard, StudyError, Trained};

/// How the cells of a study are run. The results are the same for all.
#[derive(Clone, Copy, Debug)]
pub struct SweepOptions {
    /// Bytes of memory that the runs of cells may take together: fewer are run at the same time.
    pub memory_limit: Option<u64>,
    /// Threads, one cell each.
    pub threads: usize,
}

/// Why a sweep ended, or its results cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A file that cannot be read or written, or does not hold what it should.
    #[error(transparent)]
    File(#[from] FormatError),
    /// A model that does not become a net.
    #[error(transparent)]
    Model(#[from] ModelFileError),
    /// What is said is no study.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// A cell cannot be run.
    #[error("{cell}: {error}")]
    Cell {
        /// Its model, sparsity, recipe and number of steps.
        cell: String,
        /// Why.
        error: StudyError,
    },
    /// A single cell takes more memory than is allowed.
    #[error(
        "the run of one cell takes about {needed} bytes of memory; allowed are {allowed}; raise the limit"
    )]
    Memory {
        /// What one takes.
        needed: u64,
        /// The limit.
        allowed: u64,
    },
    /// There are no threads to run on.
    #[error("threads cannot be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Nothing was given to be joined.
    #[error("there are no parts to be joined; at least one is needed")]
    NoParts,
    /// Two parts that do not belong together.
    #[error("{} and {}: they are of different studies, files, versions or numbers of parts", .0.display(), .1.display())]
    OtherStudy(PathBuf, PathBuf),
    /// A part that is not among those given.
    #[error("part {number} of {of} is missing")]
    PartMissing {
        /// The first that is.
        number: u64,
        /// How many there are.
        of: u64,
    },
    /// Whoever waited for it waits no longer. Finished cells are kept.
    #[error("interrupted")]
    Interrupted,
}

/// Told how many cells more are done; an error ends the sweep.
pub(super) type Done<'a> = &'a mut dyn FnMut(usize) -> Result<(), SweepError>;

impl StudyFiles {
    /// The cells of a part, all without one, and the first line of its results.
    pub(super) fn part(&self, shard: Option<Shard>) -> (Range<usize>, String) {
        let mut head = self.head().clone();
        let Some(shard) = shard else { return (0..self.cells(), Value::Object(head).to_string()) };
        let mine = shard.range(self.cells());
        let told = json!({ "number": shard.number, "of": shard.of, "cells": [mine.start, mine.end] });
        head.insert("shard".to_owned(), told);
        (mine, Value::Object(head).to_string())
    }

    /// Runs all cells of a part, or of all, that the file of results does not have yet and adds them, a line each; gives all that it
    /// has then. The file
    /// is the same, byte for byte, whether or not the sweep was interrupted, and for any number of threads.
    ///
    /// # Errors
    /// If a file that the study names does not fit, the results are of something else, or `done` ends it.
    pub fn sweep(
        &self,
        out: &Path,
        shard: Option<Shard>,
        options: &SweepOptions,
        done: Done<'_>,
    ) -> Result<Results, SweepError> {
        let (mine, head) = self.part(shard);
        let mut file = GrowingFile::open(out, &head).map_err(|error| match error.kind {
            FormatErrorKind::Content => FormatError {
                what: "it holds something else, or results of other files, another study or another version; name another file, or \
                       delete it"
                    .into(),
                ..error
            },
            _ => error,
        })?;
        let finished = file.lines().len();
        if finished > mine.len() {
            let what = format!("it has {finished} cells, and the study {}; name another file", mine.len());
            return Err(file.origin().error(what).into());
        }
        done(finished)?;
        let rest = mine.start + finished..mine.end;
        self.run_cells(rest, options, &mut |made| {
            let number = made.len();
            file.add(made)?;
            done(number)?;
            Ok(true)
        })?;
        Ok(Results { head: self.head().clone(), rows: rows(out, file.lines())? })
    }

    /// Runs some cells, in order, several at the same time; `take` gets their lines, and says whether to go on.
    pub(super) fn run_cells(
        &self,
        wanted: Range<usize>,
        options: &SweepOptions,
        take: &mut dyn FnMut(Vec<String>) -> Result<bool, SweepError>,
    ) -> Result<(), SweepError> {
        let threads = options.threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let mut first = 0;
        for group in &self.study().groups() {
            let range = first..first + group.cells.len();
            first = range.end;
            let mut at = range.start.max(wanted.start);
            let end = range.end.min(wanted.end);
            if at >= end {
                continue;
            }
            let ann = self.ann(group)?;
            let material = self.material(group, &ann)?;
            let trained = self.study().trained(group, ann, &material)?;
            // How many cells are run at the same time; nobody knows what they take before one has been run.
            let mut together = if options.memory_limit.is_some() { 1 } else { threads };
            while at < end {
                let cells =
                    &group.cells[at - range.start..(at - range.start + together).min(end - range.start)];
                let run = |cell| self.line(group, cell, &trained, &material);
                let made: Vec<(String, u64)> =
                    pool.install(|| cells.par_iter().map(run).collect::<Result<_, _>>())?;
                at += made.len();
                if let Some(allowed) = options.memory_limit {
                    let needed = made.iter().map(|(_, memory)| *memory).max().unwrap_or(0);
                    if needed > allowed {
                        return Err(SweepError::Memory { needed, allowed });
                    }
                    let fit = usize::try_from(allowed / needed.max(1)).unwrap_or(threads);
                    together = fit.clamp(1, threads);
                }
                if !take(made.into_iter().map(|(line, _)| line).collect())? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What a cell gives, and the bytes that its run takes.
    fn line(
        &self,
        group: &Group,
        cell: &Cell,
        trained: &Trained,
        material: &Material,
    ) -> Result<(String, u64), SweepError> {
        let study = self.study();
        let (row, memory) = study.run(group, cell, trained, material).map_err(|error| {
            let sparsity = group.sparsity.map_or(String::new(), |sparsity| format!(", sparsity {sparsity}"));
            let steps = cell.steps.map_or(String::new(), |steps| format!(", T = {steps}"));
            let (model, recipe) = (&study.models[group.model].name, &study.recipes[cell.recipe].name);
            SweepError::Cell { cell: format!("{model}{sparsity}, {recipe}{steps}"), error }
        })?;
        let line = serde_json::to_string(&row).map_err(|error| StudyError::Unfit(error.to_string()))?;
        Ok((line, memory))
    }
}
