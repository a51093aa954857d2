//! The door: what it stands on, and the way of one request through it.
use crate::blobs::Blobs;
use crate::known::Known;
use crate::ops;
use crate::request::Request;
use crate::respond::{self, Answer};
use crate::route::{Operation, Target};
use crate::{Fault, Outcome, cors};
use axum::body::Body;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stratus_engine::bucket::Traffic;
use stratus_engine::{Call, Engine};
use stratus_model::Caller;

/// Where S3 stands on the port of the AWS doors. No bucket may carry the name of its first segment: see `stratus-sigs`.
pub const PREFIX: &str = "/awsapi/rest/AmazonS3";
/// How often counters are written down and, every so often, files swept.
const UPKEEP: Duration = Duration::from_secs(10);
/// How many of those pass between two sweeps.
const SWEEP: u32 = 360;

/// The S3 door.
pub struct Door {
    pub(crate) engine: Arc<Engine>,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) known: Known,
    traffic: Mutex<HashMap<i64, Traffic>>,
}

impl Door {
    /// A door that keeps its objects in this folder, and sweeps it: nothing is being written yet.
    pub async fn open(engine: Arc<Engine>, folder: &Path) -> stratus_model::Result<Arc<Self>> {
        let folder = folder.to_owned();
        let blobs = tokio::task::spawn_blocking(move || Blobs::open(&folder)).await;
        let blobs = blobs.map_err(stratus_model::Error::internal)?.map_err(stratus_model::Error::internal)?;
        let door = Arc::new(Self { engine, blobs, known: Known::default(), traffic: Mutex::default() });
        door.sweep().await?;
        Ok(door)
    }

    /// Keeps the counters and the folder in order until the process ends.
    pub async fn keep_up(self: Arc<Self>) {
        let mut turns = 0u32;
        loop {
            tokio::time::sleep(UPKEEP).await;
            turns = turns.wrapping_add(1);
            if let Err(e) = self.write_traffic().await {
                tracing::warn!(error = %stratus_model::in_full(&e), "the counters of the object storage were not written; tried again later");
            }
            if turns.is_multiple_of(SWEEP)
                && let Err(e) = self.sweep().await
            {
                tracing::warn!(error = %stratus_model::in_full(&e), "the object storage was not swept; tried again later");
            }
        }
    }

    /// Unlinks every file that no row names; how many.
    pub async fn sweep(&self) -> stratus_model::Result<usize> {
        let blobs = self.blobs.clone();
        let found = tokio::task::spawn_blocking(move || blobs.candidates()).await;
        let found = found.map_err(stratus_model::Error::internal)?.map_err(stratus_model::Error::internal)?;
        let named = self.engine.blobs_named(&found).await?;
        let orphans: Vec<String> = found.into_iter().filter(|id| !named.contains(id)).collect();
        self.blobs.remove(&orphans);
        if !orphans.is_empty() {
            tracing::info!(files = orphans.len(), "object storage swept");
        }
        Ok(orphans.len())
    }

    /// Writes down what was counted.
    pub async fn write_traffic(&self) -> stratus_model::Result<()> {
        let counted: Vec<(i64, Traffic)> = self.counters().drain().collect();
        if counted.is_empty() {
            return Ok(());
        }
        let outcome = self.engine.s3_traffic(counted.clone()).await;
        if outcome.is_err() {
            for (account, t) in counted {
                self.add(account, t);
            }
        }
        outcome
    }

    fn counters(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Traffic>> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, account: i64, t: Traffic) {
        let mut all = self.counters();
        let sum = all.entry(account).or_default();
        sum.gets += t.gets;
        sum.puts += t.puts;
        sum.bytes_in += t.bytes_in;
        sum.bytes_out += t.bytes_out;
    }

    pub(crate) fn count_in(&self, request: &Request, bytes: i64) {
        if let Some(c) = &request.who {
            self.add(c.account_id, Traffic { bytes_in: bytes, ..Traffic::default() });
        }
    }

    pub(crate) fn count_out(&self, request: &Request, bytes: i64) {
        if let Some(c) = &request.who {
            self.add(c.account_id, Traffic { bytes_out: bytes, ..Traffic::default() });
        }
    }

    /// Who must have signed for this.
    pub(crate) fn signer<'a>(&self, request: &'a Request) -> Outcome<&'a Arc<Caller>> {
        request.who.as_ref().ok_or_else(Fault::denied)
    }

    /// An account's uuid and name.
    pub(crate) async fn owner(&self, account: i64) -> Outcome<(String, String)> {
        let found = self.engine.account_by_id(account).await?;
        Ok(found.map_or_else(Default::default, |a| (a.uuid, a.name)))
    }

    /// A call of the engine by the sender.
    pub(crate) fn call(&self, who: &Arc<Caller>, command: &'static str, event: Option<&'static str>) -> Call {
        Call::new(self.engine.clone(), who.clone(), command, event)
    }

    /// Lets files go, on a thread that may wait for the disk.
    pub(crate) fn free(&self, files: Vec<String>) {
        if !files.is_empty() {
            let blobs = self.blobs.clone();
            tokio::task::spawn_blocking(move || blobs.remove(&files));
        }
    }

    /// The names under which Host carries a bucket in front.
    fn domains(&self) -> Vec<String> {
        let mut all = vec!["localhost".to_owned(), "s3.localhost".to_owned()];
        let set = self.engine.settings.text("s3.domains").unwrap_or_default();
        all.extend(set.split(',').map(|d| d.trim().trim_matches('.').to_ascii_lowercase()).filter(|d| !d.is_empty()));
        all
    }

    /// Answers a request.
    pub(crate) async fn answer(
        self: Arc<Self>,
        head: http::request::Parts,
        body: Body,
        prefix: &'static str,
        peer: Option<IpAddr>,
    ) -> Answer {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let is_head = head.method == http::Method::HEAD;
        let resource = head.uri.path().to_owned();
        let mut answer = match self.serve(head, body, prefix, peer, id.clone()).await {
            Ok(answer) => answer,
            Err(fault) => respond::fault(&fault, is_head, &resource, &id),
        };
        respond::common(answer.headers_mut(), &id);
        answer
    }

    async fn serve(
        self: &Arc<Self>,
        head: http::request::Parts,
        body: Body,
        prefix: &'static str,
        peer: Option<IpAddr>,
        id: String,
    ) -> Outcome<Answer> {
        if !self.engine.settings.flag("enable.s3.api") {
            return Err(Fault::new("ServiceUnavailable", "The S3 API is turned off; an administrator sets enable.s3.api to true"));
        }
        let mut request = Request::read(&head, prefix, &self.domains(), peer, id)?;
        if request.method == http::Method::OPTIONS {
            return cors::preflight(self, &request).await;
        }
        let query = head.uri.query().unwrap_or_default();
        self.authenticate(&mut request, query).await?;
        let operation = {
            let pairs: Vec<(&str, &str)> = request.params.pairs().collect();
            let (bucket, key) = (request.bucket.is_some(), request.key.is_some());
            let copies = request.headers.contains_key("x-amz-copy-source");
            Target { method: &request.method, bucket, key, query: &pairs, copies }.operation()?
        };
        self.count(&request, operation);
        let origin = request.header("origin").map(str::to_owned);
        let (bucket, method) = (request.bucket.clone(), request.method.clone());
        let outcome = ops::run(self, &mut request, operation, body).await;
        let Some(origin) = origin else { return outcome };
        // Errors carry them too, or a browser shows the script nothing.
        let mut answer = match outcome {
            Ok(answer) => answer,
            Err(fault) => respond::fault(&fault, method == http::Method::HEAD, &request.path, &request.id),
        };
        if let Some(bucket) = bucket {
            cors::show(self, &bucket, &origin, &method, answer.headers_mut()).await?;
        }
        Ok(answer)
    }

    fn count(&self, request: &Request, operation: Operation) {
        metrics::counter!("stratus_s3_calls", "operation" => operation.name()).increment(1);
        if let Some(c) = &request.who {
            let reads = matches!(request.method.as_str(), "GET" | "HEAD");
            let one = Traffic { gets: i64::from(reads), puts: i64::from(!reads), ..Traffic::default() };
            self.add(c.account_id, one);
        }
    }
}
