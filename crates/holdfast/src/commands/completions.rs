//! `holdfast completions`.

use std::process::ExitCode;

use clap::CommandFactory;
use holdfast_types::Result;

use super::print;
use crate::cli::Cli;

/// Writes completions for a shell.
pub(crate) fn write(shell: clap_complete::Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "holdfast", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
