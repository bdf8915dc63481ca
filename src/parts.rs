//! Parts of the samples of `run`, `eval` and `report`, run on many machines and joined.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use snn_engine::Network;
use snn_research::{Joined, Shard, join_parts, write_part};

use crate::commands::Usage;
use crate::output::{self, Named};
use crate::provenance;
use crate::samples::{InputArgs, Net, Samples};

#[derive(Args)]
pub struct PartArgs {
    /// Run only one part of the samples of so many, for instance on one of five machines 2/5
    #[arg(long, value_name = "i/n", conflicts_with = "join")]
    shard: Option<Shard>,

    /// Write what this part gave, for --join
    #[arg(long, value_parser = output::file(), value_name = "PART.JSON", requires = "shard")]
    part: Option<PathBuf>,

    /// Run nothing, and tell what all parts gave together: exactly what the same command tells without --shard
    #[arg(long, value_parser = output::file(), value_name = "PART.JSON", num_args = 1..)]
    join: Vec<PathBuf>,
}

impl PartArgs {
    /// The files that are read.
    pub fn inputs(&self) -> impl Iterator<Item = Named<'_>> {
        self.join.iter().map(|path| ("--join", Some(path.as_path())))
    }

    /// The file that is written.
    pub fn output(&self) -> Named<'_> {
        ("--part", self.part.as_deref())
    }

    /// Whether what is run is kept for the whole.
    pub fn is_kept(&self) -> bool {
        self.part.is_some()
    }

    /// Whether parts are joined instead of a run.
    pub fn joins(&self) -> bool {
        !self.join.is_empty()
    }

    /// The part that is run, of samples and what the whole of them is made of, with some more options; the samples become those
    /// of the part.
    pub fn of<'a>(
        &'a self,
        net: &Net,
        input: &InputArgs,
        samples: &mut Samples,
        more: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Parted<'a>> {
        let told = provenance::of("run")
            .file("net", Some(net.file.clone()))
            .file("input", samples.file.clone())
            .options(input.options(samples))
            .options(more);
        let mut whole = told.portable();
        // Parts of `eval` may be joined by `report`.
        whole.remove("command");
        let all = samples.range.clone();
        if let Some(shard) = self.shard {
            if shard.of > all.len() {
                return Err(Usage(format!(
                    "--shard {}/{}: there are {}; allowed are at most as many parts",
                    shard.number,
                    shard.of,
                    output::counted(all.len(), "sample")
                ))
                .into());
            }
            let mine = shard.range(all.len());
            samples.range = all.start + mine.start..all.start + mine.end;
        }
        Ok(Parted { args: self, whole: Value::Object(whole), all })
    }
}

/// Parts of a whole.
pub struct Parted<'a> {
    args: &'a PartArgs,
    whole: Value,
    all: Range<usize>,
}

impl Parted<'_> {
    /// What all parts gave together, or, where none are to be joined, what `run` gives, which is written if it was asked for.
    pub fn or_run<J: Joined>(
        &self,
        network: &Network,
        samples: &Samples,
        run: impl FnOnce() -> Result<J>,
    ) -> Result<J> {
        if self.args.joins() {
            return Ok(join_parts(&self.args.join, &self.whole, self.all.clone(), network)?);
        }
        let gave = run()?;
        if let (Some(path), Some(shard)) = (&self.args.part, self.args.shard) {
            write_part(path, &self.whole, shard, samples.range.clone(), &gave)?;
        }
        Ok(gave)
    }

    /// The options in effect.
    pub fn options(&self) -> [(&'static str, Value); 2] {
        let name =
            |path: &PathBuf| Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
        [
            ("shard", json!(self.args.shard.map(|shard| format!("{}/{}", shard.number, shard.of)))),
            ("join", json!(self.args.join.iter().map(name).collect::<Vec<_>>())),
        ]
    }
}
