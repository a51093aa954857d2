//! From the ids in a request to rows: what exists, and what the caller may touch.
use crate::declare::{AsTopic, Parameter};
use crate::params::split;
use crate::request::Given;
use stratus_engine::{Call, Owned as OwnedRow, Topic};
use stratus_model::{Error, Kind, Result, Role};
use stratus_store::{Query, Table};

/// A row that requests name by uuid.
pub(crate) trait Found: Table {
    /// What it is, for messages.
    const KIND: Kind;
    /// The owner (account, domain); the product itself for what belongs to nobody.
    fn owner(&self) -> (i64, i64) {
        (1, 1)
    }
}

/// Declares that requests name a row by uuid: `found!(Zone => Kind::Zone)`.
macro_rules! found {
    ($t:ident => $kind:expr) => {
        impl crate::resolve::Found for stratus_store::$t {
            const KIND: stratus_model::Kind = $kind;
        }
    };
    ($t:ident owned) => {
        impl crate::resolve::Found for stratus_store::$t {
            const KIND: stratus_model::Kind = <Self as stratus_engine::Owned>::KIND;
            fn owner(&self) -> (i64, i64) {
                stratus_engine::Owned::owner(self)
            }
        }
    };
}
pub(crate) use found;

found!(Domain => Kind::Domain);
found!(Zone => Kind::Zone);
found!(Pod => Kind::Pod);
found!(Cluster => Kind::Cluster);
found!(Host => Kind::Host);
found!(StoragePool => Kind::StoragePool);
found!(ImageStore => Kind::ImageStore);
found!(OsCategory => Kind::GuestOsCategory);
found!(Vm owned);
found!(S3Bucket owned);
found!(Volume owned);
found!(Account owned);
found!(Project owned);
found!(ProjectInvitation => Kind::ProjectInvitation);
found!(User owned);
found!(UserCertificate owned);
found!(Job => Kind::Job);

/// A thing that exists.
#[derive(Debug, Clone)]
pub(crate) struct Ref<T>(pub T);

/// A thing that exists and that the caller may touch.
#[derive(Debug, Clone)]
pub(crate) struct Owned<T>(pub T);

/// As [`Owned`], for ids that the contract lists as optional although nothing can be done without them.
#[derive(Debug, Clone)]
pub(crate) struct Due<T>(pub T);

/// Whether things of a kind are no more to a caller than if they were not there: the machines and stores below a zone are their
/// administrators' business, and an id that is refused differently from one that never was would tell that it is.
fn hidden(call: &Call, kind: Kind) -> bool {
    let below = matches!(kind, Kind::Host | Kind::Pod | Kind::Cluster | Kind::StoragePool | Kind::ImageStore);
    below && matches!(call.caller.role(), Role::User | Role::DomainAdmin)
}

/// The row with this uuid, or with this internal number as clients of old send it. In a job also one that is removed by now; and a
/// list that is asked for something by its id after it was removed is empty, so that clients can wait for an end.
async fn lookup<T: Found>(call: &Call, name: &'static str, text: &str) -> Result<T> {
    let text = text.trim();
    if call.job.is_none() && hidden(call, T::KIND) {
        return Err(Error::not_found(T::KIND, text));
    }
    let listed = name == "id" && call.command.starts_with("list");
    let q = if call.job.is_some() || listed || !T::keeps_removed() { Query::all() } else { Query::live() };
    let q = match text.parse::<i64>() {
        Ok(n) => q.eq("id", n),
        Err(_) => q.eq("uuid", text.to_ascii_lowercase()),
    };
    let found = call.db.find_one::<T>(q).await?;
    found.ok_or_else(|| {
        tracing::debug!(parameter = name, "an id that is not there");
        Error::not_found(T::KIND, text)
    })
}

/// What a job's parameter named when it was made; who asked was checked then.
pub(crate) async fn named<T: Found>(call: &Call, name: &'static str, text: &str) -> Result<T> {
    lookup(call, name, text).await
}

impl<T: Found> Parameter for Option<Ref<T>> {
    const KIND: &'static str = "uuid";
    const REQUIRED: bool = false;
    async fn take(call: &Call, given: &mut Given, name: &'static str, _: usize) -> Result<Self> {
        match given.take(name) {
            Some(text) => lookup(call, name, &text).await.map(|t| Some(Ref(t))),
            None => Ok(None),
        }
    }
}
impl<T: Found> Parameter for Ref<T> {
    const KIND: &'static str = "uuid";
    async fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
        <Option<Self> as Parameter>::take(call, given, name, length).await?.ok_or_else(|| given.missing(name))
    }
}
impl<T: Found> Parameter for Option<Vec<Ref<T>>> {
    const KIND: &'static str = "list";
    const REQUIRED: bool = false;
    async fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
        let Some(ids) = split(given, name, length)? else { return Ok(None) };
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            rows.push(Ref(lookup(call, name, &id).await?));
        }
        Ok(Some(rows))
    }
}
impl<T: Found> Parameter for Vec<Ref<T>> {
    const KIND: &'static str = "list";
    async fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
        <Option<Self> as Parameter>::take(call, given, name, length).await?.ok_or_else(|| given.missing(name))
    }
}

impl<T: Found + OwnedRow> Parameter for Option<Owned<T>> {
    const KIND: &'static str = "uuid";
    const REQUIRED: bool = false;
    async fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
        let Some(Ref(row)) = <Option<Ref<T>> as Parameter>::take(call, given, name, length).await? else { return Ok(None) };
        // A job's caller was checked when the job was made.
        if call.job.is_none() {
            call.touch(&row, name).await?;
        }
        Ok(Some(Owned(row)))
    }
}
impl<T: Found + OwnedRow> Parameter for Owned<T> {
    const KIND: &'static str = "uuid";
    async fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
        <Option<Self> as Parameter>::take(call, given, name, length).await?.ok_or_else(|| given.missing(name))
    }
}
impl<T: Found + OwnedRow> Parameter for Option<Vec<Owned<T>>> {
    const KIND: &'static str = "list";
    const REQUIRED: bool = false;
    async fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
        let Some(rows) = <Option<Vec<Ref<T>>> as Parameter>::take(call, given, name, length).await? else { return Ok(None) };
        let mut mine = Vec::with_capacity(rows.len());
        for Ref(row) in rows {
            if call.job.is_none() {
                call.touch(&row, name).await?;
            }
            mine.push(Owned(row));
        }
        Ok(Some(mine))
    }
}
impl<T: Found + OwnedRow> Parameter for Vec<Owned<T>> {
    const KIND: &'static str = "list";
    async fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
        <Option<Self> as Parameter>::take(call, given, name, length).await?.ok_or_else(|| given.missing(name))
    }
}

impl<T: Found + OwnedRow> Parameter for Due<T> {
    const KIND: &'static str = "uuid";
    const REQUIRED: bool = false;
    async fn take(call: &Call, given: &mut Given, name: &'static str, length: usize) -> Result<Self> {
        let found = <Option<Owned<T>> as Parameter>::take(call, given, name, length).await?;
        found.map(|Owned(row)| Self(row)).ok_or_else(|| given.missing(name))
    }
}

fn topic_of<T: Found>(row: &T) -> Topic {
    let (account, domain) = row.owner();
    Topic { account, domain, kind: T::KIND, id: row.id() }
}
impl<T: Found> AsTopic for Ref<T> {
    fn topic(&self) -> Topic {
        topic_of(&self.0)
    }
}
impl<T: Found> AsTopic for Owned<T> {
    fn topic(&self) -> Topic {
        topic_of(&self.0)
    }
}
impl<T: Found> AsTopic for Due<T> {
    fn topic(&self) -> Topic {
        topic_of(&self.0)
    }
}
