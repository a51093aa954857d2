//! Delays and faults strike where they are told to and nowhere else.
use crate::world::{bare_vm, furnished, vm};
use std::time::Duration;
use stratus_drivers::{DriverError, Host, StopMode};
use stratus_sim::{Fault, FaultKind, Op};
use tokio::time::{Instant, timeout};

fn failed() -> FaultKind {
    FaultKind::Fail(DriverError::Failed("told to".into()))
}

#[tokio::test]
async fn the_nth_call_fails_once_and_changes_nothing() {
    let sim = furnished().await;
    sim.inject(Fault::nth(Op::Start, 2, failed()));
    sim.start("h0", &vm(1)).await.unwrap();
    let before = sim.inventory();
    assert_eq!(sim.start("h0", &vm(2)).await.unwrap_err().to_string(), "told to");
    assert_eq!(sim.inventory(), before);
    sim.start("h0", &vm(2)).await.unwrap();
    assert_eq!((sim.count(Op::Start), sim.count(Op::Stop)), (3, 0));
}

#[tokio::test]
async fn a_fault_counts_only_calls_that_name_its_target() {
    let sim = furnished().await;
    sim.inject(Fault::nth(Op::Start, 2, failed()).on("h1").lasting());
    for number in 1..=3 {
        sim.start("h0", &vm(number)).await.unwrap();
    }
    sim.start("h1", &bare_vm(11)).await.unwrap();
    for number in 12..15 {
        sim.start("h1", &bare_vm(number)).await.unwrap_err();
    }
    sim.clear_faults();
    sim.start("h1", &bare_vm(12)).await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_is_a_done_deed() {
    let sim = furnished().await;
    sim.inject(Fault::nth(Op::Start, 1, FaultKind::Lose).on("i-2-1-VM"));
    assert!(matches!(sim.start("h0", &vm(1)).await, Err(DriverError::Unreachable(_))));
    assert_eq!(sim.inventory().host_of("i-2-1-VM"), Some("h0"));
    sim.start("h0", &vm(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn delays_take_the_time_they_say() {
    let sim = furnished().await;
    sim.set_delay(Op::Start, Duration::from_millis(200));
    let begin = Instant::now();
    sim.start("h0", &vm(1)).await.unwrap();
    assert_eq!(begin.elapsed().as_millis(), 200);
    sim.stop("h0", "i-2-1-VM", StopMode::Graceful).await.unwrap();
    assert_eq!(begin.elapsed().as_millis(), 200);
    let given_up = timeout(Duration::from_millis(100), sim.start("h0", &vm(1))).await;
    assert!(given_up.is_err() && sim.inventory().running == 0, "a caller that gives up has changed nothing");
}

#[tokio::test(start_paused = true)]
async fn what_hangs_goes_on_when_it_is_released() {
    let sim = furnished().await;
    sim.inject(Fault::nth(Op::Start, 1, FaultKind::Hang).lasting());
    let start = |number| {
        let sim = sim.clone();
        tokio::spawn(async move { sim.start("h0", &vm(number)).await })
    };
    let (first, second) = (start(1), start(2));
    sim.until_hanging(2).await;
    assert_eq!(sim.inventory().running, 0);
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    sim.release_hangs();
    first.await.unwrap().unwrap();
    assert_eq!(sim.inventory().running, 1);
    let later = start(3);
    sim.until_hanging(1).await;
    assert!(!later.is_finished(), "a release is for what hangs now");
    sim.release_hangs();
    later.await.unwrap().unwrap();
}
