//! libvirt's daemon goes, comes back, and stands still, under a driver that runs on.
use crate::lab::{LIMIT, Lab};
use std::time::Duration;
use stratus_drivers::{DriverError, Host};

#[tokio::test(flavor = "multi_thread")]
async fn kvm_a_daemon_that_comes_back_is_found_again() {
    let Some(mut lab) = Lab::open(1).await else { return };
    let driver = lab.hosts[0].driver().await;
    let host = lab.hosts[0].id.clone();
    Host::connect(&*driver, &host, "http://host").await.unwrap();
    let ping = || driver.ping(&host);
    // Connections side by side, which are kept.
    let together = || async { <[_; 3]>::from(tokio::join!(ping(), ping(), ping())) };
    let answers = together().await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");

    lab.first().daemon_killed();
    let answer = ping().await;
    assert!(matches!(&answer, Err(DriverError::Unreachable(why)) if why.contains("libvirt-sock")), "{answer:?}");
    lab.first().daemon_again().await;
    let answers = together().await;
    assert!(answers.iter().all(Result::is_ok), "connections that were kept are dead, others are opened: {answers:?}");

    lab.first().daemon_halted(true);
    let short = Duration::from_secs(1);
    assert!(tokio::time::timeout(short, ping()).await.is_err(), "a daemon that stands still gives no answer");
    lab.first().daemon_halted(false);
    let answer = tokio::time::timeout(LIMIT, ping()).await;
    assert!(matches!(answer, Ok(Ok(()))), "{answer:?}");
}
