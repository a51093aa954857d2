//! libvirt's own wire protocol over its unix socket, as far as this driver speaks it.
//!
//! Why not the C library through the `virt` crate: that one is LGPL and would be linked into the binary, it needs libvirt's headers
//! to build and its library to start, and every call blocks a thread. The protocol is what libvirt keeps compatible between versions
//! for remote clients: procedure numbers are never reused (`remote_protocol.x`, `qemu_protocol.x`). Nothing here runs `virsh`.
mod calls;
mod wire;
mod xdr;

pub(crate) use calls::{Domain, job_running};
pub(crate) use wire::{Conn, Problem};

use std::path::PathBuf;
use std::sync::Mutex;

/// A daemon, and connections to it that nobody uses just now.
pub(crate) struct Libvirt {
    socket: PathBuf,
    idle: Mutex<Vec<Conn>>,
}

/// Connections that are kept open.
const KEPT: usize = 4;

impl Libvirt {
    pub fn new(socket: PathBuf) -> Self {
        Self { socket, idle: Mutex::default() }
    }

    /// Does something over a connection of its own; one that came to a protocol error is not used again. One that was idle may have
    /// died with a restart of the daemon, which shows before anything is sent on it.
    pub async fn with<T>(&self, work: impl AsyncFnOnce(&mut Conn) -> Result<T, Problem>) -> Result<T, Problem> {
        let idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        let mut conn = match idle {
            Some(conn) if conn.alive() => conn,
            _ => Conn::open(&self.socket).await?,
        };
        let answer = work(&mut conn).await;
        if !matches!(answer, Err(Problem::Lost(_))) {
            let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if idle.len() < KEPT {
                idle.push(conn);
            }
        }
        answer
    }
}
