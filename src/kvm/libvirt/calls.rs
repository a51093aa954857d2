//! The procedures that are used, by their numbers in `remote_protocol.x` and `qemu_protocol.x`.
use super::wire::{Conn, Problem, QEMU, REMOTE};
use super::xdr::{In, Out, Short, Value, parameters};
use crate::Peer;

pub(super) const CONNECT_OPEN: i32 = 1;
const CONNECT_GET_VERSION: i32 = 4;
const NODE_GET_INFO: i32 = 6;
const DOMAIN_CREATE_XML: i32 = 10;
const DOMAIN_DESTROY: i32 = 12;
const DOMAIN_GET_XML_DESC: i32 = 14;
const DOMAIN_LOOKUP_BY_NAME: i32 = 23;
const DOMAIN_RESUME: i32 = 28;
const DOMAIN_SHUTDOWN: i32 = 33;
const DOMAIN_ATTACH_DEVICE_FLAGS: i32 = 160;
const DOMAIN_DETACH_DEVICE_FLAGS: i32 = 161;
const DOMAIN_UPDATE_DEVICE_FLAGS: i32 = 174;
const DOMAIN_SET_VCPUS_FLAGS: i32 = 199;
const DOMAIN_SCREENSHOT: i32 = 211;
const DOMAIN_GET_STATE: i32 = 212;
const DOMAIN_BLOCK_JOB_ABORT: i32 = 237;
const DOMAIN_GET_BLOCK_JOB_INFO: i32 = 238;
const DOMAIN_BLOCK_RESIZE: i32 = 251;
const CONNECT_LIST_ALL_DOMAINS: i32 = 273;
const DOMAIN_GET_JOB_STATS: i32 = 298;
const DOMAIN_MIGRATE_PERFORM3_PARAMS: i32 = 305;
const CONNECT_GET_ALL_DOMAIN_STATS: i32 = 344;
const DOMAIN_BLOCK_COPY: i32 = 345;
const DOMAIN_BACKUP_BEGIN: i32 = 421;
const QEMU_DOMAIN_MONITOR_COMMAND: i32 = 1;

/// `VIR_DOMAIN_AFFECT_LIVE`: all our domains are transient, there is nothing else to change.
const LIVE: u32 = 1;
/// `VIR_DOMAIN_XML_SECURE`.
const XML_SECURE: u32 = 1;
/// `VIR_DOMAIN_XML_MIGRATABLE`.
const XML_MIGRATABLE: u32 = 8;
/// `VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_ABORT_ON_ERROR`.
const MIGRATE: u32 = 1 | 2 | 4096;
/// `VIR_MIGRATE_UNSAFE`.
const MIGRATE_UNSAFE: u32 = 512;
/// `VIR_MIGRATE_NON_SHARED_DISK`.
const MIGRATE_DISKS: u32 = 64;
/// `VIR_DOMAIN_PAUSED` and, for the reason, `VIR_DOMAIN_PAUSED_IOERROR`.
const HALTED: (i32, i32) = (3, 5);
/// Largest picture of a screen that is taken.
const PICTURE_MAX: usize = 64 << 20;

/// A domain as the daemon names it.
#[derive(Debug, Clone)]
pub(crate) struct Domain {
    pub name: String,
    uuid: [u8; 16],
    id: i32,
}

/// One domain's figures.
pub(crate) struct Stats {
    pub domain: Domain,
    values: Vec<(String, Value)>,
}

impl Stats {
    /// A number, 0 when it is not said.
    pub fn number(&self, name: &str) -> u64 {
        match self.values.iter().find(|(key, _)| key == name) {
            Some((_, Value::Number(number))) => *number,
            _ => 0,
        }
    }
    /// A number over all members of an array: `sum("net", "rx.bytes")`.
    pub fn sum(&self, array: &str, name: &str) -> u64 {
        (0..self.number(&format!("{array}.count"))).map(|i| self.number(&format!("{array}.{i}.{name}"))).sum()
    }
}

impl Domain {
    fn read(input: &mut In<'_>) -> Result<Self, Short> {
        Ok(Self { name: input.text()?, uuid: input.fixed()?, id: input.i32()? })
    }
    fn put(&self, out: Out) -> Out {
        out.text(&self.name).fixed(&self.uuid).i32(self.id)
    }
    fn out(&self) -> Out {
        self.put(Out::default())
    }
}

/// Whether a domain's job goes on, by what its statistics say (`VIR_DOMAIN_JOB_BOUNDED`, `…_UNBOUNDED`).
pub(crate) fn job_running(kind: i32) -> bool {
    matches!(kind, 1 | 2)
}

impl Conn {
    async fn remote(&mut self, procedure: i32, arguments: Out) -> Result<Vec<u8>, Problem> {
        self.call(REMOTE, procedure, arguments).await
    }
    /// Version of the hypervisor as a number, 7002022 for 7.2.22.
    pub async fn version(&mut self) -> Result<u64, Problem> {
        let body = self.remote(CONNECT_GET_VERSION, Out::default()).await?;
        Ok(In(&body).u64()?)
    }
    /// Number of CPUs, MHz of each, KiB of memory.
    pub async fn node(&mut self) -> Result<(u32, u32, u64), Problem> {
        let body = self.remote(NODE_GET_INFO, Out::default()).await?;
        // The model, 32 characters of four bytes each, comes first.
        let mut input = In(body.get(128..).unwrap_or_default());
        let (memory, cpus, mhz) = (input.u64()?, input.u32()?, input.u32()?);
        Ok((cpus, mhz, memory))
    }
    /// Whether QEMU halted a domain because a disk could not be written.
    pub async fn halted(&mut self, domain: &Domain) -> Result<bool, Problem> {
        let body = self.remote(DOMAIN_GET_STATE, domain.out().u32(0)).await?;
        let mut input = In(&body);
        Ok((input.i32()?, input.i32()?) == HALTED)
    }
    /// Has a halted domain go on.
    pub async fn resume(&mut self, domain: &Domain) -> Result<(), Problem> {
        self.remote(DOMAIN_RESUME, domain.out()).await.map(drop)
    }
    /// Makes a transient domain and starts it.
    pub async fn create(&mut self, xml: &str) -> Result<(), Problem> {
        self.remote(DOMAIN_CREATE_XML, Out::default().text(xml).u32(0)).await.map(drop)
    }
    /// Every domain that the daemon knows.
    pub async fn domains(&mut self) -> Result<Vec<Domain>, Problem> {
        let body = self.remote(CONNECT_LIST_ALL_DOMAINS, Out::default().u32(1).u32(0)).await?;
        let mut input = In(&body);
        let count = input.u32()?;
        (0..count).map(|_| Ok(Domain::read(&mut input)?)).collect()
    }
    /// The domain of a name.
    pub async fn domain(&mut self, name: &str) -> Result<Option<Domain>, Problem> {
        match self.remote(DOMAIN_LOOKUP_BY_NAME, Out::default().text(name)).await {
            Ok(body) => Ok(Some(Domain::read(&mut In(&body))?)),
            Err(e) if e.no_domain() => Ok(None),
            Err(e) => Err(e),
        }
    }
    /// What the domain is made of now.
    pub async fn xml(&mut self, domain: &Domain) -> Result<String, Problem> {
        let body = self.remote(DOMAIN_GET_XML_DESC, domain.out().u32(XML_SECURE)).await?;
        Ok(In(&body).text()?)
    }
    /// Asks the guest to shut down; the answer does not wait for that.
    pub async fn shut_down(&mut self, domain: &Domain) -> Result<(), Problem> {
        self.remote(DOMAIN_SHUTDOWN, domain.out()).await.map(drop)
    }
    /// Cuts the power.
    pub async fn destroy(&mut self, domain: &Domain) -> Result<(), Problem> {
        self.remote(DOMAIN_DESTROY, domain.out()).await.map(drop)
    }
    /// Adds a device.
    pub async fn attach(&mut self, domain: &Domain, xml: &str) -> Result<(), Problem> {
        self.remote(DOMAIN_ATTACH_DEVICE_FLAGS, domain.out().text(xml).u32(LIVE)).await.map(drop)
    }
    /// Asks the guest to let a device go; the answer does not always wait for that.
    pub async fn detach(&mut self, domain: &Domain, xml: &str) -> Result<(), Problem> {
        self.remote(DOMAIN_DETACH_DEVICE_FLAGS, domain.out().text(xml).u32(LIVE)).await.map(drop)
    }
    /// Changes a device: what is in a drive.
    pub async fn update(&mut self, domain: &Domain, xml: &str) -> Result<(), Problem> {
        self.remote(DOMAIN_UPDATE_DEVICE_FLAGS, domain.out().text(xml).u32(LIVE)).await.map(drop)
    }
    /// Changes the number of CPUs.
    pub async fn cpus(&mut self, domain: &Domain, count: u32) -> Result<(), Problem> {
        self.remote(DOMAIN_SET_VCPUS_FLAGS, domain.out().u32(count).u32(LIVE)).await.map(drop)
    }
    /// Grows a disk (`vda`) to a number of bytes.
    pub async fn resize(&mut self, domain: &Domain, disk: &str, bytes: u64) -> Result<(), Problem> {
        // VIR_DOMAIN_BLOCK_RESIZE_BYTES
        self.remote(DOMAIN_BLOCK_RESIZE, domain.out().text(disk).u64(bytes).u32(1)).await.map(drop)
    }
    /// What the domain is made of, as another daemon takes it.
    pub async fn xml_to_move(&mut self, domain: &Domain) -> Result<String, Problem> {
        let body = self.remote(DOMAIN_GET_XML_DESC, domain.out().u32(XML_SECURE | XML_MIGRATABLE)).await?;
        Ok(In(&body).text()?)
    }
    /// Moves a domain to another daemon, as the XML says; the disks of these names are copied there.
    pub async fn migrate(&mut self, domain: &Domain, to: &Peer, xml: &str, shared: bool, copied: &[String]) -> Result<(), Problem> {
        let flags = MIGRATE | if shared { MIGRATE_UNSAFE } else { 0 } | if copied.is_empty() { 0 } else { MIGRATE_DISKS };
        let memory = to.memory.as_deref().map(|uri| ("migrate_uri", uri));
        let disks = copied.iter().map(|name| ("migrate_disks", name.as_str()));
        let parameters: Vec<_> = [("destination_xml", xml)].into_iter().chain(memory).chain(disks).collect();
        let mut out = domain.out().some(&to.uri).u32(parameters.len() as u32);
        for (name, value) in parameters {
            // VIR_TYPED_PARAM_STRING
            out = out.text(name).i32(7).text(value);
        }
        // An empty cookie, then the flags.
        self.remote(DOMAIN_MIGRATE_PERFORM3_PARAMS, out.u32(0).u32(flags)).await.map(drop)
    }
    /// A picture of the first screen; with its MIME type.
    pub async fn screenshot(&mut self, domain: &Domain) -> Result<Vec<u8>, Problem> {
        self.download(DOMAIN_SCREENSHOT, domain.out().u32(0).u32(0), PICTURE_MAX).await
    }
    /// Figures of all running domains.
    pub async fn stats(&mut self) -> Result<Vec<Stats>, Problem> {
        // CPU total, virtual CPUs, interfaces, disks; of active domains
        let out = Out::default().u32(0).u32(2 | 8 | 16 | 32).u32(1);
        let body = self.remote(CONNECT_GET_ALL_DOMAIN_STATS, out).await?;
        let mut input = In(&body);
        let count = input.u32()?;
        (0..count).map(|_| Ok(Stats { domain: Domain::read(&mut input)?, values: parameters(&mut input)? })).collect()
    }
    /// Starts copying disks as they are now, as the XML says.
    pub async fn backup(&mut self, domain: &Domain, xml: &str) -> Result<(), Problem> {
        self.remote(DOMAIN_BACKUP_BEGIN, domain.out().text(xml).u32(0).u32(0)).await.map(drop)
    }
    /// The kind of job that a domain is in, 0 for none; with `finished` the outcome of the last one.
    pub async fn job(&mut self, domain: &Domain, finished: bool) -> Result<(i32, Vec<(String, Value)>), Problem> {
        // VIR_DOMAIN_JOB_STATS_COMPLETED
        let body = self.remote(DOMAIN_GET_JOB_STATS, domain.out().u32(u32::from(finished))).await?;
        let mut input = In(&body);
        Ok((input.i32()?, parameters(&mut input)?))
    }
    /// Starts copying a disk (`vda`) to a file that the XML names; the copy follows the guest's writes until it is ended.
    pub async fn block_copy(&mut self, domain: &Domain, disk: &str, xml: &str) -> Result<(), Problem> {
        // No parameters; VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB.
        self.remote(DOMAIN_BLOCK_COPY, domain.out().text(disk).text(xml).u32(0).u32(4)).await.map(drop)
    }
    /// How far the copy of a disk is, as (done, all); none when there is none.
    pub async fn block_job(&mut self, domain: &Domain, disk: &str) -> Result<Option<(u64, u64)>, Problem> {
        let body = self.remote(DOMAIN_GET_BLOCK_JOB_INFO, domain.out().text(disk).u32(0)).await?;
        let mut input = In(&body);
        let (found, _kind, _bandwidth) = (input.i32()?, input.i32()?, input.u64()?);
        let (done, all) = (input.u64()?, input.u64()?);
        Ok((found != 0).then_some((done, all)))
    }
    /// Ends the copy of a disk; the guest goes on with the copy, or with what it had.
    pub async fn block_job_end(&mut self, domain: &Domain, disk: &str, change_over: bool) -> Result<(), Problem> {
        // VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT
        self.remote(DOMAIN_BLOCK_JOB_ABORT, domain.out().text(disk).u32(if change_over { 2 } else { 0 })).await.map(drop)
    }
    /// Speaks to QEMU itself: `human` is a line for its monitor, otherwise JSON for QMP.
    pub async fn monitor(&mut self, domain: &Domain, command: &str, human: bool) -> Result<String, Problem> {
        let out = domain.out().text(command).u32(u32::from(human));
        let body = self.call(QEMU, QEMU_DOMAIN_MONITOR_COMMAND, out).await?;
        Ok(In(&body).text()?)
    }
}
