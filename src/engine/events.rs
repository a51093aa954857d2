use crate::Call;
use stratus_model::{Kind, Result};
use stratus_store::{Event, Tx};
use uuid::Uuid;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Info,
    /// Worth a look.
    Warn,
    /// It failed.
    Error,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// What an event is about: whose thing, of what kind, with which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Topic {
    /// The account that owns the thing.
    pub account: i64,
    /// That account's domain.
    pub domain: i64,
    /// What the thing is.
    pub kind: Kind,
    /// Its key; 0 for none.
    pub id: i64,
}

impl Topic {
    /// Something of the caller's own.
    pub fn of_caller(call: &Call, kind: Kind, id: i64) -> Self {
        Self { account: call.caller.account_id, domain: call.caller.domain_id, kind, id }
    }
}

impl Call {
    /// Writes the event of a finished synchronous command, of the type that its declaration names, in the command's transaction.
    pub async fn log(&self, tx: &mut Tx, topic: Topic, description: impl Into<String>) -> Result<()> {
        let Some(kind) = self.event else { return Ok(()) };
        // Inside a job the runner writes Started and Completed itself.
        if self.job.is_some() {
            return Ok(());
        }
        self.write_event(tx, kind, Level::Info, "Completed", topic, description.into(), None).await.map(drop)
    }

    /// Writes an event of any type.
    pub async fn write_event(
        &self,
        tx: &mut Tx,
        kind: &str,
        level: Level,
        state: &str,
        topic: Topic,
        description: String,
        start: Option<i64>,
    ) -> Result<i64> {
        let mut e = Event {
            uuid: Uuid::new_v4().to_string(),
            event_type: kind.into(),
            level: level.word().into(),
            state: state.into(),
            description,
            user_id: self.caller.user_id,
            account_id: topic.account,
            domain_id: topic.domain,
            start_id: start,
            resource_type: Some(topic.kind.instance_type().into()),
            resource_id: Some(topic.id),
            created: self.now(),
            ..Default::default()
        };
        tx.insert(&mut e).await
    }
}
