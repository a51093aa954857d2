//! A network's router: a namespace with a leg in the guests' bridge, an address for each of their gateways and the one that metadata
//! is asked at.
use crate::domain::short;
use crate::network::Net;
use crate::run::Runner;
use crate::{Done, Kvm};
use std::path::PathBuf;

/// Where guests of EC2 ask for metadata.
pub(crate) const METADATA: &str = "169.254.169.254";

/// Names of what belongs to a router.
pub(crate) struct Router {
    /// The namespace.
    pub netns: String,
    /// The host's ends of its legs.
    pub guest_leg: String,
    pub public_leg: String,
    /// Its folder of configurations.
    pub folder: PathBuf,
}

impl Router {
    /// Where the namespace can be entered.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.netns)
    }
    /// Runs programs inside.
    pub fn run(&self) -> Runner {
        Runner::within(self.path())
    }
}

impl Kvm {
    /// The names of a network's router.
    pub(crate) fn router(&self, network: &str) -> Router {
        // Names of namespaces are the machine's, and tests have several hosts on one.
        let (prefix, digest) = (&self.config.prefix, short(&format!("{} {network}", self.config.host), 10));
        Router {
            netns: format!("{prefix}r{digest}"),
            guest_leg: format!("{prefix}g{digest}"),
            public_leg: format!("{prefix}p{digest}"),
            folder: self.config.state_dir.join("routers").join(&digest),
        }
    }

    /// Makes the router as it is to be, and leaves alone what is.
    pub(crate) async fn router_up(&self, net: &Net) -> Done {
        let _wired = self.wiring.read().await;
        let router = self.router(&net.spec.uuid);
        let bridge = self.bridge_up(&net.spec.broadcast_uri).await?;
        if !router.path().exists() {
            self.run.run("ip", &["netns", "add", &router.netns]).await?;
            router.run().run("ip", &["link", "set", "lo", "up"]).await?;
            router.run().pipe("tee", &["/proc/sys/net/ipv4/ip_forward"], "1").await?;
        }
        self.leg_up(&router, &router.guest_leg, "guest", &bridge).await?;
        self.answers_at_home(net).await?;
        self.dhcp_up(net).await?;
        self.public_up(net).await?;
        self.metadata_up(net, &router)
    }

    /// Connects a namespace with a bridge.
    pub(crate) async fn leg_up(&self, router: &Router, leg: &str, inside: &str, bridge: &str) -> Done {
        if !self.link_there(leg).await? {
            // The path works whichever namespace `ip` was started in.
            let path = router.path();
            let netns = path.to_string_lossy();
            let add = ["link", "add", leg, "type", "veth", "peer", "name", inside, "netns", &router.netns];
            tracing::debug!(leg, %netns, "a router gets a leg");
            self.run.run("ip", &add).await?;
        }
        self.run.run("ip", &["link", "set", leg, "addrgenmode", "none", "master", bridge, "up"]).await?;
        router.run().run("ip", &["link", "set", inside, "addrgenmode", "none", "up"]).await.map(drop)
    }

    /// Takes the router away with everything that is its own.
    pub(crate) async fn router_down(&self, net: &Net) -> Done {
        let router = self.router(&net.spec.uuid);
        self.metadata_down(&net.spec.uuid);
        self.dhcp_down(&router).await?;
        for leg in [&router.guest_leg, &router.public_leg] {
            if self.link_there(leg).await? {
                self.run.run("ip", &["link", "del", leg]).await?;
            }
        }
        if router.path().exists() {
            self.run.run("ip", &["netns", "del", &router.netns]).await?;
        }
        self.answers_anywhere(net).await?;
        crate::keep::gone(std::fs::remove_dir_all(&router.folder)).map_err(crate::keep::io(&router.folder))?;
        self.bridge_down(&net.spec.broadcast_uri).await
    }
}
