//! The command line of Stratus.
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    stratus::cli::run(stratus::cli::Cli::parse())
}
