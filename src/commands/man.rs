use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::commands::Usage;
use crate::output;

/// Print a manual page, of the program or of one of its commands.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event man > snn-event.1
  snn-event man run > snn-event-run.1
  snn-event man run | man -l -")]
pub struct Man {
    /// The command; the program itself without it
    command: Option<String>,
}

impl Man {
    /// Prints a page of the whole command line, or of a part of it.
    pub fn run(self, mut whole: clap::Command) -> Result<ExitCode> {
        // Gives the commands their full names: snn-event-run.
        whole.build();
        let page = match &self.command {
            None => whole,
            Some(name) => match whole.find_subcommand(name) {
                Some(found) => found.clone(),
                None => {
                    let names: Vec<&str> = whole.get_subcommands().map(clap::Command::get_name).collect();
                    return Err(
                        Usage(format!("{name}: no such command; there are {}", names.join(", "))).into()
                    );
                }
            },
        };
        let mut text = Vec::new();
        clap_mangen::Man::new(page).render(&mut text)?;
        output::print(&String::from_utf8_lossy(&text))?;
        Ok(ExitCode::SUCCESS)
    }
}
