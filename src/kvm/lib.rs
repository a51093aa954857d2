//! One Linux machine as a host: VMs by QEMU under libvirt, disks as qcow2 files, guest networks as bridges with a network namespace
//! each for a router, packet filters by nftables.
//!
//! [`Kvm`] implements the four traits of `stratus-drivers` for the machine that it runs on; the agent carries the calls here. What
//! holds:
//!
//! - **libvirt, the kernel and the files are the truth.** What the engine said of a VM travels in its domain's metadata; what cannot
//!   be read back from there (leases, rule sets, rates, public addresses, where pools lie) is one JSON file a thing in the state folder. A
//!   restarted driver goes on where it was, guests notice nothing.
//! - **Every change is whole.** Rule sets go to nftables in one transaction and carry a sequence; images appear by rename.
//! - **Nothing from outside reaches a shell**: programs get argument vectors, names that become paths are checked, images are looked
//!   at before QEMU opens them (`image.rs`).
//! - **A base is never written.** Disks are overlays over a pool's copy of the template, and no call here commits an overlay down.
//!
//! What others have to know to start this host's VMs when it is gone, it says on shared storage (`lease.rs`); what it can say of a
//! silent one it has seen there (`witness.rs`).
//!
//! A network has its router on the host that is its home, in a basic zone on one host of every pod, with the gateways' addresses; which
//! host that is, is the server's to say (`stratus-agent`, homes.rs), and another one becomes it when that one is gone. A host with a
//! router does not let answers of another one through its tunnel.
//!
//! All of it is behind the cargo feature `kvm`, because libvirt's library has to be there to build it; without, this crate is empty.
//!
//! Left out: kernel modules and packages (docs/real-and-simulated.md lists what has to be installed), IPv6 of guests (dropped).
#![cfg(feature = "kvm")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed"))]

mod cache;
mod config;
mod dnsmasq;
mod domain;
mod figures;
mod filter;
mod filter_text;
mod flood;
mod host;
mod image;
mod inside;
mod lease;
mod libvirt;
mod life;
mod link;
mod load;
mod metadata;
mod metadata_serve;
mod network;
mod place;
mod primary;
mod probe;
mod public;
mod rate;
mod relocate;
mod router;
mod run;
mod scale;
mod secondary;
mod witness;
mod xml;

pub use config::{Accelerator, Config, Peer, Tunnel};

use libvirt::{Conn, Libvirt, Problem};
use run::Runner;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use stratus_drivers::DriverError;
use stratus_files::keep::{self, Folder, Locks};

type Done<T = ()> = Result<T, DriverError>;

/// This machine as a host, with its storage and networks.
pub struct Kvm {
    config: Config,
    run: Runner,
    libvirt: Libvirt,
    kvm: bool,
    folders: Folders,
    locks: Locks,
    leases: lease::Leases,
    witness: witness::Witness,
    stores: secondary::Stores,
    leaving: cache::Leaving,
    /// Read while something is being connected to a bridge, so that none goes meanwhile.
    wiring: tokio::sync::RwLock<()>,
    guarded: Mutex<BTreeSet<String>>,
    figures: figures::Last,
    unlimited: rate::Unlimited,
    load: load::Last,
    /// Guests that stand still for want of room, as they were last seen.
    halted: Mutex<BTreeSet<String>>,
    servers: metadata_serve::Servers,
    /// For tasks that serve on our behalf and must not keep us alive.
    me: Weak<Kvm>,
}

/// What is remembered, a folder a kind.
struct Folders {
    hosts: Folder,
    pools: Folder,
    stores: Folder,
    networks: Folder,
    rules: Folder,
    members: Folder,
    rates: Folder,
}

impl Kvm {
    /// Takes up what stands in the state folder: filters and routers of networks are made again where they went (after the machine
    /// was off), VMs are left alone.
    ///
    /// # Errors
    /// The state folder cannot be read or written, or a name in the configuration cannot be used.
    pub async fn open(config: Config) -> Result<Arc<Self>, DriverError> {
        keep::plain("the prefix of interfaces", &config.prefix)?;
        if config.prefix.len() > 4 {
            return Err(DriverError::Failed(format!("the prefix {:?} has more than four letters", config.prefix)));
        }
        let folder = |name: &str| Folder::open(config.state_dir.join(name));
        let folders = Folders {
            hosts: folder("hosts")?,
            pools: folder("pools")?,
            stores: folder("stores")?,
            networks: folder("networks")?,
            rules: folder("rules")?,
            members: folder("members")?,
            rates: folder("rates")?,
        };
        folder("vms")?;
        let hardware = probe::hardware(config.accelerator).await;
        let kvm = Arc::new_cyclic(|me| Self {
            run: Runner { netns: config.netns.clone() },
            libvirt: Libvirt::new(config.libvirt_socket.clone()),
            kvm: hardware,
            folders,
            locks: Locks::default(),
            leases: lease::Leases::default(),
            witness: witness::Witness::default(),
            stores: secondary::Stores::default(),
            leaving: cache::Leaving::default(),
            wiring: tokio::sync::RwLock::default(),
            guarded: Mutex::default(),
            figures: figures::Last::default(),
            unlimited: rate::Unlimited::default(),
            load: load::Last::default(),
            halted: Mutex::default(),
            servers: metadata_serve::Servers::default(),
            config,
            me: me.clone(),
        });
        kvm.filters_restore().await?;
        kvm.networks_restore().await?;
        kvm.caches_leave()?;
        tokio::spawn(life::watch(kvm.me.clone()));
        tokio::spawn(lease::keep(kvm.me.clone()));
        Ok(kvm)
    }

    /// The configuration that it was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A file of a VM's on this host: `log` is its console, `sock` its screen, `moved` says where it went. All lie in one folder that
    /// every host has, because a VM that moves finds the same there.
    fn vm_file(&self, vm: &str, kind: &str) -> Done<PathBuf> {
        Ok(self.config.state_dir.join("vms").join(format!("{}.{kind}", keep::plain("a VM", vm)?)))
    }

    /// The unix socket on which a VM's screen speaks RFB (VNC), for whoever may see it.
    ///
    /// # Errors
    /// The VM is not here.
    pub fn screen_socket(&self, vm: &str) -> Result<PathBuf, DriverError> {
        let socket = self.vm_file(vm, "sock")?;
        if socket.exists() { Ok(socket) } else { Err(DriverError::Missing(format!("VM {vm}"))) }
    }

    /// A picture of a VM's screen as PNG.
    ///
    /// # Errors
    /// The VM is not here, or libvirt does not answer.
    pub async fn screenshot(&self, vm: &str) -> Result<Vec<u8>, DriverError> {
        self.virt(async |conn| {
            let Some(domain) = conn.domain(vm).await? else { return Ok(None) };
            conn.screenshot(&domain).await.map(Some)
        })
        .await?
        .ok_or_else(|| DriverError::Missing(format!("VM {vm}")))
    }

    /// Something with libvirt, with its refusals as a driver's errors.
    async fn virt<T>(&self, work: impl AsyncFnOnce(&mut Conn) -> Result<T, Problem>) -> Done<T> {
        self.libvirt.with(work).await.map_err(refusal)
    }
}

/// What libvirt says as a driver's error.
fn refusal(problem: Problem) -> DriverError {
    match problem {
        Problem::Lost(why) => DriverError::Unreachable(format!("libvirt of this host ({why})")),
        refused @ Problem::Refused { .. } => run::full_or_failed(refused.to_string()),
    }
}
