//! libvirt, through the `virt` crate.
//!
//! `virt` binds libvirt's C library, which is linked dynamically: `libvirt.so` and `libvirt-qemu.so`, version 6.0 or later, have to be on
//! the machine that builds (with their headers, found by pkg-config) and on the one that runs. The library is what libvirt promises to
//! keep compatible; it speaks to any daemon, of this version or another, and a message in its log is not printed by us.
//!
//! Every call of the library blocks until the daemon has answered, and none can be called off. So each connection lives on a thread of
//! its own ([`Conn`]) and is opened, used and closed there: a daemon that hangs keeps a thread, never the agent, not even its end (which
//! tasks of `spawn_blocking` would hold up). What the crate lacks is in [`unwrapped`].
mod calls;
mod conn;
mod unwrapped;

pub(crate) use calls::{Domain, Stats, job_running};
pub(crate) use conn::{Conn, Problem};

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Leave to have a call under way.
type Turn = Arc<OwnedSemaphorePermit>;

/// Connections that are kept open.
const KEPT: usize = 4;
/// Calls under way at a time, those included that nobody waits for any more: so many threads a hanging daemon can keep.
const TURNS: usize = 32;

/// A daemon, and connections to it that nobody uses just now.
pub(crate) struct Libvirt {
    uri: String,
    idle: Mutex<Vec<Conn>>,
    turns: Arc<Semaphore>,
}

impl Libvirt {
    pub fn new(socket: PathBuf) -> Self {
        static QUIET: Once = Once::new();
        // Left alone, the library prints each error to standard error before we get it.
        QUIET.call_once(virt::error::clear_error_callback);
        Self { uri: uri(&socket), idle: Mutex::default(), turns: Arc::new(Semaphore::new(TURNS)) }
    }

    /// Does something over a connection of its own; one that broke, or did not answer in time, is not used again.
    pub async fn with<T>(&self, work: impl AsyncFnOnce(&mut Conn) -> Result<T, Problem>) -> Result<T, Problem> {
        let mut conn = self.conn().await?;
        let answer = work(&mut conn).await;
        if !matches!(answer, Err(Problem::Lost(_))) {
            let conn = conn.resting();
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < KEPT {
                idle.push(conn);
            }
        }
        answer
    }

    /// A connection that works. One that was idle may have died with a restart of the daemon, which the library notices only when it
    /// is used, so it is asked something before it is given work that must not be done twice.
    async fn conn(&self) -> Result<Conn, Problem> {
        let turn = tokio::time::timeout(conn::PATIENCE, self.turns.clone().acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or_else(|| Problem::Lost(format!("{TURNS} calls without an answer")))?;
        let turn = Arc::new(turn);
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(conn) = idle {
            let mut conn = conn.with_turn(turn.clone());
            if conn.answers().await {
                return Ok(conn);
            }
        }
        Conn::open(self.uri.clone(), turn).await
    }
}

/// The system's QEMU driver behind a socket.
fn uri(socket: &Path) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut uri = "qemu+unix:///system?socket=".to_owned();
    for byte in socket.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_any_name_is_one_parameter() {
        assert_eq!(uri(Path::new("/run/libvirt/libvirt-sock")), "qemu+unix:///system?socket=/run/libvirt/libvirt-sock");
        assert_eq!(uri(Path::new("/a b&c=%é")), "qemu+unix:///system?socket=/a%20b%26c%3D%25%C3%A9");
    }

    #[tokio::test]
    async fn a_daemon_that_is_not_there_is_lost_and_says_which() {
        let dir = tempfile::tempdir().unwrap();
        let libvirt = Libvirt::new(dir.path().join("no-sock"));
        let answer = libvirt.with(async |conn| conn.version().await).await;
        assert!(matches!(&answer, Err(Problem::Lost(why)) if why.contains("no-sock")), "{answer:?}");
    }

    /// A socket that takes connections and never says a word.
    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_hangs_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("deaf");
        let _deaf = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let libvirt = Libvirt::new(socket);
        let answer = libvirt.with(async |conn| conn.version().await).await;
        assert!(matches!(&answer, Err(Problem::Lost(why)) if why.contains("no answer for 300 s")), "{answer:?}");
    }
}
