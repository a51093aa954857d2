//! The HTTP face: who asks (signature, session, integration port), which command, which format.
use crate::answer::Answer;
use crate::registry::{Registry, Reply, queued};
use crate::request::{Given, Pair, decode};
use crate::signature::{loose, verify};
use crate::xml;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{any, get};
use serde_json::{Value, json};
use std::sync::Arc;
use stratus_engine::{Engine, Execute};
use stratus_model::{Caller, Error, Reference, Result, Source};

/// Bytes of a form body at most: user data by POST is 32 KiB, base64 and escaped.
const BODY: usize = 1 << 20;
/// Bytes of a query string at most.
const QUERY: usize = 256 << 10;
const COOKIE: &str = "JSESSIONID";

/// The native door over an engine.
pub struct Door {
    pub(crate) engine: Arc<Engine>,
    pub(crate) registry: Arc<Registry>,
}

/// How the answer is to be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Xml,
}

/// Which of the two faces a request came through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Face {
    /// `/client/api`, authenticated.
    Client,
    /// The integration port: whoever reaches it is the system account.
    Integration,
}

impl Door {
    /// A door over this engine with every command.
    pub fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self { engine, registry: Arc::new(Registry::new()) })
    }
    /// What runs the engine's jobs.
    pub fn executor(&self) -> Arc<dyn Execute> {
        self.registry.clone()
    }
    /// The commands, for other doors.
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.clone()
    }
    /// Serves `/client/api`, and the reference at `/client/apidocs`.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/client/api", any(client))
            .route("/client/api/", any(client))
            .route("/client/apidocs", get(reference))
            .route("/client/apidocs/", get(reference))
            .route("/client/apidocs/{*path}", get(reference))
            .with_state(self.clone())
    }
    /// Serves any path without credentials, as the system account.
    pub fn integration_router(self: &Arc<Self>) -> Router {
        Router::new().fallback(any(integration)).with_state(self.clone())
    }
}

async fn client(State(door): State<Arc<Door>>, request: Request) -> Response {
    door.answer(Face::Client, request).await
}

async fn reference(State(door): State<Arc<Door>>, request: Request) -> Response {
    door.registry.reference(request.uri().path().trim_start_matches("/client/apidocs"))
}

async fn integration(State(door): State<Arc<Door>>, request: Request) -> Response {
    let mut response = door.answer(Face::Integration, request).await;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A request's parameters in both forms: as sent (for signatures) and by exact name.
struct Asked {
    pairs: Vec<Pair>,
    cookie: Option<String>,
}

impl Asked {
    /// The servlet looks these names up in exactly this spelling.
    fn exact(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

async fn read(face: Face, request: Request) -> Result<Asked> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    if query.len() > QUERY {
        return Err(Error::Malformed(format!("the query string is longer than {QUERY} bytes")));
    }
    let mut pairs = decode(query)?;
    let form = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_none_or(|t| t.to_str().is_ok_and(|t| t.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")));
    if face == Face::Client && parts.method == Method::POST && form {
        let bytes =
            to_bytes(body, BODY).await.map_err(|_| Error::Malformed(format!("the body is longer than {BODY} bytes or broken off")))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::Malformed("the body is not UTF-8".into()))?;
        // The query string comes first, so that it wins over fields of the same name.
        for (name, value) in decode(text)? {
            if !pairs.iter().any(|(n, _)| *n == name) {
                pairs.push((name, value));
            }
        }
    }
    Ok(Asked { pairs, cookie: cookie(&parts.headers) })
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|h| h.to_str().ok());
    all.flat_map(|h| h.split(';')).filter_map(|c| c.trim().split_once('=')).find(|(n, _)| *n == COOKIE).map(|(_, v)| v.to_owned())
}

impl Door {
    async fn answer(&self, face: Face, request: Request) -> Response {
        if !matches!(*request.method(), Method::GET | Method::POST) {
            let text = "only GET and POST are served";
            return self.failure(face, Format::Xml, "errorresponse", &Error::Malformed(text.into()));
        }
        let asked = match read(face, request).await {
            Ok(a) => a,
            Err(e) => return self.failure(face, Format::Xml, "errorresponse", &e),
        };
        let response = if face == Face::Integration { loose(&asked.pairs, "response") } else { asked.exact("response") };
        let format = if response.is_some_and(|r| r.eq_ignore_ascii_case("json")) { Format::Json } else { Format::Xml };
        let command = asked.exact("command").unwrap_or_default().to_owned();
        let started = std::time::Instant::now();
        let response = match self.serve(face, format, &command, asked).await {
            Ok(r) => r,
            Err(e) => {
                let wrapper = match &e {
                    Error::UnknownCommand(_) => "errorresponse".to_owned(),
                    _ if command == "login" => "errorresponse".to_owned(),
                    _ => self.wrapper(&command),
                };
                self.failure(face, format, &wrapper, &e)
            }
        };
        metrics::histogram!("stratus_api_seconds", "door" => "native").record(started.elapsed().as_secs_f64());
        tracing::debug!(command, status = response.status().as_u16(), "native call");
        response
    }

    fn wrapper(&self, command: &str) -> String {
        match self.registry.all().find(|m| m.name == command) {
            Some(m) => m.wrapper(),
            None if command.is_empty() => "errorresponse".into(),
            None => format!("{}response", command.to_lowercase()),
        }
    }

    async fn serve(&self, face: Face, format: Format, command: &str, asked: Asked) -> Result<Response> {
        if face == Face::Client {
            match command {
                "login" => return self.login(format, &asked).await,
                "logout" => return self.logout(format, &asked).await,
                _ => {}
            }
        }
        let caller = Arc::new(match face {
            Face::Integration => self.engine.system_caller(Source::Integration).await?,
            Face::Client => self.authenticate(&asked, command).await?,
        });
        if face == Face::Client {
            self.engine.api_count(&caller).await?;
        }
        if command.is_empty() {
            return Err(Error::Missing { command: "api".into(), field: "command".into() });
        }
        if command == "listApis" {
            return self.list_apis(&caller, format, &asked);
        }
        let given = Given::new(command, asked.pairs)?;
        let (meta, reply) = self.registry.dispatch(&self.engine, &caller, command, given).await?;
        let wrapper = meta.wrapper();
        match reply {
            Reply::Done(answer) => self.write(format, &wrapper, meta.answer, &answer),
            Reply::Queued { id, job } => {
                let tree = queued(id.as_deref(), &job);
                match format {
                    Format::Json => Ok(respond(StatusCode::OK, format, format!("{{ \"{wrapper}\" : {tree} }}"))),
                    Format::Xml => Ok(respond(StatusCode::OK, format, xml::document(&wrapper, &tree)?)),
                }
            }
        }
    }

    fn list_apis(&self, caller: &Caller, format: Format, asked: &Asked) -> Result<Response> {
        let apis = self.registry.discover(caller, loose(&asked.pairs, "name").filter(|n| !n.is_empty()))?;
        self.write(format, "listapisresponse", Some("api"), &Answer::list(apis.len() as i64, apis))
    }

    fn write(&self, format: Format, wrapper: &str, key: Option<&str>, answer: &Answer) -> Result<Response> {
        let text = match format {
            Format::Json => answer.json(wrapper, key)?,
            Format::Xml => xml::document(wrapper, &answer.tree(key)?)?,
        };
        Ok(respond(StatusCode::OK, format, text))
    }

    /// Who asks: a session when there is one, else the signature. A live session without its key is dropped, even if the call is
    /// signed (catalog/README.md "Session").
    async fn authenticate(&self, asked: &Asked, command: &str) -> Result<Caller> {
        let refuse = |why: &str| {
            tracing::info!(why, command, key = loose(&asked.pairs, "apikey").unwrap_or("none"), "refused");
            Error::Unauthenticated
        };
        if let Some(cookie) = &asked.cookie
            && self.engine.session_of(cookie).await?.is_some()
        {
            let key = asked.exact("sessionkey");
            return self.engine.by_session(cookie, key).await?.ok_or_else(|| refuse("wrong session key"));
        }
        let key = loose(&asked.pairs, "apikey").ok_or_else(|| refuse("no credentials"))?;
        let (caller, secret) = self.engine.by_api_key(key).await?.ok_or_else(|| refuse("unknown or disabled key"))?;
        verify(&asked.pairs, &secret, self.engine.clock.now()).map_err(|_| refuse("wrong or expired signature"))?;
        Ok(caller)
    }

    async fn login(&self, format: Format, asked: &Asked) -> Result<Response> {
        let need = |name: &str| {
            let missing = || Error::Missing { command: "login".into(), field: name.into() };
            asked.exact(name).filter(|v| !v.is_empty()).ok_or_else(missing)
        };
        let (username, password) = (need("username")?, need("password")?);
        let domain = asked.exact("domainid").or_else(|| asked.exact("domainId")).or_else(|| asked.exact("domain"));
        let (user, login) = self.engine.login(username, password, domain.filter(|d| !d.is_empty())).await?;
        let domain_uuid = self.engine.db.must::<stratus_store::Domain>(login.caller.domain_id).await?.uuid;
        let record = json!({
            "timeout": stratus_engine::session::TIMEOUT_SECONDS.to_string(),
            "username": user.username, "userid": user.uuid, "firstname": user.firstname, "lastname": user.lastname,
            "account": login.caller.account_name, "domainid": domain_uuid,
            "type": login.caller.account_type.number().to_string(),
            "sessionkey": login.session.session_key, "registered": "false",
            "timezone": user.timezone.clone().unwrap_or_else(|| "UTC".into()), "timezoneoffset": "0.0",
            "passwordisdefault": user.default_password.to_string(),
        });
        let mut response = self.write(format, "loginresponse", None, &Answer::inline(record))?;
        let cookie = format!("{COOKIE}={}; Path=/client; HttpOnly; SameSite=Strict", login.cookie);
        response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_str(&cookie).map_err(Error::internal)?);
        Ok(response)
    }

    async fn logout(&self, format: Format, asked: &Asked) -> Result<Response> {
        if let Some(cookie) = &asked.cookie {
            self.engine.logout(cookie).await?;
        }
        self.write(format, "logoutresponse", None, &Answer::inline(json!({ "description": "success" })))
    }

    fn failure(&self, face: Face, format: Format, wrapper: &str, e: &Error) -> Response {
        let codes = e.codes();
        let text = message(e);
        let mut record = json!({ "uuidList": [], "errorcode": codes.api });
        if let (true, Value::Object(map)) = (codes.cs != 0, &mut record) {
            map.insert("cserrorcode".into(), codes.cs.into());
        }
        record["errortext"] = text.clone().into();
        let body = match format {
            Format::Json => format!("{{ \"{wrapper}\" : {record}  }}"),
            Format::Xml => xml::document(wrapper, &record).unwrap_or_default(),
        };
        let status = StatusCode::from_u16(codes.api).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = respond(status, format, body);
        let line: String = text.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).collect();
        if let (Face::Client, Ok(value)) = (face, HeaderValue::from_str(&line)) {
            response.headers_mut().insert("X-Description", value);
        }
        response
    }
}

/// What the caller is told. The cause of an internal error stands in the log beside its reference.
fn message(e: &Error) -> String {
    match e {
        Error::Internal(reference, cause) => tracing::error!(%reference, %cause, "internal error"),
        Error::Raced(what) => {
            let reference = Reference::new();
            tracing::error!(%reference, what, "a row changed at the same time");
            return format!("Internal error, reference {reference}");
        }
        _ => {}
    }
    e.to_string()
}

fn respond(status: StatusCode, format: Format, body: String) -> Response {
    let kind = match format {
        Format::Json => "text/javascript; charset=UTF-8",
        Format::Xml => "text/xml; charset=UTF-8",
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
