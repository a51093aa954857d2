//! The hub as the drivers' traits: each call goes to the agent that it is for.
//!
//! A host's calls go to its agent. A disk's go to the host that runs its VM, else to one that reaches the pool; a store's to one that
//! reaches the store. A network's go to its home (`homes.rs`).
use crate::ask::Ask;
use crate::hub::{Hub, What};
use crate::session::Session;
use async_trait::async_trait;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use stratus_drivers::{
    ByteStream, DiskRef, DiskSpec, DriverError, Fate, FetchSpec, GroupMembers, Host, HostFacts, HostLoad, IsoSpec, Network, NetworkSpec,
    NicRules, NicSpec, ObjectReader, PrimaryStorage, PublicSet, SecondaryStorage, Secret, StopMode, StorageUse, StoreDetails,
    TemplateFacts, VmFigures, VmReport, VmSnapshotSpec, VmSpec,
};

use tokio::io::{AsyncRead, DuplexStream, ReadBuf};

type Done<T = ()> = Result<T, DriverError>;

/// What a stream's two ends in this process hold between them.
const PIPE: usize = 64 << 10;

impl Hub {
    /// Sees that a host reaches the pools of a VM.
    async fn furnish(&self, host: &str, session: &Session, vm: &VmSpec) -> Done {
        for disk in &vm.disks {
            self.ensure(What::Pool, &disk.pool, host, session).await?;
        }
        Ok(())
    }

    /// Makes ready the host that a VM moves to. One that is not here is the driver's to refuse.
    async fn make_way(&self, to: &str, vm: &VmSpec) -> Done {
        match self.session(to) {
            Ok(target) => self.furnish(to, &target, vm).await,
            Err(_) => Ok(()),
        }
    }

    async fn at_disk(&self, disk: &DiskRef) -> Done<(String, Arc<Session>)> {
        let holder = self.atlas().holder(&disk.pool, &disk.path).await;
        self.at(What::Pool, &disk.pool, &disk.path, holder).await
    }

    async fn at_store(&self, store: &str, object: &str) -> Done<Arc<Session>> {
        Ok(self.at(What::Store, store, object, None).await?.1)
    }

    async fn on(&self, host: &str, ask: Ask) -> Done {
        self.seat(host).await?.ask(ask).await
    }
}

/// This end of a new stream, and its number. It is there before it is asked for: the first bytes may come with the answer.
fn pipe(session: &Arc<Session>) -> (DuplexStream, u64) {
    let (near, far) = tokio::io::duplex(PIPE);
    let stream = session.stream_number();
    session.stream(stream, Box::new(far));
    (near, stream)
}

/// Reads so many bytes; fewer, because a connection was lost, are an error and not an end.
struct Whole {
    from: DuplexStream,
    left: u64,
}

impl AsyncRead for Whole {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.from).poll_read(cx, into))?;
        let n = (into.filled().len() - before) as u64;
        if n == 0 && self.left > 0 && into.remaining() > 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.left = self.left.saturating_sub(n);
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Host for Hub {
    async fn connect(&self, host: &str, url: &str) -> Done<HostFacts> {
        self.seat(host).await?.ask(Ask::HostConnect { host: host.into(), url: url.into() }).await
    }
    async fn disconnect(&self, host: &str) -> Done {
        let Ok(session) = self.session(host) else { return Ok(()) };
        session.ask(Ask::HostDisconnect { host: host.into() }).await
    }
    async fn ping(&self, host: &str) -> Done {
        self.session(host)?.ask(Ask::HostPing { host: host.into() }).await
    }
    async fn start(&self, host: &str, vm: &VmSpec) -> Done<VmReport> {
        let session = self.seat(host).await?;
        self.furnish(host, &session, vm).await?;
        self.ask_with_iso(host, &session, vm.iso.as_ref(), Ask::VmStart { host: host.into(), vm: vm.clone() }).await
    }
    async fn stop(&self, host: &str, vm: &str, mode: StopMode) -> Done {
        self.on(host, Ask::VmStop { host: host.into(), vm: vm.into(), mode }).await
    }
    async fn reboot(&self, host: &str, vm: &str) -> Done {
        self.on(host, Ask::VmReboot { host: host.into(), vm: vm.into() }).await
    }
    async fn migrate(&self, from: &str, to: &str, vm: &VmSpec) -> Done<VmReport> {
        let session = self.seat(from).await?;
        self.make_way(to, vm).await?;
        // The host that it goes to hears of it first and makes wires ready; the one that it comes from moves it.
        if let Ok(target) = self.session(to) {
            let ask = Ask::VmMigrate { from: from.into(), to: to.into(), vm: vm.clone() };
            self.ask_with_iso::<VmReport>(to, &target, vm.iso.as_ref(), ask).await?;
        }
        session.ask(Ask::VmMigrate { from: from.into(), to: to.into(), vm: vm.clone() }).await
    }
    async fn migrate_with_disks(&self, from: &str, to: &str, vm: &VmSpec, disks: &[(DiskRef, DiskRef)]) -> Done<VmReport> {
        let session = self.seat(from).await?;
        self.make_way(to, vm).await?;
        let ask = || Ask::VmMigrateDisks { from: from.into(), to: to.into(), vm: vm.clone(), disks: disks.to_vec() };
        // As above.
        if let (Ok(target), true) = (self.session(to), from != to) {
            self.ask_with_iso::<VmReport>(to, &target, vm.iso.as_ref(), ask()).await?;
        }
        session.ask(ask()).await
    }
    async fn scale(&self, host: &str, vm: &VmSpec) -> Done {
        self.on(host, Ask::VmScale { host: host.into(), vm: vm.clone() }).await
    }
    async fn plug(&self, host: &str, vm: &str, nic: &NicSpec) -> Done {
        self.on(host, Ask::NicPlug { host: host.into(), vm: vm.into(), nic: nic.clone() }).await
    }
    async fn unplug(&self, host: &str, vm: &str, nic: &NicSpec) -> Done {
        self.on(host, Ask::NicUnplug { host: host.into(), vm: vm.into(), nic: nic.clone() }).await
    }
    async fn change_iso(&self, host: &str, vm: &str, iso: Option<&IsoSpec>) -> Done {
        let session = self.seat(host).await?;
        self.ask_with_iso(host, &session, iso, Ask::IsoChange { host: host.into(), vm: vm.into(), iso: iso.cloned() }).await
    }
    async fn keep(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        let session = self.seat(host).await?;
        self.furnish(host, &session, vm).await?;
        session.ask(Ask::VmKeep { host: host.into(), vm: vm.clone(), snapshot: snapshot.clone() }).await
    }
    async fn revert(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        let session = self.seat(host).await?;
        self.furnish(host, &session, vm).await?;
        let ask = Ask::VmRevert { host: host.into(), vm: vm.clone(), snapshot: snapshot.clone() };
        self.ask_with_iso(host, &session, vm.iso.as_ref(), ask).await
    }
    async fn forget(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        self.on(host, Ask::VmForget { host: host.into(), vm: vm.clone(), snapshot: snapshot.clone() }).await
    }
    async fn figures(&self, host: &str) -> Done<Vec<VmFigures>> {
        self.session(host)?.ask(Ask::Figures { host: host.into() }).await
    }
    async fn load(&self, host: &str) -> Done<Option<HostLoad>> {
        self.session(host)?.ask(Ask::HostLoad { host: host.into() }).await
    }
    async fn attach(&self, host: &str, vm: &str, disk: &DiskSpec) -> Done {
        let session = self.seat(host).await?;
        self.ensure(What::Pool, &disk.pool, host, &session).await?;
        session.ask(Ask::DiskAttach { host: host.into(), vm: vm.into(), disk: disk.clone() }).await
    }
    async fn detach(&self, host: &str, vm: &str, disk: &DiskSpec) -> Done {
        self.on(host, Ask::DiskDetach { host: host.into(), vm: vm.into(), disk: disk.clone() }).await
    }
    async fn list(&self, host: &str) -> Done<Vec<VmReport>> {
        self.session(host)?.ask(Ask::VmList { host: host.into() }).await
    }
    async fn console_output(&self, host: &str, vm: &str) -> Done<Vec<u8>> {
        self.session(host)?.ask(Ask::ConsoleOutput { host: host.into(), vm: vm.into() }).await
    }
    async fn investigate(&self, host: &str, by: &[String]) -> Done<Fate> {
        if self.is_here(host) {
            return Ok(Fate::Alive);
        }
        let mut fate = Fate::Unknown;
        for other in by.iter().filter(|other| *other != host) {
            let Ok(session) = self.session(other) else { continue };
            match session.ask::<Fate>(Ask::Investigate { host: host.into(), by: vec![other.clone()] }).await {
                // One that sees it alive is right whatever others see.
                Ok(Fate::Alive) => return Ok(Fate::Alive),
                Ok(Fate::Dead) => fate = Fate::Dead,
                Ok(Fate::Unknown) | Err(_) => {}
            }
        }
        Ok(fate)
    }
    async fn screen(&self, host: &str, vm: &str) -> Done<ByteStream> {
        let session = self.session(host)?;
        let (near, stream) = pipe(&session);
        match session.ask::<()>(Ask::Screen { host: host.into(), vm: vm.into(), stream }).await {
            Ok(()) => Ok(Box::new(near)),
            Err(e) => {
                session.stream_end(stream);
                Err(e)
            }
        }
    }
}

#[async_trait]
impl Network for Hub {
    async fn implement(&self, network: &NetworkSpec) -> Done {
        self.settle(network).await
    }
    async fn prepare(&self, network: &NetworkSpec, nic: &NicSpec, vm: &str) -> Done {
        let session = self.must_at_home(network).await?;
        session.ask(Ask::NicPrepare { network: network.clone(), nic: nic.clone(), vm: vm.into() }).await
    }
    fn tells_guests(&self) -> bool {
        true
    }
    async fn introduce(&self, network: &NetworkSpec, vm: &VmSpec) -> Done {
        let session = self.must_at_home(network).await?;
        session.ask(Ask::GuestIntroduce { network: network.clone(), vm: vm.clone() }).await
    }
    async fn save_password(&self, network: &NetworkSpec, nic: &NicSpec, password: &Secret) -> Done {
        let session = self.must_at_home(network).await?;
        let password = password.reveal().to_owned();
        session.ask(Ask::PasswordSave { network: network.clone(), nic: nic.clone(), password }).await
    }
    async fn release(&self, network: &NetworkSpec, nic: &NicSpec, vm: &str) -> Done {
        match self.at_home(network).await? {
            Some(session) => session.ask(Ask::NicRelease { network: network.clone(), nic: nic.clone(), vm: vm.into() }).await,
            None => Ok(()),
        }
    }
    async fn apply_rules(&self, host: &str, rules: &NicRules) -> Done {
        self.on(host, Ask::RulesApply { host: host.into(), rules: rules.clone() }).await
    }
    async fn apply_members(&self, host: &str, members: &GroupMembers) -> Done {
        self.on(host, Ask::MembersApply { host: host.into(), members: members.clone() }).await
    }
    async fn apply_public(&self, network: &NetworkSpec, set: &PublicSet) -> Done {
        self.public_everywhere(network, set).await
    }
    async fn shutdown(&self, network: &NetworkSpec) -> Done {
        self.down_everywhere(network).await
    }
}

#[async_trait]
impl PrimaryStorage for Hub {
    async fn connect(&self, pool: &str, url: &str) -> Done<StorageUse> {
        Hub::connect(self, What::Pool, pool, url, &StoreDetails::new()).await
    }
    async fn disconnect(&self, pool: &str) -> Done {
        for host in Hub::forget(self, What::Pool, pool) {
            match self.session(&host) {
                Ok(session) => session.ask::<()>(Ask::PoolDisconnect { pool: pool.into() }).await?,
                // It is connected anew when it comes back, and this pool is not among what it is given then.
                Err(_) => continue,
            }
        }
        Ok(())
    }
    async fn create(&self, disk: &DiskRef) -> Done {
        self.at_disk(disk).await?.1.ask(Ask::DiskCreate { disk: disk.clone() }).await
    }
    async fn create_from_template(&self, disk: &DiskRef, template: &str) -> Done {
        let (host, session) = self.at_disk(disk).await?;
        let ask = Ask::DiskFromTemplate { disk: disk.clone(), template: template.into() };
        self.ask_with_template(&host, &session, template, ask).await
    }
    async fn preload(&self, pool: &str, template: &str) -> Done {
        let (host, session) = self.at(What::Pool, pool, template, None).await?;
        self.ask_with_template(&host, &session, template, Ask::PoolPreload { pool: pool.into(), template: template.into() }).await
    }
    async fn evict(&self, pool: &str, template: &str) -> Done {
        let (_, session) = self.at(What::Pool, pool, template, None).await?;
        session.ask(Ask::PoolEvict { pool: pool.into(), template: template.into() }).await
    }
    async fn delete(&self, disk: &DiskRef) -> Done {
        self.at_disk(disk).await?.1.ask(Ask::DiskDelete { disk: disk.clone() }).await
    }
    async fn resize(&self, disk: &DiskRef) -> Done {
        self.at_disk(disk).await?.1.ask(Ask::DiskResize { disk: disk.clone() }).await
    }
    async fn identity(&self, disk: &DiskRef) -> Done<String> {
        self.at_disk(disk).await?.1.ask(Ask::DiskIdentity { disk: disk.clone() }).await
    }
    async fn snapshot(&self, disk: &DiskRef, snapshot: &str, store: &str) -> Done<TemplateFacts> {
        let (host, session) = self.at_disk(disk).await?;
        self.snapshot_to((&host, &session), disk, snapshot, store).await
    }
    async fn create_from_snapshot(&self, disk: &DiskRef, snapshot: &str, store: &str) -> Done {
        let (host, session) = self.at_disk(disk).await?;
        let ask = Ask::DiskFromSnapshot { disk: disk.clone(), snapshot: snapshot.into(), store: store.into() };
        self.ask_with_object(&host, &session, (store, snapshot), ask).await
    }
}

#[async_trait]
impl SecondaryStorage for Hub {
    async fn connect(&self, store: &str, url: &str, details: &StoreDetails) -> Done<StorageUse> {
        Hub::connect(self, What::Store, store, url, details).await
    }
    async fn fetch(&self, store: &str, what: &FetchSpec) -> Done<TemplateFacts> {
        self.at_store(store, &what.object).await?.ask(Ask::ObjectFetch { store: store.into(), what: what.clone() }).await
    }
    async fn progress(&self, store: &str, object: &str) -> Done<Option<u8>> {
        self.at_store(store, object).await?.ask(Ask::ObjectProgress { store: store.into(), object: object.into() }).await
    }
    async fn duplicate(&self, store: &str, object: &str, copy: &str) -> Done<TemplateFacts> {
        let ask = Ask::ObjectDuplicate { store: store.into(), object: object.into(), copy: copy.into() };
        self.at_store(store, object).await?.ask(ask).await
    }
    async fn copy(&self, from: &str, object: &str, to: &str) -> Done<TemplateFacts> {
        let (host, session) = self.at(What::Store, from, object, None).await?;
        self.ensure(What::Store, to, &host, &session).await?;
        session.ask(Ask::ObjectCopy { from: from.into(), object: object.into(), to: to.into() }).await
    }
    async fn open(&self, store: &str, object: &str) -> Done<ObjectReader> {
        let session = self.at_store(store, object).await?;
        let (near, stream) = pipe(&session);
        match session.ask::<(u64, bool)>(Ask::ObjectOpen { store: store.into(), object: object.into(), stream }).await {
            Ok((bytes, made_up)) => Ok(ObjectReader { bytes, body: Box::pin(Whole { from: near, left: bytes }), made_up }),
            Err(e) => {
                session.stream_end(stream);
                Err(e)
            }
        }
    }
    async fn stage(&self, store: &str, object: &str) -> Done {
        self.at_store(store, object).await?.ask(Ask::ObjectStage { store: store.into(), object: object.into() }).await
    }
    async fn list(&self, store: &str) -> Done<Vec<String>> {
        self.at_store(store, store).await?.ask(Ask::ObjectList { store: store.into() }).await
    }
    async fn settle(&self, store: &str, object: &str) -> Done {
        self.at_store(store, object).await?.ask(Ask::ObjectSettle { store: store.into(), object: object.into() }).await
    }
    async fn template_from_snapshot(&self, store: &str, template: &str, snapshot: &str) -> Done<TemplateFacts> {
        let ask = Ask::TemplateFromSnapshot { store: store.into(), template: template.into(), snapshot: snapshot.into() };
        self.at_store(store, template).await?.ask(ask).await
    }
    async fn delete(&self, store: &str, object: &str) -> Done {
        self.at_store(store, object).await?.ask(Ask::ObjectDelete { store: store.into(), object: object.into() }).await
    }
}
