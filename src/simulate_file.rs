//! Zone descriptions as files of Marvin's shape. A key that is not known is an error that names it and the line: a misspelt word must
//! not make another cloud than the one that was meant.
use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

/// A whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The zones to make.
    pub zones: Vec<Zone>,
    /// Settings to make first.
    #[serde(default, rename = "globalConfig")]
    pub settings: Vec<Setting>,
    /// Network offerings to make before the zones that name them.
    #[serde(default, rename = "networkOfferings")]
    pub offerings: Vec<Offering>,
    /// Where a client finds the server; of no use inside it.
    #[serde(default, rename = "mgtSvr")]
    _servers: Option<Value>,
    /// Where the original keeps its database; of no use here.
    #[serde(default, rename = "dbSvr")]
    _database: Option<Value>,
    /// How the client logs; of no use here.
    #[serde(default, rename = "logger")]
    _logger: Option<Value>,
}

/// A setting.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its name.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Its value.
    #[serde(deserialize_with = "text")]
    pub value: String,
}

/// A network offering; one of this name that is there already is left as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the parameter of createNetworkOffering of its name")]
pub struct Offering {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(default, deserialize_with = "maybe")]
    pub displaytext: Option<String>,
    #[serde(deserialize_with = "text")]
    pub guestiptype: String,
    pub supportedservices: Vec<String>,
    #[serde(default)]
    pub servicecapabilitylist: Vec<Capability>,
}

/// What an offering chooses of a service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the field of its name")]
pub struct Capability {
    #[serde(deserialize_with = "text")]
    pub service: String,
    #[serde(deserialize_with = "text")]
    pub capabilitytype: String,
    #[serde(deserialize_with = "text")]
    pub capabilityvalue: String,
}

/// A zone.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the key of its name and, mostly, the parameter of createZone")]
pub struct Zone {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub networktype: String,
    #[serde(deserialize_with = "text")]
    pub dns1: String,
    #[serde(default, deserialize_with = "maybe")]
    pub dns2: Option<String>,
    #[serde(deserialize_with = "text")]
    pub internaldns1: String,
    #[serde(default, deserialize_with = "maybe")]
    pub internaldns2: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub ip6dns1: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub ip6dns2: Option<String>,
    /// Of no use in a basic zone, as in the original.
    #[serde(default, deserialize_with = "maybe")]
    pub guestcidraddress: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub domain: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub securitygroupenabled: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub localstorageenabled: Option<String>,
    /// `false` leaves the zone disabled.
    #[serde(default, deserialize_with = "maybe")]
    pub enabled: Option<String>,
    pub physical_networks: Vec<PhysicalNetwork>,
    /// The offering of a basic zone's guest network; the usual one when left out.
    #[serde(default, deserialize_with = "maybe")]
    pub networkoffering: Option<String>,
    /// Public ranges, of an advanced zone or of a basic one that carries public traffic.
    #[serde(default)]
    pub ipranges: Vec<Range>,
    /// Shared networks of an advanced zone.
    #[serde(default)]
    pub networks: Vec<Network>,
    pub pods: Vec<Pod>,
    /// Pools of the whole zone.
    #[serde(default, rename = "primaryStorages")]
    pub pools: Vec<Pool>,
    #[serde(default, rename = "secondaryStorages")]
    pub stores: Vec<Store>,
}

/// A physical network.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the key of its name")]
pub struct PhysicalNetwork {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(default, deserialize_with = "maybe")]
    pub broadcastdomainrange: Option<String>,
    #[serde(default)]
    pub isolationmethods: Vec<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub networkspeed: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub tags: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub vlan: Option<String>,
    pub traffictypes: Vec<Traffic>,
    /// The usual ones of the zone's kind when left out.
    #[serde(default)]
    pub providers: Vec<Provider>,
}

/// A kind of traffic with the labels of hypervisors.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the key of its name")]
pub struct Traffic {
    #[serde(deserialize_with = "text")]
    pub typ: String,
    #[serde(default, deserialize_with = "maybe")]
    pub xen: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub kvm: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub vmware: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub hyperv: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub vlan: Option<String>,
    /// Simulated hosts have no label.
    #[serde(default, rename = "simulator")]
    _simulator: Option<Value>,
}

/// A provider of network services.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its name.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// How far its broadcasts reach; it follows from the zone.
    #[serde(default, rename = "broadcastdomain")]
    _broadcast: Option<Value>,
    /// Boxes of a vendor, which cannot be simulated.
    #[serde(default)]
    pub devices: Vec<Value>,
}

/// A range of addresses.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the parameter of createVlanIpRange of its name")]
pub struct Range {
    #[serde(deserialize_with = "text")]
    pub startip: String,
    #[serde(deserialize_with = "text")]
    pub endip: String,
    #[serde(deserialize_with = "text")]
    pub gateway: String,
    #[serde(deserialize_with = "text")]
    pub netmask: String,
    #[serde(default, deserialize_with = "maybe")]
    pub vlan: Option<String>,
}

/// A shared network.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the parameter of createNetwork of its name")]
pub struct Network {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(default, deserialize_with = "maybe")]
    pub displaytext: Option<String>,
    /// The name of the offering; one for shared networks when left out.
    #[serde(default, deserialize_with = "maybe")]
    pub networkoffering: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub acltype: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub gateway: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub netmask: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub startip: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub endip: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub vlan: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub networkdomain: Option<String>,
}

/// A pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the key of its name and, mostly, the parameter of createPod")]
pub struct Pod {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub startip: String,
    #[serde(deserialize_with = "text")]
    pub endip: String,
    #[serde(deserialize_with = "text")]
    pub gateway: String,
    #[serde(deserialize_with = "text")]
    pub netmask: String,
    /// Guests' ranges in a basic zone.
    #[serde(default, rename = "guestIpRanges")]
    pub guest_ranges: Vec<Range>,
    pub clusters: Vec<Cluster>,
}

/// A cluster.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the key of its name and, mostly, the parameter of addCluster")]
pub struct Cluster {
    #[serde(deserialize_with = "text")]
    pub clustername: String,
    #[serde(deserialize_with = "text")]
    pub hypervisor: String,
    #[serde(deserialize_with = "text")]
    pub clustertype: String,
    #[serde(default)]
    pub hosts: Vec<Host>,
    #[serde(default, rename = "primaryStorages")]
    pub pools: Vec<Pool>,
}

/// A host.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the parameter of addHost of its name")]
pub struct Host {
    #[serde(deserialize_with = "text")]
    pub url: String,
    #[serde(deserialize_with = "text")]
    pub username: String,
    #[serde(deserialize_with = "text")]
    pub password: String,
    #[serde(default, deserialize_with = "maybe")]
    pub hosttags: Option<String>,
}

/// Primary storage.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the parameter of createStoragePool of its name")]
pub struct Pool {
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub url: String,
    #[serde(default, deserialize_with = "maybe")]
    pub scope: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub provider: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub hypervisor: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    pub tags: Option<String>,
}

/// Secondary storage.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the parameter of addImageStore of its name")]
pub struct Store {
    #[serde(default, deserialize_with = "maybe")]
    pub url: Option<String>,
    #[serde(deserialize_with = "text")]
    pub provider: String,
    #[serde(default, deserialize_with = "maybe")]
    pub name: Option<String>,
    /// What else the provider needs.
    #[serde(default)]
    pub details: std::collections::BTreeMap<String, Value>,
}

impl Description {
    /// Reads a file's text. Lines that begin with `#` (a licence on top) are passed over.
    pub fn read(text: &str) -> Result<Self> {
        let json: String = text.lines().map(|l| if l.trim_start().starts_with('#') { "\n".into() } else { format!("{l}\n") }).collect();
        serde_json::from_str(&json).context("the zone description cannot be read")
    }
}

/// A text; a number or truth value counts as the text that it is written as.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    maybe(from)?.ok_or_else(|| D::Error::custom("a value is needed here, not null"))
}

/// The same, or null.
fn maybe<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::String(s) => Ok(Some(s)),
        Value::Bool(b) => Ok(Some(b.to_string())),
        Value::Number(n) => Ok(Some(n.to_string())),
        other => Err(D::Error::custom(format!("a text, number or truth value is needed here, not {other}"))),
    }
}
/// A detail as text.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
