//! What a broken connection means: nothing to the VMs, and `Unreachable` to the caller.
use crate::contract::{furnish, vm};
use crate::world::{Running, World};
use std::sync::Arc;
use std::time::Duration;
use stratus_drivers::{DriverError, Host};
use stratus_sim::{Fault, FaultKind, Op, Sim};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_finds_its_agents_and_their_vms_again() {
    let world = World::new(LONG).await;
    let sim = Sim::open(None).unwrap();
    let _agent = world.agent("h1", &sim).await;
    Host::connect(&*world.hub, "h1", "http://sim/h1").await.unwrap();
    furnish(&world.hub).await;
    world.hub.start("h1", &vm()).await.unwrap();
    let (authority, books, at) = world.kill(&["h1"]).await;
    let world = World::with(authority, books, LONG, at).await;
    world.books.until("arrived h1", 2).await;
    let there = world.hub.list("h1").await.unwrap();
    assert_eq!(there.len(), 1);
    assert_eq!(sim.inventory().running, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_with_the_agent_is_unreachable_and_asking_again_is_right() {
    let world = World::new(LONG).await;
    let sim = Sim::open(None).unwrap();
    let agent = world.agent("h1", &sim).await;
    Host::connect(&*world.hub, "h1", "http://sim/h1").await.unwrap();
    furnish(&world.hub).await;
    sim.inject(Fault::nth(Op::Start, 1, FaultKind::Hang));
    let hub = world.hub.clone();
    let start = tokio::spawn(async move { hub.start("h1", &vm()).await });
    sim.until_hanging(1).await;
    let dir = agent.kill().await;
    assert!(matches!(start.await.unwrap(), Err(DriverError::Unreachable(_))));
    sim.release_hangs();
    let config = world.config(&dir, None);
    let _agent = Running::start(config, dir, &sim).await.unwrap();
    world.books.until("arrived h1", 2).await;
    world.hub.start("h1", &vm()).await.unwrap();
    assert_eq!((sim.inventory().running, sim.double_starts()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_an_agent_that_has_just_gone() {
    let world = World::new(LONG).await;
    world.hub.read_from(Arc::new(AllKnown));
    let sim = Sim::open(None).unwrap();
    let agent = world.agent("h1", &sim).await;
    Host::connect(&*world.hub, "h1", "http://sim/h1").await.unwrap();
    let dir = agent.kill().await;
    world.books.until("left h1", 1).await;
    assert!(matches!(world.hub.ping("h1").await, Err(DriverError::Unreachable(_))), "a ping tells what is now");
    let hub = world.hub.clone();
    let stop = tokio::spawn(async move { hub.stop("h1", "nobody", stratus_drivers::StopMode::Forced).await });
    let config = world.config(&dir, None);
    let _agent = Running::start(config, dir, &sim).await.unwrap();
    stop.await.unwrap().unwrap();
}

/// Books in which every host is expected.
struct AllKnown;

#[async_trait::async_trait]
impl stratus_agent::Atlas for AllKnown {
    async fn pool(&self, _: &str) -> Option<stratus_agent::Place> {
        None
    }
    async fn store(&self, _: &str) -> Option<stratus_agent::Place> {
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
        false
    }
}
