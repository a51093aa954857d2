//! A MariaDB server in a folder of its own, one a test process, gone with it.
use crate::tool;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// The server ends and its folder goes when standard input closes, which happens however the test process ends.
const RUN: &str = r#"
dir=$1; port=$2; daemon=$3
"$daemon" --no-defaults --user="$(id -un)" --datadir="$dir/data" --socket="$dir/socket" --pid-file="$dir/pid" --port="$port" \
  --bind-address=127.0.0.1 --skip-name-resolve --init-file="$dir/init.sql" --innodb-buffer-pool-size=64M --max-connections=500 \
  --innodb-log-file-size=32M --innodb-flush-log-at-trx-commit=2 >"$dir/log" 2>&1 &
server=$!
cat >/dev/null
kill "$server"; wait "$server"; rm -rf "$dir"
"#;

struct Maria {
    port: u16,
    /// Its standard input is what keeps the server alive.
    _keeper: Child,
}

static SERVER: OnceCell<Option<Maria>> = OnceCell::const_new();
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The URL of a new, empty database; none where MariaDB is not installed.
pub async fn fresh() -> Option<String> {
    let server = SERVER.get_or_init(start).await.as_ref()?;
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut c = MySqlConnection::connect(&server.url("mysql")).await.unwrap();
    c.execute(AssertSqlSafe(format!("create database {name}"))).await.unwrap();
    c.close().await.unwrap();
    Some(server.url(&name))
}

impl Maria {
    fn url(&self, database: &str) -> String {
        format!("mysql://stratus:a-password@127.0.0.1:{}/{database}", self.port)
    }
}

async fn start() -> Option<Maria> {
    let daemon = tool("mariadbd", "mariadb-server")?;
    let install = tool("mariadb-install-db", "mariadb-server")?;
    let dir = tempfile::Builder::new().prefix("stratus-maria-").tempdir().unwrap().keep();
    make(&dir, &install);
    // Another process may take the port before the server does; then the server does not come up and the test says so.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let keeper = Command::new("sh")
        .args(["-c", RUN, "maria"])
        .args([dir.as_os_str(), port.to_string().as_ref(), daemon.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Maria { port, _keeper: keeper };
    let since = Instant::now();
    while let Err(e) = MySqlConnection::connect(&server.url("mysql")).await {
        let log = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
        assert!(since.elapsed() < Duration::from_secs(60), "MariaDB does not come up: {e}\n{}", log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Some(server)
}

/// Makes the system tables, and the statements that the server runs first.
fn make(dir: &Path, install: &Path) {
    let made = Command::new(install)
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg(format!("--datadir={}", dir.join("data").display()))
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "mariadb-install-db: {}{}",
        String::from_utf8_lossy(&made.stdout),
        String::from_utf8_lossy(&made.stderr)
    );
    let sql = "create user stratus@'127.0.0.1' identified by 'a-password';\ngrant all on *.* to stratus@'127.0.0.1';\n";
    std::fs::write(dir.join("init.sql"), sql).unwrap();
}
