use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use snn_engine::{AnySimulator, Memory, Mode};
use snn_formats::{FileDigest, Provenance, SpikeFile};
use snn_research::{Parting, Side, part_networks, part_spikes};

use crate::commands::Usage;
use crate::optional::Optional;
use crate::samples::{InputArgs, Net, NetArgs, Samples, threads};
use crate::{output, provenance};

/// Find where two runs part: the first step, population and neuron with another spike or potential.
///
/// Two networks are run side by side over the samples, and spikes and potentials (by bits) are compared after every step; of two
/// files of spikes, as `run --spikes` writes them, the spikes. Exit status 1 if they part.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event diff one.bin other.bin --input x.npy --T 64
  snn-event diff spikes.npz expected.npz --json -")]
pub struct Diff {
    /// A network, net.bin, or a file of spikes, .npz
    #[arg(value_parser = output::file(), value_name = "A")]
    first: PathBuf,

    /// Another one of the same kind
    #[arg(value_parser = output::file(), value_name = "B")]
    second: PathBuf,

    #[command(flatten)]
    input: Optional<InputArgs>,

    /// Threads to spread the samples over [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=crate::samples::MOST), allow_negative_numbers = true)]
    threads: Option<u16>,

    /// Write a report as JSON; `-` writes it to standard output, and nothing else
    #[arg(long, value_name = "REPORT.JSON")]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    provenance: Provenance,
    equal: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    parting: Option<Parting>,
}

fn holds_spikes(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "npz")
}

impl Diff {
    pub fn run(self) -> Result<ExitCode> {
        let mut inputs = vec![("A", Some(self.first.as_path()))];
        // A run is compared with itself in a test of one's own.
        if self.second != self.first {
            inputs.push(("B", Some(self.second.as_path())));
        }
        inputs.extend(self.input.0.iter().map(|input| ("--input", Some(input.input.as_path()))));
        output::check(&inputs, &[("--json", self.json.as_deref())])?;
        let report = match (holds_spikes(&self.first), holds_spikes(&self.second), &self.input.0) {
            (true, true, None) => self.of_spikes()?,
            (false, false, Some(input)) => self.of_networks(input)?,
            (true, true, Some(_)) => {
                return Err(
                    Usage("--input: files of spikes are compared as they are; leave it out".into()).into()
                );
            }
            (false, false, None) => {
                return Err(Usage(
                    "two networks are compared in a run; give its samples with --input".into(),
                )
                .into());
            }
            _ => {
                return Err(Usage(
                    "A and B are of two kinds; give two networks, or two files of spikes (`run --spikes` writes those of a \
                     network)"
                        .into(),
                )
                .into());
            }
        };
        if let Some(path) = &self.json {
            output::write_json(path, &report)?;
        }
        if !output::wants_only_json(self.json.as_deref()) {
            output::print(&report.text())?;
        }
        Ok(if report.equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn of_spikes(&self) -> Result<Report> {
        let (first, second) = (SpikeFile::read(&self.first)?, SpikeFile::read(&self.second)?);
        let parting = part_spikes(&first, &second).with_context(|| self.both())?;
        let provenance = provenance::of("diff")
            .file("a", Some(FileDigest::new(&self.first, first.digest)))
            .file("b", Some(FileDigest::new(&self.second, second.digest)));
        Ok(Report { provenance, equal: parting.is_none(), parting })
    }

    fn of_networks(&self, given: &InputArgs) -> Result<Report> {
        let read = |path: &Path| -> Result<(Net, Samples)> {
            let net = NetArgs { net: path.to_owned(), no_mmap: false, memory_limit: None }.read()?;
            let samples = given.read(&net)?;
            Ok((net, samples))
        };
        let (one, other) = (read(&self.first)?, read(&self.second)?);
        output::notes(&one.1.notes);
        let steps = one.1.steps;
        if other.1.steps != steps {
            return Err(Usage(format!(
                "{} is made for runs of {steps} steps, {} for {}; give --T",
                self.first.display(),
                self.second.display(),
                other.1.steps
            ))
            .into());
        }
        let memory = [&one, &other].map(|(net, _)| Memory::of(Mode::Event, &net.network, u64::from(steps)));
        let threads = one.0.simulators(memory[0].and(memory[1]), threads(self.threads.map(usize::from)))?;
        let simulators = [&one, &other].map(|(net, _)| AnySimulator::new(Mode::Event, net.network.clone()));
        let sides = [
            Side { simulator: &simulators[0], input: &one.1.input },
            Side { simulator: &simulators[1], input: &other.1.input },
        ];
        let parting =
            part_networks(sides, one.1.range.clone(), steps, threads).with_context(|| self.both())?;
        let provenance = provenance::of("diff")
            .file("a", Some(one.0.file.clone()))
            .file("b", Some(other.0.file.clone()))
            .file("input", one.1.file.clone())
            .options(given.options(&one.1))
            .options([("threads", json!(threads))]);
        Ok(Report { provenance, equal: parting.is_none(), parting })
    }

    fn both(&self) -> String {
        format!("{} and {}", self.first.display(), self.second.display())
    }
}

impl Report {
    fn text(&self) -> String {
        let Some(parting) = &self.parting else { return "equal\n".into() };
        let spike =
            |value: i32| if value == 0 { "no spike".into() } else { format!("a spike of value {value}") };
        let [first, second] = parting.spikes.map(spike);
        let mut text = format!(
            "DIFFERENT: sample {}, step {}, population `{}`, neuron {}\n  A: {first}",
            parting.sample, parting.step, parting.population, parting.neuron
        );
        if let Some([potential, _]) = parting.potentials {
            text += &format!(", potential {potential} after the step");
        }
        text += &format!("\n  B: {second}");
        if let Some([_, potential]) = parting.potentials {
            text += &format!(", potential {potential} after the step");
        }
        text + "\n"
    }
}
