//! The calls that are used.
use super::conn::{Conn, Problem};
use super::unwrapped::{self, Numbers};
use crate::Peer;
use std::ffi::CString;
use virt::domain::{Domain as Handle, MigrateParameters, SchedulerInfo};
use virt::error::{Error, ErrorNumber};
use virt::stream::Stream;
use virt_sys as sys;

/// All our domains are transient: there is nothing but the running one to change.
const LIVE: u32 = sys::VIR_DOMAIN_AFFECT_LIVE;
const MIGRATE: u32 = sys::VIR_MIGRATE_LIVE | sys::VIR_MIGRATE_PEER2PEER | sys::VIR_MIGRATE_ABORT_ON_ERROR;
/// Largest picture of a screen that is taken.
const PICTURE_MAX: usize = 64 << 20;

/// A domain as the daemon names it; not a handle of the library's, because those keep their connection open.
#[derive(Debug, Clone)]
pub(crate) struct Domain {
    pub name: String,
    uuid: uuid::Uuid,
}

/// One domain's figures.
pub(crate) struct Stats {
    pub name: String,
    numbers: Numbers,
}

impl Stats {
    /// A number, 0 when it is not said.
    pub fn number(&self, name: &str) -> u64 {
        self.numbers.iter().find(|(key, _)| key == name).map_or(0, |(_, number)| *number)
    }
    /// A number over all members of an array: `sum("net", "rx.bytes")`.
    pub fn sum(&self, array: &str, name: &str) -> u64 {
        (0..self.number(&format!("{array}.count"))).map(|i| self.number(&format!("{array}.{i}.{name}"))).sum()
    }
}

impl Domain {
    fn of(handle: &Handle) -> Result<Self, Error> {
        Ok(Self { name: handle.get_name()?, uuid: handle.get_uuid()? })
    }
}

/// Whether a domain's job goes on, by what its statistics say.
pub(crate) fn job_running(kind: i32) -> bool {
    matches!(kind as u32, sys::VIR_DOMAIN_JOB_BOUNDED | sys::VIR_DOMAIN_JOB_UNBOUNDED)
}

/// A text for the library, which cannot take one with a zero in it.
fn text(text: &str) -> Result<CString, Problem> {
    let refused = |_| Problem::Refused { code: ErrorNumber::InvalidArg, text: "a text with a zero byte".into() };
    CString::new(text).map_err(refused)
}

/// The same for the crate, which makes its own copy.
fn owned(text: &str) -> Result<String, Problem> {
    self::text(text).map(|_| text.to_owned())
}

impl Conn {
    /// Something with the library's handle of a domain.
    async fn of<T: Send + 'static>(
        &mut self,
        domain: &Domain,
        work: impl FnOnce(&Handle) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let uuid = domain.uuid;
        self.call(move |connect| work(&Handle::lookup_by_uuid(connect, uuid)?)).await
    }
    /// Version of the hypervisor as a number, 7002022 for 7.2.22.
    pub async fn version(&mut self) -> Result<u32, Problem> {
        self.call(|connect| connect.get_hyp_version()).await
    }
    /// Number of CPUs, MHz of each, KiB of memory.
    pub async fn node(&mut self) -> Result<(u32, u32, u64), Problem> {
        self.call(|connect| connect.get_node_info().map(|node| (node.cpus, node.mhz, node.memory))).await
    }
    /// Whether QEMU halted a domain because a disk could not be written.
    pub async fn halted(&mut self, domain: &Domain) -> Result<bool, Problem> {
        let halted = (sys::VIR_DOMAIN_PAUSED, sys::VIR_DOMAIN_PAUSED_IOERROR as i32);
        self.of(domain, move |domain| Ok(domain.get_state()? == halted)).await
    }
    /// Has a halted domain go on.
    pub async fn resume(&mut self, domain: &Domain) -> Result<(), Problem> {
        self.of(domain, |domain| domain.resume().map(drop)).await
    }
    /// Makes a transient domain and starts it.
    pub async fn create(&mut self, xml: &str) -> Result<(), Problem> {
        let xml = owned(xml)?;
        self.call(move |connect| Handle::create_xml(connect, &xml, 0).map(drop)).await
    }
    /// Every domain that the daemon knows.
    pub async fn domains(&mut self) -> Result<Vec<Domain>, Problem> {
        self.call(|connect| connect.list_all_domains(0)?.iter().map(Domain::of).collect()).await
    }
    /// The domain of a name.
    pub async fn domain(&mut self, name: &str) -> Result<Option<Domain>, Problem> {
        let name = owned(name)?;
        match self.call(move |connect| Domain::of(&Handle::lookup_by_name(connect, &name)?)).await {
            Err(e) if e.no_domain() => Ok(None),
            other => other.map(Some),
        }
    }
    /// What the domain is made of now.
    pub async fn xml(&mut self, domain: &Domain) -> Result<String, Problem> {
        self.of(domain, |domain| domain.get_xml_desc(sys::VIR_DOMAIN_XML_SECURE)).await
    }
    /// Asks the guest to shut down; the answer does not wait for that.
    pub async fn shut_down(&mut self, domain: &Domain) -> Result<(), Problem> {
        self.of(domain, |domain| domain.shutdown().map(drop)).await
    }
    /// Cuts the power.
    pub async fn destroy(&mut self, domain: &Domain) -> Result<(), Problem> {
        self.of(domain, Handle::destroy).await
    }
    /// Adds a device.
    pub async fn attach(&mut self, domain: &Domain, xml: &str) -> Result<(), Problem> {
        let xml = owned(xml)?;
        self.of(domain, move |domain| domain.attach_device_flags(&xml, LIVE).map(drop)).await
    }
    /// Asks the guest to let a device go; the answer does not always wait for that.
    pub async fn detach(&mut self, domain: &Domain, xml: &str) -> Result<(), Problem> {
        let xml = owned(xml)?;
        self.of(domain, move |domain| domain.detach_device_flags(&xml, LIVE).map(drop)).await
    }
    /// Changes a device: what is in a drive.
    pub async fn update(&mut self, domain: &Domain, xml: &str) -> Result<(), Problem> {
        let xml = owned(xml)?;
        self.of(domain, move |domain| domain.update_device_flags(&xml, LIVE).map(drop)).await
    }
    /// Changes the number of CPUs.
    pub async fn cpus(&mut self, domain: &Domain, count: u32) -> Result<(), Problem> {
        self.of(domain, move |domain| domain.set_vcpus_flags(count, sys::VIR_DOMAIN_VCPU_LIVE).map(drop)).await
    }
    /// Changes what the domain's CPUs weigh beside those of others.
    pub async fn weigh(&mut self, domain: &Domain, shares: u64) -> Result<(), Problem> {
        let weight = SchedulerInfo { cpu_shares: Some(shares), ..SchedulerInfo::default() };
        self.of(domain, move |domain| domain.set_scheduler_parameters_flags(&weight, LIVE).map(drop)).await
    }
    /// Grows a disk (`vda`) to a number of bytes.
    pub async fn resize(&mut self, domain: &Domain, disk: &str, bytes: u64) -> Result<(), Problem> {
        let disk = owned(disk)?;
        self.of(domain, move |domain| domain.block_resize(&disk, bytes, sys::VIR_DOMAIN_BLOCK_RESIZE_BYTES).map(drop)).await
    }
    /// What the domain is made of, as another daemon takes it.
    pub async fn xml_to_move(&mut self, domain: &Domain) -> Result<String, Problem> {
        self.of(domain, |domain| domain.get_xml_desc(sys::VIR_DOMAIN_XML_SECURE | sys::VIR_DOMAIN_XML_MIGRATABLE)).await
    }
    /// Moves a domain to another daemon, as the XML says; the disks of these names are copied there.
    pub async fn migrate(&mut self, domain: &Domain, to: &Peer, xml: &str, shared: bool, copied: &[String]) -> Result<(), Problem> {
        let unsafe_too = if shared { sys::VIR_MIGRATE_UNSAFE } else { 0 };
        let disks = if copied.is_empty() { 0 } else { sys::VIR_MIGRATE_NON_SHARED_DISK };
        let flags = MIGRATE | unsafe_too | disks;
        let uri = owned(&to.uri)?;
        let how = MigrateParameters {
            dest_xml: Some(owned(xml)?),
            uri: to.memory.as_deref().map(owned).transpose()?,
            migrate_disks: copied.iter().map(|name| owned(name)).collect::<Result<_, _>>()?,
            ..MigrateParameters::default()
        };
        self.of(domain, move |domain| domain.migrate_to_uri3(Some(&uri), how, flags)).await
    }
    /// A picture of the first screen; libvirt chooses its format.
    pub async fn screenshot(&mut self, domain: &Domain) -> Result<Vec<u8>, Problem> {
        let uuid = domain.uuid;
        let picture = self.call(move |connect| {
            let stream = Stream::new(connect, 0)?;
            Handle::lookup_by_uuid(connect, uuid)?.screenshot(&stream, 0, 0)?;
            let (mut bytes, mut part) = (Vec::new(), vec![0; 64 << 10]);
            while bytes.len() <= PICTURE_MAX {
                match stream.recv(&mut part)? {
                    0 => return stream.finish().map(|()| Some(bytes)),
                    count => bytes.extend_from_slice(&part[..count]),
                }
            }
            stream.abort().map(|()| None)
        });
        let too_large = || Problem::Refused { code: ErrorNumber::Overflow, text: "a picture that is too large".into() };
        picture.await?.ok_or_else(too_large)
    }
    /// Figures of all running domains.
    pub async fn stats(&mut self) -> Result<Vec<Stats>, Problem> {
        let of = sys::VIR_DOMAIN_STATS_CPU_TOTAL
            | sys::VIR_DOMAIN_STATS_VCPU
            | sys::VIR_DOMAIN_STATS_INTERFACE
            | sys::VIR_DOMAIN_STATS_BLOCK
            | sys::VIR_DOMAIN_STATS_BALLOON;
        let all = self.call(move |connect| unwrapped::stats(connect, of, sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE)).await?;
        Ok(all.into_iter().map(|(name, numbers)| Stats { name, numbers }).collect())
    }
    /// Starts copying disks as they are now, as the XML says.
    pub async fn backup(&mut self, domain: &Domain, xml: &str) -> Result<(), Problem> {
        let xml = text(xml)?;
        self.of(domain, move |domain| unwrapped::backup(domain, &xml)).await
    }
    /// The kind of job that a domain is in, 0 for none; with `finished` the outcome of the last one, and why if it failed.
    pub async fn job(&mut self, domain: &Domain, finished: bool) -> Result<(i32, Option<String>), Problem> {
        let flags = if finished { sys::VIR_DOMAIN_JOB_STATS_COMPLETED } else { 0 };
        self.of(domain, move |domain| unwrapped::job(domain, flags)).await
    }
    /// Starts copying a disk (`vda`) to a file that the XML names; the copy follows the guest's writes until it is ended.
    pub async fn block_copy(&mut self, domain: &Domain, disk: &str, xml: &str) -> Result<(), Problem> {
        let (disk, xml) = (text(disk)?, text(xml)?);
        self.of(domain, move |domain| unwrapped::block_copy(domain, &disk, &xml, sys::VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB)).await
    }
    /// How far the copy of a disk is, as (done, all); none when there is none.
    pub async fn block_job(&mut self, domain: &Domain, disk: &str) -> Result<Option<(u64, u64)>, Problem> {
        let disk = text(disk)?;
        self.of(domain, move |domain| unwrapped::block_job(domain, &disk)).await
    }
    /// Ends the copy of a disk; the guest goes on with the copy, or with what it had.
    pub async fn block_job_end(&mut self, domain: &Domain, disk: &str, change_over: bool) -> Result<(), Problem> {
        let disk = text(disk)?;
        let flags = if change_over { sys::VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT } else { 0 };
        self.of(domain, move |domain| unwrapped::block_job_end(domain, &disk, flags)).await
    }
    /// Speaks to QEMU itself: `human` is a line for its monitor, otherwise JSON for QMP.
    pub async fn monitor(&mut self, domain: &Domain, command: &str, human: bool) -> Result<String, Problem> {
        let command = owned(command)?;
        let flags = if human { sys::VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP } else { 0 };
        self.of(domain, move |domain| domain.qemu_monitor_command(&command, flags)).await
    }
}
