//! Who is let in by a password, and who says so: the setting, the order, and an authenticator that is none of ours.
use crate::it::cloud::TestCloud;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use stratus_engine::authenticators::{Authenticators, ORDER};
use stratus_model::Error;
use stratus_sample_authenticators::{Asked, Callback, NAME};
use stratus_store::{Query, User};

async fn lets_in(c: &TestCloud, name: &str, password: &str) -> bool {
    c.engine.login(name, password, None).await.is_ok()
}

async fn order(c: &TestCloud, names: &str) {
    c.ask("updateConfiguration", &[("name", ORDER), ("value", names)]).await;
}

/// The sample of `samples/authenticators`, in force by its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authenticator_from_outside_is_asked_where_the_setting_names_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let rule = move |who: &Asked<'_>| {
        count.fetch_add(1, Relaxed);
        match who.password {
            "broken" => Err(Error::Unavailable("the other side is down".into())),
            word => Ok(who.domain == "/" && word == format!("{}'s word", who.username)),
        }
    };
    let authenticators = Authenticators::default().with(Box::new(Callback(rule)));
    let c = TestCloud::with(false, stratus::simulate::BUILT_IN, |config| config.authenticators = authenticators).await.unwrap();
    c.user("anna").await;
    assert!(lets_in(&c, "anna", "p").await, "the password kept here");
    assert!(!lets_in(&c, "anna", "anna's word").await, "not named, not asked");
    assert_eq!(asked.load(Relaxed), 0);

    order(&c, &format!("{NAME}, argon2")).await;
    assert!(lets_in(&c, "anna", "anna's word").await && lets_in(&c, "anna", "p").await, "either");
    assert!(lets_in(&c, "admin", "admin's word").await);
    let before = asked.load(Relaxed);
    assert!(!lets_in(&c, "bert", "bert's word").await, "who is no user here is let in by nobody");
    assert!(!lets_in(&c, "system", "system's word").await, "nobody is the product itself");
    assert!(!lets_in(&c, "anna", "").await);
    assert_eq!(asked.load(Relaxed), before, "and the function hears of none of them");
    assert!(!lets_in(&c, "anna", "broken").await, "one that fails knows nobody, the next one is asked");
    let anna = c.engine.db.find_one::<User>(Query::live().eq("username", "anna")).await.unwrap().unwrap();
    assert_eq!(anna.failed_logins, 2, "tries are counted whoever is asked");

    c.ask("disableUser", &[("id", &anna.uuid)]).await;
    assert!(!lets_in(&c, "anna", "anna's word").await, "disabled is disabled");
    c.ask("enableUser", &[("id", &anna.uuid)]).await;

    order(&c, NAME).await;
    assert!(lets_in(&c, "anna", "anna's word").await && !lets_in(&c, "anna", "p").await, "only the function");
    c.ask("updateUser", &[("id", &anna.uuid), ("password", "new")]).await;
    order(&c, "ARGON2").await;
    assert!(lets_in(&c, "anna", "new").await && !lets_in(&c, "anna", "anna's word").await, "what was set meanwhile was kept");

    for wrong in ["NOBODY", "ARGON2,NOBODY", ","] {
        let refused = c.try_as(&c.admin, "updateConfiguration", &[("name", ORDER), ("value", wrong)]).await.unwrap_err();
        assert!(refused.codes().api == 431 && refused.to_string().contains("ARGON2, LDAP, CALLBACK"), "{wrong}: {refused}");
    }
}
