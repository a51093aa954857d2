//! A door on a real engine with a fake of the native commands.
use crate::fake::{Fake, populate};
use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use std::sync::Arc;
use stratus_ec2::{Door, router};
use stratus_engine::{Engine, EngineConfig};
use stratus_model::{Caller, Source, SteppedClock};
use stratus_sigs::sign::{Hash, Keys, sign_v2};
use stratus_store::{Db, Query, Sealer, Setting, User};
use tower::ServiceExt;

pub const KEYS: Keys<'static> = Keys { access: "access", secret: "secret" };
/// 2013-01-01T00:00:00Z
pub const NOW: i64 = 1_356_998_400_000_000;

pub struct Cloud {
    pub fake: Arc<Fake>,
    pub engine: Arc<Engine>,
    pub clock: Arc<SteppedClock>,
    pub router: Router,
    _dir: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub request_id: String,
    pub body: String,
}

impl Reply {
    /// The error code of the answer.
    pub fn code(&self) -> &str {
        self.between("<Code>", "</Code>").unwrap_or_else(|| panic!("no error in {}", self.body))
    }
    pub fn between(&self, from: &str, to: &str) -> Option<&str> {
        let rest = self.body.split_once(from)?.1;
        Some(rest.split_once(to)?.0)
    }
    pub fn has(&self, text: &str) -> bool {
        self.body.contains(text)
    }
    /// The body, ids of requests blanked, one element a line.
    pub fn shown(&self) -> String {
        self.body.replace(&self.request_id, "REQUEST").replace("><", ">\n<")
    }
}

impl Cloud {
    pub async fn new() -> Self {
        let cloud = Self::off().await;
        cloud.set("enable.ec2.api", "true").await;
        cloud
    }

    /// A cloud whose EC2 door is not turned on.
    pub async fn off() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::sqlite(&dir.path().join("stratus.db")).await.unwrap();
        let clock = Arc::new(SteppedClock::at(NOW));
        let config = EngineConfig::new(db, Sealer::new(&[7; 32]), stratus_drivers::Registry::default(), clock.clone(), "test");
        let engine = Engine::open(config).await.unwrap();
        assert!(engine.setup().await.unwrap());
        let fake = Arc::new(Fake::default());
        populate(&fake);
        let cloud = Self { router: router(Door::new(fake.clone(), engine.clone()).unwrap()), fake, engine, clock, _dir: dir };
        cloud.knows(KEYS.access, KEYS.secret).await;
        cloud
    }

    pub async fn set(&self, name: &str, value: &str) {
        let row = Setting { name: name.into(), scope: "global".into(), content: Some(value.into()), ..Default::default() };
        self.engine
            .db
            .write(move |tx| {
                Box::pin(async move {
                    tx.delete::<Setting>(Query::all().eq("name", row.name.as_str())).await?;
                    let mut row = row;
                    tx.insert(&mut row).await.map(drop)
                })
            })
            .await
            .unwrap();
        self.engine.settings.reload(&self.engine.db).await.unwrap();
    }

    /// The admin signs with these keys.
    pub async fn knows(&self, access: &str, secret: &str) {
        let caller = self.admin().await;
        self.fake.keys.lock().unwrap().insert(access.into(), (caller, secret.into()));
    }

    pub async fn admin(&self) -> Caller {
        let user = self.engine.db.must::<User>(2).await.unwrap();
        self.engine.caller_of(&user, Source::Key).await.unwrap()
    }

    /// A POST, signed with SigV2, in a version.
    pub async fn at(&self, version: &str, action: &str, parameters: &[(&str, &str)]) -> Reply {
        let mut all = vec![("Action", action), ("Version", version)];
        all.extend(parameters);
        let now = stratus_model::Clock::now(&*self.clock);
        let body = sign_v2(KEYS, "POST", "cloud:7080", "/awsapi/", &all, Hash::Sha256, now);
        let request = Request::post("/awsapi/").header("host", "cloud:7080").header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// A call in the version of today's clients.
    pub async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Reply {
        self.at("2016-11-15", action, parameters).await
    }

    /// A call that must succeed.
    pub async fn ok(&self, action: &str, parameters: &[(&str, &str)]) -> Reply {
        let reply = self.call(action, parameters).await;
        assert_eq!(reply.status, 200, "{action}: {}", reply.body);
        reply
    }

    /// A call that must fail with a code.
    pub async fn refuses(&self, code: &str, action: &str, parameters: &[(&str, &str)]) {
        let reply = self.call(action, parameters).await;
        assert_eq!(reply.code(), code, "{action} {parameters:?}: {}", reply.body);
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let request_id = response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Reply { status, request_id, body: String::from_utf8(body.to_vec()).unwrap() }
    }
}
