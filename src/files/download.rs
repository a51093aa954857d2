//! One file by HTTP, taken up again where a broken connection left it.
use crate::address::{Guard, Inside};
use crate::dir::{Files, Incoming, failed};
use reqwest::header::{CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE};
use reqwest::{Client, Response, StatusCode, Url};
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stratus_drivers::{DriverError, FetchSpec};

/// Redirects that are followed for one request.
const REDIRECTS: usize = 5;
/// Attempts that may bring nothing new before the link is given up.
const TRIES: u32 = 4;
/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may be silent in the middle.
const SILENCE: Duration = Duration::from_secs(60);
/// The pause before the second attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// How much has come, for whoever asks meanwhile.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// Percent of the file; `None` while nobody has said how large it is. What is there is still checked and unpacked, so 100 never
    /// stands here.
    pub fn percent(&self) -> Option<u8> {
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        (total > 0).then(|| u8::try_from((done.saturating_mul(100) / total).min(99)).unwrap_or(99))
    }
}

fn refused(why: impl Into<String>) -> DriverError {
    DriverError::Failed(why.into())
}

/// A client that speaks to the outside and to what is listed of the inside.
fn client(inside: &Inside) -> Result<Client, DriverError> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(|e| refused(e.to_string()))?.with_root_certificates(roots).with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(Guard(inside.clone())))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent(concat!("stratus/", env!("CARGO_PKG_VERSION")));
    client.build().map_err(|e| refused(e.to_string()))
}

/// Refuses schemes other than http and https, and addresses of the inside; names are checked when they are resolved.
fn check(url: &Url, inside: &Inside) -> Result<(), DriverError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused(format!("{} is fetched by nobody here: http and https are", url.scheme())));
    }
    let host = url.host_str().ok_or_else(|| refused("the URL names no host"))?;
    match host.trim_matches(['[', ']']).parse() {
        Ok(ip) if !inside.lets(ip) => Err(refused(Inside::refusal(host))),
        _ => Ok(()),
    }
}

/// An error of the client with what caused it; its own text says little, and names the URL, which may hold a password.
fn told(e: reqwest::Error) -> String {
    let e = e.without_url();
    let mut text = e.to_string();
    let mut cause = std::error::Error::source(&e);
    while let Some(c) = cause {
        let more = c.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = c.source();
    }
    text
}

struct Download<'a> {
    client: Client,
    inside: Inside,
    spec: &'a FetchSpec,
    progress: &'a Progress,
    file: File,
    at: u64,
    /// What the server calls the version that was begun.
    version: Option<String>,
}

/// How an attempt ended.
enum Ended {
    Whole,
    /// The link broke; why.
    Broken(String),
}

/// Brings the file of a URL into the directory.
pub(crate) async fn download(spec: &FetchSpec, files: &Arc<Files>, progress: &Progress) -> Result<(Incoming, File), DriverError> {
    let inside = Inside::read(&spec.inside)?;
    let (coming, file) = files.incoming().map_err(|e| failed("a new file", &e))?;
    let mut it = Download { client: client(&inside)?, inside, spec, progress, file, at: 0, version: None };
    let mut tries = 0;
    loop {
        let before = it.at;
        match it.attempt(files).await? {
            Ended::Whole => break,
            Ended::Broken(why) => {
                tries = if it.at > before { 1 } else { tries + 1 };
                if tries == TRIES {
                    return Err(refused(format!("the link broke after {} bytes: {why}", it.at)));
                }
                tracing::info!(object = spec.object, bytes = it.at, why, "a download broke off and is taken up again");
                tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
            }
        }
    }
    Ok((coming, it.file))
}

impl Download<'_> {
    /// Asks until it is no redirect.
    async fn ask(&self) -> Result<Result<Response, String>, DriverError> {
        let mut url: Url = self.spec.url.trim().parse().map_err(|e| refused(format!("the URL cannot be read: {e}")))?;
        for _ in 0..=REDIRECTS {
            check(&url, &self.inside)?;
            let mut request = self.client.get(url.clone());
            if self.at > 0 {
                request = request.header(RANGE, format!("bytes={}-", self.at));
                if let Some(version) = &self.version {
                    request = request.header(IF_RANGE, version);
                }
            }
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(e) => {
                    let why = told(e);
                    // A refusal of the guard does not pass by itself.
                    return if why.contains("secstorage.allowed.internal.sites") { Err(refused(why)) } else { Ok(Err(why)) };
                }
            };
            if !answer.status().is_redirection() {
                return Ok(Ok(answer));
            }
            let to = answer.headers().get(LOCATION).and_then(|l| l.to_str().ok()).ok_or_else(|| refused("a redirect to nowhere"))?;
            url = url.join(to).map_err(|e| refused(format!("a redirect that cannot be read: {e}")))?;
        }
        Err(refused(format!("more than {REDIRECTS} redirects")))
    }

    async fn attempt(&mut self, files: &Arc<Files>) -> Result<Ended, DriverError> {
        let mut answer = match self.ask().await? {
            Ok(answer) => answer,
            Err(why) => return Ok(Ended::Broken(why)),
        };
        match answer.status() {
            StatusCode::OK => self.start_anew()?,
            StatusCode::PARTIAL_CONTENT if self.goes_on(&answer) => {}
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                self.start_anew()?;
                return Ok(Ended::Broken("the server does not go on where it stopped".into()));
            }
            status if status.is_server_error() => return Ok(Ended::Broken(format!("the server answered {status}"))),
            status => return Err(refused(format!("the server answered {status}"))),
        }
        let header = |name| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        self.version = header(ETAG).filter(|t| !t.starts_with("W/")).or_else(|| header(LAST_MODIFIED));
        if let Some(more) = answer.content_length() {
            let total = self.at.saturating_add(more);
            self.progress.total.store(total, Ordering::Relaxed);
            self.fits(total)?;
            let space = files.space().map_err(|e| failed("the disk", &e))?;
            if space.total.saturating_sub(space.used) < more {
                return Err(DriverError::NoRoom(format!("{more} bytes do not fit on the store")));
            }
        }
        loop {
            match answer.chunk().await {
                Ok(Some(part)) => {
                    self.fits(self.at.saturating_add(part.len() as u64))?;
                    // Short writes into the page cache: they do not hold the runtime up.
                    self.file.write_all(&part).map_err(|e| failed("writing a download", &e))?;
                    self.at += part.len() as u64;
                    self.progress.done.store(self.at, Ordering::Relaxed);
                }
                Ok(None) => return Ok(Ended::Whole),
                Err(e) => return Ok(Ended::Broken(told(e))),
            }
        }
    }

    fn fits(&self, bytes: u64) -> Result<(), DriverError> {
        let most = self.spec.most_bytes;
        if bytes > most { Err(refused(format!("the file has more than the {most} bytes that are let in"))) } else { Ok(()) }
    }

    /// Whether a partial answer begins where we stopped.
    fn goes_on(&self, answer: &Response) -> bool {
        let range = answer.headers().get(CONTENT_RANGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        range.strip_prefix("bytes ").and_then(|r| r.split_once('-')).is_some_and(|(from, _)| from.trim().parse() == Ok(self.at))
    }

    fn start_anew(&mut self) -> Result<(), DriverError> {
        use std::io::Seek;
        self.at = 0;
        self.progress.done.store(0, Ordering::Relaxed);
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(|e| failed("writing a download", &e))
    }
}
