//! Numbers for Prometheus. The rooms record them through the `metrics` facade; this file gives them a home and prints them.
use anyhow::{Context, Result};
use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stratus_engine::Engine;
use stratus_store::{Query, Server};

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Bounds of every histogram: seconds of calls and jobs, and sizes of batches, fit on one scale.
const BUCKETS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 128.0];

/// Installs the recorder, once a process.
pub fn install() -> Result<()> {
    if HANDLE.get().is_none() {
        let handle = PrometheusBuilder::new().set_buckets(BUCKETS)?.install_recorder().context("cannot record metrics")?;
        let _ = HANDLE.set(handle);
        ::metrics::describe_counter!("stratus_jobs_started", "jobs put to work since the start");
        ::metrics::describe_counter!("stratus_jobs_ended", "jobs that ended, by outcome");
        ::metrics::describe_histogram!("stratus_store_batch", "writes that shared one commit");
        ::metrics::describe_gauge!("stratus_job_queues", "queues with a job at work");
        ::metrics::describe_gauge!("process_resident_memory_bytes", "memory in use");
    }
    Ok(())
}

/// Folds what histograms collected, every few seconds, for as long as the process lives.
pub async fn keep_up() {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        if let Some(h) = HANDLE.get() {
            h.run_upkeep();
        }
    }
}

/// `/metrics` on a port of its own.
pub async fn show(State(engine): State<Arc<Engine>>) -> Response {
    ::metrics::gauge!("stratus_job_queues").set(engine.jobs.busy() as f64);
    if let Some(bytes) = resident() {
        ::metrics::gauge!("process_resident_memory_bytes").set(bytes as f64);
    }
    let text = HANDLE.get().map(PrometheusHandle::render).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// `/metrics` beside the native API: for this machine only.
pub async fn show_to_loopback(ConnectInfo(peer): ConnectInfo<SocketAddr>, engine: State<Arc<Engine>>) -> Response {
    if peer.ip().to_canonical().is_loopback() {
        return show(engine).await;
    }
    (StatusCode::FORBIDDEN, "metrics are shown to this machine only; give them a port with --metrics-port\n").into_response()
}

/// `/health`: whether the database answers.
pub async fn health(State(engine): State<Arc<Engine>>) -> Response {
    let answer = tokio::time::timeout(Duration::from_secs(5), engine.db.count::<Server>(Query::all())).await;
    let (status, word) = match answer {
        Ok(Ok(_)) => (StatusCode::OK, "ok"),
        Ok(Err(e)) => {
            tracing::warn!(error = %stratus_model::in_full(&e), "the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database is slow"),
    };
    (status, axum::Json(serde_json::json!({ "status": word, "version": env!("CARGO_PKG_VERSION") }))).into_response()
}

/// Bytes of memory that are ours, as Linux counts them.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
