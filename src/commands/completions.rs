use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;

use crate::output;

/// Print a script that lets a shell complete commands and flags.
#[derive(Args)]
#[command(after_help = "Examples:
  snn-event completions bash > /etc/bash_completion.d/snn-event
  snn-event completions zsh > ~/.zfunc/_snn-event
  snn-event completions fish > ~/.config/fish/completions/snn-event.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints the script for the whole command line.
    pub fn run(self, mut whole: clap::Command) -> Result<ExitCode> {
        let mut script = Vec::new();
        let name = whole.get_name().to_owned();
        clap_complete::generate(self.shell, &mut whole, name, &mut script);
        output::print(&String::from_utf8_lossy(&script))?;
        Ok(ExitCode::SUCCESS)
    }
}
