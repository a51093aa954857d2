//! What the hub asks of the one who keeps the books: who may come in, and where things are. The engine's side of it is written where
//! both are known, in the server.
use crate::ca::Issued;
use crate::wire::Hello;
use async_trait::async_trait;
use std::net::IpAddr;
use stratus_drivers::{NetworkSpec, NicSpec, PublicSet, Secret, StoreDetails, VmSpec};

/// An agent that may take its seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Who it is: the uuid of its host.
    pub identity: String,
    /// Whether its certificate grows old.
    pub renew: bool,
}

/// Where a pool or store is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The URL it was added with.
    pub url: String,
    /// Uuids of the hosts that are to reach it.
    pub hosts: Vec<String>,
    /// What else a store needs to be reached.
    pub details: StoreDetails,
    /// The server itself keeps the store, and hosts reach it through the server.
    pub served: bool,
}

/// A network or, in a basic zone, the part of it that is in one pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Share {
    /// The network's uuid.
    pub network: String,
    /// The pod's uuid.
    pub pod: Option<String>,
}

/// A guest that runs, as the router of a network of its has to know it.
pub struct Guest {
    /// Its NIC in the network.
    pub nic: NicSpec,
    /// The VM.
    pub vm: VmSpec,
    /// A password that it has yet to fetch.
    pub password: Option<Secret>,
}

/// Everything that a router is to know of a share of a network.
pub struct NetworkBooks {
    /// The network.
    pub network: NetworkSpec,
    /// Guests that run or are about to.
    pub guests: Vec<Guest>,
    /// Public addresses of the whole network.
    pub public: PublicSet,
}

/// The books about agents. A refusal is a sentence for the agent's operator.
#[async_trait]
pub trait Gate: Send + Sync {
    /// For whom a token was made, by the hash of its secret; it has to be unused and not expired.
    async fn invited(&self, secret_hash: &str) -> Result<String, String>;
    /// Uses a token up for a certificate; of two at once only one succeeds.
    async fn enrolled(&self, secret_hash: &str, issued: &Issued) -> Result<(), String>;
    /// Who holds a certificate, by its fingerprint.
    async fn admit(&self, fingerprint: &str) -> Result<Admission, String>;
    /// Keeps a second certificate of an agent; the first one is good until the second is used.
    async fn renewed(&self, identity: &str, issued: &Issued) -> Result<(), String>;
    /// An agent has taken its seat. Calls to its host work from now on.
    async fn arrived(&self, identity: &str, hello: &Hello, from: IpAddr);
    /// An agent's connection has ended.
    async fn left(&self, identity: &str, why: &str);
    /// Somebody was sent away.
    async fn refused(&self, from: IpAddr, why: &str);
}

/// The books about places.
#[async_trait]
pub trait Atlas: Send + Sync {
    /// A pool that the books know.
    async fn pool(&self, pool: &str) -> Option<Place>;
    /// A store that the books know.
    async fn store(&self, store: &str) -> Option<Place>;
    /// Stores that a host is to reach.
    async fn stores_of(&self, host: &str) -> Vec<String>;
    /// The hosts of which one can serve a network, or a pod's share of it.
    async fn network_hosts(&self, network: &str, pod: Option<&str>) -> Vec<String>;
    /// The pods of a network that has a home in each; none for others.
    async fn network_pods(&self, _network: &str) -> Vec<String> {
        Vec::new()
    }
    /// Everything about a network, or a pod's share of it; none when the books do not say.
    async fn network(&self, _network: &str, _pod: Option<&str>) -> Option<NetworkBooks> {
        None
    }
    /// Networks, or pods' shares of them, with guests that run on hosts with agents.
    async fn networks_in_use(&self) -> Vec<NetworkSpec> {
        Vec::new()
    }
    /// The host that runs the VM to which a disk is attached.
    async fn holder(&self, pool: &str, path: &str) -> Option<String>;
    /// Whether nobody waits for a host any more: it is unknown, removed or certainly down.
    async fn given_up(&self, host: &str) -> bool;
    /// Whether a host is certainly not there: it is unknown, removed or dead. One of which nobody can tell is not.
    async fn gone(&self, host: &str) -> bool {
        self.given_up(host).await
    }
}

/// Books without a page: the hub goes by what it was told itself.
pub struct Blank;

#[async_trait]
impl Atlas for Blank {
    async fn pool(&self, _: &str) -> Option<Place> {
        None
    }
    async fn store(&self, _: &str) -> Option<Place> {
        None
    }
    async fn stores_of(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    async fn network_hosts(&self, _: &str, _: Option<&str>) -> Vec<String> {
        Vec::new()
    }
    async fn holder(&self, _: &str, _: &str) -> Option<String> {
        None
    }
    async fn given_up(&self, _: &str) -> bool {
        true
    }
}
