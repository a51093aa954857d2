//! The world outlives its process.
use crate::world::{bare_vm, disk, furnish, network, nic, vm};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stratus_drivers::{
    Host, Network, NicRules, ObjectKind, ObjectSpec, PrimaryStorage, SecondaryStorage, StopMode, StoreDetails, TemplateFacts,
};
use stratus_sim::{OpenError, Sim};

/// A world with something of everything.
async fn busy(path: &Path) -> Arc<Sim> {
    let sim = Sim::open(Some(path.to_owned())).unwrap();
    furnish(&sim).await;
    for number in 1..=3 {
        sim.start("h0", &vm(number)).await.unwrap();
    }
    sim.stop("h0", "i-2-3-VM", StopMode::Forced).await.unwrap();
    sim.guest_halt("h0", "i-2-2-VM").unwrap();
    sim.implement(&network()).await.unwrap();
    sim.prepare(&network(), &nic(1), "i-2-1-VM").await.unwrap();
    sim.prepare(&network(), &nic(2), "i-2-2-VM").await.unwrap();
    sim.release(&network(), &nic(2), "i-2-2-VM").await.unwrap();
    sim.apply_rules("h0", &NicRules { vm: vm(1).name, nic: nic(1), sequence: 7, rules: Vec::new() }).await.unwrap();
    sim.snapshot(&disk("root-1"), "snap", "s0").await.unwrap();
    sim.scribble(&disk("root-1")).unwrap();
    PrimaryStorage::delete(&*sim, &disk("root-3")).await.unwrap();
    sim.start("h1", &vm(1)).await.unwrap_err();
    sim.cut_off("h1").unwrap();
    sim
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sim.journal");
    (folder, path)
}

#[tokio::test]
async fn a_killed_world_comes_back_as_it_was() {
    let (_folder, path) = scratch();
    let sim = busy(&path).await;
    let before = sim.inventory();
    assert_eq!((before.running, before.double_starts), (1, 1));
    // What a kill leaves behind is the file as it is while the world lives.
    let copy = path.with_extension("copy");
    std::fs::copy(&path, &copy).unwrap();
    let again = Sim::open(Some(copy)).unwrap();
    assert_eq!(again.inventory(), before);
    assert!(again.start("h0", &vm(1)).await.is_ok(), "the VM still runs, so this is a repetition");
    assert!(again.console_output("h0", "i-2-1-VM").await.unwrap().windows(7).any(|text| text == b"start 1"));
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_wherever_it_tore() {
    let (_folder, path) = scratch();
    let sim = busy(&path).await;
    let before = sim.inventory();
    sim.start("h0", &bare_vm(50)).await.unwrap();
    let after = sim.inventory();
    drop(sim);
    let whole = std::fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for length in [last, last + 1, (last + whole.len()) / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let sim = Sim::open(Some(path.clone())).unwrap();
        assert_eq!(sim.inventory(), before, "cut at {length}");
        sim.start("h0", &bare_vm(50)).await.unwrap();
        drop(sim);
        assert_eq!(Sim::open(Some(path.clone())).unwrap().inventory(), after, "what follows a torn line is kept");
    }
}

#[tokio::test]
async fn a_line_without_sense_is_named_and_nothing_is_lost() {
    let (_folder, path) = scratch();
    drop(busy(&path).await);
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"Vm\":{}}\n").unwrap();
    let whole = std::fs::read(&path).unwrap();
    let lines = whole.iter().filter(|byte| **byte == b'\n').count() as u64;
    let Err(OpenError::Corrupt { line, .. }) = Sim::open(Some(path.clone())) else { panic!("has to be refused") };
    assert_eq!(line, lines);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let (_folder, path) = scratch();
    let first = Sim::open(Some(path.clone())).unwrap();
    assert!(matches!(Sim::open(Some(path.clone())), Err(OpenError::InUse { .. })));
    drop(first);
    Sim::open(Some(path)).unwrap();
}

#[tokio::test]
async fn a_grown_journal_is_rewritten_small() {
    let (_folder, path) = scratch();
    let sim = busy(&path).await;
    for _ in 0..600 {
        sim.start("h0", &bare_vm(60)).await.unwrap();
        sim.stop("h0", "i-2-60-VM", StopMode::Forced).await.unwrap();
    }
    let before = sim.inventory();
    drop(sim);
    let grown = std::fs::metadata(&path).unwrap().len();
    let sim = Sim::open(Some(path.clone())).unwrap();
    assert_eq!(sim.inventory(), before);
    assert!(std::fs::metadata(&path).unwrap().len() < grown / 10);
    sim.start("h0", &bare_vm(61)).await.unwrap();
    let after = sim.inventory();
    drop(sim);
    let sim = Sim::open(Some(path)).unwrap();
    assert_eq!(sim.inventory(), after, "what is written after the rewriting is in the new file");
}

#[test]
fn the_journal_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = scratch();
    let _sim = Sim::open(Some(path.clone())).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn what_a_killed_agent_fetched_for_its_calls_goes_with_its_next_start() {
    let (_folder, path) = scratch();
    let facts = TemplateFacts { virtual_bytes: 1, physical_bytes: 1, checksum: "{SHA-256}1".into() };
    let what = ObjectSpec { object: "o".into(), kind: ObjectKind::Template, facts, made_up: true };
    for store in [("cache", "cache://agent"), ("kept", "nfs://sim/kept")] {
        let there = async || {
            let sim = Sim::open(Some(path.clone())).unwrap();
            SecondaryStorage::connect(&*sim, store.0, store.1, &StoreDetails::new()).await.unwrap();
            let before = SecondaryStorage::list(&*sim, store.0).await.unwrap().len();
            sim.receive(store.0, &what, Box::pin(tokio::io::empty())).await.unwrap();
            // Again, as another server does; it is in use now.
            SecondaryStorage::connect(&*sim, store.0, store.1, &StoreDetails::new()).await.unwrap();
            (before, SecondaryStorage::list(&*sim, store.0).await.unwrap().len())
        };
        assert_eq!(there().await, (0, 1));
        assert_eq!(there().await, (usize::from(store.0 == "kept"), 1));
    }
}
