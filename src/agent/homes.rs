//! Homes of networks. A network is served by one agent, its home, which remembers that on its own disk and tells any server. In a basic
//! zone each pod has a home of its own among its hosts: a share of the network. Another pod's hosts may not reach a pod's guests, and a
//! pod goes on when another one is gone.
//!
//! A home is chosen when a VM starts and there is none, or when the one that there was is given up; guests that run hear of the new one
//! nothing: it is told everything about them from the books, and has the same addresses. [`Hub::tend`] chooses one too where guests run
//! and the home is gone for good, and shuts one of two down when a host comes back that was given up.
use crate::ask::Ask;
use crate::gate::{Guest, Share};
use crate::hub::Hub;
use crate::session::Session;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stratus_drivers::{DriverError, NetworkSpec, PublicSet};

type Done<T = ()> = Result<T, DriverError>;

/// How often homes are looked after when nothing happens.
const LOOK: Duration = Duration::from_secs(30);
/// Shortest time between two looks, however many agents come.
const PAUSE: Duration = Duration::from_secs(2);

impl Share {
    /// What a call is about.
    pub fn of(network: &NetworkSpec) -> Self {
        Self { network: network.uuid.clone(), pod: network.pod.clone() }
    }
}

/// The public addresses that a share answers for: those of other pods' guests are theirs.
fn own(set: &PublicSet, share: &Share) -> PublicSet {
    let mine = |pod: Option<&String>| pod.is_none() || pod == share.pod.as_ref();
    let addresses = set.addresses.iter().filter(|a| a.static_nat.as_ref().is_none_or(|nat| mine(nat.pod.as_ref())));
    PublicSet { sequence: set.sequence, addresses: addresses.cloned().collect() }
}

/// One that only its uuid is known of.
fn named(network: &str) -> NetworkSpec {
    let none = String::new;
    NetworkSpec { uuid: network.into(), cidr: none(), gateway: none(), dns: Vec::new(), broadcast_uri: none(), pod: None }
}

fn not_up(network: &NetworkSpec) -> DriverError {
    DriverError::Failed(format!("network {} is not up", network.uuid))
}

async fn serves(session: &Session, network: &str) -> Done<bool> {
    Ok(session.ask::<Vec<String>>(Ask::Networks).await?.iter().any(|n| n == network))
}

impl Hub {
    /// The hosts of which one can be a share's home.
    async fn share_hosts(&self, share: &Share) -> Vec<String> {
        let told = self.atlas().network_hosts(&share.network, share.pod.as_deref()).await;
        // Without books, whoever is here. A pod's hosts are never unknown: one without any serves nobody.
        if told.is_empty() && share.pod.is_none() { self.state().seats.keys().cloned().collect() } else { told }
    }

    /// The host that serves a share; none when none does. Where an agent that could be it is away, nobody can know.
    async fn home(&self, share: &Share) -> Done<Option<String>> {
        if let Some(home) = self.state().homes.get(share).cloned() {
            return Ok(Some(home));
        }
        let mut away_too = None;
        for host in self.share_hosts(share).await {
            match self.seat(&host).await {
                Ok(session) if serves(&session, &share.network).await? => {
                    self.state().homes.insert(share.clone(), host.clone());
                    return Ok(Some(host));
                }
                Ok(_) => {}
                Err(e) if !self.atlas().given_up(&host).await => away_too = Some(e),
                Err(_) => {}
            }
        }
        away_too.map_or(Ok(None), Err)
    }

    /// The home of a share, if it has one that is not given up.
    async fn living_home(&self, share: &Share) -> Done<Option<Arc<Session>>> {
        let Some(home) = self.home(share).await? else { return Ok(None) };
        match self.seat(&home).await {
            Ok(session) => Ok(Some(session)),
            Err(e) if !self.atlas().given_up(&home).await => Err(e),
            Err(_) => {
                self.state().homes.remove(share);
                Ok(None)
            }
        }
    }

    /// Has a network up at its home; where it has none, the host with the fewest becomes it.
    pub(crate) async fn settle(&self, network: &NetworkSpec) -> Done {
        if network.pod.is_none() && !self.atlas().network_pods(&network.uuid).await.is_empty() {
            // Pods' shares are up each for its own guests.
            return Ok(());
        }
        let share = Share::of(network);
        let implement = || Ask::NetworkImplement { network: network.clone() };
        // One that is being told is not a home yet.
        let being_told = self.state().settling.get(&share).cloned();
        if let Some(one) = being_told {
            drop(one.lock().await);
        }
        if let Some(session) = self.living_home(&share).await? {
            return session.ask(implement()).await;
        }
        let one = self.state().settling.entry(share.clone()).or_default().clone();
        let _alone = one.lock().await;
        if let Some(session) = self.living_home(&share).await? {
            return session.ask(implement()).await;
        }
        let (host, session) = self.chosen(&share).await?;
        let settled = async {
            session.ask::<()>(implement()).await?;
            self.tell(&share, &session).await
        };
        let settled = settled.await;
        match &settled {
            Ok(()) => drop(self.state().homes.insert(share.clone(), host)),
            // Half a home would be taken for a whole one: whoever asks next begins anew.
            Err(_) => {
                self.state().homes.remove(&share);
                drop(session.ask::<()>(Ask::NetworkShutdown { network: network.clone() }).await);
            }
        }
        self.state().settling.remove(&share);
        settled
    }

    /// A host that is to be a share's home.
    async fn chosen(&self, share: &Share) -> Done<(String, Arc<Session>)> {
        let hosts = self.share_hosts(share).await;
        let chosen = {
            let state = self.state();
            let load = |host: &String| state.homes.values().filter(|home| *home == host).count();
            hosts.into_iter().filter(|h| state.seats.get(h).is_some_and(|s| !s.session.is_closed())).min_by_key(load)
        };
        let host = chosen.ok_or_else(|| DriverError::Unreachable("every host that could serve the network".into()))?;
        let session = self.session(&host)?;
        Ok((host, session))
    }

    /// Tells a new home what the one before knew.
    async fn tell(&self, share: &Share, session: &Session) -> Done {
        let Some(books) = self.atlas().network(&share.network, share.pod.as_deref()).await else { return Ok(()) };
        for guest in &books.guests {
            match tell_of(&books.network, guest, session).await {
                Err(e @ DriverError::Unreachable(_)) => return Err(e),
                // One guest is no reason to leave the others alone.
                Err(error) => tracing::warn!(network = share.network, vm = guest.vm.name, %error, "a new home does not take a guest"),
                Ok(()) => {}
            }
        }
        if books.public.sequence > 0 {
            let (network, set) = (books.network.clone(), own(&books.public, share));
            match session.ask::<()>(Ask::PublicApply { network, set }).await {
                Err(e @ DriverError::Unreachable(_)) => return Err(e),
                Err(error) => tracing::warn!(network = share.network, %error, "a new home does not take the public addresses"),
                Ok(()) => {}
            }
        }
        if share.pod.is_some() && !books.guests.is_empty() {
            self.take_from_others(share, &books.network, &books.guests).await;
        }
        Ok(())
    }

    /// Homes of other pods may have served these guests: they did before pods had homes of their own.
    async fn take_from_others(&self, share: &Share, network: &NetworkSpec, guests: &[Guest]) {
        let own = self.share_hosts(share).await;
        for host in self.atlas().network_hosts(&share.network, None).await.into_iter().filter(|host| !own.contains(host)) {
            let Ok(session) = self.session(&host) else { continue };
            if !serves(&session, &share.network).await.unwrap_or(false) {
                continue;
            }
            for Guest { nic, vm, .. } in guests {
                let release = Ask::NicRelease { network: network.clone(), nic: nic.clone(), vm: vm.name.clone() };
                if let Err(error) = session.ask::<()>(release).await {
                    tracing::warn!(host, vm = vm.name, %error, "a home does not let another pod's guest go");
                }
            }
        }
    }

    /// The agent that serves what a call is about; none when none does.
    pub(crate) async fn at_home(&self, network: &NetworkSpec) -> Done<Option<Arc<Session>>> {
        match self.home(&Share::of(network)).await? {
            Some(home) => self.seat(&home).await.map(Some),
            None => Ok(None),
        }
    }

    /// The same where there has to be one.
    pub(crate) async fn must_at_home(&self, network: &NetworkSpec) -> Done<Arc<Session>> {
        self.at_home(network).await?.ok_or_else(|| not_up(network))
    }

    /// What a call is about: in a basic zone, what is said without a pod is for all of them.
    async fn shares(&self, network: &NetworkSpec) -> Vec<NetworkSpec> {
        let pods = match network.pod {
            Some(_) => Vec::new(),
            None => self.atlas().network_pods(&network.uuid).await,
        };
        match pods.is_empty() {
            true => vec![network.clone()],
            false => pods.into_iter().map(|pod| NetworkSpec { pod: Some(pod), ..network.clone() }).collect(),
        }
    }

    /// Public addresses, to each home its own. A pod without a home is told when it gets one; one that is away keeps nothing from others.
    pub(crate) async fn public_everywhere(&self, network: &NetworkSpec, set: &PublicSet) -> Done {
        let shares = self.shares(network).await;
        let mut outcome = Ok(());
        for network in shares {
            let told = match self.at_home(&network).await {
                Ok(Some(session)) => {
                    let set = own(set, &Share::of(&network));
                    session.ask::<()>(Ask::PublicApply { network, set }).await
                }
                Ok(None) if network.pod.is_some() => Ok(()),
                Ok(None) => Err(not_up(&network)),
                Err(e) => Err(e),
            };
            outcome = outcome.and(told);
        }
        outcome
    }

    /// Takes a network down wherever it is up.
    pub(crate) async fn down_everywhere(&self, network: &NetworkSpec) -> Done {
        for network in self.shares(network).await {
            let Some(session) = self.at_home(&network).await? else { continue };
            session.ask::<()>(Ask::NetworkShutdown { network: network.clone() }).await?;
            self.state().homes.remove(&Share::of(&network));
        }
        Ok(())
    }

    /// Looks after homes once in a while, and soon after an agent has come.
    pub async fn keep_homes(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PAUSE).await;
            self.tend().await;
            let _ = tokio::time::timeout(LOOK, self.arrival.notified()).await;
        }
    }

    /// Sees that every network with running guests has one home: a new one where it was on a host that is gone for good, one of two
    /// where a host came back that had been given up.
    pub async fn tend(&self) {
        if self.state().seats.is_empty() {
            return;
        }
        let mut told = BTreeMap::new();
        for network in self.atlas().networks_in_use().await {
            if let Err(error) = self.tend_one(&network, &mut told).await {
                tracing::warn!(network = network.uuid, pod = network.pod, %error, "a network's home cannot be looked after now");
            }
        }
    }

    /// One of them; `told` is what hosts said in this round.
    async fn tend_one(&self, network: &NetworkSpec, told: &mut BTreeMap<String, Vec<String>>) -> Done {
        let share = Share::of(network);
        let mut at = Vec::new();
        for host in self.atlas().network_hosts(&share.network, share.pod.as_deref()).await {
            let Ok(session) = self.session(&host) else {
                // It may be the home and serve, as long as nobody knows better.
                if !self.atlas().gone(&host).await {
                    at.push((host, None));
                }
                continue;
            };
            if !told.contains_key(&host) {
                told.insert(host.clone(), session.ask::<Vec<String>>(Ask::Networks).await?);
            }
            if told[&host].contains(&share.network) {
                at.push((host, Some(session)));
            }
        }
        let known = self.state().homes.get(&share).cloned();
        let here: Vec<_> = at.iter().filter_map(|(host, session)| Some((host, session.as_ref()?))).collect();
        if here.len() > 1 {
            let stays = |host: &String| known.as_ref() == Some(host);
            for (host, session) in here.iter().filter(|(host, _)| !stays(host)) {
                tracing::info!(network = share.network, pod = share.pod, host, "a network has another home: this one is shut down");
                session.ask::<()>(Ask::NetworkShutdown { network: named(&share.network) }).await?;
            }
            // Without a word for one of them none is trusted to know everything.
            return if here.iter().any(|(host, _)| stays(host)) { Ok(()) } else { self.settle(network).await };
        }
        let lost = match &known {
            Some(home) => here.is_empty() && self.atlas().gone(home).await && !self.is_here(home),
            None => false,
        };
        if at.is_empty() || lost {
            tracing::info!(network = share.network, pod = share.pod, "a network's home is gone: another host takes over");
            self.state().homes.remove(&share);
            return self.settle(network).await;
        }
        Ok(())
    }
}

async fn tell_of(network: &NetworkSpec, guest: &Guest, session: &Session) -> Done {
    let Guest { nic, vm, password } = guest;
    let (network, nic) = (|| network.clone(), || nic.clone());
    session.ask::<()>(Ask::NicPrepare { network: network(), nic: nic(), vm: vm.name.clone() }).await?;
    session.ask::<()>(Ask::GuestIntroduce { network: network(), vm: vm.clone() }).await?;
    match password {
        Some(password) => session.ask(Ask::PasswordSave { network: network(), nic: nic(), password: password.reveal().to_owned() }).await,
        None => Ok(()),
    }
}
