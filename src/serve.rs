//! The management server: the house with its doors open.
use crate::agents::Books;
use crate::config::{Config, Port, Simulate};
use crate::downloads;
use crate::house::{ADMIN, House};
use crate::listeners::{self, Door, Doors};
use crate::lock::DataDir;
use crate::metrics;
use crate::ready::{self, Bound, Ready};
use crate::simulate;
use crate::wire::TooLong;
use anyhow::{Context, Result, bail};
use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use stratus_console::Console;
use stratus_engine::{Call, Engine};
use stratus_store::{Dialect, Query, User, Zone};
use tokio::net::TcpListener;
use tower::ServiceExt;

/// How long jobs under way may take to end before they are left to the next start.
const PATIENCE: Duration = Duration::from_secs(10);

/// The usual port of agents.
const AGENTS: u16 = 8250;

/// The refusal of an over-long head, which never reaches the door: in the door's own format all the same.
macro_rules! too_long {
    ($before:literal, $after:literal) => {
        TooLong {
            content_type: "text/xml; charset=UTF-8",
            body: concat!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
                $before,
                "The address or a header of the request is too long (64 KiB at most): send long parameters in the body of a POST",
                $after
            ),
        }
    };
}
const NATIVE_TOO_LONG: TooLong = too_long!(
    "<errorresponse cloud-stack-version=\"4.3.0\"><errorcode>430</errorcode><cserrorcode>9999</cserrorcode><errortext>",
    "</errortext></errorresponse>"
);
const S3_TOO_LONG: TooLong = too_long!("<Error><Code>RequestHeaderSectionTooLarge</Code><Message>", "</Message></Error>");
const EC2_TOO_LONG: TooLong = too_long!(
    "<Response><Errors><Error><Code>MalformedQueryString</Code><Message>",
    "</Message></Error></Errors><RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
);

/// A server that answers. Dropping it closes sockets at once; [`Running::stop`] ends in good order.
pub struct Running {
    /// Where it answers and with which keys.
    pub ready: Ready,
    /// What stands behind the doors.
    pub house: House,
    doors: Doors,
    upkeep: tokio::task::JoinHandle<()>,
    s3: Arc<stratus_s3::Door>,
    s3_upkeep: tokio::task::JoinHandle<()>,
    agents: Option<tokio::task::JoinHandle<()>>,
}

/// The sockets that are bound before anything is changed.
struct Sockets {
    native: Option<TcpListener>,
    aws: Option<TcpListener>,
    s3: Option<TcpListener>,
    metrics: Option<TcpListener>,
    agents: Option<TcpListener>,
}

/// Starts a server; it answers when this returns.
pub async fn start(config: &Config) -> Result<Running> {
    metrics::install()?;
    let dir = DataDir::take(&config.data_dir)?;
    ready::withdraw(&dir);
    let mut sockets = Sockets {
        native: listeners::bind(config.bind, config.native_port, "the native API", "--native-port").await?,
        aws: listeners::bind(config.bind, config.aws_port, "EC2 and S3", "--aws-port").await?,
        s3: listeners::bind(config.bind, config.s3_port, "S3", "--s3-port").await?,
        metrics: listeners::bind(config.bind, config.metrics_port, "metrics", "--metrics-port").await?,
        agents: agents_socket(config).await?,
    };
    let house = House::open(config, dir).await?;
    refuse_default_password(config, &house).await?;
    furnish(config, &house.engine).await?;
    let integration = integration_socket(config, &house.engine).await?;

    let engine = &house.engine;
    // Before jobs: those that an earlier life left may wait for agents.
    let bound_agents = address(sockets.agents.as_ref())?;
    let agents = sockets.agents.take().map(|socket| agents_door(&house, socket));
    let door = stratus_api::Door::new(engine.clone());
    engine.jobs_start(door.executor()).await?;
    engine.reconcilers_start();
    engine.image_stores_connect().await?;
    let system = Arc::new(engine.system_caller(stratus_model::Source::System).await?);
    // Fetches that an earlier life was in the middle of.
    engine.templates_take_up(&Call::new(engine.clone(), system, "", None), None).await?;
    let bound = Bound {
        native: address(sockets.native.as_ref())?,
        aws: address(sockets.aws.as_ref())?,
        integration: address(integration.as_ref())?,
        s3: address(sockets.s3.as_ref())?,
        metrics: address(sockets.metrics.as_ref())?,
        agents: bound_agents,
    };
    if let Some(at) = bound.native {
        // Set once a start; a second engine in one process has its own.
        let _ = engine.public_url.set(downloads::public_url(at, engine.settings.text("host").as_deref()));
    }
    let admin = match engine.db.get::<User>(ADMIN).await? {
        Some(user) if user.removed.is_none() => Some(house.keys(user, false).await?),
        _ => None,
    };
    let database = match engine.db.dialect() {
        Dialect::Sqlite => "sqlite",
        Dialect::Mysql => "mysql",
    };
    let native = stratus_ec2::InProcess::new(engine.clone(), door.registry());
    let ec2 = stratus_ec2::router(stratus_ec2::Door::new(native, engine.clone())?);
    let console = Console { theme: Some(house.dir.file("console")), aws_port: bound.aws.map(|a| a.port()) };
    let s3 = stratus_s3::Door::open(engine.clone(), &house.dir.file("objects")).await.context("cannot open the object storage")?;
    let s3_upkeep = tokio::spawn(s3.clone().keep_up());
    let doors = Doors::open(doors(engine, &door, ec2, console, &s3, sockets, integration));
    let ready = Ready::new(&bound, &house.dir, database, admin);
    ready.write(&house.dir)?;
    tracing::info!(version = ready.version, data = %house.dir.path().display(), "ready");
    Ok(Running { ready, house, doors, upkeep: tokio::spawn(metrics::keep_up()), s3, s3_upkeep, agents })
}

impl Running {
    /// Ends in good order: doors first, then jobs, then the data directory is free for the next start.
    pub async fn stop(self) {
        ready::withdraw(&self.house.dir);
        self.doors.close().await;
        self.house.engine.jobs_drain(PATIENCE).await;
        // Until jobs have ended their agents are needed; what stays open ends with the process, and VMs run on.
        self.agents.inspect(|door| door.abort());
        self.upkeep.abort();
        self.s3_upkeep.abort();
        if let Err(e) = self.s3.write_traffic().await {
            tracing::warn!(error = %e, "the last counters of the object storage were not written");
        }
    }
}

/// The usual port may be another server's of this machine: without a wish for it, that one keeps it.
async fn agents_socket(config: &Config) -> Result<Option<TcpListener>> {
    let bind = |port| listeners::bind(config.bind, port, "agents", "--agent-port");
    match config.agent_port {
        Some(port) => bind(port).await,
        None => match bind(Port::At(AGENTS)).await {
            Err(e) => {
                tracing::warn!("no agents can connect: {e:#}");
                Ok(None)
            }
            bound => bound,
        },
    }
}

fn agents_door(house: &House, socket: TcpListener) -> tokio::task::JoinHandle<()> {
    let (hub, authority, gate) = (house.hub.clone(), house.authority.clone(), Books::of(&house.engine));
    let door = Arc::new(stratus_agent::Door { hub: hub.clone(), authority, gate, version: env!("CARGO_PKG_VERSION") });
    tokio::spawn(async move {
        tokio::select! {
            outcome = door.serve(socket) => if let Err(e) = outcome {
                tracing::error!(error = %e, "the agents' door is shut");
            },
            () = hub.keep_homes() => {}
        }
    })
}

/// The password of a fresh database is known to everybody: with it, only this machine may connect.
async fn refuse_default_password(config: &Config, house: &House) -> Result<()> {
    if config.bind.is_loopback() {
        return Ok(());
    }
    let Some(user) = house.engine.db.find_one::<User>(Query::live().eq("default_password", true)).await? else { return Ok(()) };
    bail!(
        "refusing to listen on {} while the user {} still has the password of a fresh database; set one with: stratus admin \
         set-password {} --data-dir {}",
        config.bind,
        user.username,
        user.username,
        house.dir.path().display()
    )
}

/// Gives a new, empty database its zone.
async fn furnish(config: &Config, engine: &Arc<Engine>) -> Result<()> {
    if engine.db.count::<Zone>(Query::all()).await? > 0 {
        return Ok(());
    }
    match &config.simulate {
        Simulate::None => Ok(()),
        Simulate::BuiltIn => simulate::built_in(engine).await.context("cannot make the built-in zone"),
        Simulate::File(path) => simulate::file(engine, path).await.with_context(|| format!("cannot make the zones of {}", path.display())),
    }
}

/// The port without credentials: as the options say, else as the setting says; always on loopback only.
async fn integration_socket(config: &Config, engine: &Engine) -> Result<Option<TcpListener>> {
    let set = || match engine.settings.text("integration.api.port").as_deref().map(str::trim) {
        None | Some("" | "0") => Port::Off,
        Some(text) => text.parse().unwrap_or(Port::Off),
    };
    let port = config.integration_port.unwrap_or_else(set);
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    listeners::bind(loopback, port, "the integration port", "--integration-port or the setting integration.api.port").await
}

fn address(socket: Option<&TcpListener>) -> Result<Option<std::net::SocketAddr>> {
    Ok(socket.map(TcpListener::local_addr).transpose()?)
}

fn doors(
    engine: &Arc<Engine>,
    door: &Arc<stratus_api::Door>,
    ec2: Router,
    console: Console,
    s3: &Arc<stratus_s3::Door>,
    sockets: Sockets,
    integration: Option<TcpListener>,
) -> Vec<Door> {
    let mut doors = Vec::new();
    let mut open = |name, socket, router, too_long| {
        if let Some(socket) = socket {
            // Its callers of old read an answer up to the end of the connection.
            let keep_alive = name != "integration";
            doors.push(Door { name, socket, router, keep_alive, too_long });
        }
    };
    let own_metrics = sockets.metrics.is_some();
    open("native", sockets.native, native(engine, door, console, own_metrics), NATIVE_TOO_LONG);
    open("integration", integration, door.integration_router(), NATIVE_TOO_LONG);
    open("metrics", sockets.metrics, numbers(engine), NATIVE_TOO_LONG);
    open("s3", sockets.s3, stratus_s3::router(s3.clone(), ""), S3_TOO_LONG);
    open("aws", sockets.aws, aws(ec2, s3), EC2_TOO_LONG);
    doors
}

/// EC2 and, under its prefix, S3.
fn aws(ec2: Router, s3: &Arc<stratus_s3::Door>) -> Router {
    let s3 = stratus_s3::router(s3.clone(), stratus_s3::PREFIX);
    Router::new().fallback(async move |request: Request| {
        let path = request.uri().path();
        let inside = path.strip_prefix(stratus_s3::PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if inside { s3.oneshot(request).await } else { ec2.oneshot(request).await }
    })
}

fn numbers(engine: &Arc<Engine>) -> Router {
    Router::new().route("/metrics", get(metrics::show)).route("/health", get(metrics::health)).with_state(engine.clone())
}

fn native(engine: &Arc<Engine>, door: &Arc<stratus_api::Door>, console: Console, own_metrics: bool) -> Router {
    let mut router = Router::new().route("/health", get(metrics::health));
    if !own_metrics {
        router = router.route("/metrics", get(metrics::show_to_loopback));
    }
    router
        .with_state(engine.clone())
        .merge(downloads::router(engine))
        .merge(stratus_console::router(console, engine.clone()))
        .merge(door.router())
}
