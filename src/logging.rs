//! Log lines: on standard error, as text or JSON.
use crate::config::LogFormat;
use std::io::stderr;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Sends log lines to standard error, `info` and above unless `RUST_LOG` says otherwise. A line shows its spans, so what happens
/// inside a job carries `job{id=…}`. Standard output is left to answers (the ready block, what `admin` prints).
pub fn start(format: LogFormat, quiet: bool) {
    let level = if quiet { LevelFilter::WARN } else { LevelFilter::INFO };
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    // A line that cannot be written (its file's disk is full) is lost; complaining of it at the same place would end the request.
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).log_internal_errors(false);
    // A second start in one process (tests) keeps the first one's choice.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&stderr())).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(true).try_init(),
    };
}
