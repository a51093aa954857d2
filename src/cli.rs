//! The commands of the binary and how they end: 0 for done, 1 for could not, 2 for asked wrongly.
use crate::config::{Config, LogFormat, Options, Place};
use crate::{admin, agent, logging, serve};
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// An AWS- and CloudStack-compatible cloud in one binary.
#[derive(Debug, Parser)]
#[command(name = "stratus", version, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do; serving when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the management server
    Serve(Box<Options>),
    /// Turn this machine into a host
    Agent(Box<agent::Options>),
    /// Run the usage server apart from the management server (not in this version)
    Usage(Place),
    /// What an operator does while the server is down
    #[command(subcommand)]
    Admin(Admin),
    /// Print the version
    Version,
}

/// What an operator does while the server is down.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Bring the database to this version's schema
    Migrate(Place),
    /// Look for broken invariants; exits 1 when there are any
    Check(Place),
    /// Print every table as JSON lines, secrets left out
    Dump(Place),
    /// Print the keys of a user as shell lines
    Keys {
        /// The login name
        #[arg(default_value = "admin")]
        user: String,
        /// The path of the user's domain
        #[arg(long, default_value = "/")]
        domain: String,
        /// Make new keys; the old ones stop to work
        #[arg(long)]
        renew: bool,
        /// Where the state lies
        #[command(flatten)]
        place: Place,
    },
    /// Set a user's password, read as one line from standard input
    SetPassword {
        /// The login name
        #[arg(default_value = "admin")]
        user: String,
        /// The path of the user's domain
        #[arg(long, default_value = "/")]
        domain: String,
        /// Where the state lies
        #[command(flatten)]
        place: Place,
    },
    /// Print a one-time token with which a machine becomes a host
    Enrol {
        /// The machine's name; addHost takes it as agent://NAME
        name: String,
        /// Where the state lies
        #[command(flatten)]
        place: Place,
    },
    /// Add the zones of a description file
    Simulate {
        /// A JSON file: zones, pods, clusters, hosts and storage
        file: PathBuf,
        /// Where the state lies
        #[command(flatten)]
        place: Place,
    },
    /// Print the version of the binary and of the database
    Version(Place),
}

/// Runs a command to its end.
pub fn run(cli: Cli) -> ExitCode {
    // Everything that the server writes is for its owner only, in whatever folder it stands.
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    // Threads of the runtime have what this one has when they start.
    if let Some(Command::Agent(_)) = &cli.command
        && let Err(e) = crate::privileges::lessen()
    {
        return complain(&format!("cannot give up what the agent has no need of: {e}"), 1);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(r) => r,
        Err(e) => return complain(&format!("cannot start: {e}"), 1),
    };
    let outcome = match cli.command {
        Some(Command::Version) => say(&format!("stratus {}\n", env!("CARGO_PKG_VERSION"))),
        Some(Command::Agent(options)) => runtime.block_on(agent::run(*options)),
        Some(Command::Usage(_)) => return complain("this version has no usage server", 2),
        Some(Command::Serve(options)) => runtime.block_on(serve_until_told(*options)),
        Some(Command::Admin(what)) => runtime.block_on(admin::run(what)),
        None => match Cli::parse_from(["stratus", "serve"]).command {
            Some(Command::Serve(options)) => runtime.block_on(serve_until_told(*options)),
            _ => Ok(()),
        },
    };
    // Whatever a driver still holds on a blocking thread does not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => complain(&format!("{e:#}"), 1),
    }
}

/// Serves until SIGTERM or SIGINT; a second one does not wait for jobs.
async fn serve_until_told(options: Options) -> Result<()> {
    let config = Config::of(options)?;
    logging::start(config.log, false);
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let told = async move |why: &str| {
        let name = tokio::select! { _ = term.recv() => "SIGTERM", _ = int.recv() => "SIGINT" };
        tracing::info!(signal = name, "{why}");
    };
    let mut told = told;
    let running = tokio::select! {
        running = serve::start(&config) => running?,
        () = told("told to end before being ready") => return Ok(()),
    };
    say(&running.ready.block())?;
    told("ending").await;
    tokio::select! {
        () = running.stop() => tracing::info!("ended"),
        () = told("told again: ending at once") => {}
    }
    Ok(())
}

/// Prints an answer on standard output.
pub(crate) fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
}

/// Prints why a command failed, and its exit code.
fn complain(text: &str, code: u8) -> ExitCode {
    // When standard error is gone too, the exit code is all that can be said.
    let _ = writeln!(std::io::stderr(), "stratus: {text}");
    ExitCode::from(code)
}

/// Log lines of a command that is not a server: warnings only.
pub(crate) fn quiet() {
    logging::start(LogFormat::Text, true);
}
