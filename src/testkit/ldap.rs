//! An OpenLDAP server in a folder of its own, gone with the value.
use crate::tool;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The server ends and its folder goes when standard input closes, which happens however the test process ends.
const RUN: &str = r#"
dir=$1; port=$2; daemon=$3
"$daemon" -f "$dir/slapd.conf" -h "ldap://127.0.0.1:$port" -d 0 >"$dir/log" 2>&1 &
server=$!
cat >/dev/null
kill "$server"; wait "$server"; rm -rf "$dir"
"#;

const CONFIG: &str = "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
disallow bind_anon
require authc
database mdb
suffix \"dc=example,dc=org\"
rootdn \"cn=admin,dc=example,dc=org\"
rootpw directory-secret
";

/// A directory `dc=example,dc=org`; its administrator is `cn=admin,dc=example,dc=org`, password `directory-secret`.
pub struct Directory {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its standard input is what keeps the server alive.
    _keeper: Child,
}

impl Directory {
    /// A directory with the entries of an LDIF text; none where OpenLDAP is not installed.
    pub fn start(entries: &str) -> Option<Self> {
        let (daemon, add) = (tool("slapd", "slapd")?, tool("slapadd", "slapd")?);
        let dir = tempfile::Builder::new().prefix("stratus-ldap-").tempdir().unwrap().keep();
        std::fs::create_dir(dir.join("data")).unwrap();
        let config = format!("{CONFIG}directory {d}/data\npidfile {d}/pid\n", d = dir.display());
        std::fs::write(dir.join("slapd.conf"), config).unwrap();
        std::fs::write(dir.join("entries.ldif"), entries).unwrap();
        let loaded = Command::new(add).arg("-f").arg(dir.join("slapd.conf")).arg("-l").arg(dir.join("entries.ldif")).output().unwrap();
        assert!(loaded.status.success(), "slapadd: {}", String::from_utf8_lossy(&loaded.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let keeper = Command::new("sh")
            .args(["-c", RUN, "ldap"])
            .args([dir.as_os_str(), port.to_string().as_ref(), daemon.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
            assert!(since.elapsed() < Duration::from_secs(30), "slapd does not come up:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Self { port, _keeper: keeper })
    }
}
