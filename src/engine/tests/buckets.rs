//! Buckets, versions, uploads and quotas as rows, on both databases.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
use std::collections::BTreeMap;
use std::sync::Arc;
use stratus_engine::account::AccountCreate;
use stratus_engine::bucket::{BucketDraft, Traffic};
use stratus_engine::bucket_object::{Expect, ObjectDraft, Refused, Span, Written};
use stratus_engine::user::NewUser;
use stratus_engine::{Call, Engine, EngineConfig};
use stratus_model::{AccountType, Error, Source, SteppedClock};
use stratus_store::{Account, Db, Event, Query, S3Bucket, S3Object, S3Part, S3Upload, Sealer, User};

struct Cloud {
    engine: Arc<Engine>,
    call: Call,
    owner: Account,
    _dir: tempfile::TempDir,
}

impl Cloud {
    /// On SQLite or on MariaDB; none where there is no MariaDB.
    async fn fresh(maria: bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let db = match maria {
            true => Db::mysql(&stratus_testkit::maria::fresh().await?).await.unwrap(),
            false => Db::sqlite(&dir.path().join("stratus.db")).await.unwrap(),
        };
        let config = EngineConfig::new(
            db,
            Sealer::new(&[7; 32]),
            stratus_drivers::Registry::default(),
            Arc::new(SteppedClock::at(1_700_000_000_000_000)),
            "test",
        );
        let engine = Engine::open(config).await.unwrap();
        assert!(engine.setup().await.unwrap());
        let user = engine.db.must::<User>(2).await.unwrap();
        let caller = Arc::new(engine.caller_of(&user, Source::Key).await.unwrap());
        let call = Call::new(engine.clone(), caller, "test", Some("S3.BUCKET.CREATE"));
        let ask = AccountCreate {
            name: Some("owner".into()),
            kind: AccountType::User,
            domain: None,
            network_domain: None,
            details: BTreeMap::new(),
            uuid: None,
            user: NewUser {
                username: "owner".into(),
                password: "p".into(),
                firstname: "A".into(),
                lastname: "B".into(),
                email: Some("a@example.com".into()),
                timezone: None,
                uuid: None,
            },
        };
        let owner = call.account_create(&call, ask).await.unwrap();
        Some(Self { engine, call, owner, _dir: dir })
    }
    async fn bucket(&self, name: &str) -> S3Bucket {
        let draft = BucketDraft {
            account_id: self.owner.id,
            domain_id: self.owner.domain_id,
            name: name.into(),
            location: None,
            acl: "[]".into(),
            quota_bytes: None,
        };
        self.call.bucket_create(&self.call, draft).await.unwrap()
    }
    async fn try_put(&self, b: &S3Bucket, key: &str, size: i64, expect: Expect) -> Result<Written, Refused> {
        let draft = ObjectDraft {
            key: key.into(),
            size,
            etag: format!("{size}"),
            meta: "{}".into(),
            acl: "[]".into(),
            account_id: self.owner.id,
            blob: Some(uuid::Uuid::new_v4().to_string()),
            expect,
            ..ObjectDraft::default()
        };
        self.engine.object_put(b, draft).await.unwrap()
    }
    async fn put(&self, b: &S3Bucket, key: &str, size: i64) -> Written {
        self.try_put(b, key, size, Expect::Anything).await.unwrap()
    }
    async fn versions(&self, b: &S3Bucket, status: &str) -> S3Bucket {
        self.call.bucket_set(&self.call, b, vec![("versioning", status.into())], "versioning").await.unwrap()
    }
    async fn clean(&self) {
        assert_eq!(self.engine.check().await.unwrap(), Vec::<String>::new());
    }
    async fn kept(&self) -> i64 {
        self.engine.s3_usage(self.owner.id).await.unwrap().bytes
    }
}

/// Runs a test on both databases.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => { mod sqlite { $(#[tokio::test] async fn $name() { super::$name(super::Cloud::fresh(false).await.unwrap()).await; })* }
        mod mariadb { $(#[tokio::test] async fn $name() { if let Some(c) = super::Cloud::fresh(true).await { super::$name(c).await; } })* } };
}
on_both!(
    a_name_is_one_buckets_until_that_is_gone,
    an_unversioned_object_is_replaced_and_counted_once,
    versions_stand_behind_each_other_and_come_back,
    conditions_and_quotas_refuse_and_leave_nothing,
    fifty_writers_of_one_key_leave_one_object,
    uploads_become_objects_or_nothing,
    buckets_go_with_their_account,
    lists_go_by_bytes,
);

async fn a_name_is_one_buckets_until_that_is_gone(c: Cloud) {
    let b = c.bucket("one").await;
    let again = BucketDraft { account_id: 2, domain_id: 1, name: "one".into(), location: None, acl: "[]".into(), quota_bytes: None };
    assert!(matches!(c.call.bucket_create(&c.call, again).await, Err(Error::Duplicate { .. })));
    c.put(&b, "k", 1).await;
    assert!(matches!(c.call.bucket_delete(&c.call, b.clone()).await, Err(Error::InUse { .. })));
    c.engine.object_delete(&b, "k".into(), None, 1).await.unwrap();
    c.call.bucket_delete(&c.call, b.clone()).await.unwrap();
    assert!(matches!(c.call.bucket_delete(&c.call, b.clone()).await, Err(Error::NotFound { .. })));
    let draft = ObjectDraft { key: "k".into(), ..ObjectDraft::default() };
    assert!(matches!(c.engine.object_put(&b, draft).await, Err(Error::NotFound { .. })), "a removed bucket takes nothing");
    c.bucket("one").await;
    let events = c.engine.db.find::<Event>(Query::all().eq("event_type", "S3.BUCKET.CREATE").eq("account_id", c.owner.id)).await.unwrap();
    assert!(events.len() >= 2);
    c.clean().await;
}

async fn an_unversioned_object_is_replaced_and_counted_once(c: Cloud) {
    let b = c.bucket("plain").await;
    let first = c.put(&b, "k", 10).await;
    assert!(!first.versioned && first.freed.is_empty());
    let second = c.put(&b, "k", 3).await;
    assert_eq!(second.freed, [first.object.blob_id.unwrap()]);
    let b2 = c.engine.bucket_named("plain").await.unwrap().unwrap();
    assert_eq!((b2.objects, b2.bytes, c.kept().await), (1, 3, 3));
    // Keys that differ by a blank at the end, by case or by an accent are different keys, also in MariaDB.
    for key in ["k ", "K", "ḱ"] {
        c.put(&b, key, 1).await;
    }
    assert_eq!(c.engine.bucket_named("plain").await.unwrap().unwrap().objects, 4);
    let gone = c.engine.object_delete(&b, "k".into(), None, 1).await.unwrap();
    assert_eq!((gone.marker, gone.freed.len()), (false, 1));
    assert!(c.engine.object_get(b.id, "k", None).await.unwrap().is_none());
    c.clean().await;
}

async fn versions_stand_behind_each_other_and_come_back(c: Cloud) {
    let b = c.bucket("versions").await;
    c.put(&b, "k", 1).await;
    let b = c.versions(&b, "Enabled").await;
    let two = c.put(&b, "k", 2).await.object;
    let three = c.put(&b, "k", 3).await.object;
    assert!(two.version != three.version && two.version != "null");
    let marker = c.engine.object_delete(&b, "k".into(), None, 1).await.unwrap();
    assert!(marker.marker && c.engine.object_get(b.id, "k", None).await.unwrap().unwrap().marker);
    assert_eq!(c.kept().await, 6);
    c.engine.object_delete(&b, "k".into(), marker.version, 1).await.unwrap();
    assert_eq!(c.engine.object_get(b.id, "k", None).await.unwrap().unwrap().version, three.version);
    c.engine.object_delete(&b, "k".into(), Some(three.version), 1).await.unwrap();
    assert_eq!(c.engine.object_get(b.id, "k", None).await.unwrap().unwrap().version, two.version);
    let b = c.versions(&b, "Suspended").await;
    let null = c.put(&b, "k", 5).await;
    assert_eq!((null.object.version.as_str(), null.freed.len()), ("null", 1));
    let span = Span { from: String::new(), until: None, older_than: None, limit: 10 };
    let all: Vec<String> = c.engine.versions_span(b.id, &span).await.unwrap().into_iter().map(|o| o.version).collect();
    assert_eq!(all, ["null".to_owned(), two.version.clone()]);
    let gone = c.engine.object_delete(&b, "k".into(), None, 1).await.unwrap();
    assert_eq!((gone.version.as_deref(), gone.freed.len(), c.kept().await), (Some("null"), 1, 2));
    c.clean().await;
}

async fn conditions_and_quotas_refuse_and_leave_nothing(c: Cloud) {
    let b = c.bucket("strict").await;
    assert!(matches!(c.try_put(&b, "k", 1, Expect::Etag("1".into())).await, Err(Refused::Precondition { exists: false })));
    c.try_put(&b, "k", 1, Expect::Absent).await.unwrap();
    assert!(matches!(c.try_put(&b, "k", 2, Expect::Absent).await, Err(Refused::Precondition { exists: true })));
    assert!(matches!(c.try_put(&b, "k", 2, Expect::Etag("9".into())).await, Err(Refused::Precondition { exists: true })));
    c.try_put(&b, "k", 2, Expect::Etag("1".into())).await.unwrap();
    c.call.s3_quota_set(&c.call, &c.owner, Some(100)).await.unwrap();
    assert!(matches!(c.try_put(&b, "k", 101, Expect::Anything).await, Err(Refused::Full(_))));
    assert_eq!(c.engine.object_get(b.id, "k", None).await.unwrap().unwrap().size_bytes, 2, "what was there is there");
    c.put(&b, "k", 100).await;
    assert!(matches!(c.try_put(&b, "other", 1, Expect::Anything).await, Err(Refused::Full(_))));
    c.put(&b, "k", 1).await;
    let b = c.call.bucket_set(&c.call, &b, vec![("quota_bytes", 5_i64.into())], "quota").await.unwrap();
    assert!(matches!(c.try_put(&b, "other", 5, Expect::Anything).await, Err(Refused::Full(_))));
    c.put(&b, "other", 4).await;
    c.engine.s3_traffic(vec![(c.owner.id, Traffic { gets: 2, puts: 1, bytes_in: 5, bytes_out: 7 })]).await.unwrap();
    let usage = c.engine.s3_usage(c.owner.id).await.unwrap();
    assert_eq!((usage.gets, usage.puts, usage.bytes_in, usage.bytes_out, usage.bytes), (2, 1, 5, 7, 5));
    c.clean().await;
}

async fn fifty_writers_of_one_key_leave_one_object(c: Cloud) {
    let b = c.bucket("busy").await;
    let writers = (0..50).map(|n| c.put(&b, "k", n));
    let written = futures::future::join_all(writers).await;
    let freed: usize = written.iter().map(|w| w.freed.len()).sum();
    assert_eq!(freed, 49);
    let once = (0..20).map(|_| c.try_put(&b, "once", 1, Expect::Absent));
    let once = futures::future::join_all(once).await;
    assert_eq!(once.iter().filter(|o| o.is_ok()).count(), 1, "one of twenty may say it was first");
    let b = c.versions(&b, "Enabled").await;
    futures::future::join_all((0..20).map(|n| c.put(&b, "v", n))).await;
    assert_eq!(c.engine.db.count::<S3Object>(Query::all().eq("bucket_id", b.id).eq("latest", true)).await.unwrap(), 3);
    c.clean().await;
}

async fn uploads_become_objects_or_nothing(c: Cloud) {
    let b = c.bucket("parts").await;
    let draft = S3Upload { object_key: "big".into(), account_id: c.owner.id, meta: "{}".into(), acl: "[]".into(), ..Default::default() };
    let up = c.engine.upload_create(&b, draft.clone()).await.unwrap();
    let part = |number: i64, size: i64| S3Part {
        number,
        size_bytes: size,
        blob_id: uuid::Uuid::new_v4().to_string(),
        etag: format!("e{number}"),
        checksums: "[]".into(),
        ..Default::default()
    };
    for (number, size) in [(1, 10), (2, 20), (3, 30), (2, 25)] {
        let freed = c.engine.part_put(&b, &up, part(number, size)).await.unwrap().unwrap();
        assert_eq!(freed.len(), usize::from(size == 25), "a part sent again takes the other's place");
    }
    assert_eq!(c.kept().await, 65);
    let parts = c.engine.part_list(&up, 0, 10).await.unwrap();
    let chosen: Vec<S3Part> = parts.iter().filter(|p| p.number != 3).cloned().collect();
    let whole = ObjectDraft {
        key: "big".into(),
        size: 35,
        etag: "x-2".into(),
        parts: chosen,
        account_id: c.owner.id,
        meta: "{}".into(),
        acl: "[]".into(),
        ..Default::default()
    };
    let done = c.engine.upload_complete(&b, &up, whole.clone()).await.unwrap().unwrap();
    assert_eq!((done.freed.len(), c.kept().await), (1, 35));
    assert!(matches!(c.engine.upload_complete(&b, &up, whole).await.unwrap(), Err(Refused::NoUpload)));
    assert_eq!(c.engine.object_parts(done.object.id).await.unwrap().iter().map(|p| p.size_bytes).collect::<Vec<_>>(), [10, 25]);
    assert!(matches!(c.engine.part_put(&b, &up, part(4, 1)).await.unwrap(), Err(Refused::NoUpload)));
    let other = c.engine.upload_create(&b, draft).await.unwrap();
    c.engine.part_put(&b, &other, part(1, 7)).await.unwrap().unwrap();
    c.clean().await;
    assert_eq!(c.engine.upload_abort(&b, &other).await.unwrap().unwrap().len(), 1);
    assert!(c.engine.upload_abort(&b, &other).await.unwrap().is_none());
    assert_eq!(c.engine.object_delete(&b, "big".into(), None, 1).await.unwrap().freed.len(), 2);
    assert_eq!(c.kept().await, 0);
    c.clean().await;
}

async fn buckets_go_with_their_account(c: Cloud) {
    let b = c.bucket("going").await;
    let w = c.put(&b, "k", 5).await;
    let blob = w.object.blob_id.unwrap();
    assert!(c.engine.blobs_named(std::slice::from_ref(&blob)).await.unwrap().contains(&blob));
    c.call.account_delete(&c.call, c.owner.clone()).await.unwrap();
    assert!(c.engine.bucket_named("going").await.unwrap().is_none());
    assert!(c.engine.blobs_named(&[blob]).await.unwrap().is_empty(), "its file is the sweep's");
    let draft =
        BucketDraft { account_id: c.owner.id, domain_id: 1, name: "late".into(), location: None, acl: "[]".into(), quota_bytes: None };
    assert!(matches!(c.call.bucket_create(&c.call, draft).await, Err(Error::Denied(_))));
    c.clean().await;
}

async fn lists_go_by_bytes(c: Cloud) {
    let b = c.bucket("sorted").await;
    for key in ["b", "a/1", "a", "é", "Z", "a\u{1}", "😀", "a0"] {
        c.put(&b, key, 1).await;
    }
    let span = Span { from: String::new(), until: None, older_than: None, limit: 100 };
    let keys: Vec<String> = c.engine.objects_span(b.id, &span).await.unwrap().into_iter().map(|o| o.object_key).collect();
    assert_eq!(keys, ["Z", "a", "a\u{1}", "a/1", "a0", "b", "é", "😀"]);
    c.clean().await;
}
