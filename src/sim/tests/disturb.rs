//! The text form of delays and faults.
use std::time::Duration;
use stratus_drivers::DriverError;
use stratus_sim::{Disturbance, Fault, FaultKind, Op};

fn fault(text: &str) -> Fault {
    match text.parse() {
        Ok(Disturbance::Fault(fault)) => fault,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn every_operation_has_a_word_of_its_own() {
    for op in Op::ALL {
        assert_eq!(op.word().parse(), Ok(*op));
    }
}

#[test]
fn delays_and_faults_are_read() {
    for (text, millis) in [("start:delay=200ms", 200), ("disk-create:delay=2s", 2000), ("ping:delay=0us", 0), ("fetch:delay=1m", 60_000)] {
        match text.parse() {
            Ok(Disturbance::Delay { delay, .. }) => assert_eq!(delay, Duration::from_millis(millis), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let third = fault("start:fail@3");
    assert_eq!((third.op, third.target, third.nth, third.lasting), (Op::Start, None, 3, false));
    assert!(matches!(third.kind, FaultKind::Fail(DriverError::Failed(_))));
    let named = fault("stop/i-2-3-VM:fail=no-room@2+");
    assert_eq!((named.op, named.target.as_deref(), named.nth, named.lasting), (Op::Stop, Some("i-2-3-VM"), 2, true));
    assert!(matches!(named.kind, FaultKind::Fail(DriverError::NoRoom(_))));
    assert!(matches!(fault("ping:hang").kind, FaultKind::Hang) && fault("ping:hang").lasting);
    assert!(matches!(fault("fetch/http://a:1/b:lose@1").target.as_deref(), Some("http://a:1/b")));
}

#[test]
fn errors_name_the_field() {
    for (text, field) in [
        ("", "what"),
        ("start", "what"),
        ("strat:fail", "operation"),
        ("start/:fail", "target"),
        ("start/h0:delay=1s", "target"),
        ("start:delay=1s@2", "count"),
        ("start:delay=1", "delay"),
        ("start:delay=ms", "delay"),
        ("start:delay=-1s", "delay"),
        ("start:delay=99999999999999999m", "delay"),
        ("start:explode", "what"),
        ("start:fail=badly", "error"),
        ("start:fail@0", "count"),
        ("start:fail@", "count"),
        ("start:fail@+1", "count"),
        ("start:fail@1++", "count"),
        ("start:hang@x", "count"),
    ] {
        match text.parse::<Disturbance>() {
            Err(error) => assert_eq!(error.field, field, "{text}: {error}"),
            Ok(read) => panic!("{text} was read as {read:?}"),
        }
    }
}
