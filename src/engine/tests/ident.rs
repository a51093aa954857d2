//! Who is who: the fresh install, the tree of domains, logins and limits, on a real database and a stepped clock.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
use std::collections::BTreeMap;
use std::sync::Arc;
use stratus_engine::account::{AccountCreate, AccountFilter, Standing};
use stratus_engine::alert::{AlertChoice, AlertFilter, alert_kind};
use stratus_engine::configuration::{ConfigurationFilter, Place};
use stratus_engine::domain::{DomainCreate, DomainFilter, shown_path};
use stratus_engine::event::{EVENT_TYPES, EventChoice, EventFilter};
use stratus_engine::limit::Holder;
use stratus_engine::user::NewUser;
use stratus_engine::{Call, Engine, EngineConfig, ScopeRequest};
use stratus_model::{AccountType, Error, Limit, Source, SteppedClock};
use stratus_store::{Account, Alert, Db, Domain, Event, Host, Query, ResourceCount, Sealer, User};

struct Cloud {
    engine: Arc<Engine>,
    clock: Arc<SteppedClock>,
    _dir: tempfile::TempDir,
}

const MINUTE: i64 = 60_000_000;

impl Cloud {
    /// On SQLite or on MariaDB; none where there is no MariaDB.
    async fn fresh(maria: bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let db = match maria {
            true => Db::mysql(&stratus_testkit::maria::fresh().await?).await.unwrap(),
            false => Db::sqlite(&dir.path().join("stratus.db")).await.unwrap(),
        };
        let clock = Arc::new(SteppedClock::at(1_700_000_000_000_000));
        let config = EngineConfig::new(db, Sealer::new(&[7; 32]), stratus_drivers::Registry::default(), clock.clone(), "test");
        let engine = Engine::open(config).await.unwrap();
        assert!(engine.setup().await.unwrap());
        Some(Self { engine, clock, _dir: dir })
    }
    async fn call_of(&self, user: &User, event: &'static str) -> Call {
        let caller = self.engine.caller_of(user, Source::Key).await.unwrap();
        Call::new(self.engine.clone(), Arc::new(caller), "test", Some(event))
    }
    async fn admin(&self, event: &'static str) -> Call {
        let user = self.engine.db.must::<User>(2).await.unwrap();
        self.call_of(&user, event).await
    }
    async fn domain(&self, name: &str, parent: Option<&Domain>) -> Domain {
        let call = self.admin("DOMAIN.CREATE").await;
        let ask = DomainCreate { name: name.into(), parent: parent.cloned(), network_domain: None, uuid: None };
        call.domain_create(&call, ask).await.unwrap()
    }
    async fn account(&self, name: &str, kind: AccountType, domain: Option<&Domain>) -> (Account, User) {
        let call = self.admin("ACCOUNT.CREATE").await;
        let a = call.account_create(&call, ask(name, kind, domain)).await.unwrap();
        let u = call.db.find_one::<User>(Query::live().eq("account_id", a.id)).await.unwrap().unwrap();
        (a, u)
    }
}

fn ask(name: &str, kind: AccountType, domain: Option<&Domain>) -> AccountCreate {
    AccountCreate {
        name: Some(name.into()),
        kind,
        domain: domain.cloned(),
        network_domain: None,
        details: BTreeMap::new(),
        uuid: None,
        user: NewUser {
            username: name.into(),
            password: format!("{name}'s"),
            firstname: "A".into(),
            lastname: "B".into(),
            email: Some("a@example.com".into()),
            timezone: None,
            uuid: None,
        },
    }
}

stratus_testkit::on_both! {
    Cloud::fresh;
    a_fresh_database_is_filled_once_and_lets_admin_in
    domains_nest_and_a_rename_moves_all_below
    nobody_reaches_above_itself
    wrong_passwords_lock_out_and_sessions_run_out
    fifty_parallel_takes_cannot_pass_a_limit
    limits_are_set_below_those_above_and_counters_are_repaired
    settings_are_checked_and_hold_at_once
    calls_are_counted_for_all_servers_and_throttled
    alerts_are_raised_once_mailed_resolved_and_put_away
}

async fn a_fresh_database_is_filled_once_and_lets_admin_in(c: Cloud) {
    assert!(!c.engine.setup().await.unwrap(), "the second time there is nothing to do");
    let names: Vec<(i64, String)> = c.engine.db.find::<Account>(Query::live()).await.unwrap().into_iter().map(|a| (a.id, a.name)).collect();
    assert_eq!(names, [(1, "system".into()), (2, "admin".into())]);
    let (user, first) = c.engine.login("admin", "password", None).await.unwrap();
    assert!(user.default_password && first.caller.is_root());
    assert!(c.engine.login("system", "!", None).await.is_err());
    let (caller, secret) = c.engine.by_api_key(user.api_key.as_deref().unwrap()).await.unwrap().unwrap();
    assert_eq!((caller.account_name.as_str(), secret.len()), ("admin", 86));
}

async fn domains_nest_and_a_rename_moves_all_below(c: Cloud) {
    let mut at = c.domain("a", None).await;
    let sibling = c.domain("ab", None).await;
    let top = at.clone();
    for name in ["b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        at = c.domain(name, Some(&at)).await;
    }
    assert_eq!((at.level, shown_path(&at.path).as_str()), (10, "ROOT/a/b/c/d/e/f/g/h/i/j"));

    let call = c.admin("DOMAIN.UPDATE").await;
    let again = DomainCreate { name: "ab".into(), parent: None, network_domain: None, uuid: None };
    assert!(matches!(call.domain_create(&call, again).await, Err(Error::Duplicate { .. })));
    let same_id = DomainCreate { name: "x".into(), parent: None, network_domain: None, uuid: Some(at.uuid.clone()) };
    assert!(matches!(call.domain_create(&call, same_id).await, Err(Error::Duplicate { .. })));
    call.domain_update(&call, top.clone(), Some("z".into()), None).await.unwrap();
    assert_eq!(call.db.must::<Domain>(at.id).await.unwrap().path, "/z/b/c/d/e/f/g/h/i/j/");
    assert_eq!(call.db.must::<Domain>(sibling.id).await.unwrap().path, "/ab/");

    let (account, _) = c.account("deep", AccountType::User, Some(&at)).await;
    let (_, boss) = c.account("boss", AccountType::DomainAdmin, Some(&call.db.must(top.id).await.unwrap())).await;
    let boss = c.call_of(&boss, "X").await;
    let all = DomainFilter { listall: true, page: (0, 500), ..Default::default() };
    assert_eq!(boss.domain_list(&boss, all).await.unwrap().count, 10, "its own tree, not the sibling's");
    let scope = boss.scope(&ScopeRequest { listall: true, ..Default::default() }).await.unwrap();
    let seen = boss.account_list(&scope, AccountFilter { page: (0, 500), ..Default::default() }).await.unwrap();
    assert_eq!(seen.count, 2);
    let outside = DomainFilter { domain: Some(sibling.clone()), page: (0, 500), ..Default::default() };
    assert!(matches!(boss.domain_list(&boss, outside).await, Err(Error::Denied(_))));

    let refused = call.domain_delete(&call, call.db.must(top.id).await.unwrap(), false).await;
    assert!(matches!(refused, Err(Error::InUse { .. })));
    call.domain_delete(&call, call.db.must(top.id).await.unwrap(), true).await.unwrap();
    assert!(call.db.must::<Account>(account.id).await.unwrap().removed.is_some());
    assert_eq!(call.db.count::<Domain>(Query::live()).await.unwrap(), 2);
}

async fn nobody_reaches_above_itself(c: Cloud) {
    let (_, boss) = c.account("boss", AccountType::DomainAdmin, None).await;
    let (plain, user) = c.account("plain", AccountType::User, None).await;
    let (boss, mine) = (c.call_of(&boss, "X").await, c.call_of(&user, "X").await);
    let admin = c.engine.db.must::<User>(2).await.unwrap();
    // A domain administrator of ROOT covers every domain, yet no root administrator.
    assert!(matches!(boss.user_keys_create(&boss, admin.clone()).await, Err(Error::Denied(_))));
    let (account, root) = (boss.db.must::<Account>(2).await.unwrap(), boss.db.must::<Domain>(1).await.unwrap());
    assert_eq!(boss.secret_shown(&admin, &account, &root), None);
    assert!(c.admin("X").await.secret_shown(&admin, &account, &root).is_some());
    assert!(matches!(boss.account_create(&boss, ask("root2", AccountType::RootAdmin, None)).await, Err(Error::Denied(_))));
    let call = c.admin("USER.CREATE").await;
    let twin = call.user_create(&call, plain, ask("twin", AccountType::User, None).user).await.unwrap();
    assert!(matches!(mine.user_update(&mine, twin, Default::default()).await, Err(Error::Denied(_))));
    let (key, secret) = mine.user_keys_create(&mine, user).await.unwrap();
    assert_eq!(c.engine.by_api_key(&key).await.unwrap().unwrap().1, secret);
}

async fn wrong_passwords_lock_out_and_sessions_run_out(c: Cloud) {
    let (_, user) = c.account("anna", AccountType::User, Some(&c.domain("d", None).await)).await;
    let login = |password: &'static str| c.engine.login("anna", password, Some("ROOT/d"));
    let (_, first) = login("anna's").await.unwrap();
    assert!(c.engine.by_session(&first.cookie, Some(&first.session.session_key)).await.unwrap().is_some());
    c.clock.step(29 * MINUTE);
    assert!(c.engine.session_of(&first.cookie).await.unwrap().is_some(), "in use");
    c.clock.step(29 * MINUTE);
    assert!(c.engine.session_of(&first.cookie).await.unwrap().is_some(), "the last use counts");
    c.clock.step(31 * MINUTE);
    assert!(c.engine.session_of(&first.cookie).await.unwrap().is_none());

    let (_, second) = login("anna's").await.unwrap();
    assert!(c.engine.by_session(&second.cookie, None).await.unwrap().is_none(), "a cookie without its key");
    assert!(c.engine.session_of(&second.cookie).await.unwrap().is_none(), "and the session has ended");
    let (_, third) = login("anna's").await.unwrap();
    c.engine.logout(&third.cookie).await.unwrap();
    assert!(c.engine.session_of(&third.cookie).await.unwrap().is_none());

    for _ in 0..5 {
        assert!(login("wrong").await.is_err());
    }
    assert!(login("anna's").await.is_err(), "disabled now");
    let call = c.admin("USER.ENABLE").await;
    call.user_stand(&call, call.db.must(user.id).await.unwrap(), Standing::Enabled).await.unwrap();
    assert!(login("anna's").await.is_ok());
    for _ in 0..7 {
        assert!(c.engine.login("admin", "wrong", None).await.is_err());
    }
    assert!(c.engine.login("admin", "password", None).await.is_ok(), "a stranger cannot shut the administrator out");
    let types: Vec<String> =
        c.engine.db.find::<Event>(Query::all().eq("user_id", user.id)).await.unwrap().into_iter().map(|e| e.event_type).collect();
    assert_eq!(types, ["USER.LOGIN", "USER.LOGIN", "USER.LOGIN", "USER.LOGOUT", "USER.LOGIN"]);
}

async fn fifty_parallel_takes_cannot_pass_a_limit(c: Cloud) {
    let d = c.domain("d", None).await;
    let (account, _) = c.account("anna", AccountType::User, Some(&d)).await;
    let id = account.id;
    let takes = (0..50).map(|_| {
        let engine = c.engine.clone();
        let db = engine.db.clone();
        async move { db.write(move |tx| Box::pin(async move { engine.take(tx, id, &[(Limit::Vm, 1), (Limit::Cpu, 2)]).await })).await }
    });
    let done = futures::future::join_all(takes).await;
    assert_eq!(done.iter().filter(|r| r.is_ok()).count(), 20, "max.account.user.vms is 20");
    assert!(done.iter().filter_map(|r| r.as_ref().err()).all(|e| matches!(e, Error::LimitReached { limit: Limit::Vm, .. })));
    for (kind, owner) in [("account", id), ("domain", d.id), ("domain", 1)] {
        let q = Query::all().eq("owner_kind", kind).eq("owner_id", owner).within("resource", [0_i64, 8]).order("resource");
        let used: Vec<i64> = c.engine.db.find::<ResourceCount>(q).await.unwrap().iter().map(|r| r.used).collect();
        assert_eq!(used, [20, 40]);
    }
}

async fn limits_are_set_below_those_above_and_counters_are_repaired(c: Cloud) {
    let top = c.domain("top", None).await;
    let low = c.domain("low", Some(&top)).await;
    let (account, _) = c.account("anna", AccountType::User, Some(&low)).await;
    let call = c.admin("RESOURCE.LIMIT.UPDATE").await;
    let set = |h: Holder, l: Limit, max: i64| {
        let call = call.clone();
        async move { call.limit_update(&call, h, l, max).await }
    };
    set(Holder::Domain(top.clone()), Limit::Vm, 3).await.unwrap();
    assert!(matches!(set(Holder::Domain(low.clone()), Limit::Vm, 4).await, Err(Error::Invalid { .. })));
    assert_eq!(set(Holder::Account(account.clone()), Limit::PrimaryStorage, 7).await.unwrap().max, 7);
    let id = account.id;
    let take = |n| {
        let engine = c.engine.clone();
        let db = engine.db.clone();
        async move { db.write(move |tx| Box::pin(async move { engine.take(tx, id, &[(Limit::Vm, n)]).await })).await }
    };
    assert!(matches!(take(4).await, Err(Error::LimitReached { max: 3, .. })), "the domain above counts");
    take(3).await.unwrap();
    let shown = call.allowances(&[Holder::Domain(low.clone()), Holder::Account(account.clone())]).await.unwrap();
    assert_eq!((shown[0][0].used, shown[1][0].max, shown[1][10].max, shown[1][9].max), (3, 20, 7, 40960));
    // There is no VM behind those three, and the recount finds that at every level.
    for holder in [Holder::Account(account), Holder::Domain(low), Holder::Domain(top)] {
        let now = call.limit_recount(&call, holder, None).await.unwrap();
        assert!(now.len() == 12 && now.iter().all(|a| a.used == 0));
    }
}

async fn settings_are_checked_and_hold_at_once(c: Cloud) {
    let call = c.admin("CONFIGURATION.VALUE.EDIT").await;
    let set = |name: &'static str, value: &'static str, place: Place| {
        let call = call.clone();
        async move { call.configuration_update(&call, name, Some(value.to_owned()), place).await }
    };
    assert!(matches!(set("no.such.setting", "1", Place::CLOUD).await, Err(Error::NotFound { .. })));
    assert!(matches!(set("enable.ec2.api", "maybe", Place::CLOUD).await, Err(Error::Invalid { .. })));
    assert!(matches!(set("cpu.overprovisioning.factor", "0.5", Place::CLOUD).await, Err(Error::Invalid { .. })));
    set("enable.ec2.api", "true", Place::CLOUD).await.unwrap();
    assert!(call.settings.flag("enable.ec2.api"));
    let cluster = Place { scope: "cluster", id: 9 };
    assert!(set("enable.ec2.api", "true", cluster).await.is_err());
    set("cpu.overprovisioning.factor", "4.0", cluster).await.unwrap();
    assert_eq!(call.settings.factor("cpu.overprovisioning.factor", "cluster", 9), 4.0);
    assert_eq!(call.settings.factor("cpu.overprovisioning.factor", "cluster", 8), 1.0);

    assert_eq!(set("alert.smtp.password", "geheim", Place::CLOUD).await.unwrap().value, None);
    assert_eq!(call.setting_secret("alert.smtp.password").unwrap().as_deref(), Some("geheim"));
    let all = call.configuration_list(&ConfigurationFilter { page: (0, 500), ..Default::default() });
    assert!(all.count > 300 && all.rows.iter().all(|r| r.value.as_deref() != Some("geheim") && !r.definition.description.is_empty()));

    let scope = call.scope(&ScopeRequest { listall: true, ..Default::default() }).await.unwrap();
    let edits = EventFilter { kind: Some("CONFIGURATION.VALUE.EDIT".into()), page: (0, 10), ..Default::default() };
    let events = call.event_list(&scope, edits.clone()).await.unwrap();
    assert!(events.count == 3 && events.rows.iter().all(|e| !e.description.contains("geheim")));
    assert!(call.events_archive(&call, EventChoice::default()).await.is_err(), "nothing chosen");
    let one = EventChoice { uuids: vec![events.rows[0].uuid.clone()], ..Default::default() };
    let filing = c.admin("EVENT.ARCHIVE").await;
    filing.events_archive(&filing, one).await.unwrap();
    assert_eq!(call.event_list(&scope, edits.clone()).await.unwrap().count, 2);
    filing.events_delete(&filing, EventChoice { kind: edits.kind.clone(), ..Default::default() }).await.unwrap();
    assert_eq!(call.event_list(&scope, edits).await.unwrap().count, 0);
    assert!(EVENT_TYPES.len() > 270 && EVENT_TYPES.contains(&"VM.CREATE"));
}

async fn calls_are_counted_for_all_servers_and_throttled(c: Cloud) {
    let (_, user) = c.account("anna", AccountType::User, None).await;
    let call = c.call_of(&user, "X").await;
    let admin = c.admin("API.LIMIT.RESET").await;
    assert!(c.engine.api_count(&call.caller).await.is_ok(), "off");
    for (name, value) in [("api.throttling.enabled", "true"), ("api.throttling.max", "4"), ("api.throttling.interval", "10")] {
        admin.configuration_update(&admin, name, Some(value.into()), Place::CLOUD).await.unwrap();
    }
    // A second server on the same database, where there can be one, counts on.
    let config =
        EngineConfig::new(c.engine.db.clone(), Sealer::new(&[7; 32]), stratus_drivers::Registry::default(), c.clock.clone(), "other");
    let other = match c.engine.db.dialect() {
        stratus_store::Dialect::Mysql => Engine::open(config).await.unwrap(),
        stratus_store::Dialect::Sqlite => c.engine.clone(),
    };
    for engine in [&c.engine, &other, &c.engine, &other] {
        engine.api_count(&call.caller).await.unwrap();
    }
    c.clock.step(4_000_000);
    let refused = c.engine.api_count(&call.caller).await.unwrap_err();
    assert!(matches!(refused, Error::Throttled { retry_ms: 6000 }), "{refused}");
    assert_eq!((refused.codes().api, refused.codes().cs), (429, 4545));
    assert!(c.engine.api_count(&admin.caller).await.is_ok(), "root administrators are not throttled");
    let at = other.api_use(call.caller.account_id).await.unwrap();
    assert_eq!((at.issued, at.allowed, at.expires), (5, 0, 6));
    c.clock.step(6_000_000);
    assert!(c.engine.api_count(&call.caller).await.is_ok(), "a new interval");
    for _ in 0..4 {
        let _ = c.engine.api_count(&call.caller).await;
    }
    assert!(c.engine.api_count(&call.caller).await.is_err());
    admin.api_reset(&admin, None).await.unwrap();
    assert!(c.engine.api_count(&call.caller).await.is_ok());
}

async fn alerts_are_raised_once_mailed_resolved_and_put_away(c: Cloud) {
    let call = c.admin("ALERT.ARCHIVE").await;
    let sink = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = sink.local_addr().unwrap().port().to_string();
    for (name, value) in [
        ("alert.smtp.host", "127.0.0.1"),
        ("alert.smtp.port", &port),
        ("alert.email.addresses", "ops@example.com, boss@example.com"),
        ("alert.email.sender", "cloud@example.com"),
    ] {
        call.configuration_update(&call, name, Some(value.into()), Place::CLOUD).await.unwrap();
    }
    let mail = tokio::spawn(stratus_testkit::mail::one(sink));
    let now = call.now();
    let host = Host {
        uuid: "h".into(),
        name: "h1".into(),
        zone_id: 1,
        pod_id: 1,
        cluster_id: 1,
        state: "Up".into(),
        last_ping: now,
        ..Default::default()
    };
    let host = call.db.write(move |tx| Box::pin(async move { tx.insert(&mut host.clone()).await })).await.unwrap();
    let stand = async |state: &'static str| {
        call.db.write(move |tx| Box::pin(async move { tx.set::<Host>(host, vec![("state", state.into())]).await })).await.unwrap()
    };
    let open = async || call.db.find::<Alert>(Query::live().null("resolved")).await.unwrap();
    stand("Disconnected").await;
    assert_eq!(c.engine.alerts_check().await.unwrap(), 0, "not silent for long enough");
    c.clock.step(3 * MINUTE);
    assert_eq!(c.engine.alerts_check().await.unwrap(), 1);
    assert_eq!(c.engine.alerts_check().await.unwrap(), 1);
    let alerts = open().await;
    assert_eq!((alerts.len(), alerts[0].alert_type, alerts[0].sent_count), (1, 6, 2), "one alert, counted up");
    let text = mail.await.unwrap();
    assert!(text.contains("ops@example.com, boss@example.com") && text.contains("h1"), "{text}");
    stand("Up").await;
    assert_eq!(c.engine.alerts_check().await.unwrap(), 0);
    assert!(open().await.is_empty(), "the host is back");

    let all = || AlertFilter { page: (0, 10), ..Default::default() };
    assert_eq!(call.alert_list(all()).await.unwrap().count, 1, "what is resolved is still told");
    assert!(call.alerts_archive(&call, AlertChoice::default()).await.is_err(), "everything at once is refused");
    call.alerts_archive(&call, AlertChoice { kind: Some(6), ..Default::default() }).await.unwrap();
    assert_eq!(call.alert_list(all()).await.unwrap().count, 0);
    assert!(alert_kind("26").is_err() && alert_kind("25").unwrap() == 25);
    call.configuration_update(&call, "alert.purge.delay", Some("1".into()), Place::CLOUD).await.unwrap();
    c.clock.step(24 * 60 * MINUTE);
    c.engine.alerts_check().await.unwrap();
    assert_eq!(call.db.count::<Alert>(Query::live()).await.unwrap(), 0, "forgotten after a day");
}
